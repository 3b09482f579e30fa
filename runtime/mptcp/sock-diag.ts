/** Open MPTCP sessions and their subflows, as the kernel's own diagnostics list them (include/uapi/linux/inet_diag.h). */
import { failed } from "../kernel/errors.ts";
import { addressText } from "../../compiler/addresses.ts";
import type { Endpoint } from "./generic-netlink.ts";
import {
  concat,
  decodeAttributes,
  encodeAttributes,
  FLAG,
  NETLINK,
  openNetlink,
  readU32,
  u32,
  type Message,
  type NetlinkSocket,
} from "./netlink.ts";

const SOCK_DIAG_BY_FAMILY = 20;
const IPPROTO = { tcp: 6, mptcp: 262 } as const;
const AF = [2, 10] as const;
const REQUEST_PROTOCOL = 3;
/** Offsets in struct tcp_info (include/uapi/linux/tcp.h). */
const TCP_INFO = {
  mss: 16,
  rttUs: 68,
  sndCwnd: 80,
  totalRetrans: 100,
  bytesAcked: 120,
  bytesReceived: 128,
  bytes: 136,
} as const;
const DIAG = { info: 2, ulpInfo: 19 } as const;
const ULP_MPTCP = 3;
const SUBFLOW = { remoteToken: 1, localToken: 2, flags: 8, remoteId: 9, localId: 10 } as const;
/** struct inet_diag_req_v2, and where a session is named in it by its token: the socket's cookie. */
const REQUEST_BYTES = 56;
const REQUEST_COOKIE = 48;
/** Its socket, by ends; a cookie of all ones is anybody's. */
const REQUEST = { localPort: 8, remotePort: 10, local: 12, remote: 28 } as const;
/** struct inet_diag_msg without attributes. */
const MESSAGE_BYTES = 72;
/** TCP states (enum tcp_state). */
const STATE = { established: 1, closeWait: 8, listen: 10 } as const;
/** Masks of TCP states: established alone, or all of them. */
const STATES = { established: 1 << STATE.established, "any state": 0xfff } as const;
export type States = keyof typeof STATES;
/** MPTCP_SUBFLOW_FLAG_*: what the peer said (REM) and what we did (LOC) when the subflow began. */
const SUBFLOW_FLAG = {
  capableThere: 1 << 0,
  capableHere: 1 << 1,
  joinedHere: 1 << 3,
  backup: 0x30,
  joined: 0x0c,
  fullyEstablished: 1 << 6,
} as const;

export interface DiagSubflow {
  readonly token: number;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly localId: number;
  readonly remoteId: number;
  readonly backup: boolean;
  /** It joined a session; else it began one. */
  readonly joined: boolean;
  /** Both ends speak MPTCP on it; else it is TCP alone. */
  readonly negotiated: boolean;
  /** This host opened it. */
  readonly outgoing: boolean;
  readonly fullyEstablished: boolean;
}
export interface DiagSession {
  readonly token: number;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /** Data may still be sent. */
  readonly open: boolean;
}

/** What the TCP connection of a subflow has done so far. */
export interface TcpFacts {
  readonly mss: number;
  readonly srttUs: number;
  readonly sndCwnd: number;
  readonly totalRetrans: number;
  readonly bytesAcked: bigint;
  readonly bytesReceived: bigint;
}

/** A socket for the questions below; a kernel without MPTCP diagnostics (CONFIG_INET_MPTCP_DIAG) has nothing to show. */
export interface SockDiag {
  /** Every session that has a token, listening sockets left out. */
  sessions(each: (session: DiagSession) => void, states?: States): void;
  /** Every subflow of every session. */
  subflows(each: (subflow: DiagSubflow) => void, states?: States): void;
  /** Whether the kernel has a session of this token. */
  has(token: number): boolean;
  /** Of one subflow, by its ends; undefined where there is none. */
  tcp(local: Endpoint, remote: Endpoint): TcpFacts | undefined;
  close(): void;
}

export function openSockDiag(netns?: string): SockDiag {
  const socket = openNetlink(NETLINK.sockDiag, netns);
  return {
    sessions: (each, states = "any state") =>
      dump(socket, IPPROTO.mptcp, STATES[states], (row) => {
        const info = row.attributes.get(DIAG.info);
        // struct mptcp_info: six counters of a byte, two of padding, flags, token.
        const token = info && info.length >= 16 ? readU32(info.subarray(12, 16))! : 0;
        if (token === 0 || row.state === STATE.listen) return;
        const { local, remote, state } = row;
        each({ token, local, remote, open: state === STATE.established || state === STATE.closeWait });
      }),
    subflows: (each, states = "any state") =>
      dump(socket, IPPROTO.tcp, STATES[states], ({ local, remote, attributes }) => {
        const ulp = attributes.get(DIAG.ulpInfo);
        const mptcp = ulp && decodeAttributes(ulp).get(ULP_MPTCP);
        if (!mptcp) return;
        const of = decodeAttributes(mptcp);
        const flags = readU32(of.get(SUBFLOW.flags)) ?? 0;
        each({
          token: readU32(of.get(SUBFLOW.localToken)) ?? 0,
          local,
          remote,
          localId: of.get(SUBFLOW.localId)?.[0] ?? 0,
          remoteId: of.get(SUBFLOW.remoteId)?.[0] ?? 0,
          backup: (flags & SUBFLOW_FLAG.backup) !== 0,
          joined: (flags & SUBFLOW_FLAG.joined) !== 0,
          negotiated: (flags & (SUBFLOW_FLAG.capableThere | SUBFLOW_FLAG.joined)) !== 0,
          outgoing: (flags & (SUBFLOW_FLAG.capableHere | SUBFLOW_FLAG.joinedHere)) !== 0,
          fullyEstablished: (flags & SUBFLOW_FLAG.fullyEstablished) !== 0,
        });
      }),
    has(token) {
      const request = requestBytes(AF[0], IPPROTO.mptcp, STATES["any state"]);
      new DataView(request.buffer).setUint32(REQUEST_COOKIE, token, true);
      const found = socket.request(SOCK_DIAG_BY_FAMILY, request, FLAG.request);
      // Anything but "there is none" is taken for life: a session is ended by proof only.
      return found !== -2;
    },
    tcp(local, remote) {
      const request = requestBytes(local.bytes.length === 16 ? AF[1] : AF[0], IPPROTO.tcp, STATES["any state"]);
      const view = new DataView(request.buffer);
      view.setUint16(REQUEST.localPort, local.port);
      view.setUint16(REQUEST.remotePort, remote.port);
      request.set(local.bytes, REQUEST.local);
      request.set(remote.bytes, REQUEST.remote);
      request.fill(0xff, REQUEST_COOKIE, REQUEST_BYTES);
      const found = socket.request(SOCK_DIAG_BY_FAMILY, request, FLAG.request);
      const one = typeof found === "number" ? undefined : found.map(row).find((each) => each !== undefined);
      // Where there is none, the kernel finds who listens there.
      const info = one?.state === STATE.listen ? undefined : one?.attributes.get(DIAG.info);
      if (!info || info.length < TCP_INFO.bytes) return undefined;
      const facts = new DataView(info.buffer, info.byteOffset, info.byteLength);
      return {
        mss: facts.getUint32(TCP_INFO.mss, true),
        srttUs: facts.getUint32(TCP_INFO.rttUs, true),
        sndCwnd: facts.getUint32(TCP_INFO.sndCwnd, true),
        totalRetrans: facts.getUint32(TCP_INFO.totalRetrans, true),
        bytesAcked: facts.getBigUint64(TCP_INFO.bytesAcked, true),
        bytesReceived: facts.getBigUint64(TCP_INFO.bytesReceived, true),
      };
    },
    close: () => socket.close(),
  };
}

export interface OpenSubflow {
  readonly from: string;
  readonly to: string;
  readonly localId: number;
  readonly remoteId: number;
  readonly backup: boolean;
  readonly token: number;
}
export interface OpenSession {
  readonly token: number;
  readonly from: string;
  readonly to: string;
  readonly subflows: readonly OpenSubflow[];
}

/** Sessions of a network namespace with their subflows, as text. */
export function openSessions(netns?: string, states: States = "established"): readonly OpenSession[] {
  const diag = openSockDiag(netns);
  try {
    const subflows = new Map<number, OpenSubflow[]>();
    diag.subflows(({ token, local, remote, localId, remoteId, backup }) => {
      const one = { from: endText(local), to: endText(remote), token, localId, remoteId, backup };
      const others = subflows.get(token);
      if (others) others.push(one);
      else subflows.set(token, [one]);
    }, states);
    const sessions: OpenSession[] = [];
    diag.sessions(({ token, local, remote }) => {
      sessions.push({ token, from: endText(local), to: endText(remote), subflows: subflows.get(token) ?? [] });
    }, states);
    return sessions;
  } finally {
    diag.close();
  }
}

const endText = ({ bytes, port }: Endpoint): string =>
  `${bytes.length === 16 ? `[${addressText(bytes)}]` : addressText(bytes)}:${port}`;

function requestBytes(family: number, protocol: number, states: number): Uint8Array {
  const request = new Uint8Array(REQUEST_BYTES);
  request[0] = family;
  request[1] = protocol & 0xff;
  request[2] = 1 << (DIAG.info - 1);
  new DataView(request.buffer).setUint32(4, states, true);
  // Protocols above 255 are named in an attribute.
  return protocol > 255 ? concat([request, encodeAttributes([[REQUEST_PROTOCOL, u32(protocol)]])]) : request;
}

interface Row {
  readonly state: number;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly attributes: ReadonlyMap<number, Uint8Array>;
}

function dump(socket: NetlinkSocket, protocol: number, states: number, each: (row: Row) => void): void {
  for (const family of AF) {
    const errno = socket.dump(SOCK_DIAG_BY_FAMILY, requestBytes(family, protocol, states), (message) => {
      const found = row(message);
      if (found) each(found);
    });
    // ENOENT, EINVAL, EOPNOTSUPP: no such diagnostics here.
    if (errno !== 0 && errno !== -2 && errno !== -22 && errno !== -95)
      throw failed("netlink", "listing sockets", errno);
  }
}

function row({ payload }: Message): Row | undefined {
  if (payload.length < MESSAGE_BYTES) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset);
  const size = payload[0] === AF[1] ? 16 : 4;
  const end = (port: number, at: number): Endpoint => ({
    bytes: payload.slice(at, at + size),
    port: view.getUint16(port, false),
  });
  return {
    state: payload[1]!,
    local: end(4, 8),
    remote: end(6, 24),
    attributes: decodeAttributes(payload, MESSAGE_BYTES),
  };
}
