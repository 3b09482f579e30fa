/** The MPTCP model: sessions with tokens, addresses that come and go, and subflows that open later, fail, or are refused. */
import { isMapped } from "../../compiler/addresses.ts";
import { MAP_FLAGS } from "../../compiler/bpf/map-types.ts";
import { SOCK_OPS_EVENTS } from "../../compiler/bpf/kinds/sock-ops.ts";
import { hostOrder, networkOrder } from "../dsl/network-order.ts";
import { ERRNO } from "../vm/errno.ts";
import { isSocketStorage } from "../vm/maps/sk-storage.ts";
import type { Loaded } from "./call.ts";
import { loaded32, bytesOfIpv6, setFields, zeroFields, type Connection, type ConnectionFields } from "./connection.ts";
import { allOf, deliver, type KernelEvent } from "./deliver.ts";
import { changeAddress } from "./host-addresses.ts";

export interface EndpointValue {
  readonly addr?: symbol;
  readonly addr6?: string;
  readonly port?: symbol;
}
/** What a program asked for; what it left to the kernel is absent. */
export interface RequestedSubflow {
  readonly from?: EndpointValue;
  readonly to?: EndpointValue;
}
export type SubflowState = "pending" | "established" | "failed" | "refused" | "closed";
export interface ModelSubflow extends RequestedSubflow {
  state: SubflowState;
  backup: boolean;
  /** Address ids, local and remote. */
  readonly localId: number;
  readonly remoteId: number;
  /** Since it began. */
  bytesReceived: bigint;
}
export interface Session {
  readonly connection: Connection;
  readonly subflows: ModelSubflow[];
  /** Addresses that the peer announced and has not withdrawn, by id. */
  readonly remote: Map<number, EndpointValue>;
  readonly localIds: Map<symbol | string, number>;
  /** When the timer expires, in nanoseconds since boot. */
  timer: bigint | undefined;
  /** What the program announces. */
  readonly announced: EndpointValue[];
  /** The program closed the first subflow, in one of its events. */
  firstClosed: boolean;
}

/** Arguments of each event, as tests give them. */
export interface PathEventArgs {
  newSession: Record<string, never>;
  fullyEstablished: { readonly isMaster: boolean };
  closeSession: Record<string, never>;
  addRemoteAddress: { readonly id: number; readonly addr?: symbol; readonly port?: symbol; readonly addr6?: string };
  removeRemoteAddress: { readonly id: number };
  subflowEstablished: {
    readonly localId?: number;
    readonly remoteId?: number;
    readonly backup?: boolean;
    readonly isMaster?: boolean;
  };
  subflowPriority: { readonly localId?: number; readonly remoteId?: number; readonly backup?: boolean };
  subflowClosed: {
    readonly localId?: number;
    readonly remoteId?: number;
    readonly backup?: boolean;
    readonly error?: number;
  };
  timer: PathEventArgs["subflowEstablished"];
  addLocalAddress: { readonly addr?: symbol; readonly addr6?: string; readonly byLink?: boolean };
  removeLocalAddress: { readonly addr?: symbol; readonly addr6?: string; readonly byLink?: boolean };
  acceptSubflow: { readonly remoteId?: number; readonly backup?: boolean };
}
export type PathEventName = keyof PathEventArgs;

const op = SOCK_OPS_EVENTS;
/**
 * Events whose subflow is not locked, or is a request socket: addresses and ports can be read, TCP fields are 0, and helpers that
 * change the socket refuse (kernel/README.md).
 */
const NOT_FULL: ReadonlySet<number> = new Set([
  op.MptcpCloseSession.op,
  op.MptcpSubflowClosed.op,
  op.MptcpAddLocalAddress.op,
  op.MptcpRemoveLocalAddress.op,
  op.MptcpAcceptSubflow.op,
]);
export const isFullSocket = (number: number): boolean => !NOT_FULL.has(number);
/** Events of an MPTCP session, in which there is no subflow that a request without addresses could mean. */
const WITHOUT_SUBFLOW = NOT_FULL;
const port = (value: symbol | undefined): number => Number(hostOrder(16, value) ?? 0n);
const addressEvent =
  (number: number) =>
  (args: { addr?: symbol; addr6?: string; port?: symbol; id?: number }): KernelEvent => ({
    op: number,
    args: [args.addr ? loaded32(args.addr) >>> 0 : 0, port(args.port), args.id ?? 0, args.addr6 === undefined ? 2 : 10],
    ...(args.addr6 === undefined ? {} : { address6: bytesOfIpv6(args.addr6) }),
  });
const localEvent = (number: number) => {
  const event = addressEvent(number);
  return ({ byLink, ...address }: PathEventArgs["addLocalAddress"]): KernelEvent =>
    event({ ...address, id: byLink === true ? 1 : 0 });
};
const subflowEvent =
  (number: number) =>
  (args: PathEventArgs["subflowClosed"] & PathEventArgs["subflowEstablished"]): KernelEvent => ({
    op: number,
    args: [args.localId ?? 0, args.remoteId ?? 0, args.backup ? 1 : 0, args.isMaster ? 1 : (args.error ?? 0)],
  });

/** Events of kernel/README.md: which number, and which arguments. */
const EVENTS: { readonly [E in PathEventName]: (args: PathEventArgs[E], token: number) => KernelEvent } = {
  newSession: (_, token) => ({ op: op.MptcpNewSession.op, args: [token, 0, 0, 0] }),
  fullyEstablished: ({ isMaster }, token) => ({
    op: op.MptcpFullyEstablished.op,
    args: [token, isMaster ? 1 : 0, 0, 0],
  }),
  closeSession: (_, token) => ({ op: op.MptcpCloseSession.op, args: [token, 0, 0, 0] }),
  addRemoteAddress: addressEvent(op.MptcpAddRemoteAddress.op),
  removeRemoteAddress: ({ id }) => ({ op: op.MptcpRemoveRemoteAddress.op, args: [0, id, 0, 0] }),
  subflowEstablished: subflowEvent(op.MptcpSubflowEstablished.op),
  subflowClosed: subflowEvent(op.MptcpSubflowClosed.op),
  subflowPriority: subflowEvent(op.MptcpSubflowPriority.op),
  timer: subflowEvent(op.MptcpTimer.op),
  addLocalAddress: localEvent(op.MptcpAddLocalAddress.op),
  removeLocalAddress: localEvent(op.MptcpRemoveLocalAddress.op),
  acceptSubflow: ({ remoteId, backup }, token) => ({
    op: op.MptcpAcceptSubflow.op,
    args: [token, remoteId ?? 0, backup ? 1 : 0, 0],
  }),
};
export const PATH_EVENTS = Object.keys(EVENTS) as PathEventName[];

const AF_INET = 2;
const AF_INET6 = 10;
/** Addresses of one family in turn: `struct sockaddr_in` or `sockaddr_in6`. An errno when it is neither. */
function readAddress(bytes: Uint8Array): EndpointValue | undefined | number {
  if (bytes.length === 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const family = bytes.length >= 2 ? view.getUint16(0, true) : 0;
  const least = family === AF_INET ? 16 : family === AF_INET6 ? 28 : 0;
  if (least === 0 || bytes.length < least) return ERRNO.EINVAL;
  const number = view.getUint16(2);
  const given = number === 0 ? {} : { port: networkOrder(16, BigInt(number)) };
  if (family === AF_INET) {
    const address = view.getUint32(4);
    return { ...(address === 0 ? {} : { addr: networkOrder(32, BigInt(address)) }), ...given };
  }
  const words = Array.from({ length: 8 }, (_, index) => view.getUint16(8 + index * 2).toString(16));
  // As in the kernel: IPv4 is IPv4, however it is written.
  if (isMapped(bytes.subarray(8, 24))) return { addr: networkOrder(32, BigInt(view.getUint32(20))), ...given };
  return { ...(words.every((word) => word === "0") ? {} : { addr6: words.join(":") }), ...given };
}
const isEmpty = (end: EndpointValue | undefined): boolean => !end || Object.keys(end).length === 0;

function readPath(local: Uint8Array, remote: Uint8Array): RequestedSubflow | number {
  const from = readAddress(local);
  const to = readAddress(remote);
  if (typeof from === "number") return from;
  if (typeof to === "number") return to;
  return { ...(isEmpty(from) ? {} : { from: from! }), ...(isEmpty(to) ? {} : { to: to! }) };
}

const text = (end: EndpointValue | undefined, fallback: string): string =>
  end ? `${end.addr?.description ?? end.addr6 ?? "*"}:${end.port ? hostOrder(16, end.port) : "*"}` : fallback;
export const pathText = (path: RequestedSubflow): string =>
  `${text(path.from, "own address")} → ${text(path.to, "session's address")}`;

/** Does a subflow fit what a program asks to close or to prioritize? A missing part fits all. */
const fits = (end: EndpointValue | undefined, wanted: EndpointValue | undefined): boolean =>
  !wanted ||
  ((wanted.addr === undefined || wanted.addr === end?.addr) &&
    (wanted.addr6 === undefined || wanted.addr6 === end?.addr6) &&
    (wanted.port === undefined || wanted.port === end?.port));

/** The helpers of MPTCP as one event has them, and words about the last call. */
export interface Served {
  readonly path: KernelEvent["path"] & {};
  readonly detail: () => string;
}
/** Of a session: its token, its family by its address, and the flags that say whether it is fully established. */
type SessionFacts = Pick<ConnectionFields, "token" | "flags" | "localIp6">;

export interface PathModel {
  /** Everything that the program asked for, in order. */
  readonly requested: RequestedSubflow[];
  /** Helpers in an event of the session with these fields, given by the event's number. */
  served(fields: SessionFacts, event: number, subflow?: ModelSubflow): Served;
  session(token: number): Session;
  emit<E extends PathEventName>(
    event: E,
    args: PathEventArgs[E],
    fields: Partial<ConnectionFields>,
    subflow?: ModelSubflow,
  ): { readonly returned: number; readonly reply: number };
}

export function createPathModel(loaded: Loaded): PathModel {
  const sessions = new Map<number, Session>();
  const requested: RequestedSubflow[] = [];
  const session = (token: number): Session => {
    const known = sessions.get(token);
    if (known) return known;
    const made: Session = {
      connection: { fields: zeroFields(), callbacks: 0, sockOpts: {}, timers: {}, open: true },
      subflows: [],
      remote: new Map(),
      localIds: new Map(),
      timer: undefined,
      announced: [],
      firstClosed: false,
    };
    sessions.set(token, made);
    return made;
  };
  const idOf = (of: Session, end: EndpointValue | undefined): number => {
    const key = end?.addr ?? end?.addr6;
    if (key === undefined || key === of.connection.fields.localIp4) return 0;
    const known = of.localIds.get(key);
    if (known !== undefined) return known;
    of.localIds.set(key, of.localIds.size + 1);
    return of.localIds.size;
  };
  const remoteIdOf = (of: Session, end: EndpointValue | undefined): number =>
    [...of.remote].find(([, value]) => value.addr === end?.addr && value.addr6 === end?.addr6)?.[0] ?? 0;

  /** Why a request is not taken, as an errno; 0: it is. */
  const refusal = (event: number, flags: number): number =>
    event === op.MptcpCloseSession.op || (event === op.MptcpNewSession.op && !(flags & ESTABLISHED))
      ? ERRNO.ENOTCONN
      : 0;
  const servicesFor = (
    of: Session,
    { flags, localIp6 }: SessionFacts,
    subflow: ModelSubflow | undefined,
    event: number,
    note: (detail: string) => void,
  ): KernelEvent["path"] & {} => {
    /** An IPv4 socket takes no IPv6 address; one of IPv6, also for IPv4, takes both. */
    const isForeign = (...ends: (EndpointValue | undefined)[]): boolean =>
      localIp6 === undefined && ends.some((end) => end?.addr6 !== undefined);
    /** Requests that close or change subflows: of this event, or those that match. They take effect when the program is done. */
    const change = (path: RequestedSubflow | number, words: string, run: (one: ModelSubflow) => void): number => {
      if (typeof path === "number") return path;
      note(`${pathText(path)}${words}`);
      const refused = refusal(event, flags);
      if (refused !== 0) return refused;
      if (isForeign(path.from, path.to)) return ERRNO.EINVAL;
      if (!path.from && !path.to && WITHOUT_SUBFLOW.has(event)) return ERRNO.EINVAL;
      for (const one of matching(of, subflow, path)) run(one);
      return 0;
    };
    return {
      openSubflow(local, remote) {
        const path = readPath(local, remote);
        if (typeof path === "number") return path;
        note(pathText(path));
        const refused = refusal(event, flags);
        if (refused !== 0) return refused;
        if (isForeign(path.from, path.to)) return ERRNO.EINVAL;
        if (of.subflows.filter(isThere).length >= MOST_SUBFLOWS) return ERRNO.ENOSPC;
        requested.push(path);
        of.subflows.push({
          ...path,
          state: "pending",
          backup: false,
          bytesReceived: 0n,
          localId: idOf(of, path.from),
          remoteId: remoteIdOf(of, path.to),
        });
        return 0;
      },
      closeSubflow(local, remote) {
        const path = readPath(local, remote);
        const result = change(path, "", (one) => {
          one.state = "closed";
        });
        if (result === 0 && !subflow && typeof path !== "number" && !path.from && !path.to) of.firstClosed = true;
        return result;
      },
      setTimer(ms) {
        note(`in ${ms} ms`);
        const refused = refusal(event, flags);
        if (refused !== 0) return refused;
        if (ms > A_DAY) return ERRNO.EINVAL;
        const due = loaded.host.now + BigInt(ms) * 1_000_000n;
        if (of.timer === undefined || due < of.timer) of.timer = due;
        return 0;
      },
      announce(address, announce) {
        const end = readAddress(address);
        if (typeof end === "number") return end;
        const refused = refusal(event, flags);
        if (refused !== 0) return refused;
        if ((announce !== 0 && announce !== 1) || (end?.addr ?? end?.addr6) === undefined || isForeign(end))
          return ERRNO.EINVAL;
        note(`${text(end, "")} ${announce === 1 ? "announced" : "withdrawn"}`);
        const at = of.announced.findIndex((one) => one.addr === end!.addr && one.addr6 === end!.addr6);
        if (announce === 0 && at >= 0) of.announced.splice(at, 1);
        if (announce === 1 && at < 0 && !isOwn(of, end!)) of.announced.push(end!);
        return 0;
      },
      setPriority(addresses, backup) {
        const half = addresses.length / 2;
        if (backup !== 0 && backup !== 1) return ERRNO.EINVAL;
        return change(readPath(addresses.subarray(0, half), addresses.subarray(half)), ` backup ${backup}`, (one) => {
          one.backup = backup !== 0;
        });
      },
    };
  };
  const served = (fields: SessionFacts, event: number, subflow?: ModelSubflow): Served => {
    let words = "";
    const path = servicesFor(session(fields.token), fields, subflow, event, (said) => {
      words = said;
    });
    return {
      path,
      detail() {
        const said = words;
        words = "";
        return said;
      },
    };
  };

  return {
    requested,
    session,
    served,
    emit(event, args, fields, subflow) {
      const token = fields.token ?? 0;
      const of = session(token);
      const { connection } = of;
      connection.fields = zeroFields();
      setFields(connection, fields);
      const shown = Object.entries(args).map(
        ([name, value]) => `${name} ${typeof value === "symbol" ? value.description : String(value)}`,
      );
      const entry = loaded.history.begin(loaded.program, [event, `token ${token}`, ...shown].join(", "));
      // Whoever keeps them has heard of it before.
      if (event === "addLocalAddress" || event === "removeLocalAddress")
        changeAddress(loaded.host, event === "addLocalAddress", args as PathEventArgs["addLocalAddress"]);
      if (event === "addRemoteAddress")
        of.remote.set((args as PathEventArgs["addRemoteAddress"]).id, args as EndpointValue);
      const row = EVENTS[event] as (given: PathEventArgs[typeof event], token: number) => KernelEvent;
      const happening = row(args, token);
      loaded.steps.last = 0;
      const services = served(connection.fields, happening.op, subflow);
      const fullSocket = isFullSocket(happening.op);
      const done = deliver(loaded, connection, { ...happening, fullSocket, ...services }, entry);
      if (event === "removeRemoteAddress") of.remote.delete((args as PathEventArgs["removeRemoteAddress"]).id);
      if (event === "closeSession") {
        forgetSocket(loaded, connection);
        sessions.delete(token);
      }
      return { returned: done.returned, reply: done.reply };
    },
  };
}

/** The most that bpf_mptcp_set_timer takes, in milliseconds. */
const A_DAY = 24 * 60 * 60 * 1000;
/** The address of the first subflow, which the peer knows. */
const isOwn = ({ connection: { fields } }: Session, end: EndpointValue): boolean =>
  end.addr6 === undefined ? end.addr === fields.localIp4 : end.addr6 === readIpv6(fields.localIp6);
const readIpv6 = (address: string | undefined): string | undefined => {
  if (address === undefined) return undefined;
  const bytes = bytesOfIpv6(address);
  return Array.from({ length: 8 }, (_, at) => ((bytes[2 * at]! << 8) | bytes[2 * at + 1]!).toString(16)).join(":");
};

/** Subflows that a session has or asks for, at most. */
const MOST_SUBFLOWS = 64;
const isThere = (one: ModelSubflow): boolean => one.state === "pending" || one.state === "established";

/**
 * Bit 1 of the flags: the session is fully established, as a server's is from its beginning. Without it MptcpNewSession takes no requests; a
 * test that goes on to any other event takes the session for established.
 */
const ESTABLISHED = 2;

/** Both ends absent: the subflow of the event. */
const matching = (of: Session, subflow: ModelSubflow | undefined, path: RequestedSubflow): ModelSubflow[] =>
  !path.from && !path.to
    ? subflow
      ? [subflow]
      : []
    : of.subflows.filter((one) => isThere(one) && fits(one.from, path.from) && fits(one.to, path.to));

/** A socket is gone: what hung on it goes too. */
export function forgetSocket(loaded: Loaded, socket: object): void {
  for (const { machine } of allOf(loaded))
    for (const map of machine.maps.values()) if (isSocketStorage(map)) map.forget(socket);
}
/** A listener's socket is the connection's now: what is not inherited is gone. */
export function acceptSocket(loaded: Loaded, socket: object): void {
  for (const { machine } of allOf(loaded))
    for (const map of machine.maps.values())
      if (isSocketStorage(map) && !(map.shape.flags & MAP_FLAGS.clone)) map.forget(socket);
}
