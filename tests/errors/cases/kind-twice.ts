import { license, struct, u8 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class Payload extends struct({ n: u8 }) {}
export const option = tcpOption({
  kind: 66,
  payload: Payload,
  parse() {},
});
export const again = tcpOption({
  kind: 66, //~ kind-twice
  payload: Payload,
  parse() {},
});
