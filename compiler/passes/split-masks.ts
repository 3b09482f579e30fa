/** `x & mask` on the two sides of a test of other bits of `x`: where the test found them clear, the mask is idle. */
import { dominance, graphOf } from "../ir/graph.ts";
import { edges, type Block, type Func, type Inst, type Value } from "../ir/ir.ts";
import { constantsOf, definitions, endOperands, mapEnd, mapOperands, operands, useCounts } from "../ir/walk.ts";
import type { Pass } from "./pass.ts";
import { rangesOf } from "./ranges.ts";

export const splitMasks: Pass = {
  name: "split-masks",
  why: "A flag bit beside a number is tested and cleared; on the side where it is clear there is nothing to clear.",
  run: splitAllMasks,
};

type Mask = Extract<Inst, { kind: "binary" }>;

export function splitAllMasks(func: Func): Func {
  let current = func;
  // Each round splits one mask, and none twice: it ends up on one side of its test.
  for (let next = splitOnce(current); next; next = splitOnce(current)) current = next;
  return current;
}

function splitOnce(func: Func): Func | undefined {
  const graph = graphOf(func);
  const made = definitions(func);
  const constantOf = constantsOf(made);
  const maskOf = (inst: Inst | undefined): bigint | undefined =>
    inst?.kind === "binary" && inst.op === "and" ? constantOf(inst.right) : undefined;
  if (!graph.order.some((block) => block.insts.some((inst) => maskOf(inst) !== undefined))) return undefined;
  const dominates = dominance(graph);
  const uses = useCounts(func);
  const ranges = rangesOf(func);
  for (const block of graph.order) {
    const { end } = block;
    if (end.kind !== "branch" || (end.op !== "eq" && end.op !== "ne") || constantOf(end.right) !== 0n) continue;
    const test = made.get(end.left.id);
    const tested = maskOf(test);
    // Only a test that becomes one instruction tells the verifier which bits are clear.
    if (test?.kind !== "binary" || tested === undefined || uses.get(end.left.id) !== 1) continue;
    const clear = (end.op === "eq" ? end.then : end.else).block;
    const set = (end.op === "eq" ? end.else : end.then).block;
    if (clear === set || [clear, set].some((id) => graph.predecessors.get(id)!.length !== 1)) continue;
    const left = ranges.at(block.id, test.left).bits & ~tested;
    const candidate = block.insts.find((inst): inst is Mask => {
      const mask = maskOf(inst);
      if (inst.kind !== "binary" || mask === undefined || inst === test) return false;
      if (inst.left.id !== test.left.id || (left & ~mask) !== 0n) return false;
      // The mask may be what shows the verifier that an address is inside.
      return usesSplit(inst.result) && !becomesAddress(func, inst.result);
    });
    if (candidate) return split(candidate, block.id, clear, set);

    /** Whether every use lies behind one of the two sides, and both have some. */
    function usesSplit(value: Value): boolean {
      let behindClear = 0;
      let elsewhere = 0;
      let behindSet = 0;
      for (const other of graph.order) {
        const count = countUses(other, value);
        if (count === 0) continue;
        if (dominates(clear, other.id)) behindClear += count;
        else if (dominates(set, other.id)) behindSet += count;
        else elsewhere += count;
      }
      return elsewhere === 0 && behindClear > 0 && behindSet > 0;
    }
  }
  return undefined;

  function split(mask: Mask, from: number, clear: number, set: number): Func {
    const unmasked = (value: Value): Value => (value.id === mask.result.id ? mask.left : value);
    return {
      ...func,
      blocks: graph.order.map((block) => {
        if (block.id === from) return { ...block, insts: block.insts.filter((inst) => inst !== mask) };
        if (block.id === set) return { ...block, insts: [mask, ...block.insts] };
        if (!dominates(clear, block.id)) return block;
        return {
          ...block,
          insts: block.insts.map((inst) => mapOperands(inst, unmasked)),
          end: mapEnd(block.end, unmasked, (edge) => ({ ...edge, args: edge.args.map(unmasked) })),
        };
      }),
    };
  }
}

/** Whether an address is computed from the value. */
function becomesAddress(func: Func, value: Value): boolean {
  const derived = new Set([value.id]);
  // Definitions come before uses except through block parameters, which a second walk catches up with.
  for (let size = 0; size !== derived.size;) {
    size = derived.size;
    for (const block of func.blocks) {
      for (const inst of block.insts) {
        if (!operands(inst).some((used) => derived.has(used.id))) continue;
        if (inst.kind === "ptradd") return true;
        if (inst.kind === "binary" || inst.kind === "unary") derived.add(inst.result.id);
      }
      for (const edge of edges(block.end))
        edge.args.forEach((arg, at) => {
          const param = func.blocks.find((other) => other.id === edge.block)!.params[at]!;
          if (derived.has(arg.id)) derived.add(param.id);
        });
    }
  }
  return false;
}

function countUses(block: Block, value: Value): number {
  const all = [
    ...block.insts.flatMap((inst) => operands(inst)),
    ...endOperands(block.end),
    ...edges(block.end).flatMap((edge) => edge.args),
  ];
  return all.filter((used) => used.id === value.id).length;
}
