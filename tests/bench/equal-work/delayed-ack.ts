// RTT/2 or 100 segments, announced by the client; zero values are guarded.
import { license, struct, u8 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
import { setDelayedAck } from "tsbpf/delack";

license("GPL");

class DelayedAck extends struct({ fraction: u8, segments: u8 }) {}

export const program = tcpOption({
  kind: 67,
  payload: DelayedAck,
  exclusive: true,
  established(conn, side) {
    if (side === "client") conn.startWriting();
  },
  write(_conn, option) {
    option.fraction = 2;
    option.segments = 100;
  },
  parse(conn, option) {
    if (option.fraction === 0 || option.segments === 0) return;
    setDelayedAck(conn, conn.rttMinUs / option.fraction, option.segments);
  },
});
