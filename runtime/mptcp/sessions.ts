/** The MPTCP sessions of a namespace as its netlink events tell them: what the context of a program is filled from. */
import { SOCK_OPS_EVENTS, SOCK_OPS_FIELDS, type SockOpsEventName } from "../../compiler/bpf/sock-ops.ts";
import { isMapped, type HostAddress } from "./addresses.ts";
import type { Endpoint, MptcpEvent } from "./generic-netlink.ts";

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
  readonly refused: Set<string>;
  /** Address ids given to local addresses on this session: one per address, whatever the port (else EINVAL). */
  readonly localIds: Map<string, number>;
}

export const endpointKey = (local: Endpoint, remote: Endpoint): string =>
  `${Buffer.from(local.bytes).toString("hex")}:${local.port}-${Buffer.from(remote.bytes).toString("hex")}:${remote.port}`;

/** The id under which an address is known on a session. Id 0 belongs to the initial subflow and cannot be created with. */
export function localId(session: Session, address: Uint8Array): number {
  const key = Buffer.from(address).toString("hex");
  let id = session.localIds.get(key);
  if (id === undefined) {
    const used = new Set(session.localIds.values());
    id = 1;
    while (used.has(id)) id++;
    session.localIds.set(key, id);
  }
  return id;
}

/** What a program is told: the event's number and arguments, the session and the subflow it is about. */
export interface Delivery {
  readonly event: SockOpsEventName;
  readonly args: readonly number[];
  readonly session: Session;
  readonly subflow?: Subflow;
  readonly address6?: Uint8Array;
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
 * remote token, both keys, and everything about the TCP connection.
 */
export function contextBytes({ event, args, session, subflow, address6 }: Delivery): Uint8Array {
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
  if (address6) bytes.set(address6, SOCK_OPS_FIELDS.mptcp_addr6.offset);
  return bytes;
}

const addressArgs = (address: Uint8Array, port: number, id: number): readonly number[] =>
  address.length === 4 ? [word(address), port, id, AF_INET] : [0, port, id, AF_INET6];

export interface SessionTable {
  readonly sessions: ReadonlyMap<number, Session>;
  /** Takes an event in and gives what programs are to be told, in order. */
  take(event: MptcpEvent): readonly Delivery[];
  /** A program refused the subflow that `take` asked about. */
  refuse(session: Session, subflow: Subflow): void;
  /** An address of this host came or went: told to every session. */
  localChange(address: HostAddress, added: boolean): readonly Delivery[];
}

export function sessionTable(): SessionTable {
  const sessions = new Map<number, Session>();
  /** Tokens of late: the kernel may tell of a session being established after it told of its end. */
  const closed = new Set<number>();
  const start = (event: MptcpEvent): Session | undefined => {
    const known = sessions.get(event.token);
    if (known) return known;
    if (!event.local || !event.remote) return undefined;
    const session: Session = {
      token: event.token,
      local: event.local,
      remote: event.remote,
      serverSide: event.serverSide,
      established: false,
      subflows: new Map(),
      refused: new Set(),
      localIds: new Map(),
    };
    const first: Subflow = { local: event.local, remote: event.remote, localId: 0, remoteId: 0, backup: false };
    session.subflows.set(endpointKey(event.local, event.remote), first);
    sessions.set(event.token, session);
    return session;
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

  return {
    sessions,
    take(event) {
      if (event.name === "created") closed.delete(event.token);
      else if (closed.has(event.token)) return [];
      const fresh = !sessions.has(event.token);
      const session =
        event.name === "created" || event.name === "established" ? start(event) : sessions.get(event.token);
      if (!session) return [];
      const base = { session };
      const begin: readonly Delivery[] = fresh ? [{ event: "MptcpNewSession", args: [session.token], ...base }] : [];
      const subflow = subflowOf(event);
      switch (event.name) {
        case "created":
          return begin;
        case "established":
          session.established = true;
          return [...begin, { event: "MptcpFullyEstablished", args: [session.token, 1], ...base }];
        case "closed":
          sessions.delete(event.token);
          closed.add(event.token);
          // Sets keep the order of insertion: the first is the oldest.
          for (const oldest of closed) {
            if (closed.size <= REMEMBERED) break;
            closed.delete(oldest);
          }
          return [{ event: "MptcpCloseSession", args: [session.token], ...base }];
        case "announced": {
          if (!event.remote) return [];
          const { bytes, port } = event.remote;
          const address6 = bytes.length === 16 ? { address6: bytes } : {};
          return [
            { event: "MptcpAddRemoteAddress", args: addressArgs(bytes, port, event.remoteId), ...base, ...address6 },
          ];
        }
        case "removed":
          return [{ event: "MptcpRemoveRemoteAddress", args: [0, event.remoteId], ...base }];
        case "subflowEstablished": {
          if (!subflow) return [];
          session.subflows.set(endpointKey(subflow.local, subflow.remote), subflow);
          const asked: Delivery = {
            event: "MptcpAcceptSubflow",
            args: [session.token, event.remoteId, event.backup ? 1 : 0],
            asks: true,
            ...base,
            subflow,
          };
          return [
            // Only clients open subflows, so those of a server came in.
            ...(session.serverSide ? [asked] : []),
            { event: "MptcpFullyEstablished", args: [session.token, 0], ...base, subflow },
            {
              event: "MptcpSubflowEstablished",
              args: [event.localId, event.remoteId, event.backup ? 1 : 0],
              ...base,
              subflow,
            },
          ];
        }
        case "subflowClosed": {
          if (!subflow) return [];
          const key = endpointKey(subflow.local, subflow.remote);
          if (session.refused.delete(key)) return [];
          session.subflows.delete(key);
          const args = [event.localId, event.remoteId, event.backup ? 1 : 0, event.error];
          return [{ event: "MptcpSubflowClosed", args, ...base, subflow }];
        }
        case "priority":
        case "listenerCreated":
        case "listenerClosed":
          return [];
      }
    },
    refuse(session, subflow) {
      const key = endpointKey(subflow.local, subflow.remote);
      session.subflows.delete(key);
      session.refused.add(key);
    },
    localChange(address, added) {
      const event = added ? "MptcpAddLocalAddress" : "MptcpRemoveLocalAddress";
      const address6 = address.family === 6 ? { address6: address.bytes } : {};
      return [...sessions.values()].map((session) => ({
        event,
        args: addressArgs(address.bytes, 0, 0),
        session,
        ...address6,
      }));
    },
  };
}
