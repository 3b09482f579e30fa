import { license, log, struct, u16 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class Mark extends struct({ value: u16 }) {}
export const mark = tcpOption({
  kind: 100,
  payload: Mark,
  parse(conn, option, segment) {
    log`${option.value} ${segment.optionBytes}`; //~ option-bytes
  },
});
