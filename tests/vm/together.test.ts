/** Several programs on one socket of the model: what is on the wire must be what kernels were seen to put there. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import {
  connect,
  load,
  together,
  type MapUnderTest,
  type SockOpsUnderTest,
  type TcpOptionUnderTest,
  type TcpUnderTest,
} from "tsbpf/testing";
import { has, kernels, TARGETS, type TargetName } from "../../compiler/bpf/kernels.ts";
import { fromSeed } from "../generate/choices.ts";
import { SETTINGS, wrong } from "../runtime/shared-writing/judge.ts";
import { SEGMENTS, sourceOf, type Who } from "../runtime/shared-writing/scenario.ts";

const folder = mkdtempSync(join(tmpdir(), "tsbpf-together-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
function source(text: string): string {
  const path = join(folder, `program${files++}.ts`);
  writeFileSync(path, text);
  return path;
}
const hasOptionEvents = (target: TargetName): boolean => has(kernels[target], "tcp-option-events");

const counter = (target: TargetName): string => `
import { ArrayMap, license, u32 } from "tsbpf";
import { Op, sockOps } from "tsbpf/${hasOptionEvents(target) ? "mptcp" : "tcp"}";
license("GPL");
export const times = new ArrayMap({ value: u32, maxEntries: 1 });
export const asked = sockOps((ctx) => {
  if (ctx.op === Op.${hasOptionEvents(target) ? "OptionsSize" : "HeaderOptionLength"}) times.set(0, (times.get(0) ?? 0) + 1);
  ctx.reply = -1;
  return 1;
});
`;
const optionsOf = async (who: Who, target: TargetName): Promise<TcpOptionUnderTest[]> =>
  Object.values(await load<Record<string, TcpOptionUnderTest>>(source(sourceOf(who)!), { target })).filter(
    (view) => typeof view?.established === "function",
  );
/** Kinds of the options, first to last. */
const kindsOf = (options: Uint8Array): number[] => {
  const kinds: number[] = [];
  for (let at = 0; at < options.length; at += options[at] === 1 ? 1 : options[at + 1]!)
    if (options[at] !== 1) kinds.push(options[at]!);
  return kinds;
};

describe.each(TARGETS)("options of several programs on a connection, %s", (target) => {
  const ours = SETTINGS.filter(({ parent = [], child }) => [...parent, ...child].every((who) => sourceOf(who)));

  test.each(ours)("$name", async (setting) => {
    const module = await load<{ asked: SockOpsUnderTest; times: MapUnderTest<number, number> }>(
      source(counter(target)),
      {
        target,
      },
    );
    const programs: TcpUnderTest[] = [module.asked];
    // The socket's own cgroup first, then the one above.
    for (const who of [...setting.child, ...(setting.parent ?? [])]) programs.push(...(await optionsOf(who, target)));
    const [first, ...rest] = programs as [TcpUnderTest, ...TcpUnderTest[]];
    const network = connect(together(first, ...rest), together(first, ...rest));
    const times = (): number => module.times.get(0) ?? 0;
    let before = 0;
    for (let turn = 1; turn <= SEGMENTS; turn++) {
      if (turn === SEGMENTS - 2) before = times();
      network.transfer("client", 10);
      network.transfer("server", 10);
    }
    const kinds = (side: "client" | "server"): number[][] =>
      network.segments
        .filter(({ from, payload }) => from === side && payload > 0)
        .map(({ options }) => kindsOf(options).toSorted((a, b) => a - b));
    expect(wrong(setting, { client: kinds("client"), server: kinds("server"), askedAtEnd: times() - before })).toEqual(
      [],
    );
  });

  test("they lie in the order of the programs, as long as there is room", async () => {
    const long = (kind: number): string => `
import { array, license, struct, u8 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class Bytes extends struct({ bytes: array(u8, 10) }) {}
export const option = tcpOption({
  kind: ${kind},
  payload: Bytes,
  established(conn) {
    conn.startWriting();
  },
  write(conn, option) {
    option.bytes[0] = 7;
  },
});
`;
    const views = await Promise.all(
      [100, 101, 102].map(
        async (kind) => (await load<{ option: TcpOptionUnderTest }>(source(long(kind)), { target })).option,
      ),
    );
    const all = together(...(views as [TcpOptionUnderTest, ...TcpOptionUnderTest[]]));
    all.established("client");
    // Time stamps take 12 of the 40 bytes, each option 12.
    expect(kindsOf(all.send(100)!)).toEqual([100, 101]);
    expect(all.history).toContain("program");
  });
});

describe.each(TARGETS)("what an option writes does not depend on who else is there, %s", (target) => {
  /** Options that stop after so many data segments, and begin again or do not; in one object or in several. */
  const optionText = (kind: number, stop: number, again: number | undefined): string => `
export const option${kind} = tcpOption({
  kind: ${kind},
  payload: Mark,
  established(conn, side) {
    if (side === "client") conn.startWriting();
  },
  write(conn, option) {
    option.seen = htonl(conn.dataSegsOut);
    if (conn.dataSegsOut > ${stop}${again === undefined ? "" : ` && conn.dataSegsOut < ${again}`}) conn.stopWriting();
  },${again === undefined ? "" : `\n  parse(conn) {\n    if (conn.dataSegsOut >= ${again}) conn.startWriting();\n  },`}
});`;
  const object = (...options: string[]): string =>
    `import { be32, htonl, license, struct } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class Mark extends struct({ seen: be32 }) {}
${options.join("\n")}
`;
  const optionsIn = async (text: string): Promise<TcpOptionUnderTest[]> =>
    Object.values(await load<Record<string, TcpOptionUnderTest>>(source(text), { target })).filter(
      (view) => typeof view?.established === "function",
    );
  /** Kinds on each segment of the client. */
  const played = (programs: readonly TcpOptionUnderTest[]): number[][] => {
    const [first, ...rest] = programs as [TcpOptionUnderTest, ...TcpOptionUnderTest[]];
    const network = connect(together(first, ...rest), together(first, ...rest));
    for (let turn = 0; turn < SEGMENTS; turn++) {
      network.transfer("client", 10);
      network.transfer("server", 10);
    }
    return network.segments
      .filter(({ from, payload }) => from === "client" && payload > 0)
      .map(({ options }) => kindsOf(options));
  };

  test.each([1, 2, 3, 4])("seed %i", { timeout: 60_000 }, async (seed) => {
    const { below } = fromSeed(seed);
    const options = Array.from({ length: 2 + below(2) }, (_, index) => {
      const stop = below(SEGMENTS);
      return optionText(100 + index, stop, below(3) === 2 ? stop + 1 + below(3) : undefined);
    });
    const alone = await Promise.all(options.map(async (text) => played(await optionsIn(object(text)))));
    // In one object, or each in its own, in any order.
    const grouped = below(2) === 0 ? [object(...options)] : options.map((text) => object(text));
    const all = (await Promise.all(grouped.map(optionsIn))).flat();
    if (below(2) === 1) all.reverse();
    const found = played(all);
    for (const [index, wanted] of alone.entries()) {
      const kind = 100 + index;
      expect(
        found.map((kinds) => kinds.includes(kind)),
        options[index],
      ).toEqual(wanted.map((kinds) => kinds.includes(kind)));
    }
  });
});

test("on mainline a program finds what those before it replied, and one that returns 0 takes the reply away", async () => {
  const replies = (body: string): string => `
import { license } from "tsbpf";
import { Op, sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  if (ctx.op !== Op.TimeoutInit) return 1;
  ${body}
});
`;
  const made = async (body: string): Promise<SockOpsUnderTest> =>
    (await load<{ program: SockOpsUnderTest }>(source(replies(body)))).program;
  const three = await made("ctx.reply = 3; return 1;");
  const quiet = await made("return 1;");
  const refuses = await made("return 0;");
  expect(together(three, quiet).event("TimeoutInit")).toEqual({ returned: 1, reply: 3 });
  expect(together(quiet, three).event("TimeoutInit")).toEqual({ returned: 1, reply: 3 });
  expect(together(three, refuses).event("TimeoutInit")).toEqual({ returned: 0, reply: -1 });
});

test("one socket has one kernel", async () => {
  const [[one], [other]] = await Promise.all([optionsOf("always", "mainline"), optionsOf("once", "patched")]);
  expect(() => together(one!, other!)).toThrow("one socket has one kernel");
  expect(() => together(one!, {} as never)).toThrow("load() gave");
});
