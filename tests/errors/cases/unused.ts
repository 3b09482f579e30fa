import { be16, license, log, struct, type u32 } from "tsbpf"; //~ unused
import { Op } from "tsbpf/tcp"; //~ unused
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class Payload extends struct({ segments: be16 }) {}
function idle(): u32 { //~ unused
  return 1;
}
export const option = tcpOption({
  kind: 66,
  payload: Payload,
  established(conn) {
    const window = conn.mss > 1000 ? 20 : 10; //~ unused
    conn.startWriting();
  },
  write() {},
});
