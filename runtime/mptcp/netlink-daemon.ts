/**
 * A path manager beside the kernel: its bytecode in the virtual machine of this process, fed by the kernel's MPTCP events
 * and by its list of sessions, and what it asks for done through generic netlink. netlink-backend.ts opens the doors.
 */
import { isMapped } from "../../compiler/addresses.ts";
import { SOCK_OPS_FIELDS, type SockOpsField } from "../../compiler/bpf/kinds/sock-ops.ts";
import { holdsLocalAddresses } from "../../compiler/local-addresses.ts";
import { withParams, type BpfModule } from "../../compiler/module.ts";
import { ERRNO } from "../vm/errno.ts";
import { createMachine, drawFault, type Machine } from "../vm/machine.ts";
import { keepLocalAddresses, type LocalAddresses } from "../vm/maps/local-addresses.ts";
import { isSocketStorage } from "../vm/maps/sk-storage.ts";
import { RuntimeError } from "../kernel/errors.ts";
import { encodeParams } from "../kernel/load.ts";
import type { AddressChange, AddressWatch, HostAddress } from "./addresses.ts";
import { batches, type Batches } from "./batches.ts";
import {
  defaultEnds,
  eachSubflow,
  endpoint,
  endpointText,
  matches,
  sameAddress,
  wantedEnds,
  type Ends,
} from "./ends.ts";
import type { Endpoint, MptcpNetlink } from "./generic-netlink.ts";
import { refuseNamedMap } from "./named-map.ts";
import { request, takesFamily, takesRequests } from "./requests.ts";
import {
  contextBytes,
  expired,
  forgetLocalId,
  LIMITS,
  localChange,
  localId,
  sessionTable,
  type Delivery,
  type Limits,
  type Session,
  type Subflow,
} from "./sessions.ts";
import type { SockDiag } from "./sock-diag.ts";
import { surveySessions, type Found } from "./survey.ts";

export interface DaemonOptions {
  readonly params?: Readonly<Record<string, unknown>>;
  /** Hears of every event, and of what came of it. */
  readonly report?: (report: NetlinkReport) => void;
  /** Seconds between two looks at the kernel's list; absent: 10, and more where a look takes long. */
  readonly surveySeconds?: number;
  readonly limits?: Limits;
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
      /** The program announced an address; a refusal is told once per address of a session. */
      readonly kind: "announced";
      readonly token: number;
      readonly address: string;
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
  /** What is about to be changed on the machine, or how things stand. */
  | { readonly kind: "notice"; readonly text: string }
  | { readonly kind: "warning"; readonly text: string };

export interface Daemon {
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
    /** Sessions that were found in the kernel's list, and ended ones that were missing there. */
    readonly found: number;
    readonly lost: number;
  };
  /** Sessions that wait for their turn after a change that concerns many. */
  readonly waiting: number;
  close(): void;
}

/** Looks at the kernel's list take at most a twentieth of the time, and are this far apart at least, and at most. */
const SHARE = 20;
const SURVEY_SECONDS = { least: 10, most: 300 };
/** The announcements of a session, refused ones included, that are remembered. */
const MOST_ANNOUNCEMENTS = 512;
/** The most that a program may set a timer to, in milliseconds. */
const A_DAY = 24 * 60 * 60 * 1000;
/** Events for which the kernel is asked about the connection. */
const WITH_FACTS: ReadonlySet<string> = new Set([
  "MptcpSubflowEstablished",
  "MptcpTimer",
] satisfies Delivery["event"][]);
/** No session has this token: the end of a batch. */
const LAST = -1;

/** What the daemon talks to: the kernel, or a test in its place. */
export interface Doors {
  readonly pm: MptcpNetlink;
  readonly diag: SockDiag;
  watchAddresses(added: AddressChange, removed: AddressChange): AddressWatch;
}

/** Loads the programs, tells them of the sessions that are open, and follows what comes. */
export function startDaemon(module: BpfModule, doors: Doors, options: DaemonOptions = {}): Daemon {
  const { pm, diag } = doors;
  const { limits = LIMITS } = options;
  const report = options.report ?? (() => undefined);
  const warn = (text: string): void => report({ kind: "warning", text });
  const programs = module.programs.filter((program) => program.type === "sock_ops").map((program) => program.name);
  if (programs.length === 0) throw new RuntimeError("bad-object", "the object has no path manager");

  const machine = createMachine(withParams(module, encodeParams(module, options.params ?? {})), {
    services: {
      cpus: 1,
      cpu: () => 0,
      now: () => process.hrtime.bigint(),
      random: () => Math.floor(Math.random() * 2 ** 32),
      print: (text) => report({ kind: "log", text }),
    },
    engine: "interpreter",
  });
  const storages = [...machine.maps.values()].filter(isSocketStorage);
  const table = sessionTable(limits);
  const decides = module.needs.includes("event:mptcp-accept-subflow");
  const counts = { events: 0, requested: 0, created: 0, refused: 0, turnedAway: 0, found: 0, lost: 0 };
  const queue: Batches = batches();
  let overruns = 0;
  let addresses: AddressWatch | undefined;
  let timer: NodeJS.Timeout | undefined;
  const timers = new Map<Session, { readonly due: number; readonly timeout: NodeJS.Timeout }>();
  const close = (): void => {
    clearTimeout(timer);
    for (const { timeout } of timers.values()) clearTimeout(timeout);
    queue.close();
    addresses?.close();
  };
  try {
    const locals = localsOf(module, machine, warn);
    /** Subflows that exist already, while the beginning of their session is told. */
    let existing: Subflow[] = [];

    /** Runs the programs on one event; whether one of them replied 1 to a question. */
    const deliver = (delivery: Delivery): boolean => {
      let refused = false;
      const context = contextBytes(WITH_FACTS.has(delivery.event) ? withFacts(delivery) : delivery);
      const view = new DataView(context.buffer);
      const wanted: (() => void)[] = [];
      /** Subflows that this run has asked for. */
      const opening: Opening[] = [];
      for (const program of programs) {
        const outcome = machine.run(program, {
          read(field: SockOpsField, index) {
            const row = SOCK_OPS_FIELDS[field];
            const at = row.offset + index * row.bytes;
            return row.bytes === 8 ? view.getBigUint64(at, true) : view.getUint32(at, true);
          },
          services: {
            socket: delivery.session,
            // A server cannot reach a client's port, and the kernel's netlink path manager is for clients.
            openSubflow: (local, remote) =>
              delivery.session.serverSide && takesRequests(delivery)
                ? ERRNO.EOPNOTSUPP
                : request(delivery, wanted, local, remote, defaultEnds(delivery), (session, from, to) => {
                    const one: Opening = { local: from, remote: to, backup: false };
                    opening.push(one);
                    return () => openOne(session, from, to, one);
                  }),
            closeSubflow: (local, remote) =>
              request(
                delivery,
                wanted,
                local,
                remote,
                wantedEnds(delivery, local, remote),
                (...ends) =>
                  () =>
                    closeOne(...ends),
              ),
            setTimer: (ms) => (takesRequests(delivery) ? setTimer(delivery.session, ms) : ERRNO.ENOTCONN),
            announce: (address, what) => announce(delivery, wanted, address, what),
            setPriority: (both, backup) => {
              const half = both.length / 2;
              const [local, remote] = [both.slice(0, half), both.slice(half)];
              const ends = wantedEnds(delivery, local, remote);
              return request(delivery, wanted, local, remote, ends, (session, from, to) => {
                for (const one of opening) if (matches(one, from, to)) one.backup = backup !== 0;
                return () =>
                  eachSubflow(session, from, to, (one) =>
                    pm.setBackup(session.token, one.local, one.remote, backup !== 0),
                  );
              });
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
      if (delivery.event === "MptcpCloseSession") {
        for (const map of storages) map.forget(delivery.session);
        stopTimer(delivery.session);
      }
      return refused;
    };
    /** What the kernel knows of the subflow's connection. */
    const withFacts = (delivery: Delivery): Delivery => {
      const tcp = delivery.subflow && diag.tcp(delivery.subflow.local, delivery.subflow.remote);
      return tcp ? { ...delivery, tcp } : delivery;
    };
    const stopTimer = (session: Session): void => {
      clearTimeout(timers.get(session)?.timeout);
      timers.delete(session);
    };
    /** As in the kernel, the earliest time counts. */
    const setTimer = (session: Session, ms: number): number => {
      if (ms > A_DAY) return ERRNO.EINVAL;
      const due = performance.now() + ms;
      const set = timers.get(session);
      if (set && set.due <= due) return 0;
      stopTimer(session);
      const timeout = setTimeout(
        () => {
          timers.delete(session);
          if (table.sessions.get(session.token) !== session) return;
          queue.flush(session.token);
          if (table.sessions.get(session.token) === session) tell(expired(session));
        },
        Math.max(1, ms),
      );
      timeout.unref();
      timers.set(session, { due, timeout });
      return 0;
    };
    const announce = (delivery: Delivery, later: (() => void)[], address: Uint8Array, what: number): number => {
      const { session } = delivery;
      const named = endpoint(address, { bytes: session.local.bytes, port: 0 });
      const end = named && isMapped(named.bytes) ? { ...named, bytes: named.bytes.slice(12) } : named;
      if (!takesRequests(delivery)) return ERRNO.ENOTCONN;
      if (!end || address.length === 0 || (what !== 0 && what !== 1) || !takesFamily(session, end)) return ERRNO.EINVAL;
      // The peer knows it.
      if (sameAddress(session.local.bytes, end.bytes)) return 0;
      later.push(() => {
        // Subflows from an address give it an id, too: it is not announced by that.
        const isAnnounced = session.announcements?.get(keyOf(end.bytes)) === 0;
        if (what === 0 && isAnnounced) withdraw(session, end.bytes);
        if (what === 1 && !isAnnounced) announceOne(session, end);
      });
      return 0;
    };
    const announceOne = (session: Session, end: Endpoint): void => {
      const key = keyOf(end.bytes);
      const announcements = (session.announcements ??= new Map<string, number>());
      const fresh = session.localIds?.has(key) !== true;
      const id = localId(session, end.bytes);
      const errno = id === undefined ? ERRNO.ENOSPC : pm.announce(session.token, { ...end, id });
      if (errno !== 0 && fresh) forgetLocalId(session, end.bytes);
      const isNews = announcements.get(key) !== errno;
      // At most 255 have an id.
      if (errno === 0 || announcements.size < MOST_ANNOUNCEMENTS) announcements.set(key, errno);
      if (isNews) report({ kind: "announced", token: session.token, address: endpointText(end), errno });
    };
    /** The programs are told in order; once one refuses a subflow, no more of it. */
    const tell = (deliveries: readonly Delivery[]): void => {
      const turnedAway = new Set<Subflow>();
      for (const delivery of deliveries) {
        const { session, subflow } = delivery;
        if (delivery.asks && !decides) continue;
        if (subflow && turnedAway.has(subflow)) continue;
        if (!deliver(delivery) || !subflow) continue;
        turnedAway.add(subflow);
        table.refuse(session, subflow);
        const errno = pm.destroySubflow(session.token, subflow.local, subflow.remote);
        counts.turnedAway++;
        const [from, to] = [endpointText(subflow.remote), endpointText(subflow.local)];
        report({ kind: "refused", token: session.token, from, to, errno });
      }
    };

    const openOne = (session: Session, from: Endpoint, to: Endpoint, { backup }: Opening): number => {
      const there = existing.findIndex((one) => matches(one, from, to));
      if (there >= 0) {
        existing.splice(there, 1);
        return 0;
      }
      counts.requested++;
      const fresh = session.localIds?.has(keyOf(from.bytes)) !== true;
      const id = localId(session, from.bytes);
      const errno = id === undefined ? ERRNO.ENOSPC : pm.createSubflow(session.token, { ...from, id, backup }, to);
      if (errno !== 0 && fresh) forgetLocalId(session, from.bytes);
      counts[errno === 0 ? "created" : "refused"]++;
      report({ kind: "subflow", token: session.token, from: endpointText(from), to: endpointText(to), errno });
      return errno;
    };
    /** Addresses whose links are down. */
    const down = new Set<string>();
    const closeOne = (session: Session, from: Endpoint, to: Endpoint): number => {
      const gone = new Map<string, Uint8Array>();
      const left = new Set([...session.subflows.values()]);
      const errno = eachSubflow(session, from, to, (one) => {
        left.delete(one);
        if (down.has(keyOf(one.local.bytes))) gone.set(keyOf(one.local.bytes), one.local.bytes);
        return pm.destroySubflow(session.token, one.local, one.remote);
      });
      // A FIN from there gets nowhere: as in the kernel, the address is withdrawn with the last subflow from it.
      for (const one of left) gone.delete(keyOf(one.local.bytes));
      for (const bytes of gone.values()) withdraw(session, bytes);
      return errno;
    };
    /** The peer must hear that an address is gone, or it would go on sending there. The first subflow's has id 0. */
    const withdraw = (session: Session, address: Uint8Array): void => {
      const id = forgetLocalId(session, address);
      session.announcements?.delete(keyOf(address));
      if (id !== undefined) pm.remove(session.token, id);
      if (sameAddress(session.local.bytes, address)) pm.remove(session.token, 0);
    };

    /** Sessions that began under the kernel's path manager. */
    const others = new Set<number>();
    const adopt = ({ session, subflows }: Found): void => {
      if (table.sessions.has(session.token)) return;
      if (!pm.manages(session.token, session.local, session.remote)) {
        if (diag.has(session.token)) others.add(session.token);
        return;
      }
      const adopted = table.adopt(session, subflows);
      if (!adopted) return;
      counts.found++;
      existing = [...adopted.opened];
      tell(adopted.begin);
      existing = [];
      tell(adopted.then());
    };
    let surveyed = { at: 0, took: 0 };
    /** Events were dropped: changes of known sessions may be among them. */
    let lost = false;
    /** Compares with the kernel's list. Gives the tokens of sessions that are found, and will be told of. */
    const survey = (): ReadonlySet<number> => {
      const subflowsToo = lost;
      lost = false;
      const begin = performance.now();
      const most = Math.max(0, limits.sessions - table.sessions.size);
      const { ended, unknown, known } = surveySessions(diag, table, others, { subflowsToo, most });
      surveyed = { at: performance.now(), took: performance.now() - begin };
      const found = new Set(unknown.keys());
      queue.add(ended, ({ token }) => {
        counts.lost++;
        tell(table.end(token));
      });
      queue.add(new Map([...known].map(([token, subflows]) => [token, { token, subflows }])), ({ token, subflows }) => {
        const session = table.sessions.get(token);
        if (session) tell(table.catchUp(session, subflows));
      });
      queue.add(unknown, adopt);
      again();
      return found;
    };
    /** Not when it was done a moment ago, and never for most of the time. */
    const due = (): boolean => performance.now() - surveyed.at > Math.max(100, SHARE * surveyed.took);
    const look = (): void => {
      if (lost || table.sessions.size > 0 || others.size > 0) survey();
      else again();
    };
    const again = (seconds?: number): void => {
      clearTimeout(timer);
      const wait = Math.min(SURVEY_SECONDS.most, Math.max(SURVEY_SECONDS.least, (SHARE * surveyed.took) / 1000));
      const chosen = seconds === undefined ? (options.surveySeconds ?? wait) : Math.min(seconds, SURVEY_SECONDS.most);
      timer = setTimeout(look, 1000 * chosen);
      timer.unref();
    };
    /** At once where that is not too often, else as soon as it is not. */
    const lookSoon = (): void =>
      due() ? look() : again(Math.max(100, SHARE * surveyed.took - (performance.now() - surveyed.at)) / 1000);

    pm.listen(
      (event) => {
        queue.flush(event.token);
        tell(table.take(event));
        const without = table.turnedAway();
        if (without === 0) return;
        if (due()) survey();
        if (table.sessions.size >= limits.sessions)
          warnOnce(`more than ${limits.sessions} sessions are open: those beyond that number are left alone`);
      },
      () => {
        overruns++;
        warn(
          "the kernel dropped MPTCP events: this machine is overloaded, or too many sessions open at once; asking for what was missed",
        );
        lost = true;
        lookSoon();
      },
    );
    let warned = "";
    const warnOnce = (text: string): void => {
      if (warned !== text) warn(text);
      warned = text;
    };

    /** Tells every session of a change, after those have ended that nobody told of. */
    const change = (
      address: HostAddress,
      added: boolean,
      byLink: boolean,
      before: (session: Session) => void,
    ): void => {
      // A session that begins from here on finds the address in the map; one that is found is told of a removal.
      const now = new Map<number, Session | undefined>(table.sessions);
      if (now.size > 0 && due()) {
        const found = survey();
        if (!added) for (const token of found) now.set(token, undefined);
      }
      queue.add(new Map([...now].map(([token, session]) => [token, { token, session }])), ({ token, session }) => {
        const present = table.sessions.get(token);
        if (!present || (session && session !== present)) return;
        before(present);
        tell([localChange(present, address, added, byLink)]);
      });
    };
    addresses = doors.watchAddresses(
      (address, byLink) => {
        down.delete(keyOf(address.bytes));
        locals?.add(address.bytes);
        change(address, true, byLink, () => undefined);
      },
      (address, byLink) => {
        if (byLink) down.add(keyOf(address.bytes));
        else down.delete(keyOf(address.bytes));
        locals?.remove(address.bytes);
        change(address, false, byLink, (session) => {
          // It may come back.
          if (!byLink) withdraw(session, address.bytes);
        });
      },
    );
    for (const { bytes } of addresses.current) locals?.add(bytes);
    survey();
    queue.add(new Map([[LAST, undefined]]), () => {
      if (counts.found > 0)
        report({ kind: "notice", text: `${sessionsText(counts.found)} open already: managed from now on` });
      if (others.size > 0)
        warn(`${sessionsText(others.size)} open already, and began under the kernel's path manager: not managed`);
    });
  } catch (error) {
    close();
    throw error;
  }
  return {
    machine,
    sessions: table.sessions,
    get overruns() {
      return overruns;
    },
    counts,
    get waiting() {
      return queue.waiting;
    },
    close,
  };
}

const sessionsText = (count: number): string => `${count} MPTCP ${count === 1 ? "session is" : "sessions are"}`;

const keyOf = (address: Uint8Array): string => Buffer.from(address).toString("hex");

/** A subflow that is asked for. Its priority may be set while it is. */
interface Opening extends Ends {
  backup: boolean;
}

function localsOf(module: BpfModule, machine: Machine, warn: (text: string) => void): LocalAddresses | undefined {
  refuseNamedMap(module);
  const spec = module.maps.find(holdsLocalAddresses);
  const map = spec && machine.maps.get(spec.name);
  return map && keepLocalAddresses((value) => void map.write(new Uint8Array(4), [value]), warn);
}
