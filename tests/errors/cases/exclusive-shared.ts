import { license, struct, u8 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class Payload extends struct({ n: u8 }) {}
export const alone = tcpOption({
  kind: 66,
  payload: Payload,
  exclusive: true, //~ exclusive-shared
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
export const beside = tcpOption({
  kind: 67,
  payload: Payload,
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
