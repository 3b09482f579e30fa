/** Sources that nobody wrote: programs with tokens lost, put in and exchanged, and programs grown from a grammar of far more than the language. */

import { builtinNames } from "../../compiler/frontend/builtins.ts";
import { methodsOf } from "../../compiler/frontend/contexts.ts";
import { mapMethods } from "../../compiler/frontend/map-calls.ts";
import * as language from "../../runtime/dsl/index.ts";
import * as tcp from "../../runtime/dsl/tcp.ts";
import { fromSeed } from "../generate/choices.ts";
import { generate } from "../generate/compiled.ts";
import { generateProgram } from "../generate/program.ts";

/** A small generator of numbers (mulberry32), so that a failure can be repeated. */
export function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const tokens = (text: string): string[] =>
  text.match(/\s+|\/\/[^\n]*|[A-Za-z_$][\w$]*|\d[\w.]*|"[^"\n]*"|`[^`]*`|=>|[-+*/%&|^<>=!?.]+|./gu) ?? [];

/**
 * A text with one to three places changed; what is put in comes from the other texts. Gently: one number or one name becomes
 * another, after which many texts are programs still.
 */
export function mutated(texts: readonly string[], seed: number, gently = false): string {
  const next = random(seed);
  const list = tokens(texts[seed % texts.length]!);
  const other = tokens(texts[next(texts.length)]!);
  for (let n = gently ? 1 : 1 + next(3); n > 0; n--) {
    const at = next(list.length);
    switch (gently ? 4 + next(2) : next(7)) {
      case 0:
        list.splice(at, 1 + next(3));
        break;
      case 1:
        list.splice(at, 0, other[next(other.length)]!);
        break;
      case 2:
        list[at] = other[next(other.length)]!;
        break;
      case 3:
        [list[at], list[next(list.length)]] = [list[next(list.length)]!, list[at]!];
        break;
      case 4:
        // A number becomes another one: most of these are still programs.
        for (let i = at; i < list.length; i++)
          if (/^\d/.test(list[i]!)) {
            list[i] = NUMBERS[next(NUMBERS.length)]!;
            break;
          }
        break;
      case 5: {
        // A name becomes another name of the same text.
        const names = list.flatMap((one, index) => (/^[A-Za-z_$]/.test(one) && index > list.length / 6 ? [index] : []));
        if (names.length > 0) list[names[next(names.length)]!] = list[names[next(names.length)]!]!;
        break;
      }
      default: {
        const from = next(other.length);
        list.splice(at, next(4), ...other.slice(from, from + next(12)));
      }
    }
  }
  return list.join("");
}

const NUMBERS = [
  "0",
  "1",
  "-1",
  "255",
  "256",
  "65535",
  "4294967295",
  "4294967296",
  "0n",
  "1n",
  "18446744073709551615n",
  "1.5",
  "1e21",
  "0x7fffffff",
  "9007199254740993",
  "33",
];
const TYPES = [
  "u8",
  "u16",
  "u32",
  "i32",
  "u64",
  "i64",
  "be16",
  "be32",
  "boolean",
  "S",
  "Big",
  "u32 | undefined",
  "S | undefined",
  "number",
  "bigint",
  "string",
  '"a" | "b"',
  "any",
  "never",
  "void",
  "TcpConn",
  "OptionConn",
  "SockOpsCtx",
  "Ref<u32>",
  "FixedArray<u8, 4>",
  "CString<8>",
  "Ip6",
  "Op",
  "[u8, u8]",
  "{ a: u8 }",
  "Readonly<S>",
  "ReturnType<typeof f0>",
  "(x: u32) => u32",
  "unknown",
  "CcName",
  "TcpState",
];
const NAMES = [
  "a",
  "b",
  "c",
  "s",
  "big",
  "i",
  "x",
  "ctx",
  "count",
  "list",
  "counts",
  "slots",
  "ring",
  "limit",
  "table",
  "K",
  "S",
  "Big",
  "f0",
  "f1",
  "f2",
  "undefined",
  "undeclared",
  "Math",
  "console",
  "this",
];
const MEMBERS = [
  "a",
  "b",
  "list",
  "inner",
  "text",
  "value",
  "length",
  "mss",
  "op",
  "localPort",
  "remotePort",
  "localIp6",
  "state",
  "reply",
  "get",
  "set",
  "ref",
  "delete",
  "toString",
  "constructor",
  "__proto__",
  "timedOut",
  "nothing",
  "port",
  "wide",
];
const BINARY = [
  "+",
  "-",
  "*",
  "/",
  "%",
  "&",
  "|",
  "^",
  "<<",
  ">>",
  ">>>",
  "===",
  "!==",
  "<",
  "<=",
  ">",
  ">=",
  "&&",
  "||",
  "??",
  "==",
  ",",
  "**",
  "in",
  "instanceof",
];
const ASSIGN = ["=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=", ">>>=", "??=", "&&=", "||="];
/** Functions of the modules that the texts import, methods of what they declare, and of the context. */
const CALLS = [
  ...builtinNames().filter((name) => name in language || name in tcp),
  ...["f0", "f1", "f2", "S"],
  ...Object.entries({ counts: "HashMap", slots: "ArrayMap", ring: "RingBuf" } as const).flatMap(([map, kind]) =>
    mapMethods(kind).map((name) => `${map}.${name}`),
  ),
  ...methodsOf("ctx").map((name) => `ctx.${name}`),
];
const STRINGS = [
  '"a"',
  '"TCP_CONGESTION"',
  '"TCP_BPF_IW"',
  '"10.0.0.0/8"',
  '"10.0.0.1"',
  '"::1"',
  '"value"',
  '"bbr"',
  '""',
  '"\\u{1f600}"',
  '"any"',
];

/** Texts to start from: those that compile apart. */
export interface Texts {
  readonly all: readonly string[];
  readonly right: readonly string[];
}

/** The n-th source: grown programs, tame and wild, mutated texts, and a quarter of gently mutated ones, of people's programs and of the generator's. */
export function source(texts: Texts, seed: number): string {
  switch (seed % 8) {
    case 0:
    case 2:
      return grown(seed);
    case 4:
      return tame(seed);
    case 1:
    case 3:
    case 5:
      return mutated(texts.all, seed * 31);
    case 6:
      return mutated(texts.right, seed >> 3, true);
    default: {
      const choices = fromSeed(seed);
      generateProgram(choices, 80);
      return mutated([generate(choices.taken, 80).text], seed, true);
    }
  }
}

/** A program grown from `seed` that keeps to u32 and to what compiles, if it is not too large: for the passes and the backend. */
export function tame(seed: number): string {
  const next = random(seed * 104729 + 5);
  const pick = <T>(list: readonly T[]): T => list[next(list.length)]!;
  const value = (depth: number): string => {
    if (depth <= 0)
      return pick(["a", "c", "i", "1", "3", "255", "4096", "s.b", "s.a", "limit", "ctx.segsIn", "list[2]", "count"]);
    const inner = (): string => value(depth - 1);
    return pick([
      () => `(${inner()} ${pick(["+", "-", "*", "&", "|", "^"])} ${inner()})`,
      () => `(${inner()} ${pick(["/ 3", "% 7", "<< 2", ">> 5", ">>> 1", "/ (a | 1)"])})`,
      () => `(${truth(depth - 1)} ? ${inner()} : ${inner()})`,
      () => `${pick(["max", "min", "f0", "f1", "f2"])}(${inner()}, ${inner()})`,
      () => `(list[${inner()}] ?? ${inner()})`,
      () => `(counts.get(${inner()}) ?? ${inner()})`,
      () => `u8(${inner()})`,
    ])();
  };
  const truth = (depth: number): string => {
    if (depth <= 0) return `${value(0)} ${pick(["===", "!==", "<", "<=", ">", ">="])} ${value(1)}`;
    return pick([
      () => truth(0),
      () => `(${truth(depth - 1)} ${pick(["&&", "||"])} ${truth(depth - 1)})`,
      () => `!(${truth(depth - 1)})`,
    ])();
  };
  const block = (depth: number): string =>
    `{ ${Array.from({ length: 1 + next(3) }, () => statement(depth)).join(" ")} }`;
  const statement = (depth: number): string => {
    const simple = (): string =>
      pick([
        () => `a = ${value(2)};`,
        () => `c ${pick(["+=", "^=", "|=", "-="])} ${value(2)};`,
        () => `s.b = ${value(2)};`,
        () => `s.a = u8(${value(2)});`,
        () => `list[${value(1)} & 1] = ${value(2)};`,
        () => `counts.set(${value(1)}, ${value(1)});`,
        () => `count = ${value(2)};`,
        () => `log\`\${${value(1)}} and \${${value(0)}}\`;`,
        () => `atomicAdd(s, "b", ${value(1)});`,
        () => `for (const one of list) a += one;`,
      ])();
    if (depth <= 0) return simple();
    return pick([
      simple,
      simple,
      () => `if (${truth(2)}) ${block(depth - 1)}${next(2) ? ` else ${block(depth - 1)}` : ""}`,
      () => `for (const i of range(${pick(["2", "3", "c & 3, 4", "17"])})) ${block(depth - 1)}`,
      () =>
        `for (let j: u32 = 0; j < ${1 + next(6)}; j++) { ${statement(depth - 1)} ${pick(["", `if (${truth(1)}) break;`, `if (${truth(1)}) continue;`])} }`,
      () =>
        `switch (${value(1)}) { ${Array.from({ length: next(4) }, (_, n) => `case ${n * pick([1, 3])}${n > 0 ? n : ""}: ${statement(depth - 1)} break;`).join(" ")} default: ${statement(depth - 1)} }`,
      () => `if (${truth(1)}) return ${next(2)};`,
    ])();
  };
  return `import { array, ArrayMap, HashMap, atomicAdd, license, log, max, min, param, range, struct, u8, u16, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class S extends struct({ a: u8, b: u32, list: array(u32, 3) }) {}
export const counts = new HashMap({ key: u32, value: u32, maxEntries: 4 });
export const slots = new ArrayMap({ value: S, maxEntries: 2 });
export const limit = param(u16, 20);
let count: u32 = 0;
function f0(x: u32, y: u32): u32 { return x ${pick(["+", "&", "-"])} y; }
function f1(x: u32, y: u32): u32 { if (x < y) return f0(y, x); return f0(x, 2); }
function f2(x: u32, y: u32): u32 { for (const i of range(2)) if (i === x) return f1(i, y); return y; }
export const p = sockOps((ctx) => {
  let a: u32 = ctx.mss; let c: u32 = 7; const i = ctx.segsIn; const s = slots.get(0); const list = slots.get(1).list;
  ${Array.from({ length: 1 + next(5) }, () => statement(2)).join("\n  ")}
  s.b = a + c;
  return 1;
});
`;
}

/** A program grown from `seed`: it parses, and may be anything beyond that. */
export function grown(seed: number): string {
  const next = random(seed * 7919 + 17);
  const pick = <T>(list: readonly T[]): T => list[next(list.length)]!;
  const many = (most: number, one: () => string, separator: string): string =>
    Array.from({ length: next(most + 1) }, one).join(separator);

  function place(depth: number): string {
    const name = pick(NAMES);
    switch (next(depth > 0 ? 7 : 2)) {
      case 0:
      case 1:
        return name;
      case 2:
      case 3:
        return `${place(depth - 1)}.${pick(MEMBERS)}`;
      case 4:
        return `${place(depth - 1)}[${expression(depth - 1)}]`;
      case 5:
        return `${place(depth - 1)}?.${pick(MEMBERS)}`;
      default:
        return pick([
          "slots.get(0)",
          "slots.get(1).list",
          "counts.get(1)",
          "ctx",
          "new S()",
          "big.inner",
          "slots.get(i)",
        ]);
    }
  }
  function expression(depth: number): string {
    if (depth <= 0) return pick([() => pick(NUMBERS), () => pick(NAMES), () => place(0), () => pick(STRINGS)])();
    switch (next(22)) {
      case 0:
      case 1:
        return pick(NUMBERS);
      case 2:
      case 3:
      case 4:
        return place(2);
      case 5:
      case 6:
      case 7:
      case 8:
        return `${expression(depth - 1)} ${pick(BINARY)} ${expression(depth - 1)}`.replace(
          /^(.*\?\?.*)(&&|\|\|)(.*)$/s,
          "($1) $2 ($3)",
        );
      case 9:
        return `(${expression(depth - 1)})`;
      case 10:
        return `${pick(["!", "-", "~", "+", "void ", "typeof ", "await ", "delete "])}(${expression(depth - 1)})`;
      case 11:
        return `(${expression(depth - 1)} ? ${expression(depth - 1)} : ${expression(depth - 1)})`;
      case 12:
      case 13:
      case 14:
        return `${pick(CALLS)}(${many(3, () => expression(depth - 1), ", ")})`;
      case 15:
        return `new ${pick(["S", "Big", "Map", "HashMap"])}({ ${many(3, () => `${pick(MEMBERS)}: ${expression(depth - 1)}`, ", ")} })`;
      case 16:
        return `[${many(4, () => expression(depth - 1), ", ")}]`;
      case 17:
        return `({ ${many(2, () => pick([`${pick(MEMBERS)}: ${expression(depth - 1)}`, "...s", "a", `[${expression(0)}]: 1`]), ", ")} })`;
      case 18:
        return pick([
          `(${place(1)} as ${pick(TYPES)})`,
          `${place(1)}!`,
          `(${expression(depth - 1)} satisfies ${pick(TYPES)})`,
          `(${pick(NAMES)}++)`,
          `(--${place(1)})`,
        ]);
      case 19:
        return `(${place(1)} ${pick(ASSIGN)} ${expression(depth - 1)})`;
      case 20:
        return pick([
          "log`x ${a}`",
          "`text ${a}`",
          "/x+/g",
          "(x) => x",
          "function () { return 1; }",
          "import.meta.url",
          "class {}",
          "null",
          "async () => {}",
          "f0`x`",
          "log(`x`)",
          "new.target",
        ]);
      default:
        return `${place(1)}?.${pick(MEMBERS)}?.(${many(2, () => expression(depth - 1), ", ")})`;
    }
  }
  function block(depth: number): string {
    return `{ ${many(3, () => statement(depth - 1), " ")} }`;
  }
  function statement(depth: number): string {
    if (depth <= 0)
      return pick([`${place(1)} ${pick(ASSIGN)} ${expression(1)};`, `${pick(NAMES)}++;`, "return 1;", "return;", ";"]);
    const declared = pick(["a", "b", "c", "d", "e", "x", "list"]);
    switch (next(18)) {
      case 0:
      case 1:
      case 2:
        return `${pick(["const", "let", "let", "var"])} ${declared}${next(2) ? `: ${pick(TYPES)}` : ""} = ${expression(2)};`;
      case 3:
      case 4:
      case 5:
        return `${place(2)} ${pick(ASSIGN)} ${expression(2)};`;
      case 6:
      case 7:
        return `if (${expression(2)}) ${block(depth)}${next(2) ? ` else ${block(depth)}` : ""}`;
      case 8:
        return `for (const ${pick(["i", "x", "_"])} of ${pick(["range(3)", "range(a, 5)", "range(200)", "list", "slots", "s.list", "ctx", expression(1)])}) ${block(depth)}`;
      case 9:
        return `for (let i = ${expression(0)}; ${expression(1)}; ${pick(["i++", "i--", "i += 2", "i = 5", ""])}) ${block(depth)}`;
      case 10:
        return `${pick(["while", "outer: while"])} (${expression(1)}) ${block(depth)}`;
      case 11:
        return `do ${block(depth)} while (${expression(1)});`;
      case 12:
        return `switch (${expression(1)}) { ${many(3, () => `case ${expression(1)}: ${statement(depth - 1)} ${pick(["break;", "", "return 1;"])}`, " ")} default: ${statement(depth - 1)} }`;
      case 13:
        return `${expression(2)};`.replace(/^([{[]|function|class|let)/, "void $1");
      case 14:
        return pick([
          "break;",
          "continue;",
          "return 1;",
          `return ${expression(1)};`,
          "throw 1;",
          "debugger;",
          "break outer;",
        ]);
      case 15:
        return pick([
          `const { a, b } = ${expression(1)};`,
          `const [p, q] = ${expression(1)};`,
          "try { a++; } catch {}",
          "for (const k in s) a++;",
          "class Inner {}",
          "function inner() {}",
          "let u: u32;",
          "let w!: u64;",
          "enum E { A }",
          "type T = u8;",
        ]);
      case 16:
        return block(depth);
      default:
        return `log\`${pick(["x", "%", "é"])} \${${expression(1)}}\`;`;
    }
  }
  const parameter = (name: string): string =>
    `${name}${pick(["", "?", ""])}: ${pick(TYPES)}${next(6) === 0 ? ` = ${expression(0)}` : ""}`.replace(
      /\?(: [^=]*) =/,
      "$1 =",
    );
  const helper = (n: number): string =>
    `${pick(["", "", "", "export ", "async "])}function f${n}(${[parameter("x"), parameter("y")].slice(0, next(3)).join(", ")})${next(2) ? `: ${pick(TYPES)}` : ""} ${block(3)}`;
  const top = (): string =>
    pick([
      () => `export const extra${next(100)} = ${expression(2)};`,
      () => `let g${next(100)}${next(2) ? `: ${pick(TYPES)}` : ""} = ${expression(1)};`,
      () =>
        `export const m${next(100)} = new ${pick(["HashMap", "ArrayMap", "LruHashMap", "PerCpuArray", "SkStorage", "RingBuf", "Ipv4Trie", "Ipv6Trie", "IpTrie"])}({ key: ${pick(["u32", "S", "u64"])}, value: ${pick(["u32", "S", "Big", "u64", "be32"])}, maxEntries: ${pick(NUMBERS)}${pick(["", ", pinned: true", ", initial: [1, 2]", ", bytes: 4096"])} });`,
      () =>
        `class T${next(9)} extends struct({ ${many(3, () => `${pick(MEMBERS)}: ${pick(["u8", "u64", "array(u8, 3)", "S", "cstring(4)", "be16", "T1", "array(S, 2)"])}`, ", ")} }${pick(["", ", { packed: true }"])}) {}`,
      () => `type T${next(100)} = ${pick(TYPES)};`,
      () => `declare const d${next(100)}: ${pick(TYPES)};`,
      () => `export default ${expression(1)};`,
      () =>
        `export const o${next(100)} = tcpOption({ kind: ${pick(["66", "100", "254", "2"])}, payload: S, ${pick(["experiment: 7, ", ""])}${pick(["established", "parse", "write", "retransmitTimeout"])}(conn, option) ${block(3)}, ${pick(["write(conn, option) { option.a = 1; }", "established(conn) { conn.startWriting(); }", "parse: f0"])} });`,
      () => `import { ${pick(MEMBERS)} } from "${pick(["tsbpf", "./other.ts", "fs"])}";`,
      () => `${expression(1)};`.replace(/^([{[]|function|class|let)/, "void $1"),
    ])();
  return [
    `import { ${Object.keys(language).join(", ")}, type CString, type FixedArray, type Ref } from "tsbpf";`,
    'import { Op, Callback, sockOps, tcpOption, type CcName, type OptionConn, type SockOpsCtx, type TcpConn, type TcpState } from "tsbpf/tcp";',
    'license("GPL");',
    "class S extends struct({ a: u8, b: u32, list: array(u32, 3), port: be16, wide: u64, text: cstring(8) }) {}",
    "class Big extends struct({ inner: S, a: u64, list: array(S, 2) }) {}",
    "export const counts = new HashMap({ key: u32, value: u32, maxEntries: 4 });",
    "export const slots = new ArrayMap({ value: S, maxEntries: 2 });",
    "export const ring = new RingBuf({ value: S, bytes: 4096 });",
    "export const limit = param(u16, 20); export const whole = param(S, new S({ a: 1 })); export const six = param(Ip6, ipv6('::1'));",
    "const K = 5; const table = [1, 2, 3] as const; let count: u32 = 0;",
    ...Array.from({ length: 3 }, (_, n) => helper(n)),
    ...Array.from({ length: next(3) }, top),
    `export const p = sockOps((ctx) => { let a: u32 = ctx.mss; let b: u8 = 3; let c = 7; const i = ctx.segsIn; const s = slots.get(0); const list = s.list; const big = new Big(); const x = counts.get(a); ${Array.from({ length: 1 + next(5) }, () => statement(3)).join("\n  ")} return 1; });`,
    "",
  ].join("\n");
}
