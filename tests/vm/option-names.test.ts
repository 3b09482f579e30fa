/** The history of a test names socket options by level and number: one number is another option at each level. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { htons, ipv4 } from "tsbpf";
import { load, type ConnectHookUnderTest, type TcpOptionUnderTest } from "tsbpf/testing";
import { afterAll, expect, test } from "vitest";
import { SOCKET_OPTIONS } from "../../compiler/bpf/socket-options.ts";
import { optionName } from "../../runtime/testing/call.ts";

const folder = mkdtempSync(join(tmpdir(), "tsbpf-option-names-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
function source(text: string): string {
  const path = join(folder, `names${files++}.ts`);
  writeFileSync(path, text);
  return path;
}
/** TCP_USER_TIMEOUT is 18 at its level, as SO_RCVLOWAT is; TCP_CONGESTION is 13, as SO_LINGER is; SO_KEEPALIVE 9, as TCP_DEFER_ACCEPT is. */
const CALLS = `
    OF.setSockOpt("TCP_USER_TIMEOUT", 1000);
    OF.setSockOpt("SO_RCVLOWAT", 2000);
    OF.setSockOpt("TCP_CONGESTION", "cubic");
    OF.getSockOpt("TCP_CONGESTION");`;
const WANTED = [
  "TCP_USER_TIMEOUT = 1000 → 0",
  "SO_RCVLOWAT = 2000 → 0",
  'TCP_CONGESTION = "cubic" → 0',
  "TCP_CONGESTION → 0",
];
const named = (history: string): string[] =>
  history.split("\n").flatMap((line) => /[sg]etsockopt (.*)$/.exec(line)?.[1] ?? []);

test("of an option's program", async () => {
  const { option } = (await load(
    source(`
import { license, struct, u8 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class Mark extends struct({ value: u8 }) {}
export const option = tcpOption({
  kind: 100,
  payload: Mark,
  established(conn) {${CALLS.replaceAll("OF", "conn")}
  },
});
`),
  )) as { readonly option: TcpOptionUnderTest };
  option.established("client");
  expect(named(option.history)).toEqual(WANTED);
});

test("of a hook of connect()", async () => {
  const { hook } = (await load(
    source(`
import { license } from "tsbpf";
import { connectHook } from "tsbpf/connect";
license("GPL");
export const hook = connectHook({
  connect4(ctx) {${CALLS.replaceAll("OF", "ctx")}
    return true;
  },
});
`),
  )) as { readonly hook: ConnectHookUnderTest };
  hook.connect4({ remoteIp4: ipv4("192.0.2.1"), remotePort: htons(80) });
  expect(named(hook.history)).toEqual(WANTED);
});

test.each(Object.entries(SOCKET_OPTIONS))("%s is called that, and nothing else is", (name, { level, number }) => {
  expect(optionName(level, number)).toBe(name);
  const others = Object.entries(SOCKET_OPTIONS).filter(
    ([other, row]) => other !== name && row.level === level && row.number === number,
  );
  expect(others).toEqual([]);
});
test("what is in no table is told by level and number", () => {
  expect(optionName(6, 9999)).toBe("option 6:9999");
});
