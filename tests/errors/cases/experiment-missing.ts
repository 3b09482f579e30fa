import { license, struct, u8 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class Payload extends struct({ n: u8 }) {}
export const option = tcpOption({ //~ experiment-missing
  kind: 253,
  payload: Payload,
  parse() {},
});
