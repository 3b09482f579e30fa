/** A comparison whose answer is a value becomes a branch that passes 1 or 0 on. */
import type { Block, Func, Inst } from "../ir/ir.ts";
import { freshBlocks, freshValues } from "../ir/walk.ts";
import type { Pass } from "./pass.ts";

export const lowerCompare: Pass = {
  name: "lower-compare",
  why: "The instruction set compares only in jumps; as a branch, the answer can be threaded to where it decides something.",
  required: true,
  // A proof reads conditions and quotients as they were written.
  needs: ["proved"],
  makes: ["no-compares"],
  run: lowerCompares,
};

export function lowerCompares(func: Func): Func {
  if (!func.blocks.some((block) => block.insts.some((inst) => inst.kind === "compare"))) return func;
  const blockId = freshBlocks(func);
  const value = freshValues(func);
  const span = func.span;
  const one = value("w32");
  const zero = value("w32");
  const constants: Inst[] = [
    { kind: "const", result: one, value: 1n, span },
    { kind: "const", result: zero, value: 0n, span },
  ];
  const blocks = func.blocks.flatMap((block, index): Block[] => {
    const made: Block[] = [];
    let head: Omit<Block, "insts" | "end"> = block;
    let insts: Inst[] = index === 0 ? constants : [];
    for (const inst of block.insts) {
      if (inst.kind !== "compare") {
        insts.push(inst);
        continue;
      }
      const { op, left, right } = inst;
      const after = blockId();
      const then = { block: after, args: [one] };
      made.push({
        ...head,
        insts,
        end: { kind: "branch", op, left, right, then, else: { block: after, args: [zero] }, span: inst.span },
      });
      head = { id: after, params: [inst.result] };
      insts = [];
    }
    return [...made, { ...head, insts, end: block.end }];
  });
  return { ...func, blocks };
}
