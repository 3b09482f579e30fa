/** Pages about statements and expressions. */
import type { language } from "../language.ts";
import type { Page } from "./page.ts";

export const languagePages = {
  syntax: {
    summary: "the text is not TypeScript",
    why: "TypeScript's own parser says so, in its own words. Nothing else is looked at before the text can be read.",
    right: `import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const a = sockOps(() => 1);
`,
  },
  "type-error": {
    summary: "TypeScript's type checker refuses it",
    why: "The number behind TS is TypeScript's own. The language is a subset of TypeScript, checked as strictly as tsc can: what an editor underlines is an error here as well.",
    right: [
      ["= ctx.mss;", "= i32(ctx.mss);"],
      ["import { license }", "import { i32, license }"],
      ["  return 1;\n  ctx.reply = 2;", "  return 1;"],
    ],
  },
  unused: {
    summary: "a name is declared and never used",
    why: "It is as a rule what is left of something, or a sign that another name was meant. It costs nothing in the object; noUnusedLocals in tsconfig.json, or --strict, makes it an error.",
    right: `import { be16, license, struct } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class Payload extends struct({ segments: be16 }) {}
export const option = tcpOption({
  kind: 66,
  payload: Payload,
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
`,
  },
  "unused-parameter": {
    summary: "a function does not use one of its parameters",
    why: "A name that begins with _ says that it is meant so. Parameters before one that is used do not count in handlers, whose parameters the event decides.",
    right: [
      ["function first(a: u32, b: u32)", "function first(a: u32, _b: u32)"],
      ["(_a: u32, b: u32, c: u32)", "(_a: u32, _b: u32, c: u32)"],
    ],
  },
  "nested-too-deep": {
    summary: "something lies inside itself so often that it cannot be followed",
    why: "Expressions, blocks and types are followed by functions that call themselves, which ends somewhere. No text that a person writes comes near; generated text should name intermediate values.",
    right: `import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const shallow = sockOps(() => 1);
`,
  },
  "too-many-branches": {
    summary: "one function branches so often that TypeScript gives up",
    why: "TypeScript follows a variable's type through every branch before, and stops at some thousands. What it would have said after that is not said; the compiler's own checks, which the kernel's safety rests on, are all made.",
    right: [["//! repeat 2200 if", "//! repeat 3 if"]],
  },
  "checker-failed": {
    summary: "TypeScript's checker breaks down on this text",
    why: "That is a fault of TypeScript, which does not survive some texts that are wrong, such as two members of one name and different kinds. The rest of the text cannot be checked until it is gone.",
    right: [
      ["// two members of one name: TypeScript's checker does not survive it\n", ""],
      ["  kind( conn, option) {", "  parse(conn, option) {"],
    ],
  },
  "source-too-large": {
    summary: "the source is longer than a million characters",
    why: "A program has some thousands of instructions, so such a text is a table in the wrong place or no program at all. Tables belong into maps, which the loader fills.",
    right: `import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const short = sockOps(() => 1);
`,
  },
  "empty-file": {
    summary: "there is nothing in the file",
    why: "An object needs a license and at least one program. tsbpf init makes a project with some to begin from.",
    right: `import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps(() => 1);
`,
  },
  "no-programs": {
    summary: "the file exports nothing that the kernel could run",
    why: "Programs are the exported constants that functions of the language such as sockOps() make: the documentation lists them under “What runs where”. A file that others import needs none, and tsbpf check takes it.",
    right: [
      [
        "export const limit: u32 = 3;",
        "export const limit: u32 = 3;\nexport const program = sockOps((ctx) => (ctx.mss > limit ? 1 : 0));",
      ],
      ['from "tsbpf";', 'from "tsbpf";\nimport { sockOps } from "tsbpf/tcp";'],
    ],
  },
  "not-exported": {
    summary: "a program is made and not exported",
    why: "A program is known by the name under which it is exported. What is not exported would silently not be part of the object.",
    right: [["const hidden", "export const shown"]],
  },
  "missing-import": {
    summary: "an import leads to nothing that a program may use",
    why: "A program runs in the kernel: there are no modules of Node and no packages of JavaScript there. It may import tsbpf and its parts, and TypeScript files of its own project: by path, by the paths of its tsconfig.json, or from packages of its workspace.",
    right: `import { i32, license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
const helper = (): i32 => 1;
export const program = sockOps((ctx) => {
  ctx.reply = helper();
  return 1;
});
`,
  },
  "not-understood": {
    summary: "the compiler gave up an expression without a reason",
    why: `Every expression that cannot be compiled has a key of its own; this one is there so that nothing is ever left out without a word.

No source is known to lead here. If yours does, that is a fault of tsbpf: please report it.`,
  },
  "not-in-bpf": {
    summary: "a part of JavaScript has no counterpart in BPF",
    why: "BPF has integers, memory of known size, branches and calls. There is no heap, no exception, no type at run time and no floating point, so what needs one of them is not in the language.",
    right: [
      [
        '  const kind = typeof ctx.mss;\n  try {\n    ctx.reply = 1;\n  } catch {\n    ctx.reply = 2;\n  }\n  ctx.reply = 2 ** 3;\n  if (kind === "number") ctx.reply = 1;\n',
        "  ctx.reply = 1 << 3;\n",
      ],
    ],
  },
  "javascript-global": {
    summary: "JavaScript's own objects are not there",
    why: "console, Math, Date, JSON and the others are parts of a JavaScript engine, and the program runs without one. For most that makes sense in a program, tsbpf has a function: log, min, max, ktimeNs.",
    right: [
      ['console.log("event");', "log`event`;"],
      ["ctx.reply = Math.max(1, 2)", "if (max(ctx.mss, 9) > 9) ctx.reply = 1"],
      ["import { license }", "import { license, log, max }"],
    ],
  },
  "top-level-statement": {
    summary: "a statement stands outside of every handler",
    why: "Nothing runs when an object is loaded: programs run at their events. What stands at the top level is a declaration, and its initial value is part of the object.",
    right: [
      ["let calls = 0;\nif (calls === 0) calls = 1;", "let calls = 1;"],
      ["  ctx.reply = calls", "  calls = 2;\n  ctx.reply = calls"],
    ],
  },
  "default-export": {
    summary: "export default gives no name",
    why: "Programs, maps and params are found by their names, by the loader and by bpftool.",
    right: [["export default sockOps((ctx) => {", "export const program = sockOps((ctx) => {"]],
  },
  "top-level-only": {
    summary: "something is declared in a function that belongs to the object",
    why: "Params, maps, structs and programs are parts of the object, made before anything runs. Inside of a function they would seem to be made anew at each event.",
    right: [
      [
        "export const program = sockOps((ctx) => {\n  const value = param(u8, 3);",
        "export const value = param(u8, 3);\nexport const program = sockOps((ctx) => {",
      ],
    ],
  },
  enum: {
    summary: "enum is not part of the language",
    why: "An enum is code that runs, while types disappear: the same file would mean different things to tools that only erase types, as Node does. Constants do the same.",
    right: [["enum Phase { Start, Run }", "const Phase = { Start: 0, Run: 1 } as const;"]],
  },
  class: {
    summary: "a class is not a struct",
    why: "There are no objects in BPF, only bytes whose places are known. class Name extends struct({ … }) {} says which.",
    right: [
      ["export class Counter { value = 0; }", "export class Counter extends struct({ value: u32 }) {}"],
      ["import { license }", "import { license, struct, u32 }"],
    ],
  },
  "struct-member": {
    summary: "a struct has a method, or a field outside of struct({ … })",
    why: "A struct is how bytes lie in memory, in maps and on the wire, and nothing else. A function that takes the struct does what a method would.",
    right: [["  add() { return 1; }\n", ""]],
  },
  closure: {
    summary: "a function is made inside of another one, or used as a value",
    why: "Calls are replaced by the function's body, or become calls of a place that is known. A function that is made at run time, or chosen then, has no place.",
    right: [
      [
        "export const program = sockOps((ctx) => {\n  const half = (value: number) => value / 2;\n  function twice(value: number) { return value * 2; }\n",
        "const half = (value: number) => value / 2;\nfunction twice(value: number) { return value * 2; }\nexport const program = sockOps((ctx) => {\n",
      ],
    ],
  },
  async: {
    summary: "a function is async",
    why: "A program runs from its event to its end, while the kernel waits. There is nothing to wait for, and nobody who would go on later.",
    right: [
      ["async function later(session: MptcpSession)", "function now(session: MptcpSession): void"],
      ["void later", "now"],
    ],
  },
  generic: {
    summary: "a function has type parameters",
    why: "What becomes instructions needs widths, and those follow from the types. A function for each type says them.",
    right: [["function first<T>(value: T, _other: T): T", "function first(value: number, _other: number): number"]],
  },
  "type-guard": {
    summary: "a function claims what type its argument has",
    why: "TypeScript believes a type guard without looking at what it does. Proofs that end in the kernel must rest on comparisons that the compiler sees.",
    right: [["value is 1 {", "boolean {"]],
  },
  "no-body": {
    summary: "a function is declared and not written",
    why: "An object holds everything that it runs. Overloads are not part of the language either: each function has one signature.",
    right: [
      ["function elsewhere(value: number): number;", "function elsewhere(value: number): number { return value + 1; }"],
    ],
  },
  throw: {
    summary: "BPF has no exceptions",
    why: "There is nobody to catch one. A program that cannot go on returns what lets the kernel go on.",
    right: [["throw 1;", "return 1;"]],
  },
  var: {
    summary: "var reaches beyond its block",
    why: "A variable of var exists in the whole function, also before its line and after its block. let and const exist where they stand.",
    right: [["var size", "const size"]],
  },
  destructuring: {
    summary: "several names are taken out of a value at once",
    why: "A name for a part of a struct can be that part or a copy of it, and which one should be plain to see. One const for each says it.",
    right: [["const { mss } = ctx;", "const mss = ctx.mss;"]],
  },
  spread: {
    summary: "fields are taken over by …",
    why: "A struct is made with the fields that stand there. new S(other) copies a whole one, after which fields can be assigned.",
    right: [["const two: Pair = { ...one, b: 2 };", "const two = new Pair(one);\n  two.b = 2;"]],
  },
  "reference-replaced": {
    summary: "a struct is replaced while a name still stands for it",
    why: "In JavaScript the name would keep the old struct. Here the new one's bytes are copied over the old one's, so that the name would show the new ones: where the two would differ, it is an error.",
    right: [
      ["const part = o.p;", "const part = new Pair(o.p);"],
      ["  part.a = 9;\n", "  o.p.b = part.b;\n"],
      ["const other = o.q;\n  reset(o);", "reset(o);\n  const other = o.q;"],
    ],
  },
  "replaced-in-use": {
    summary: "an expression replaces a struct that it is still using",
    why: "What the expression refers to lies where the new struct's bytes are put. In a statement of its own, before or after, there is no doubt which one is meant.",
    right: [["o.p.a = reset(o);", "const five = reset(o);\n  o.p.a = five;"]],
  },
  "reference-assigned": {
    summary: "a name that refers to a struct cannot refer to another one",
    why: "let part = o.p makes part a name for the struct in o, not a copy of it. In BPF that is a place, known when the program is compiled; a name cannot move to another place.",
    right: [
      ["let part = o.p;", "let part = new Pair(o.p);"],
      ["  part.a = 9;\n", "  o.p = part;\n"],
      [
        "  pair = new Pair();\n  pair.a = 9;",
        "  const fresh = new Pair();\n  fresh.a = pair.b;\n  out.get(0).q = fresh;",
      ],
    ],
  },
  "reference-copied": {
    summary: "an assignment would make two names for one struct",
    why: "After part = o.p JavaScript has two names for one struct. Here part has memory of its own, and an assignment would copy; where the difference could show, the copy has to be said.",
    right: [
      ["part = o.p;", "part = new Pair(o.p);"],
      ["  part.a = 9;\n", "  o.q = part;\n"],
      ["last = o.q;", "last = new Pair(o.q);"],
    ],
  },
  "reference-outlives": {
    summary: "a name would keep a struct beyond its turn of the loop",
    why: "A struct that a loop makes lies in the same memory in each turn. A name that is declared outside would show what the last turn put there.",
    right: [
      ["let best: Pair | undefined;", "let best = new Pair();"],
      ["best = pair;", "best = new Pair(pair);"],
      ["if (best) o.q.a", "o.q.a"],
    ],
  },
  "copy-written": {
    summary: "something is written to a struct after it was copied away",
    why: "Putting a struct into a field, an element or a map copies its bytes. What is written to the variable afterwards does not reach the copy, and nobody reads it.",
    right: [["pair.a = 9", "o.p.a = 9"]],
  },
  "stale-reference": {
    summary: "an entry is used after a change of its map may have freed it",
    why: "get() refers to the entry itself. After delete(), or set() of the same key, the kernel may give its memory to another entry, and what is written goes there. Nothing crashes, but the numbers are wrong.",
    right: [
      [
        "  pairs.delete(ctx.sndCwnd);\n  if (pair) pair.a = 9;",
        "  if (pair) pair.a = 9;\n  pairs.delete(ctx.sndCwnd);",
      ],
    ],
  },
  "loop-variable": {
    summary: "a loop uses a variable from outside",
    why: "A loop's variable is a constant in each turn of the unrolled loop, which is what lets it be an index. One that lives on outside is not.",
    right: [
      [
        "  let i = 0;\n  for (i of range(4)) ctx.reply = 1;\n  ctx.reply = i;",
        "  for (const i of range(4)) ctx.reply = i;",
      ],
    ],
  },
  "loose-equality": {
    summary: "== and != convert before they compare",
    why: "JavaScript's == makes both sides alike first, by rules of its own. There is nothing to convert here, so === says the same without a question.",
    right: [
      ["mss == 1460", "mss === 1460"],
      ["mss != 1460", "mss !== 1460"],
    ],
  },
  "string-built": {
    summary: "a string would have to be made at run time",
    why: "There is no memory to put it into. Texts are constants, compared as a whole; log`…` prints values into a text without making one.",
    right: [
      [
        '  const text = `mss ${ctx.mss}`;\n  if (text === "mss 1460") ctx.reply = 1;',
        "  if (ctx.mss === 1460) ctx.reply = 1;",
      ],
      ['"b" + "br"', '"bbr"'],
    ],
  },
  "string-type": {
    summary: "any string at all is expected",
    why: "A text is a number here, its place among those that it can be. string has no end of them; a union of texts has, and cstring(16) is bytes.",
    right: [["name: string", 'name: "bbr" | "reno"']],
  },
  "array-method": {
    summary: "lists have no methods",
    why: "A list has the length that it began with, and a function as an argument would be a closure. A loop over it, or an index, does what most methods do.",
    right: [["list.push(4);", "list[0] = 4;"]],
  },
  assertion: {
    summary: "as claims a type without a check",
    why: "After as, TypeScript believes what was said, and the bytes stay as they are: a port in the wrong byte order, a number that is too large. A conversion changes the value to what the type says.",
    right: [
      ["443 as unknown as be16", "htons(443)"],
      ["ctx.mss as u16", "u16(ctx.mss)"],
      ["import { license, type be16, type u16 }", "import { htons, license, u16 }"],
    ],
  },
  "non-null-assertion": {
    summary: "! claims that a value is there",
    why: "The kernel's verifier refuses a program that uses an entry before it has compared it with nothing. The comparison that TypeScript asks for is the same one.",
    right: [
      [
        "ctx.reply = limits.get(1)!;",
        "const limit = limits.get(1);\n  if (limit !== undefined) ctx.reply = i32(limit);",
      ],
      ["import { HashMap,", "import { HashMap, i32,"],
    ],
  },
  any: {
    summary: "any and unknown are not types of the language",
    why: "Instructions need to know how many bytes a value has, and whether it has a sign. any says neither.",
    right: [["value: any", "value: number"]],
  },
  recursion: {
    summary: "a function calls itself, perhaps through others",
    why: "Calls are replaced by the function's body, which would never end; and the kernel takes no program that can go round in a circle. range(n, most) is a loop that ends.",
    right: [
      ["import { license, type u32 }", "import { license, range, type u32 }"],
      [
        "  return value === 0 ? 0 : up(value - 1);\n",
        "  let left = value;\n  for (const _ of range(value, 8)) left = up(left);\n  return left;\n",
      ],
      ["  return down(value);\n", "  return value - 1;\n"],
    ],
  },
  "ignored-errno": {
    summary: "the result of a call on every segment is not looked at",
    why: "write runs for every segment. A socket option that the kernel refuses there is refused again and again, and nothing shows it. In established, which runs once, the result may be left alone.",
    right: [
      ['    conn.setSockOpt("TCP_BPF_IW", 20);\n', '    if (conn.setSockOpt("TCP_BPF_IW", 20) !== 0) option.n = 2;\n'],
    ],
  },
  "range-outside-loop": {
    summary: "range() stands somewhere else than in a loop",
    why: "range() is how a loop says its turns, and no list that could be kept.",
    right: [["  const turns = range(4);\n  for (const _ of turns)", "  for (const _ of range(4))"]],
  },
  "range-bound": {
    summary: "the bound of range() is not a constant",
    why: "The turns are unrolled, so there must be a constant number of them. range(n, most) takes a count that is known at run time and a constant that it never exceeds.",
    right: [["range(ctx.mss, ctx.mss)", "range(ctx.mss, 16)"]],
  },
  "not-iterable": {
    summary: "a loop goes over something that has no known elements",
    why: "A loop needs a constant number of turns. A hash map has as many entries as there happen to be, in no order; an ArrayMap, a list and range() have a length.",
    right: [
      ["HashMap({ key: u32, value: u32, maxEntries: 8 })", "ArrayMap({ value: u32, maxEntries: 8 })"],
      ["import { HashMap,", "import { ArrayMap, i32,"],
      ["= one;", "= i32(one);"],
    ],
  },
} satisfies Record<keyof typeof language, Page>;
