// The client asks for cubic; the server looks the name up and sets it. The loader fills the table.
import { ArrayMap, be16, cstr, cstring, htons, license, ntohs, struct } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";

license("GPL");

export const names = new ArrayMap({
  value: cstring(16),
  maxEntries: 4,
  initial: [cstr("vegas", 16), cstr("reno", 16), cstr("bbr", 16), cstr("cubic", 16)],
});
class Request extends struct({ id: be16 }) {}

export const program = tcpOption({
  kind: 66,
  payload: Request,
  exclusive: true,
  established(conn, side) {
    if (side === "client") conn.startWriting();
  },
  write(_conn, option) {
    option.id = htons(3);
  },
  parse(conn, option) {
    const name = names.get(ntohs(option.id));
    if (name) conn.setSockOpt("TCP_CONGESTION", name);
  },
});
