/** `name === cstr("cubic", 16)`: texts of one size are equal where all their bytes are. */
import type { ts } from "ts-morph";
import type { CompareOp, Value } from "../ir/ir.ts";
import { at, type Lowering } from "./lowering.ts";
import { asPlace, inside, loadPrimitive } from "./memory.ts";
import type { Memory, Operand, Place } from "./operand.ts";
import { U16, U32, U64, U8, type Primitive } from "./types.ts";

/** The size of a text that lies in memory. */
function sizeOfText(one: Operand): number | undefined {
  const type = one.kind === "place" ? one.type : one.kind === "nullable" && !one.ref ? one.of : undefined;
  return type?.kind === "cstring" ? type.size : undefined;
}
/** The size of two texts that can be compared; undefined where they are none, or not as long. */
export function textsOf(left: Operand, right: Operand): number | undefined {
  const size = sizeOfText(left);
  return size === sizeOfText(right) ? size : undefined;
}
/** What to do where a text in memory is compared with a string, or with a text that is not as long. */
export function textHelp(operator: string, left: Operand, right: Operand): string | undefined {
  const [text, other] = left.kind === "text" ? [left, right] : [right, left];
  const size = sizeOfText(other);
  if (size === undefined) return undefined;
  if (text.kind === "text") return `write ${operator} cstr(${JSON.stringify(text.text)}, ${size})`;
  return sizeOfText(text) === undefined ? undefined : `give both the same size, as in cstr("…", ${size})`;
}

/** A comparison of two texts. One that is missing equals none. */
export function textComparison(
  f: Lowering,
  op: CompareOp,
  left: Operand,
  right: Operand,
  size: number,
  node: ts.Node,
): { readonly op: CompareOp; readonly left: Value; readonly right: Value } {
  const span = at(f, node);
  const zero = f.b.constant("w64", 0n, span);
  const differs = { type: "w64" as const, name: "differs" };
  f.b.set(differs, f.b.constant("w64", 1n, span));
  const done = f.b.label();
  for (const one of [left, right]) {
    if (one.kind !== "nullable") continue;
    const there = f.b.label();
    f.b.branch("ne", one.pointer, f.b.null(one.pointer, span), there, done, span);
    f.b.place(there);
  }
  const [a, b] = [left, right].map((one) => (asPlace(f, one, node) as Place).at) as [Memory, Memory];
  let all: Value | undefined;
  for (const { type, offset } of parts(size)) {
    const [x, y] = [a, b].map((memory) => wide(f, type, inside(memory, offset), node)) as [Value, Value];
    const part = f.b.binary("xor", x, y, span);
    all = all ? f.b.binary("or", all, part, span) : part;
  }
  f.b.set(differs, all ?? zero);
  f.b.jump(done, span);
  f.b.place(done);
  const found = f.b.get(differs);
  f.b.forget(differs);
  return { op, left: found, right: zero };
}

const wide = (f: Lowering, type: Primitive, memory: Memory, node: ts.Node): Value => {
  const { value } = loadPrimitive(f, type, memory, node);
  return type === U64 ? value : f.b.unary("zext", value, at(f, node));
};

/** Words that cover so many bytes, the widest first. */
function parts(size: number): { readonly type: Primitive; readonly offset: number }[] {
  const found: { type: Primitive; offset: number }[] = [];
  let offset = 0;
  for (const type of [U64, U32, U16, U8])
    for (; size - offset >= type.bits / 8; offset += type.bits / 8) found.push({ type, offset });
  return found;
}
