// A TCP option of your own: the client says a number, the server counts how often it heard each.
import { be16, HashMap, htons, license, ntohs, param, struct, u16, u32 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";

license("GPL");

/** What is said; the loader may set another: tsbpf run … --param greeting=7 */
export const greeting = param(u16, 42);

/** What goes over the wire behind the option's first four bytes. */
class Hello extends struct({ value: be16 }) {}

export const heard = new HashMap({ key: u16, value: u32, maxEntries: 64 });

export const helloOption = tcpOption({
  // RFC 6994: kind 254 and this number, which is for experiments.
  experiment: 0x7473,
  payload: Hello,

  established(conn, side) {
    if (side === "client") conn.startWriting();
  },

  write(conn, option) {
    option.value = htons(greeting);
    if (conn.dataSegsOut > 2) conn.stopWriting();
  },

  parse(_conn, option) {
    const value = ntohs(option.value);
    heard.set(value, (heard.get(value) ?? 0) + 1);
  },
});
