/**
 * Programs whose indexes the kernel's verifiers see more or less of: computed in every way, guarded in every way, into arrays of
 * every kind of memory. Each is right by the language's rules, so that every kernel of the target has to take it.
 */
import type { Choices } from "./choices.ts";

const pick = <T>(choices: Choices, list: readonly T[]): T => list[choices.below(list.length)]!;

/** Arrays by name: in a struct on the stack, in a map's value, in a global; lengths that are no powers of two. */
const ARRAYS = [
  ["local.small", 5],
  ["local.words", 7],
  ["local.parts", 3, "low"],
  ["slot.bytes", 6],
  ["slot.words", 9],
  ["slot.parts", 5, "high"],
  ["slot.longs", 3],
  ["slot.longs", 3],
] as const;

const WORDS = ["inp.a", "inp.b", "inp.c", "u32(inp.h)", "u32(inp.g)", "inp.list[1]", "x", "y"] as const;

function operand(choices: Choices, depth: number): string {
  if (depth === 0) return pick(choices, WORDS);
  const a = operand(choices, depth - 1);
  const b = operand(choices, depth - 1);
  switch (choices.below(14)) {
    case 0:
      return `(${a} + ${b})`;
    case 1:
      return `(${a} - ${b})`;
    case 2:
      return `(${a} * ${b})`;
    case 3:
      return `(${a} | ${b})`;
    case 4:
      return `(${a} ^ ${b})`;
    case 5:
      return `(${a} & ${b})`;
    case 6:
      return `(${a} % ${1 + choices.below(12)})`;
    case 7:
      return `(${a} / ${1 + choices.below(100)})`;
    case 8:
      return `(${a} >>> ${choices.below(32)})`;
    case 9:
      return `(${a} & ${choices.below(16)})`;
    case 10:
      return `(${a} << ${choices.below(4)})`;
    case 11:
      return `(${a} >>> (${b} & 31))`;
    case 12:
      return `min(${a}, ${b})`;
    default:
      return `(${a} * ${1 + choices.below(5)})`;
  }
}

/** Statements that use `array[index]` where the index is certainly inside. */
function use(choices: Choices, name: string, index: string, field: string): string {
  const wide = name.endsWith("longs");
  const value = wide
    ? pick(choices, ["sum", "7n", "u64(x)"])
    : pick(choices, ["u8(x & 255)", "7", "inp.g", "u8((x ^ y) & 63)"]);
  const at = `${name}[${index}]`;
  const read = field === "" ? `sum += u64(${at} ?? 0${wide ? "n" : ""});` : `sum += u64(${at}?.${field} ?? 0);`;
  const write = field === "" ? `${at} = ${value};` : `{ const part = ${at}; if (part) part.${field} = ${value}; }`;
  return choices.below(2) === 0 ? `${write} ${read}` : read;
}

function block(choices: Choices, number: number): string {
  const [name, length, field = ""] = pick(choices, ARRAYS);
  const index = `i${number}`;
  const made = operand(choices, choices.below(3));
  const inside = use(choices, name, index, field);
  const noise = choices.below(3) === 0 ? `x = x * 3 + ${index}; y ^= u32(sum & 0xffffn); ` : "";
  const again = choices.below(4) === 0 ? ` ${use(choices, name, index, field)}` : "";
  switch (choices.below(8)) {
    case 0:
      return `const ${index} = ${made}; if (${index} < ${length}) { ${noise}${inside}${again} }`;
    case 1:
      return `const ${index} = ${made}; const n${number} = ${operand(choices, 1)}; if (n${number} <= ${length} && ${index} < n${number}) { ${noise}${inside}${again} }`;
    case 2:
      return `const ${index} = ${made}; const n${number} = ${operand(choices, 1)} & 3; if (${index} === n${number} && n${number} < ${length}) { ${noise}${inside}${again} }`;
    case 3:
      return `const ${index} = min(${made}, ${length - 1}); ${noise}${inside}${again}`;
    case 4:
      return `const ${index} = (${made}) % ${length}; ${noise}${inside}${again}`;
    case 5:
      return `let ${index} = ${made}; if (${index} >= ${length}) { ${index} = ${choices.below(length)}; } ${noise}${inside}${again}`;
    case 6:
      return `const ${index} = ${made}; if (${index} <= ${length - 1}) { ${noise}${inside} } else if (${index} - 100 < ${length}) { const k${number} = ${index} - 100; ${use(choices, name, `k${number}`, field)} }`;
    default:
      return `const ${index} = (${made}) & ${length >= 8 ? 7 : length >= 4 ? 3 : 1}; ${noise}${inside}${again}`;
  }
}

/** The source of a program; `choices` say which. */
export function indexProgram(choices: Choices): string {
  const blocks = Array.from({ length: 1 + choices.below(6) }, (_, number) => `  ${block(choices, number)}`);
  const code = blocks.join("\n");
  return `import { array, ArrayMap, license, ${/\bmin\(/.test(code) ? "min, " : ""}struct, u16, u32, u64, u8 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Part extends struct({ low: u16, high: u8 }) {}
class In extends struct({ a: u32, b: u32, c: u32, g: u8, h: u16, list: array(u32, 4) }) {}
class Local extends struct({ small: array(u8, 5), first: u8, second: u16, words: array(u32, 7), parts: array(Part, 3), last: u8 }) {}
class Slot extends struct({ bytes: array(u8, 6), words: array(u16, 9), parts: array(Part, 5), longs: array(u64, 3) }) {}
export const input = new ArrayMap({ value: In, maxEntries: 1 });
export const output = new ArrayMap({ value: Slot, maxEntries: 2 });
export const results = new ArrayMap({ value: u64, maxEntries: 1 });
export const program = sockOps(() => {
  const inp = input.get(0);
  const slot = output.get(0);
  const local = new Local({ first: ${choices.below(200)}, second: ${choices.below(60000)}, last: 3 });
  let sum: u64 = 0n;
  let x: u32 = inp.a * 5 + 1;
  let y: u32 = inp.b;
${code}
  sum += u64(local.first) + u64(local.second) + u64(local.last);
  slot.bytes[1] = u8(x & 1);
  results.set(0, sum + u64(x ^ y));
  return 1;
});
`;
}
