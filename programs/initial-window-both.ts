// Initial window, both ways: the server asks on its SYN-ACK already, the client on its third ACK, and each grants what the other asked.
//
// Why: Listing 1 of the paper lets the client ask. A server that is about to be sent much (an upload, a backup) has the same wish one
// round-trip time earlier: its SYN-ACK arrives before the client sends any data, so the client's very first flight is as large as it was asked.
//
// Format (4 bytes): kind 66, length 4, segments in 16 bits, network byte order.
//
// Trusted are private addresses: 10.0.0.0/8 and 192.168.0.0/16, and of IPv6 fd00::/8.
import { be16, htons, inPrefix, license, log, min, ntohl, ntohs, param, struct, u16 } from "tsbpf";
import { tcpOption, type TcpConn } from "tsbpf/tcp";

license("GPL");

/** Segments that this host asks for. */
export const wantedWindow = param(u16, 20);
/** Most segments that it grants. */
export const largestWindow = param(u16, 64);

class InitialWindow extends struct({ segments: be16 }) {}

const AF_INET6 = 10;
function isTrusted(conn: TcpConn): boolean {
  if (inPrefix(conn.remoteIp4, "10.0.0.0/8") || inPrefix(conn.remoteIp4, "192.168.0.0/16")) return true;
  return conn.family === AF_INET6 && ntohl(conn.remoteIp6[0]) >>> 24 === 0xfd;
}

export const initialWindowBoth = tcpOption({
  kind: 66,
  payload: InitialWindow,

  listening(conn) {
    conn.startWriting();
  },

  established(conn, side) {
    if (side === "client") conn.startWriting();
    else conn.stopWriting(); // it was said on the SYN-ACK
  },

  write(conn, option) {
    option.segments = htons(wantedWindow);
    if (conn.dataSegsIn > 1) conn.stopWriting();
  },

  parse(conn, option) {
    if (!isTrusted(conn)) return;
    const segments = min(ntohs(option.segments), largestWindow);
    if (conn.setSockOpt("TCP_BPF_IW", segments) !== 0) log`initial window ${segments} refused`;
  },
});
