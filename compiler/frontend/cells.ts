/** Reading and writing a word that is a variable here and memory there. */
import type { FuncBuilder } from "../ir/build.ts";
import type { Value } from "../ir/ir.ts";
import type { Span } from "../span.ts";
import type { Wish, WordCell } from "./operand.ts";

/** Both words as they lie behind a pointer, which is what functions are given. */
export const WISH_BYTES = 8;
export const wishInMemory = (base: Value): Wish => ({
  start: { kind: "memory", base, offset: 0 },
  stop: { kind: "memory", base, offset: 4 },
});

export const readCell = (b: FuncBuilder, cell: WordCell, span: Span): Value =>
  cell.kind === "variable" ? b.get(cell.variable) : b.load("w32", 4, cell.base, cell.offset, span);

export function writeCell(b: FuncBuilder, cell: WordCell, value: Value, span: Span): void {
  if (cell.kind === "variable") b.set(cell.variable, value);
  else b.store(4, cell.base, cell.offset, value, span);
}
