// Forty segments asked for by the client until its first data; the sender trusts one prefix and caps the value.
import { be16, htons, inPrefix, license, min, ntohs, struct } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";

license("GPL");

class InitialWindow extends struct({ segments: be16 }) {}

export const program = tcpOption({
  kind: 66,
  payload: InitialWindow,
  exclusive: true,
  established(conn, side) {
    if (side === "client") conn.startWriting();
  },
  write(conn, option) {
    option.segments = htons(40);
    if (conn.dataSegsIn > 1) conn.stopWriting();
  },
  parse(conn, option) {
    if (inPrefix(conn.remoteIp4, "10.0.0.0/8")) conn.setSockOpt("TCP_BPF_IW", min(ntohs(option.segments), 64));
  },
});
