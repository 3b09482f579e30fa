import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { segmentsWithoutRoom, withoutRoom } from "../../runtime/kernel/option-room.ts";

test("segments without room for an option are read from the namespace's counters", () => {
  const netstat = [
    "TcpExt: SyncookiesSent TCPBpfOptNoRoom",
    "TcpExt: 3 17",
    "IpExt: InNoRoutes",
    "IpExt: 5",
    "MPTcpExt: TCPBpfOptNoRoom",
    "MPTcpExt: 9",
    "",
  ].join("\n");
  expect(withoutRoom(netstat)).toBe(17);
  expect(withoutRoom("TcpExt: SyncookiesSent\nTcpExt: 3\n")).toBeUndefined();
  expect(withoutRoom("")).toBeUndefined();
});

test("a kernel that does not count them says so", () => {
  const counted = execFileSync("cat", ["/proc/net/netstat"], { encoding: "utf8" }).includes("TCPBpfOptNoRoom");
  expect(segmentsWithoutRoom() !== undefined).toBe(counted);
});
