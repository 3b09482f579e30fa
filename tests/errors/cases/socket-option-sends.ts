// target: patched
import { license, struct, u16 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class Mark extends struct({ value: u16 }) {}
export const mark = tcpOption({
  kind: 100,
  payload: Mark,
  established(conn) {
    conn.setSockOpt("TCP_NODELAY", true);
    conn.startWriting();
  },
  write(conn, option) {
    option.value = conn.setSockOpt("TCP_NODELAY", true) === 0 ? 1 : 0; //~ socket-option-sends
  },
});
