// The cost of writing: a constant option on every segment of both sides, which nobody reads.
import { be16, htons, license, struct } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";

license("GPL");

class Payload extends struct({ value: be16 }) {}

export const write = tcpOption({
  kind: 66,
  payload: Payload,
  established(conn) {
    conn.startWriting();
  },
  write(_conn, option) {
    option.value = htons(1);
  },
});
