// Writing and parsing: a constant option on every segment of both sides, which both read.
import { ArrayMap, be16, htons, license, ntohs, struct, u32 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";

license("GPL");

class Payload extends struct({ value: be16 }) {}
export const last = new ArrayMap({ value: u32, maxEntries: 1 });

export const writeParse = tcpOption({
  kind: 66,
  payload: Payload,
  established(conn) {
    conn.startWriting();
  },
  write(_conn, option) {
    option.value = htons(1);
  },
  parse(_conn, option) {
    const slot = last.ref(0);
    if (slot) slot.value = ntohs(option.value);
  },
});
