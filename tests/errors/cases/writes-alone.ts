import { license, struct, u8 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class Payload extends struct({ n: u8 }) {}
export const option = tcpOption({
  kind: 66,
  payload: Payload,
  write(_conn, option) { //~ writes-alone
    option.n = 1;
  },
});
