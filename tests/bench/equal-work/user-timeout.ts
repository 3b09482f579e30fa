// One second announced by the client, which adopts it too; the granularity bit; no limits, no end of writing.
import { be16, htons, license, ntohs, struct, u32 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";

license("GPL");

class UserTimeout extends struct({ value: be16 }) {}

export const program = tcpOption({
  kind: 28,
  payload: UserTimeout,
  exclusive: true,
  established(conn, side) {
    if (side !== "client") return;
    conn.startWriting();
    conn.setSockOpt("TCP_USER_TIMEOUT", 1_000);
  },
  write(_conn, option) {
    option.value = htons(1);
  },
  parse(conn, option) {
    const raw = ntohs(option.value);
    let ms: u32 = (raw & 0x7fff) * 1_000;
    if ((raw & 0x8000) !== 0) ms *= 60;
    conn.setSockOpt("TCP_USER_TIMEOUT", ms);
  },
});
