// RFC 6994: an option of a shared kind, 253 or 254, told apart from others by a 16-bit identifier after its length.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { load, type TcpOptionUnderTest } from "tsbpf/testing";
import { afterAll, describe, expect, test } from "vitest";
import { TARGETS, type TargetName } from "../../compiler/bpf/kernels.ts";

const folder = mkdtempSync(join(tmpdir(), "tsbpf-experiments-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function experiment(target: TargetName, kind: 253 | 254 | undefined): Promise<TcpOptionUnderTest> {
  const path = join(folder, `${target}${kind ?? ""}.ts`);
  writeFileSync(
    path,
    `import { be16, htons, license, ntohs, struct } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class Timeout extends struct({ ms: be16 }) {}
export const option = tcpOption({
  experiment: 0xda01,
  ${kind ? `kind: ${kind},` : ""}
  payload: Timeout,
  established(conn) {
    conn.startWriting();
  },
  write(_conn, option) {
    option.ms = htons(0x0304);
  },
  parse(conn, option) {
    conn.setSockOpt("TCP_USER_TIMEOUT", ntohs(option.ms));
  },
});
`,
  );
  return ((await load(path, { target })) as { option: TcpOptionUnderTest }).option;
}

describe.each(TARGETS)("experiments on %s", (target) => {
  test.each([
    [undefined, 254],
    [254, 254],
    [253, 253],
  ] as const)("kind %s: kind %i, length, identifier, payload on the wire", async (kind, sent) => {
    const option = await experiment(target, kind);
    option.established("client");
    const bytes = option.write()!;
    expect([...bytes]).toEqual([sent, 6, 0xda, 0x01, 3, 4]);
    option.parse(bytes);
    expect(option.sockOpts.TCP_USER_TIMEOUT).toBe(0x0304);
  });

  test.each([
    ["another identifier", [254, 6, 0xda, 0x02, 3, 4]],
    ["the identifier in the wrong order", [254, 6, 0x01, 0xda, 3, 4]],
    ["the other kind", [253, 6, 0xda, 0x01, 3, 4]],
    ["no payload", [254, 4, 0xda, 0x01]],
    ["a payload of one byte", [254, 5, 0xda, 0x01, 3]],
    ["a payload of three bytes", [254, 7, 0xda, 0x01, 3, 4, 5]],
  ])("%s is not ours", async (_what, bytes) => {
    const option = await experiment(target, undefined);
    option.established("server");
    option.parse(Uint8Array.from(bytes));
    expect(option.sockOpts).toEqual({});
  });
});
