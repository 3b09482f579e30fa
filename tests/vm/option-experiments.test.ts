/** Options of experiments beside `tcpOption`: in the peer's SYN, and at the low level; and which of two alike is read. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, load, type SockOpsUnderTest, type TcpOptionUnderTest } from "tsbpf/testing";
import { afterAll, describe, expect, test } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "tsbpf-experiments-"));
afterAll(() => rmSync(folder, { recursive: true }));
const EPERM = -1;
let files = 0;
function source(text: string): string {
  const path = join(folder, `experiment${files++}.ts`);
  writeFileSync(path, `import { license, struct, u16, u32, u8 } from "tsbpf";\nlicense("GPL");\n${text}`);
  return path;
}

/** A client's experiment in its SYN; the server answers what it has read of experiment `wanted`. */
const answered = async (sent: string, wanted: string): Promise<number | undefined> => {
  const { client, server } = await load<{ client: TcpOptionUnderTest; server: TcpOptionUnderTest }>(
    source(`
import { tcpOption } from "tsbpf/tcp";
class Value extends struct({ value: u32 }) {}
class Answer extends struct({ value: u8 }) {}
export const client = tcpOption({
  ${sent},
  payload: Value,
  connecting(conn) { conn.startWriting(); },
  write(conn, option, segment) { option.value = segment.syn ? 7 : 0; },
});
export const server = tcpOption({
  kind: 100,
  payload: Answer,
  listening(conn) { conn.startWriting(); },
  write(conn, option) {
    const syn = conn.synOption(${wanted}, Value);
    option.value = syn && syn.value === 7 ? 7 : syn ? 1 : 0;
  },
});
`),
    { target: "mainline" },
  );
  const network = connect(client, server);
  network.open();
  return network.segments.find((one) => one.from === "server" && one.syn)?.options[2];
};

describe("synOption of an experiment", () => {
  test.each([
    ["experiment: 0x1234", "{ experiment: 0x1234 }", 7],
    ["experiment: 0x1234, kind: 253", "{ experiment: 0x1234, kind: 253 }", 7],
    ["experiment: 0x1234", "{ experiment: 0x3412 }", 0],
    ["experiment: 0x1234", "{ kind: 253, experiment: 0x1234 }", 0],
  ] as const)("%s as %s", async (sent, wanted, answer) => {
    expect(await answered(sent, wanted)).toBe(answer);
  });
});

test("storeOption and loadOption take experiments", async () => {
  const { low } = await load<{ low: SockOpsUnderTest }>(
    source(`
import { Op, sockOps } from "tsbpf/tcp";
class Value extends struct({ value: u16, more: u16 }) {}
export const low = sockOps((ctx) => {
  switch (ctx.op) {
    case Op.WriteHeaderOption:
      ctx.reply = ctx.storeOption({ experiment: 0xda01 }, new Value({ value: 0x0201, more: 5 }));
      break;
    case Op.ParseHeaderOption: {
      const found = ctx.loadOption({ experiment: 0xda01, kind: 254 }, Value);
      ctx.reply = 0;
      if (found && found.value === 0x0201) ctx.reply = 5;
      break;
    }
  }
  return 1;
});
`),
    { target: "mainline" },
  );
  expect(low.event("ParseHeaderOption").reply).toBe(0);
  // The model writes for `tcpOption` alone.
  expect(low.event("WriteHeaderOption").reply).toBe(EPERM);
});

describe("two options of a kind on one segment", () => {
  const read = async (target: "mainline" | "patched"): Promise<readonly string[]> => {
    const { mark } = await load<{ mark: TcpOptionUnderTest }>(
      source(`
import { log } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
class Mark extends struct({ value: u8 }) {}
export const mark = tcpOption({ kind: 100, payload: Mark, parse(conn, option) { log\`\${option.value}\`; } });
`),
      { target },
    );
    mark.established("client");
    mark.parse([100, 3, 1, 1, 100, 3, 2]);
    return mark.logged;
  };
  test("mainline reads the first", async () => {
    expect(await read("mainline")).toEqual(["1"]);
  });
  test("the patched kernel reads each", async () => {
    expect(await read("patched")).toEqual(["1", "2"]);
  });
});
