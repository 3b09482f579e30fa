/** Open MPTCP sessions and their subflows, as the kernel's own diagnostics list them (include/uapi/linux/inet_diag.h). */
import { failed } from "../kernel/errors.ts";
import { addressText } from "./addresses.ts";
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
const DIAG = { info: 2, ulpInfo: 19 } as const;
const ULP_MPTCP = 3;
const SUBFLOW = { remoteToken: 1, localToken: 2, flags: 8, remoteId: 9, localId: 10 } as const;
/** struct inet_diag_msg without attributes. */
const MESSAGE_BYTES = 72;
/** Masks of TCP states (enum tcp_state): established alone, or all of them. */
const STATES = { established: 1 << 1, "any state": 0xfff } as const;
const FLAG_BACKUP = 0x30;

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

/** Sessions of a network namespace. A kernel without MPTCP diagnostics (CONFIG_INET_MPTCP_DIAG) has none to show. */
export function openSessions(netns?: string, states: keyof typeof STATES = "established"): readonly OpenSession[] {
  const socket = openNetlink(NETLINK.sockDiag, netns);
  try {
    const subflows = dump(socket, IPPROTO.tcp, STATES[states]).flatMap(({ from, to, attributes }) => {
      const ulp = attributes.get(DIAG.ulpInfo);
      const mptcp = ulp && decodeAttributes(ulp).get(ULP_MPTCP);
      if (!mptcp) return [];
      const of = decodeAttributes(mptcp);
      const token = readU32(of.get(SUBFLOW.localToken)) ?? 0;
      const flags = readU32(of.get(SUBFLOW.flags)) ?? 0;
      const id = (key: number): number => of.get(key)?.[0] ?? 0;
      return [
        {
          from,
          to,
          token,
          localId: id(SUBFLOW.localId),
          remoteId: id(SUBFLOW.remoteId),
          backup: (flags & FLAG_BACKUP) !== 0,
        },
      ];
    });
    return dump(socket, IPPROTO.mptcp, STATES[states]).map(({ from, to, attributes }) => {
      const info = attributes.get(DIAG.info);
      // struct mptcp_info: six counters of a byte, two of padding, flags, token.
      const token = info && info.length >= 16 ? readU32(info.subarray(12, 16))! : 0;
      return { token, from, to, subflows: subflows.filter((subflow) => subflow.token === token) };
    });
  } finally {
    socket.close();
  }
}

interface Row {
  readonly from: string;
  readonly to: string;
  readonly attributes: ReadonlyMap<number, Uint8Array>;
}

function dump(socket: NetlinkSocket, protocol: number, states: number): Row[] {
  return AF.flatMap((family) => {
    const request = new Uint8Array(56);
    const view = new DataView(request.buffer);
    request[0] = family;
    request[1] = protocol & 0xff;
    request[2] = 1 << (DIAG.info - 1);
    view.setUint32(4, states, true);
    // Protocols above 255 are named in an attribute.
    const payload = protocol > 255 ? concat([request, encodeAttributes([[REQUEST_PROTOCOL, u32(protocol)]])]) : request;
    const replies = socket.request(SOCK_DIAG_BY_FAMILY, payload, FLAG.request | FLAG.dump);
    if (typeof replies === "number") {
      if (replies === -2 || replies === -22 || replies === -95) return [];
      throw failed("netlink", "listing sockets", replies);
    }
    return replies.flatMap((message) => row(message) ?? []);
  });
}

function row({ payload }: Message): Row | undefined {
  if (payload.length < MESSAGE_BYTES) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset);
  const size = payload[0] === 10 ? 16 : 4;
  const end = (port: number, at: number): string => {
    const text = addressText(payload.slice(at, at + size));
    return `${size === 16 ? `[${text}]` : text}:${view.getUint16(port, false)}`;
  };
  return { from: end(4, 8), to: end(6, 24), attributes: decodeAttributes(payload, MESSAGE_BYTES) };
}
