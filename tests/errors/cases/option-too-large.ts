import { array, license, struct, u8 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class Payload extends struct({ bytes: array(u8, 39) }) {}
export const option = tcpOption({
  kind: 66,
  payload: Payload, //~ option-too-large
  parse() {},
});
