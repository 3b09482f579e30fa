// what may be missing has no text of its own
import { HashMap, license, log, struct, u16, u32 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class Payload extends struct({ segments: u16 }) {}
export const seen = new HashMap({ key: u32, value: u32, maxEntries: 4 });
export const option = tcpOption({
  kind: 66,
  payload: Payload,
  established(conn) {
    log`${seen.get(1)}`; //~ TS2345 => log`${seen.get(1) ?? 0}`;
    conn.startWriting();
  },
});
