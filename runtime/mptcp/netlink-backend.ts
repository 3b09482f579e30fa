/**
 * Path managers on an unpatched kernel (Linux 5.19 and later): the same bytecode runs in the virtual machine of this
 * process, fed by the kernel's MPTCP events; the subflows that it asks for are created through generic netlink.
 *
 * What netlink cannot give is absent: the remote token and the keys are zero, and events reach the program after the
 * fact. So an incoming subflow that the program refuses exists for a moment: the kernel tells of it when it is up, and it
 * is taken down then, where the patched kernel answers the SYN with a reset. Sessions that are open already when it starts
 * keep their subflows and are not managed: their past cannot be told to the program.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { SOCK_OPS_FIELDS } from "../../compiler/bpf/sock-ops.ts";
import type { BpfModule } from "../../compiler/module.ts";
import { createMachine, drawFault, type Machine } from "../vm/machine.ts";
import { RuntimeError } from "../kernel/errors.ts";
import { inNetns } from "../kernel/places.ts";
import { encodeParams } from "../kernel/load.ts";
import { addressText, isMapped, watchAddresses, type AddressWatch } from "./addresses.ts";
import { openMptcpNetlink, type Endpoint, type MptcpEvent, type MptcpNetlink } from "./generic-netlink.ts";
import { localAddresses, LOCAL_ADDRESSES_MAP, type LocalAddresses } from "./local-addresses.ts";
import { contextBytes, localId, sessionTable, type Delivery, type Session, type Subflow } from "./sessions.ts";
import { openSessions } from "./sock-diag.ts";
import { errnoName } from "../kernel/syscalls.ts";

export interface NetlinkOptions {
  /** Name of a network namespace, a path to one, or a process id; absent: the caller's. */
  readonly netns?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  /** Hears of every event, and of what came of it. */
  readonly report?: (report: NetlinkReport) => void;
}
export type NetlinkReport =
  | { readonly kind: "event"; readonly event: string; readonly token: number; readonly steps: number }
  | {
      readonly kind: "subflow";
      readonly token: number;
      readonly from: string;
      readonly to: string;
      readonly errno: number;
    }
  | {
      /** An incoming subflow was refused by the program, and taken down. */
      readonly kind: "refused";
      readonly token: number;
      readonly from: string;
      readonly to: string;
      readonly errno: number;
    }
  | { readonly kind: "log"; readonly text: string }
  | { readonly kind: "warning"; readonly text: string };

export interface NetlinkBackend {
  readonly machine: Machine;
  readonly sessions: ReadonlyMap<number, Session>;
  /** Events that the kernel dropped because we were too slow (ENOBUFS), counted in bursts. */
  readonly overruns: number;
  readonly counts: {
    readonly events: number;
    readonly requested: number;
    readonly created: number;
    readonly refused: number;
    /** Incoming subflows that the program refused. */
    readonly turnedAway: number;
  };
  close(): void;
}

const EINVAL = -22;
const ENOTCONN = -107;
const EOPNOTSUPP = -95;

export function startNetlinkBackend(module: BpfModule, options: NetlinkOptions = {}): NetlinkBackend {
  const { netns } = options;
  const report = options.report ?? (() => undefined);
  const warn = (text: string): void => report({ kind: "warning", text });
  const programs = module.programs.filter((program) => program.type === "sock_ops").map((program) => program.name);
  if (programs.length === 0) throw new RuntimeError("bad-object", "the object has no path manager");

  const machine = createMachine(withParams(module, options.params ?? {}), {
    services: {
      cpus: 1,
      cpu: () => 0,
      now: () => process.hrtime.bigint(),
      random: () => Math.floor(Math.random() * 2 ** 32),
      print: (text) => report({ kind: "log", text }),
    },
    engine: "interpreter",
  });
  const table = sessionTable();
  const decides = module.needs.includes("event:mptcp-accept-subflow");
  const counts = { events: 0, requested: 0, created: 0, refused: 0, turnedAway: 0 };
  let overruns = 0;
  const restore = chooseUserspace(netns, warn);
  let netlink: MptcpNetlink | undefined;
  let addresses: AddressWatch | undefined;
  try {
    const pm = openMptcpNetlink(netns);
    netlink = pm;
    const locals = localsOf(module, machine, warn);

    /** Runs the programs on one event; whether one of them replied 1 to a question. */
    const deliver = (delivery: Delivery): boolean => {
      let refused = false;
      const context = contextBytes(delivery);
      const view = new DataView(context.buffer);
      const wanted: (() => void)[] = [];
      for (const program of programs) {
        const outcome = machine.runSockOps(program, {
          read: (field, index) => {
            const row = SOCK_OPS_FIELDS[field];
            const at = row.offset + index * row.bytes;
            return row.bytes === 8 ? view.getBigUint64(at, true) : view.getUint32(at, true);
          },
          services: {
            socket: delivery.session,
            // A server cannot reach a client's port, and the kernel's netlink path manager is for clients.
            openSubflow: (local, remote) =>
              delivery.session.serverSide
                ? EOPNOTSUPP
                : request(delivery, wanted, local, remote, defaultEnds(delivery), openOne),
            closeSubflow: (local, remote) =>
              request(delivery, wanted, local, remote, wantedEnds(delivery, local, remote), closeOne),
            setPriority: (both, backup) => {
              const half = both.length / 2;
              const [local, remote] = [both.slice(0, half), both.slice(half)];
              const ends = wantedEnds(delivery, local, remote);
              return request(delivery, wanted, local, remote, ends, (session, from, to) =>
                eachSubflow(session, from, to, (one) =>
                  pm.setBackup(session.token, one.local, one.remote, backup !== 0),
                ),
              );
            },
          },
        });
        counts.events++;
        // The reply lies where the token was: what no program wrote is none.
        if (delivery.asks && outcome.ok && outcome.returned === 1)
          refused ||= outcome.args[0] === 1 && delivery.args[0] !== 1;
        if (outcome.ok)
          report({ kind: "event", event: delivery.event, token: delivery.session.token, steps: outcome.steps });
        else warn(drawFault(outcome.fault));
      }
      // As in the kernel, the work is done after the program has returned.
      for (const work of wanted) work();
      return refused;
    };
    /** The programs are told in order; once one refuses a subflow, no more of it. */
    const tell = (deliveries: readonly Delivery[]): void => {
      for (const delivery of deliveries) {
        const { session, subflow } = delivery;
        if (delivery.asks && !decides) continue;
        if (!deliver(delivery) || !subflow) continue;
        table.refuse(session, subflow);
        const errno = pm.destroySubflow(session.token, subflow.local, subflow.remote);
        counts.turnedAway++;
        const [from, to] = [endpointText(subflow.remote), endpointText(subflow.local)];
        report({ kind: "refused", token: session.token, from, to, errno });
        return;
      }
    };

    const openOne = (session: Session, from: Endpoint, to: Endpoint): number => {
      const id = localId(session, from.bytes);
      counts.requested++;
      const errno = pm.createSubflow(session.token, { ...from, id }, to);
      counts[errno === 0 ? "created" : "refused"]++;
      report({ kind: "subflow", token: session.token, from: endpointText(from), to: endpointText(to), errno });
      return errno;
    };
    const closeOne = (session: Session, from: Endpoint, to: Endpoint): number =>
      eachSubflow(session, from, to, (one) => pm.destroySubflow(session.token, one.local, one.remote));

    pm.listen(
      (event) => {
        tell(table.take(event));
      },
      () => {
        overruns++;
        warn("the kernel dropped MPTCP events: this machine is overloaded, or too many sessions open at once");
        // The ends of sessions may be among what was lost: those that the kernel has no more are over.
        const held = new Set(openSessions(netns, "any state").map((session) => session.token));
        for (const token of [...table.sessions.keys()].filter((one) => !held.has(one)))
          tell(table.take(closedEvent(token)));
      },
    );
    addresses = watchAddresses(
      netns,
      (address) => {
        locals?.add(address);
        tell(table.localChange(address, true));
      },
      (address) => {
        locals?.remove(address);
        for (const session of table.sessions.values()) {
          const key = Buffer.from(address.bytes).toString("hex");
          const id = session.localIds.get(key);
          // The peer must hear of it, or it would go on sending there. The first subflow's address has id 0.
          if (id !== undefined) pm.remove(session.token, id);
          if (sameAddress(session.local.bytes, address.bytes)) pm.remove(session.token, 0);
          session.localIds.delete(key);
        }
        tell(table.localChange(address, false));
      },
    );
    for (const address of addresses.current) locals?.add(address);
    const open = openSessions(netns).length;
    if (open > 0)
      warn(
        `${open} MPTCP ${open === 1 ? "session is" : "sessions are"} open already: ${open === 1 ? "it keeps its" : "they keep their"} subflows and ${open === 1 ? "is" : "are"} not managed`,
      );
  } catch (error) {
    addresses?.close();
    netlink?.close();
    restore();
    throw error;
  }
  return {
    machine,
    sessions: table.sessions,
    get overruns() {
      return overruns;
    },
    counts,
    close() {
      addresses?.close();
      netlink?.close();
      restore();
    },
  };
}

/** Whether two addresses are one; an IPv6 socket has IPv4 ones as ::ffff:192.0.2.1. */
const sameAddress = (of: Uint8Array, address: Uint8Array): boolean =>
  Buffer.compare(of, address) === 0 || (isMapped(of) && Buffer.compare(of.subarray(12), address) === 0);

const closedEvent = (token: number): MptcpEvent => ({
  name: "closed",
  token,
  family: undefined,
  local: undefined,
  remote: undefined,
  localId: 0,
  remoteId: 0,
  backup: false,
  serverSide: false,
  error: 0,
});

interface Ends {
  readonly local: Endpoint;
  readonly remote: Endpoint;
}
/** What a new subflow gets where the program leaves something out: the event's addresses, any local port. */
const defaultEnds = ({ session, subflow }: Delivery): Ends => ({
  local: { bytes: session.local.bytes, port: 0 },
  remote: (subflow ?? session).remote,
});
/** What is meant by addresses of subflows that exist: none at all is the event's own, zero fields match all. */
function wantedEnds({ session, subflow }: Delivery, local: Uint8Array, remote: Uint8Array): Ends {
  if (local.length === 0 && remote.length === 0) return subflow ?? session;
  const any = { bytes: new Uint8Array(session.local.bytes.length), port: 0 };
  return { local: any, remote: any };
}

/** Checks a helper's addresses at once, and queues the rest. The errno of what is queued shows in the reports only. */
function request(
  { session }: Delivery,
  queue: (() => void)[],
  local: Uint8Array,
  remote: Uint8Array,
  ends: Ends,
  act: (session: Session, from: Endpoint, to: Endpoint) => number,
): number {
  const from = endpoint(local, ends.local);
  const to = endpoint(remote, ends.remote);
  if (!from || !to || from.bytes.length !== to.bytes.length) return EINVAL;
  if (!session.established) return ENOTCONN;
  queue.push(() => void act(session, from, to));
  return 0;
}

/** Does something to every subflow that matches; the last errno, 0 when all went well. */
function eachSubflow(session: Session, from: Endpoint, to: Endpoint, act: (subflow: Subflow) => number): number {
  let result = 0;
  for (const subflow of [...session.subflows.values()].filter((one) => matches(one, from, to)))
    result = act(subflow) || result;
  return result;
}

/** A struct sockaddr_in or sockaddr_in6; zero fields and a missing address take what `other` has. */
function endpoint(bytes: Uint8Array, other: Endpoint): Endpoint | undefined {
  if (bytes.length === 0) return other;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const family = bytes.length >= 2 ? view.getUint16(0, true) : 0;
  const size = family === 2 && bytes.length >= 8 ? 4 : family === 10 && bytes.length >= 24 ? 16 : 0;
  if (size === 0) return family === 0 ? other : undefined;
  const at = size === 4 ? 4 : 8;
  const address = bytes.slice(at, at + size);
  const port = view.getUint16(2, false);
  const given = address.some((byte) => byte !== 0);
  // An address of its own without a port goes to the session's port.
  return { bytes: given ? address : other.bytes, port: port || other.port };
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);
const matches = (subflow: Subflow, from: Endpoint, to: Endpoint): boolean =>
  [
    [subflow.local, from],
    [subflow.remote, to],
  ].every(
    ([have, want]) =>
      (isZero(want!.bytes) || sameAddress(have!.bytes, want!.bytes)) && (want!.port === 0 || want!.port === have!.port),
  );

export const endpointText = ({ bytes, port }: Endpoint): string =>
  `${bytes.length === 16 ? `[${addressText(bytes)}]` : addressText(bytes)}${port === 0 ? "" : `:${port}`}`;

function localsOf(module: BpfModule, machine: Machine, warn: (text: string) => void): LocalAddresses | undefined {
  const spec = module.maps.find((map) => map.name === LOCAL_ADDRESSES_MAP);
  const map = machine.maps.get(LOCAL_ADDRESSES_MAP);
  if (!spec || !map) return undefined;
  return localAddresses(
    spec,
    { store: (slot, value) => void map.write(new Uint8Array(new Uint32Array([slot]).buffer), [value]) },
    warn,
  );
}

/** The module with its params set, for machines that have no loader. */
export function withParams(module: BpfModule, params: Readonly<Record<string, unknown>>): BpfModule {
  const values = encodeParams(module, params);
  if (values.size === 0) return module;
  return {
    ...module,
    globals: module.globals.map((variable) => ({
      ...variable,
      init: (variable.param ? values.get(variable.name) : undefined) ?? variable.init,
    })),
  };
}

const SYSCTL = { name: "/proc/sys/net/mptcp/path_manager", number: "/proc/sys/net/mptcp/pm_type" } as const;

/** Makes new sessions of the namespace use the netlink path manager; the returned function puts back what was there. */
function chooseUserspace(netns: string | undefined, warn: (text: string) => void): () => void {
  const [path, value] = inNetns(netns, () => {
    for (const [file, wanted] of [
      [SYSCTL.name, "userspace"],
      [SYSCTL.number, "1"],
    ] as const) {
      try {
        const before = readFileSync(file, "utf8").trim();
        if (before === wanted) return [undefined, before];
        writeFileSync(file, wanted);
        return [file, before];
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === "ENOENT") continue;
        throw new RuntimeError("not-permitted", `choosing the userspace path manager: ${code}`, {
          help: "run as root",
        });
      }
    }
    throw new RuntimeError("kernel-lacks", "this kernel has no MPTCP path manager for user space", {
      help: "it needs Linux 5.19 or later with CONFIG_MPTCP",
    });
  });
  return () => {
    if (path === undefined) return;
    try {
      inNetns(netns, () => writeFileSync(path, value));
    } catch (error) {
      warn(`could not set ${path} back to ${value}: ${errnoName((error as NodeJS.ErrnoException).errno ?? 0)}`);
    }
  };
}
