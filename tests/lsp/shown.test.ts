/** What the language server shows beside errors: hover, costs, types. From the compiler's results, without an editor. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { hints } from "../../runtime/lsp/hints.ts";
import { hover } from "../../runtime/lsp/hover.ts";
import { costs } from "../../runtime/lsp/lens.ts";
import { current } from "../../runtime/lsp/programs.ts";
import { quick, whole } from "../../runtime/lsp/requests.ts";
import { moved } from "../../runtime/lsp/text-lines.ts";
import { isProgram } from "../../runtime/lsp/program-files.ts";
import { root } from "../programs.ts";

const PATH = "/nowhere/p.ts";
const OPTION = `import { array, be16, license, range, struct, u8, u32 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class Pair extends struct({ a: u8, b: u32 }) {}
class Wire extends struct({ kind: u8, port: be16, rest: array(u8, 12) }, { packed: true }) {}
export const hello = tcpOption({
  experiment: 0xda01,
  payload: Wire,
  established(conn) { conn.startWriting(); },
  write(conn, option) {
    const size = conn.mss;
    const low = size & 0xff;
    const port = conn.remotePort;
    const typed: u32 = 3;
    const pair = new Pair({ a: 1 });
    let sum = pair.b;
    for (const i of range(4)) {
      for (const j of range(3)) sum += size >> (i + j);
    }
    if (sum > typed) option.port = port;
    option.kind = low;
  },
});
`;
const question = (text: string) => ({ entry: { path: PATH, text }, open: new Map<string, string>() });
const known = (text: string) => ({ quick: quick(question(text)), whole: whole(question(text)) });
const option = known(OPTION);
/** The hover of a piece of the text, from its first letter. */
const over = (part: string): string => hover(option, PATH, OPTION.indexOf(part)) ?? "";

test("the program of this test is one", () => {
  expect(option.whole.diagnostics).toEqual([]);
});

test("hover: a struct's layout, with its padding, where it is declared and where it is used", () => {
  expect(over("Pair extends")).toContain(
    [
      "struct `Pair`: 8 bytes, aligned to 4",
      "```text",
      "  at bytes  field",
      "   0     1  a: u8",
      "   1     3  (padding)",
      "   4     4  b: u32",
      "```",
    ].join("\n"),
  );
  expect(over("Pair({")).toContain("struct `Pair`: 8 bytes");
});

test("hover: an option's bytes on the wire", () => {
  const text = over("hello");
  expect(text).toContain("TCP option, 19 bytes on the wire");
  expect(text).toMatch(/^ {3}0 {2}fe +kind$/m);
  expect(text).toMatch(/^ {3}1 {2}13 +length$/m);
  expect(text).toMatch(/^ {3}2 {2}da 01 +experiment/m);
  expect(text).toMatch(/^ {3}5 {2}\.\. \.\. +port: be16$/m);
});

test("hover: the type of a variable, the bytecode of its line and what the verifier knows there", () => {
  const text = over("size & 0xff");
  expect(text).toContain("`size`: `u32`");
  const line = OPTION.slice(0, OPTION.indexOf("const low")).split("\n").length;
  expect(over("option.kind = low")).toMatch(
    /line \d+ in `hello`: \d+ instructions?; what the verifier of Linux 5\.10 knows/,
  );
  expect(line).toBe(12);
  expect(over("option.kind = low")).toMatch(/^ +\d+: .+ ; R\d+=/m);
});

test("hover: nothing is said of bytecode of a text that has changed since", () => {
  const later = `${OPTION}// more\n`;
  const changed = { quick: quick(question(later)), whole: option.whole };
  expect(hover(changed, PATH, OPTION.indexOf("option.kind = low"))).not.toContain("verifier");
});

test("costs: of the program, of each handler, and of loops, where those within multiply", () => {
  const shown = costs(option.whole).map(
    ({ at, text }) => `${OPTION.slice(at.start, at.end).split("\n")[0]!.slice(0, 30)} | ${text}`,
  );
  const [program] = shown;
  expect(program).toMatch(
    /^hello \| [\d,]+ of 4,096 instructions · \d+ of 512 bytes of stack · [\d,]+ steps of 1,000,000 for the verifier$/,
  );
  expect(shown.find((one) => one.startsWith("write |"))).toMatch(
    /^write \| \d+ instructions · \d+ steps for the verifier$/,
  );
  const turns = (text: string): string | undefined =>
    shown
      .find((one) => one.includes(text))
      ?.split(" | ")[1]
      ?.split(" =")[0];
  expect(turns("range(4)")).toMatch(/^4 turns × /);
  expect(turns("range(3)")).toMatch(/^3 turns × /);
  // Handlers are parts of the program.
  const count = (text: string | undefined): number =>
    Number(/[\d,]+(?= (?:of|instr))/.exec(text ?? "")?.[0].replace(",", ""));
  expect(count(shown.find((one) => one.startsWith("write |"))?.split(" | ")[1])).toBeLessThan(
    count(program!.split(" | ")[1]),
  );
});

test("types: integers that none is written for", () => {
  const shown = hints(option.quick, PATH).map(
    ({ offset, text }) => `${/\w+$/.exec(OPTION.slice(0, offset))![0]}${text}`,
  );
  expect(shown).toEqual(["size: u32", "low: u32", "port: be16", "sum: u32", "i: u32", "j: u32"]);
});

test("a span moves with what is put in before it, and is gone when it is touched", () => {
  const span = { file: 0, start: 10, end: 14 };
  const before = "0123456789mark4567";
  expect(moved(span, before, `xx${before}`)).toEqual({ file: 0, start: 12, end: 16 });
  expect(moved(span, before, `${before}xx`)).toEqual(span);
  expect(moved(span, before, before.replace("mark", "mrk"))).toBeUndefined();
});

test("errors of the proof stay until the text is another, and hide behind errors of the language", () => {
  const wrong = OPTION.replace("const low = size & 0xff;", "const low = size + 1;");
  const all = whole(question(wrong));
  expect(all.diagnostics.map((one) => one.key)).toContain("does-not-fit");
  const shown = (text: string): string[] => current({ quick: quick(question(text)), whole: all }).map((one) => one.key);
  expect(shown(wrong)).toContain("does-not-fit");
  expect(shown(`// one line more\n${wrong}`)).toContain("does-not-fit");
  expect(shown(wrong.replace("sum > typed", "sum == typed"))).toEqual(["loose-equality"]);
});

test("which files are programs", () => {
  const programs = ["ndiffports", "fullmesh"].map((name) => readFileSync(join(root, `programs/${name}.ts`), "utf8"));
  expect(programs.map(isProgram)).toEqual([true, true]);
  expect(isProgram(readFileSync(join(root, "programs/test/ndiffports.test.ts"), "utf8"))).toBe(false);
  expect(isProgram('import {\n  u8,\n} from "tsbpf";\nimport fs from "node:fs";\n')).toBe(true);
  expect(isProgram('import { u8 } from "./tsbpf.ts";\n')).toBe(false);
});
