// As stress-parse, and a socket option is read and set on every option received.
import { be16, htons, license, struct } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";

license("GPL");

class Payload extends struct({ value: be16 }) {}

export const program = tcpOption({
  kind: 66,
  payload: Payload,
  exclusive: true,
  established(conn) {
    conn.startWriting();
  },
  write(_conn, option) {
    option.value = htons(1);
  },
  parse(conn) {
    conn.getSockOpt("TCP_BPF_SNDCWND_CLAMP");
    conn.setSockOpt("TCP_BPF_SNDCWND_CLAMP", 100);
  },
});
