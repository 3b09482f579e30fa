import { license, struct, u8 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
export class Payload extends struct({ n: u8 }) {}
export const option = tcpOption({ //~ option-property
  kind: 66,
  parse() {},
});
