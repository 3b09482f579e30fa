/** Zeroing and copying become loads and stores, as wide as alignment allows. */
import type { AccessBytes } from "../bpf/opcodes.ts";
import type { Func, Inst, Type, Value } from "../ir/ir.ts";
import { pieces } from "../ir/pieces.ts";
import { definitions, freshValues } from "../ir/walk.ts";
import type { Pass } from "./pass.ts";
import { alignmentOf } from "./pointers.ts";

export const lowerMemory: Pass = {
  name: "lower-memory",
  why: "Single accesses can be forwarded, merged and dropped one by one.",
  required: true,
  makes: ["no-memory-ops"],
  run: lowerMemoryOps,
};

export function lowerMemoryOps(func: Func): Func {
  if (!func.blocks.some((b) => b.insts.some((inst) => inst.kind === "zero" || inst.kind === "copy"))) return func;
  const value = freshValues(func);
  const made = definitions(func);
  const typeOf = (bytes: AccessBytes): Type => (bytes === 8 ? "w64" : "w32");
  const lower = (inst: Inst): Inst[] => {
    const { span } = inst;
    if (inst.kind === "zero") {
      const constants = new Map<Type, Value>();
      const out: Inst[] = [];
      for (const piece of pieces(inst.offset, inst.bytes, Math.max(inst.align, alignmentOf(inst.base, made)))) {
        const type = typeOf(piece.bytes);
        let zero = constants.get(type);
        if (!zero) {
          zero = value(type);
          constants.set(type, zero);
          out.push({ kind: "const", result: zero, value: 0n, span });
        }
        out.push({ kind: "store", bytes: piece.bytes, base: inst.base, offset: piece.offset, value: zero, span });
      }
      return out;
    }
    if (inst.kind === "copy") {
      // Both ends must allow the width; their offsets need not be equal modulo the width.
      const align = Math.max(inst.align, Math.min(alignmentOf(inst.to, made), alignmentOf(inst.from, made)));
      const shift = Math.abs(inst.toOffset - inst.fromOffset);
      const common = Math.min(align, shift === 0 ? 8 : shift & -shift);
      return pieces(inst.fromOffset, inst.bytes, common).flatMap((piece): Inst[] => {
        const moved = value(typeOf(piece.bytes));
        const offset = piece.offset - inst.fromOffset + inst.toOffset;
        return [
          { kind: "load", result: moved, bytes: piece.bytes, base: inst.from, offset: piece.offset, span },
          { kind: "store", bytes: piece.bytes, base: inst.to, offset, value: moved, span },
        ];
      });
    }
    return [inst];
  };
  return { ...func, blocks: func.blocks.map((block) => ({ ...block, insts: block.insts.flatMap(lower) })) };
}
