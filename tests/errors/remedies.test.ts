/** Mistakes that people make, with the sentence that helps: what it tells them to write compiles. */
import { describe, expect, test } from "vitest";
import { compile } from "../../compiler/compile.ts";

const HEAD = `import { ArrayMap, HashMap, Ipv4Trie, IpTrie, atomicAdd, htonl, htons, license, log, ntohs, struct, u8, u16, u32, u64, type Ip6, type Errno } from "tsbpf";
import { Callback, Op, sockOps, tcpOption, type CcName, type OptionConn, type OptionKind, type SockOpsCtx, type TcpConn, type TcpState } from "tsbpf/tcp";
license("GPL");
class Counter extends struct({ turns: u8, port: u16 }) {}
export const counters = new ArrayMap({ value: Counter, maxEntries: 1 });
export const counts = new HashMap({ key: u32, value: u32, maxEntries: 4 });
`;
const ofTrie = (made: string): string =>
  `class Seen extends struct({ last: u32, first: u32, packets: u64 }) {}\nconst trie = new ${made};\n` +
  inProgram(`const seen = trie.get(ctx.remoteIp4);\n  if (seen) atomicAdd(seen, "packets", 1n);`);
const inProgram = (body: string): string =>
  `export const p = sockOps((ctx) => {\n  const counter = counters.get(0);\n  ${body}\n  return 1;\n});\n`;

/** What is said of a program, but of unused names. */
function say(text: string) {
  const { diagnostics, object } = compile({ path: "mistake.ts", text: HEAD + text });
  const said = diagnostics.filter((one) => !one.key.startsWith("unused"));
  return {
    keys: said.map((one) => one.key),
    messages: said.map((one) => one.message),
    helps: said.map((one) => one.help),
    object,
  };
}

/** What was written, what the help has to say, and the program with what it says. */
const MISTAKES: readonly (readonly [what: string, wrong: string, help: RegExp, right: string])[] = [
  [
    "a fraction of a u64",
    inProgram("const one = wide.get(0);\n  if (one !== undefined) wide.set(0, one * 0.7);").replace(
      /^/,
      "export const wide = new ArrayMap({ value: u64, maxEntries: 1 });\n",
    ),
    /^multiply, then divide: \(one \* 7n\) \/ 10n/,
    inProgram("const one = wide.get(0);\n  if (one !== undefined) wide.set(0, (one * 7n) / 10n);").replace(
      /^/,
      "export const wide = new ArrayMap({ value: u64, maxEntries: 1 });\n",
    ),
  ],
  [
    "an enum that counts from a negative number, and on from an expression",
    `enum Mode { Off = -1, On, Many = 1 << 4, More }\n${inProgram("ctx.reply = Mode.More + Mode.On;")}`,
    /^write constants: const Mode = \{ Off: -1, On: 0, Many: \(1 << 4\), More: \(1 << 4\) \+ 1 \} as const;$/,
    `const Mode = { Off: -1, On: 0, Many: (1 << 4), More: (1 << 4) + 1 } as const;\n${inProgram("ctx.reply = Mode.More + Mode.On;")}`,
  ],
  [
    "a pattern over a name too long to repeat",
    inProgram("const { turns } = aCounterWithAVeryLongNameThatNobodyWouldWrite;"),
    /^name each value: const turns = value\.turns/,
    inProgram("if (counter === undefined) return 1;\n  const turns = counter.turns;\n  ctx.reply = turns;"),
  ],
  [
    "a u64 in the values of an Ipv4Trie added to atomically",
    ofTrie("Ipv4Trie({ value: Seen, maxEntries: 4 })"),
    /^atomic operations work on aligned.*of an IpTrie at multiples of 8/,
    ofTrie("IpTrie({ value: Seen, maxEntries: 4 })"),
  ],
  [
    "a port in host order compared with htons",
    inProgram("if (ctx.localPort === htons(443)) ctx.reply = 1;"),
    /^leave out htons\(\)/,
    inProgram("if (ctx.localPort === 443) ctx.reply = 1;"),
  ],
  [
    "a port in network order compared with ntohs of another",
    inProgram("if (ntohs(ctx.remotePort) === ctx.remotePort) ctx.reply = 1;"),
    /^leave out ntohs\(\)/,
    inProgram("if (ctx.remotePort === ctx.remotePort) ctx.reply = 1;"),
  ],
  [
    "htons where an integer is kept",
    inProgram("counter.port = htons(ctx.localPort);"),
    /^leave out htons\(\)/,
    inProgram("counter.port = ctx.localPort;"),
  ],
  [
    "a network-order port compared with a number",
    inProgram("if (ctx.remotePort === 443) ctx.reply = 1;"),
    /^convert the number: htons\(…\)/,
    inProgram("if (ctx.remotePort === htons(443)) ctx.reply = 1;"),
  ],
  [
    "++ on a u8",
    inProgram("counter.turns++;"),
    /: counter\.turns = u8\(counter\.turns \+ 1\)$/,
    inProgram("counter.turns = u8(counter.turns + 1);"),
  ],
  [
    "-- before a u8",
    inProgram("--counters.get(0).turns;"),
    /: counters\.get\(0\)\.turns = u8\(counters\.get\(0\)\.turns - 1\)$/,
    inProgram("counters.get(0).turns = u8(counters.get(0).turns - 1);"),
  ],
  [
    "+= on a u16",
    inProgram("counter.port += ctx.mss & 0xffff;"),
    /: counter\.port = u16\(counter\.port \+ \(ctx\.mss & 0xffff\)\)$/,
    inProgram("counter.port = u16(counter.port + (ctx.mss & 0xffff));"),
  ],
  [
    "a countdown",
    inProgram("for (let i = 3; i >= 0; i--) counts.set(5, i);"),
    /^declare it with a sign: let i: i32 = 3$/,
    `import type { i32 } from "tsbpf";\n${inProgram("for (let i: i32 = 3; i >= 0; i--) counts.set(5, u32(i));")}`,
  ],
  [
    "log called with a template",
    inProgram("log(`port ${ctx.localPort}`);"),
    /^write log`port \$\{ctx\.localPort\}` without parentheses$/,
    inProgram("log`port ${ctx.localPort}`;"),
  ],
  [
    "log called with a string",
    inProgram('log("here");'),
    /^write log`here` without parentheses$/,
    inProgram("log`here`;"),
  ],
  [
    "another function before a template",
    inProgram("ctx.reply = ctx.remotePort === htons`443` ? 1 : 2;"),
    /^call it: htons\(…\)$/,
    inProgram("ctx.reply = ctx.remotePort === htons(443) ? 1 : 2;"),
  ],
  [
    "export default of a program",
    "export default sockOps((ctx) => {\n  ctx.reply = 1;\n  return 1;\n});\n",
    /^write export const name = sockOps\(…\)$/,
    "export const name = sockOps((ctx) => {\n  ctx.reply = 1;\n  return 1;\n});\n",
  ],
  [
    "export default of a name",
    "const p = sockOps(() => 1);\nexport default p;\n",
    /export/,
    "const p = sockOps(() => 1);\nexport { p };\n",
  ],
  [
    "import.meta",
    inProgram("if (import.meta.url) ctx.reply = 1;"),
    /^the program runs in the kernel$/,
    inProgram("ctx.reply = 1;"),
  ],
  [
    "an option stored outside of its event",
    inProgram("ctx.storeOption(100, new Counter({ turns: 1 }));"),
    /^compare ctx\.op first: if \(ctx\.op === Op\.WriteHeaderOption\)/,
    inProgram("if (ctx.op === Op.WriteHeaderOption) ctx.storeOption(100, new Counter({ turns: 1 }));"),
  ],
  [
    "an option loaded in another event",
    inProgram("if (ctx.op === Op.Rto) { const o = ctx.loadOption(100, Counter); if (o) ctx.reply = 1; }"),
    /Op\.ParseHeaderOption/,
    inProgram("if (ctx.op === Op.ParseHeaderOption) { const o = ctx.loadOption(100, Counter); if (o) ctx.reply = 1; }"),
  ],
  [
    "a field of one event read in all",
    inProgram("if (ctx.timedOut) ctx.reply = 1;"),
    /Op\.Rto/,
    inProgram("if (ctx.op === Op.Rto && ctx.timedOut) ctx.reply = 1;"),
  ],
  [
    "the result of a named program",
    "function run(ctx: SockOpsCtx) {\n  ctx.reply = 1;\n  return 1;\n}\nexport const p = sockOps(run);\n",
    /: 0 \| 1$/,
    "function run(ctx: SockOpsCtx): 0 | 1 {\n  ctx.reply = 1;\n  return 1;\n}\nexport const p = sockOps(run);\n",
  ],
  [
    "let with a !",
    inProgram("let x!: u32;\n  if (ctx.mss > 3) x = 1;\n  counts.set(1, x);"),
    /let x: u32 = …$/,
    inProgram("let x: u32 = 0;\n  if (ctx.mss > 3) x = 1;\n  counts.set(1, x);"),
  ],
  [
    "declare const",
    `declare const limit: u8;\n${inProgram("if (ctx.mss > limit) ctx.reply = 1;")}`,
    /param\(u32, 0\)$/,
    `import { param } from "tsbpf";\nexport const limit = param(u32, 0);\n${inProgram("if (ctx.mss > limit) ctx.reply = 1;")}`,
  ],
  [
    "0 or missing",
    inProgram("const count = counts.get(1);\n  if (!count) ctx.reply = 1;"),
    /^say which is meant: count === undefined, or \(count \?\? 0\) === 0$/,
    inProgram("const count = counts.get(1);\n  if (count === undefined || (count ?? 0) === 0) ctx.reply = 1;"),
  ],
  [
    "a difference below 0",
    inProgram("const room = ctx.sndCwnd - ctx.packetsOut;\n  if (room < 0) ctx.reply = 1;"),
    /compare before you subtract: a < b$/,
    inProgram("if (ctx.sndCwnd < ctx.packetsOut) ctx.reply = 1;"),
  ],
];

describe("errors: remedies", () => {
  test.each(MISTAKES)("%s", (_, wrong, help, right) => {
    const said = say(wrong);
    expect(said.keys, said.messages.join("\n")).toHaveLength(1);
    expect(said.helps[0]).toMatch(help);
    expect(say(right)).toMatchObject({ messages: [] });
    expect(say(right).object).toBeDefined();
  });
});

describe("errors: what must not be one", () => {
  test.each([
    [
      "a named handler",
      'function onParse(conn: TcpConn, option: Counter) {\n  if (option.turns > 1) conn.setSockOpt("TCP_BPF_IW", option.turns);\n}\nexport const ask = tcpOption({ kind: 100, payload: Counter, parse: onParse });\n',
    ],
    [
      "a named handler with a result that nobody looks at",
      "function on(conn: OptionConn): undefined {\n  conn.startWriting();\n}\nexport const ask = tcpOption({ kind: 100, payload: Counter, established: on, write(conn, option) { option.turns = u8(conn.mss); } });\n",
    ],
    [
      "exported types in signatures",
      `function same(a: Ip6, b: Ip6): boolean {
  return a[0] === b[0] && a[1] === b[1] && a[2] === b[2] && a[3] === b[3];
}
function failed(e: Errno): boolean { return e !== 0; }
function kindOf(kind: OptionKind): u8 { return kind; }
function isRto(op: Op): boolean { return op === Op.Rto; }
function bits(flags: Callback): u32 { return flags; }
function open(state: TcpState): boolean { return state === "established"; }
${inProgram("if (same(ctx.localIp6, ctx.remoteIp6) && open(ctx.state) && isRto(ctx.op) && !failed(ctx.setCallbacks(Callback.Rto))) ctx.reply = kindOf(66) + (bits(Callback.Rto) > 3 ? 1 : 0);")}`,
    ],
    [
      "a signed countdown",
      inProgram("for (let i: i32 = 3; i >= 0; i--) ctx.reply = i;").replace(
        "export",
        'import type { i32 } from "tsbpf";\nexport',
      ),
    ],
  ])("%s", (_, text) => {
    expect(say(text)).toMatchObject({ messages: [] });
    expect(say(text).object).toBeDefined();
  });

  test("the same file under another name is the same module", () => {
    const text = `import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
import { limit as same } from "./own.ts";
license("GPL");
export const limit = 7;
export const p = sockOps((ctx) => {
  if (ctx.mss > same) ctx.reply = same;
  return 1;
});
`;
    for (const path of ["own.ts", "./own.ts", "x/../own.ts"]) {
      const result = compile({ path, text }, { readImport: () => ({ path: "own.ts", text }) });
      expect(result.diagnostics).toEqual([]);
      expect(result.sources).toHaveLength(1);
      expect(JSON.stringify(result.module!.programs[0]!.insns)).toContain("7");
    }
  });
});

describe("errors: circles", () => {
  test("two files whose constants need each other", () => {
    const files = new Map([
      ["./a.ts", 'import { b } from "./b.ts";\nexport const a = b + 1;\n'],
      ["./b.ts", 'import { a } from "./a.ts";\nexport const b = a + 1;\n'],
    ]);
    const text =
      'import { license } from "tsbpf";\nimport { sockOps } from "tsbpf/tcp";\nimport { a } from "./a.ts";\nlicense("GPL");\nexport const p = sockOps((ctx) => {\n  ctx.reply = a;\n  return 1;\n});\n';
    const read = (path: string) => (files.has(path) ? { path, text: files.get(path)! } : undefined);
    const circle = compile({ path: "main.ts", text }, { readImport: read });
    expect(circle.diagnostics.map((one) => [one.key, circle.sources[one.span!.file]!.path])).toEqual([
      ["constant-cycle", "./a.ts"],
    ]);
    // Files may import each other as long as their values do not.
    files.set("./b.ts", 'import { c } from "./a.ts";\nexport const b = c + 1;\n');
    files.set("./a.ts", 'import { b } from "./b.ts";\nexport const c = 40;\nexport const a = b + 1;\n');
    const line = compile({ path: "main.ts", text }, { readImport: read });
    expect(line.diagnostics).toEqual([]);
    expect(JSON.stringify(line.module!.programs[0]!.insns)).toContain("42");
  });

  test("a file that imports its own constant", () => {
    const text =
      'import { license } from "tsbpf";\nimport { sockOps } from "tsbpf/tcp";\nimport { limit as same } from "./own.ts";\nlicense("GPL");\nexport const limit = same + 1;\nexport const p = sockOps((ctx) => {\n  ctx.reply = limit;\n  return 1;\n});\n';
    const { diagnostics } = compile({ path: "own.ts", text }, { readImport: () => ({ path: "own.ts", text }) });
    expect(diagnostics.map((one) => one.key)).toEqual(["constant-cycle"]);
  });
});

describe("errors: names", () => {
  test("names that differ outside of ASCII alone", () => {
    const keys = (text: string): string[] => say(text).keys;
    const program = inProgram("ctx.reply = 1;");
    expect(
      keys(
        `export const größe = new HashMap({ key: u32, value: u32, maxEntries: 1 });\nexport const grüße = new HashMap({ key: u32, value: u32, maxEntries: 1 });\n${program}`,
      ),
    ).toEqual(["name-collision"]);
    expect(
      keys(
        `class S extends struct({ ä: u8, ö: u8 }) {}\nexport const m = new ArrayMap({ value: S, maxEntries: 1 });\n${program}`,
      ),
    ).toEqual(["name-collision"]);
    expect(
      keys(
        `import { param } from "tsbpf";\nexport const ä = param(u8, 1);\nexport const ö = param(u8, 1);\n${inProgram("if (ctx.mss > ä + ö) ctx.reply = 1;")}`,
      ),
    ).toEqual(["name-collision"]);
    expect(keys("export const ä = sockOps(() => 1);\nexport const ö = sockOps(() => 1);\n")).toEqual([
      "name-collision",
    ]);
    // What nobody looks up by name is told apart.
    expect(keys(`let ä: u32 = 1;\nlet ö: u32 = 2;\n${inProgram("ä++; ö += 2; if (ä === ö) ctx.reply = 1;")}`)).toEqual(
      [],
    );
  });

  test("the nearest member comes first, and only what is there in this context", () => {
    const help = (text: string): string => say(text).helps[0] ?? "";
    expect(help(inProgram("if (ctx.sndCwmd > 1) ctx.reply = 1;"))).toMatch(/^it has sndCwnd, /);
    expect(help(inProgram("if (ctx.sndCwmd > 1) ctx.reply = 1;"))).not.toMatch(/remoteToken|openSubflow|storeOption/);
    expect(help(inProgram("counter.trns = 1;"))).toBe("it has turns, port");
    expect(help(inProgram("counts.delte(1);"))).toMatch(/^it has delete\(\)/);
    expect(
      help(
        "export const o = tcpOption({ kind: 66, payload: Counter, established(conn) { conn.startWritin(); }, write() {} });\n",
      ),
    ).toMatch(/^it has startWriting\(\), /);
  });
});
