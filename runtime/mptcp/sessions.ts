/** The MPTCP sessions of a namespace as its netlink events tell them: what the context of a program is filled from. */
import { isMapped } from "../../compiler/addresses.ts";
import { SOCK_OPS_EVENTS, SOCK_OPS_FIELDS, type SockOpsEventName } from "../../compiler/bpf/kinds/sock-ops.ts";
import type { HostAddress } from "./addresses.ts";
import type { Endpoint, MptcpEvent } from "./generic-netlink.ts";
import type { DiagSession, DiagSubflow, TcpFacts } from "./sock-diag.ts";

export interface Subflow {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly localId: number;
  readonly remoteId: number;
  readonly backup: boolean;
}
export interface Session {
  readonly token: number;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly serverSide: boolean;
  established: boolean;
  /** By the text of their four ends; the first one included. */
  readonly subflows: Map<string, Subflow>;
  /** Incoming subflows that a program refused, by the same text: the kernel still tells of their end. */
  refused?: Set<string>;
  /** Address ids given to local addresses on this session: one per address, whatever the port (else EINVAL). */
  localIds?: Map<string, number>;
  /** What a program announced, by address: 0, or the errno of the last refusal. */
  announcements?: Map<string, number>;
}

/** What is remembered at most: a peer must not fill this process. */
export interface Limits {
  /** Sessions of the namespace; further ones are left alone until there is room. */
  readonly sessions: number;
  /** Subflows of one session, refused ones included; further ones are told of and not remembered. */
  readonly subflows: number;
  /** Subflows of all sessions. */
  readonly subflowsInAll: number;
}
export const LIMITS: Limits = { sessions: 1 << 18, subflows: 256, subflowsInAll: 1 << 19 };

export const endpointKey = (local: Endpoint, remote: Endpoint): string =>
  `${Buffer.from(local.bytes).toString("hex")}:${local.port}-${Buffer.from(remote.bytes).toString("hex")}:${remote.port}`;

const LAST_ID = 255;
/**
 * The id under which an address is known on a session. Id 0 belongs to the initial subflow and cannot be created with.
 * Undefined when all ids are taken.
 */
export function localId(session: Session, address: Uint8Array): number | undefined {
  const key = Buffer.from(address).toString("hex");
  const ids = (session.localIds ??= new Map<string, number>());
  const known = ids.get(key);
  if (known !== undefined) return known;
  const used = new Set(ids.values());
  for (let id = 1; id <= LAST_ID; id++) {
    if (used.has(id)) continue;
    ids.set(key, id);
    return id;
  }
  return undefined;
}
/** Gives the id of an address back: nothing of the session uses it any more. Undefined when it had none. */
export function forgetLocalId(session: Session, address: Uint8Array): number | undefined {
  const key = Buffer.from(address).toString("hex");
  const id = session.localIds?.get(key);
  session.localIds?.delete(key);
  return id;
}

/** What a program is told: the event's number and arguments, the session and the subflow it is about. */
export interface Delivery {
  readonly event: SockOpsEventName;
  readonly args: readonly number[];
  readonly session: Session;
  readonly subflow?: Subflow;
  readonly address6?: Uint8Array;
  /** Of the subflow's connection, where it is known. */
  readonly tcp?: TcpFacts;
  /** The program is asked: it refuses the subflow with a reply of 1, and then is told nothing more of it. */
  readonly asks?: true;
}

const AF_INET = 2;
const AF_INET6 = 10;
const FLAG = { serverSide: 1, fullyEstablished: 2, backup: 4 } as const;
const CONTEXT_BYTES = 288;
const REMEMBERED = 4096;

/** An IPv4 address as the 32-bit word that lies in memory in network order. */
const word = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);

/**
 * struct bpf_sock_ops as the patched kernel would fill it (kernel/README.md). What netlink does not tell stays zero: the
 * remote token, both keys, and of the TCP connection what `tcp` does not say.
 */
export function contextBytes({ event, args, session, subflow, address6, tcp }: Delivery): Uint8Array {
  const bytes = new Uint8Array(CONTEXT_BYTES);
  const view = new DataView(bytes.buffer);
  const put = (field: keyof typeof SOCK_OPS_FIELDS, value: number): void =>
    view.setUint32(SOCK_OPS_FIELDS[field].offset, value >>> 0, true);
  const local = subflow?.local ?? session.local;
  const remote = subflow?.remote ?? session.remote;
  const wide = local.bytes.length === 16;
  put("op", SOCK_OPS_EVENTS[event].op);
  args.forEach((value, index) => view.setUint32(SOCK_OPS_FIELDS.args.offset + 4 * index, value >>> 0, true));
  put("family", wide ? AF_INET6 : AF_INET);
  bytes.set(local.bytes, wide ? SOCK_OPS_FIELDS.local_ip6.offset : SOCK_OPS_FIELDS.local_ip4.offset);
  bytes.set(remote.bytes, wide ? SOCK_OPS_FIELDS.remote_ip6.offset : SOCK_OPS_FIELDS.remote_ip4.offset);
  // The kernel has the IPv4 address of a mapped one in both places.
  if (isMapped(remote.bytes)) {
    bytes.set(local.bytes.subarray(12), SOCK_OPS_FIELDS.local_ip4.offset);
    bytes.set(remote.bytes.subarray(12), SOCK_OPS_FIELDS.remote_ip4.offset);
  }
  // Network order in the upper half, as bpf_sock_ops has it: the port's two bytes end the word.
  view.setUint16(SOCK_OPS_FIELDS.remote_port.offset + 2, remote.port, false);
  put("local_port", local.port);
  put("is_fullsock", 1);
  put("state", 1);
  put(
    "mptcp_flags",
    (session.serverSide ? FLAG.serverSide : 0) |
      (session.established ? FLAG.fullyEstablished : 0) |
      (subflow?.backup ? FLAG.backup : 0),
  );
  put("mptcp_loc_token", session.token);
  if (tcp) {
    put("mss_cache", tcp.mss);
    put("srtt_us", tcp.srttUs << 3);
    put("snd_cwnd", tcp.sndCwnd);
    put("total_retrans", tcp.totalRetrans);
    view.setBigUint64(SOCK_OPS_FIELDS.bytes_acked.offset, tcp.bytesAcked, true);
    view.setBigUint64(SOCK_OPS_FIELDS.bytes_received.offset, tcp.bytesReceived, true);
  }
  if (address6) bytes.set(address6, SOCK_OPS_FIELDS.mptcp_addr6.offset);
  return bytes;
}

const addressArgs = (address: Uint8Array, port: number, id: number): readonly number[] =>
  address.length === 4 ? [word(address), port, id, AF_INET] : [0, port, id, AF_INET6];

export interface SessionTable {
  readonly sessions: ReadonlyMap<number, Session>;
  /** Sessions that began while there was no room, since this was last asked. */
  turnedAway(): number;
  /** Takes an event in and gives what programs are to be told, in order. */
  take(event: MptcpEvent): readonly Delivery[];
  /** The kernel has a session no more, and nobody said so. */
  end(token: number): readonly Delivery[];
  /** A session that is open and was not heard of. Undefined when there is no room, or its side cannot be told. */
  adopt(session: DiagSession, subflows: readonly DiagSubflow[]): Adopted | undefined;
  /** What was missed of a session that is known: subflows that came and went. */
  catchUp(session: Session, subflows: readonly DiagSubflow[]): readonly Delivery[];
  /** A program refused the subflow that `take` asked about. */
  refuse(session: Session, subflow: Subflow): void;
}
export interface Adopted {
  readonly session: Session;
  /** The beginning of it, told again. What the program opens here and is among `opened` exists already. */
  readonly begin: readonly Delivery[];
  readonly opened: readonly Subflow[];
  /** Its further subflows, told after that. */
  then(): readonly Delivery[];
}
/** Of a session's first subflow. */
const FIRST = { localId: 0, remoteId: 0, backup: false } as const;
/** It has joined: its SYN alone tells nothing. */
const isUp = (subflow: DiagSubflow): boolean => subflow.joined && subflow.fullyEstablished;

export function sessionTable(limits: Limits = LIMITS): SessionTable {
  const sessions = new Map<number, Session>();
  /** Tokens of late: the kernel may tell of a session being established after it told of its end. */
  const closed = new Set<number>();
  let turnedAway = 0;
  let inAll = 0;
  const held = (session: Session): number => session.subflows.size + (session.refused?.size ?? 0);
  /** Changes what is held of a session, and keeps the sum. */
  const change = <T>(session: Session, act: () => T): T => {
    const before = held(session);
    const result = act();
    inAll += held(session) - before;
    return result;
  };
  const hasRoom = (session: Session): boolean => held(session) < limits.subflows && inAll < limits.subflowsInAll;
  const make = (token: number, local: Endpoint, remote: Endpoint, serverSide: boolean): Session | undefined => {
    if (sessions.size >= limits.sessions || inAll >= limits.subflowsInAll) {
      turnedAway++;
      return undefined;
    }
    const session: Session = { token, local, remote, serverSide, established: false, subflows: new Map() };
    sessions.set(token, session);
    return session;
  };
  const remember = (session: Session, subflow: Subflow): void => {
    if (hasRoom(session))
      change(session, () => session.subflows.set(endpointKey(subflow.local, subflow.remote), subflow));
  };
  const start = (event: MptcpEvent): Session | undefined => {
    if (!event.local || !event.remote) return undefined;
    const session = make(event.token, event.local, event.remote, event.serverSide);
    if (session) remember(session, { local: event.local, remote: event.remote, ...FIRST });
    return session;
  };
  const end = (token: number): readonly Delivery[] => {
    const session = sessions.get(token);
    closed.add(token);
    // Sets keep the order of insertion: the first is the oldest.
    if (closed.size > REMEMBERED)
      for (const oldest of closed) {
        closed.delete(oldest);
        break;
      }
    if (!session) return [];
    sessions.delete(token);
    inAll -= held(session);
    return [{ event: "MptcpCloseSession", args: [token], session }];
  };
  const subflowOf = (event: MptcpEvent): Subflow | undefined =>
    event.local && event.remote
      ? {
          local: event.local,
          remote: event.remote,
          localId: event.localId,
          remoteId: event.remoteId,
          backup: event.backup,
        }
      : undefined;
  /** Of the session, by its first subflow. */
  const established = (session: Session): readonly Delivery[] => {
    const { local, remote } = session;
    const subflow = session.subflows.get(endpointKey(local, remote)) ?? { local, remote, ...FIRST };
    return [
      { event: "MptcpFullyEstablished", args: [session.token, 1], session, subflow },
      { event: "MptcpSubflowEstablished", args: [0, 0, 0, 1], session, subflow },
    ];
  };
  const joined = (session: Session, subflow: Subflow): readonly Delivery[] => {
    const { localId, remoteId, backup } = subflow;
    // Told already, or refused already: a listing and an event may speak of the same one.
    const key = endpointKey(subflow.local, subflow.remote);
    if (session.subflows.has(key) || session.refused?.has(key)) return [];
    remember(session, subflow);
    const asked: Delivery = {
      event: "MptcpAcceptSubflow",
      args: [session.token, remoteId, backup ? 1 : 0],
      asks: true,
      session,
      subflow,
    };
    return [
      // Only clients open subflows, so those of a server came in.
      ...(session.serverSide ? [asked] : []),
      { event: "MptcpFullyEstablished", args: [session.token, 0], session, subflow },
      { event: "MptcpSubflowEstablished", args: [localId, remoteId, backup ? 1 : 0, 0], session, subflow },
    ];
  };
  const left = (session: Session, subflow: Subflow, error: number): readonly Delivery[] => {
    const key = endpointKey(subflow.local, subflow.remote);
    if (change(session, () => session.refused?.delete(key))) return [];
    // One that never was has an error to tell; the end of one that is unknown was told before.
    if (!change(session, () => session.subflows.delete(key)) && error === 0) return [];
    const args = [subflow.localId, subflow.remoteId, subflow.backup ? 1 : 0, error];
    return [{ event: "MptcpSubflowClosed", args, session, subflow }];
  };

  return {
    sessions,
    turnedAway() {
      const count = turnedAway;
      turnedAway = 0;
      return count;
    },
    end,
    take(event) {
      let before: readonly Delivery[] = [];
      if (event.name === "created") {
        closed.delete(event.token);
        const known = sessions.get(event.token);
        // The token of one whose end nobody told of, given again.
        if (known && !sameEnds(known, event)) before = end(event.token);
        closed.delete(event.token);
      } else if (closed.has(event.token)) return [];
      const fresh = !sessions.has(event.token);
      const begins = event.name === "created" || event.name === "established";
      const session = fresh && begins ? start(event) : sessions.get(event.token);
      if (!session) return before;
      const base = { session };
      const begin: readonly Delivery[] = fresh ? [{ event: "MptcpNewSession", args: [session.token], ...base }] : [];
      const subflow = subflowOf(event);
      switch (event.name) {
        case "created":
          return [...before, ...begin];
        case "established":
          if (session.established) return [];
          session.established = true;
          return [...begin, ...established(session)];
        case "closed":
          return end(event.token);
        case "announced": {
          if (!event.remote) return [];
          const { bytes, port } = event.remote;
          return [announcement(session, bytes, port, event.remoteId)];
        }
        case "removed":
          return [{ event: "MptcpRemoveRemoteAddress", args: [0, event.remoteId], ...base }];
        case "subflowEstablished":
          return subflow ? joined(session, subflow) : [];
        case "subflowClosed":
          return subflow ? left(session, subflow, event.error) : [];
        case "priority": {
          if (!subflow) return [];
          const args = [event.localId, event.remoteId, event.backup ? 1 : 0];
          return [{ event: "MptcpSubflowPriority", args, ...base, subflow }];
        }
        case "listenerCreated":
        case "listenerClosed":
          return [];
      }
    },
    adopt({ token, local, remote }, subflows) {
      const one = subflows.find(({ joined }) => !joined) ?? subflows[0];
      if (!one?.negotiated || sessions.has(token)) return undefined;
      const session = make(token, local, remote, !one.outgoing);
      if (!session) return undefined;
      closed.delete(token);
      session.established = subflows.some(({ fullyEstablished }) => fullyEstablished);
      if (!one.joined) remember(session, one);
      const opened = subflows.filter((subflow) => subflow.joined && subflow.outgoing);
      const announced = new Map<number, Subflow>();
      for (const subflow of opened) {
        const key = Buffer.from(subflow.local.bytes).toString("hex");
        if (subflow.localId !== 0) (session.localIds ??= new Map<string, number>()).set(key, subflow.localId);
        if (subflow.remoteId !== 0) announced.set(subflow.remoteId, subflow);
      }
      return {
        session,
        opened,
        begin: [
          { event: "MptcpNewSession", args: [token], session },
          ...(session.established ? established(session) : []),
          // What the peer has announced is not listed; what a subflow leads to it must have announced.
          ...[...announced.values()].map(({ remote: { bytes, port }, remoteId }) =>
            announcement(session, bytes, port, remoteId),
          ),
        ],
        then: () => subflows.filter(isUp).flatMap((subflow) => joined(session, subflow)),
      };
    },
    catchUp(session, subflows) {
      const there = new Set(subflows.map((one) => endpointKey(one.local, one.remote)));
      const gone = [...session.subflows].filter(([key]) => !there.has(key));
      const isNew = !session.established && subflows.some((one) => one.fullyEstablished);
      session.established ||= isNew;
      return [
        ...(isNew ? established(session) : []),
        ...gone.flatMap(([, subflow]) => left(session, subflow, 0)),
        ...subflows.filter(isUp).flatMap((one) => joined(session, one)),
      ];
    },
    refuse(session, subflow) {
      const key = endpointKey(subflow.local, subflow.remote);
      change(session, () => {
        session.subflows.delete(key);
        if (hasRoom(session)) (session.refused ??= new Set()).add(key);
      });
    },
  };
}

const sameEnds = (session: Session, { local, remote }: MptcpEvent): boolean =>
  !!local && !!remote && endpointKey(session.local, session.remote) === endpointKey(local, remote);

function announcement(session: Session, bytes: Uint8Array, port: number, id: number): Delivery {
  const address6 = bytes.length === 16 ? { address6: bytes } : {};
  return { event: "MptcpAddRemoteAddress", args: addressArgs(bytes, port, id), session, ...address6 };
}

/** The session's timer has expired: of each subflow, or once without one. */
export function expired(session: Session): readonly Delivery[] {
  const event = "MptcpTimer";
  const all = [...session.subflows.values()].map((subflow): Delivery => {
    const isFirst = endpointKey(subflow.local, subflow.remote) === endpointKey(session.local, session.remote);
    const args = [subflow.localId, subflow.remoteId, subflow.backup ? 1 : 0, isFirst ? 1 : 0];
    return { event, args, session, subflow };
  });
  return all.length > 0 ? all : [{ event, args: [0, 0, 0, 0], session }];
}

/** An address of this host came or went, or its link did, as one session is told of it. */
export function localChange(session: Session, address: HostAddress, added: boolean, byLink: boolean): Delivery {
  return {
    event: added ? "MptcpAddLocalAddress" : "MptcpRemoveLocalAddress",
    args: addressArgs(address.bytes, 0, byLink ? 1 : 0),
    session,
    ...(address.family === 6 ? { address6: address.bytes } : {}),
  };
}
