// Writing, parsing, and a socket option set and read back for every option that is parsed.
import { ArrayMap, be16, htons, license, ntohs, struct, u32 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";

license("GPL");

class Payload extends struct({ value: be16 }) {}
export const last = new ArrayMap({ value: u32, maxEntries: 1 });

export const writeParseOptions = tcpOption({
  kind: 66,
  payload: Payload,
  established(conn) {
    conn.startWriting();
  },
  write(_conn, option) {
    option.value = htons(1);
  },
  parse(conn, option) {
    conn.setSockOpt("TCP_USER_TIMEOUT", ntohs(option.value) * 60_000);
    const timeout = conn.getSockOpt("TCP_USER_TIMEOUT");
    const slot = last.ref(0);
    if (slot && timeout !== undefined) slot.value = timeout;
  },
});
