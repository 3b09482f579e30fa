/** Where segments have no room for an option of a program, and how often that was. */
import { closeSync, readFileSync } from "node:fs";
import { openNetns } from "./netns-names.ts";
import { inNetns, insideNetns } from "./places.ts";

/** Why full segments of MPTCP carry no option, and what helps. */
export const MPTCP_HAS_NO_ROOM =
  "on an MPTCP subflow full segments carry no option of a program: time stamps and the data sequence signal fill the 40 bytes " +
  "(but 4 until the peer has sent data); " +
  "pure ACKs and the SYN have room, and data segments have 12 bytes with net.ipv4.tcp_timestamps=0";

/**
 * Segments of a network namespace, the caller's own without a name, that had no room for an option which a program wanted
 * to write, since the namespace began; undefined on kernels that do not count them (all but the patched one).
 */
export function segmentsWithoutRoom(netns?: string): number | undefined {
  return inNetns(netns, () => withoutRoom(readFileSync("/proc/thread-self/net/netstat", "utf8")));
}

/** How many more there are, from now until `more` is asked; by then a name may be gone, or another's. */
export function countWithoutRoom(netns?: string): { more(): number; close(): void } {
  const fd = openNetns(netns);
  const count = (): number =>
    insideNetns(fd, () => withoutRoom(readFileSync("/proc/thread-self/net/netstat", "utf8"))) ?? 0;
  try {
    const before = count();
    return { more: () => count() - before, close: () => closeSync(fd) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** `TcpExt: TCPBpfOptNoRoom` of /proc/net/netstat: a line of names, then one of values. */
export function withoutRoom(netstat: string): number | undefined {
  const [names = [], values = []] = netstat
    .split("\n")
    .filter((text) => text.startsWith("TcpExt:"))
    .map((text) => text.split(" "));
  const at = names.indexOf("TCPBpfOptNoRoom");
  return at < 0 ? undefined : Number(values[at]);
}
