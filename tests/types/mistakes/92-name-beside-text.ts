// the name of a congestion control compared as a string
import { license, log, struct, u8 } from "tsbpf"; //= import { cstr, license, log, struct, u8 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class Mark extends struct({ value: u8 }) {}
export const mark = tcpOption({
  kind: 100,
  payload: Mark,
  parse(conn) {
    if (conn.getSockOpt("TCP_CONGESTION") === "cubic") log`cubic`; //~ TS2367 => if (conn.getSockOpt("TCP_CONGESTION") === cstr("cubic", 16)) log`cubic`;
  },
});
