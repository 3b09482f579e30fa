import { license, log, struct, u8 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class Payload extends struct({ n: u8 }) {}
export const option = tcpOption({
  kind: 66,
  payload: Payload,
  length() { //~ length-without-write
    return 1;
  },
  parse(_conn, option) {
    log`${option.n}`;
  },
});
