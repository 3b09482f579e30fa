import { license, struct, u8 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class Payload extends struct({ n: u8 }) {}
export const option = tcpOption({
  kind: 66,
  payload: Payload,
  established(conn) {
    conn.startWriting();
  },
  write(conn, option) {
    option.n = 1;
    conn.setSockOpt("TCP_BPF_IW", 20); //~ ignored-errno
  },
});
