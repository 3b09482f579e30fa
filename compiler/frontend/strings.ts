/** String constants: NUL-padded bytes in read-only data, and runtime choices among them. */
import type { ts } from "ts-morph";
import type { Value } from "../ir/ir.ts";
import type { CStringLayout } from "../layout.ts";
import { at, fail, type Lowering } from "./lowering.ts";
import { constantBytes } from "./module-state.ts";
import type { Memory, Operand } from "./operand.ts";
import { describe } from "./values.ts";

/** UTF-8 bytes of a text, zero-padded to `size`; undefined when they do not fit. Written out: the compiler uses no platform. */
export function paddedBytes(text: string, size: number): Uint8Array | undefined {
  const bytes = utf8(text);
  if (bytes.length > size) return undefined;
  const padded = new Uint8Array(size);
  padded.set(bytes);
  return padded;
}
export function utf8(text: string): number[] {
  const bytes: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
    else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
  }
  return bytes;
}

/** A constant string in read-only data, shared by all that have the same bytes. */
export function cstringBytes(f: Lowering, text: string, size: number, node: ts.Node): Memory | undefined {
  const bytes = paddedBytes(text, size);
  if (!bytes) return void fail(f, "string-too-long", node, { text, bytes: utf8(text).length, size });
  const layout: CStringLayout = { kind: "cstring", size };
  const variable = constantBytes(f.state, "str", layout, bytes, at(f, node));
  return { base: f.b.global(variable.name, at(f, node)), offset: 0, align: 1, readOnly: "it is a constant" };
}

/** Pointer to a name of `size` bytes, from a text, a choice among texts, or a cstring; for helpers that take a name. */
export function namePointer(f: Lowering, operand: Operand, size: number, node: ts.Node): Value | undefined {
  const span = at(f, node);
  if (operand.kind === "error") return undefined;
  if (operand.kind === "text") return cstringBytes(f, operand.text, size, node)?.base;
  if (operand.kind === "scalar" && operand.type.kind === "string") {
    const chosen = { type: "ptr global" as const };
    const done = f.b.label();
    const texts = [...operand.type.codes];
    const labels = texts.map(() => f.b.label());
    f.b.switch(
      operand.value,
      texts.slice(1).map(([, code], index) => ({ value: code, to: labels[index + 1]! })),
      labels[0]!,
      span,
    );
    texts.forEach(([text], index) => {
      f.b.place(labels[index]!);
      const memory = cstringBytes(f, text, size, node);
      if (memory) f.b.set(chosen, memory.base);
      f.b.jump(done, span);
    });
    f.b.place(done);
    return f.b.get(chosen);
  }
  fail(f, "type-mismatch", node, { expected: `a string constant or cstring(${size})`, found: describe(operand) });
  return undefined;
}
