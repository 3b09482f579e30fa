// Figures 3 and 4: a constant option on every segment of the client.
import { be16, htons, license, struct } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";

license("GPL");

class Payload extends struct({ value: be16 }) {}

export const program = tcpOption({
  kind: 66,
  payload: Payload,
  exclusive: true,
  established(conn) {
    conn.startWriting();
  },
  write(_conn, option) {
    option.value = htons(1);
  },
});
