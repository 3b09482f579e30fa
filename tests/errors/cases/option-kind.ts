import { license, struct, u8 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class Payload extends struct({ n: u8 }) {}
export const option = tcpOption({
  kind: 8, //~ option-kind
  payload: Payload,
  parse() {},
});
