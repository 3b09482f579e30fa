/** `x & mask` on the two sides of a test of other bits of `x`: where the test found them clear, the mask is idle. */
import { dominance, graphOf } from "../ir/graph.ts";
import { edges, type Block, type Func, type Inst, type Value } from "../ir/ir.ts";
import { constantsOf, definitions, mapEnd, mapOperands, visitUses } from "../ir/walk.ts";
import type { Pass } from "./pass.ts";
import { rangesOf } from "./ranges.ts";

export const splitMasks: Pass = {
  name: "split-masks",
  why: "A flag bit beside a number is tested and cleared; on the side where it is clear there is nothing to clear.",
  needs: ["no-compares"],
  run: splitAllMasks,
};

type Mask = Extract<Inst, { kind: "binary" }>;
/** A mask to move: where it is, the side that needs it, and the side that reads the unmasked value instead. */
interface Split {
  readonly mask: Mask;
  readonly from: number;
  readonly set: number;
  readonly clear: number;
}

export function splitAllMasks(func: Func): Func {
  const graph = graphOf(func);
  const made = definitions(func);
  const constantOf = constantsOf(made);
  const maskOf = (inst: Inst | undefined): bigint | undefined =>
    inst?.kind === "binary" && inst.op === "and" ? constantOf(inst.right) : undefined;
  if (!graph.order.some((block) => block.insts.some((inst) => maskOf(inst) !== undefined))) return func;
  const dominates = dominance(graph);
  const ranges = rangesOf(func);
  /** The blocks that read each value, once for each time. */
  const readIn = new Map<number, number[]>();
  for (const block of graph.order)
    visitUses(block, (value) => {
      const list = readIn.get(value.id);
      if (list) list.push(block.id);
      else readIn.set(value.id, [block.id]);
    });
  const addresses = partsOfAddresses(func);

  const splits = new Map<number, Split>();
  for (const block of graph.order) {
    const { end } = block;
    if (end.kind !== "branch" || (end.op !== "eq" && end.op !== "ne") || constantOf(end.right) !== 0n) continue;
    const test = made.get(end.left.id);
    const tested = maskOf(test);
    // Only a test that becomes one instruction is for free beside the mask.
    if (test?.kind !== "binary" || tested === undefined || readIn.get(end.left.id)!.length !== 1) continue;
    const clear = (end.op === "eq" ? end.then : end.else).block;
    const set = (end.op === "eq" ? end.else : end.then).block;
    if (clear === set || [clear, set].some((id) => graph.predecessors.get(id)!.length !== 1)) continue;
    const left = ranges.at(block.id, test.left).bits & ~tested;
    for (const inst of block.insts) {
      const mask = maskOf(inst);
      if (inst.kind !== "binary" || mask === undefined || inst === test) continue;
      if (inst.left.id !== test.left.id || (left & ~mask) !== 0n) continue;
      // The mask may be what shows the verifier that an address is inside.
      if (addresses.has(inst.result.id)) continue;
      const users = readIn.get(inst.result.id) ?? [];
      const needsIt = (id: number): boolean => dominates(set, id);
      const hasNoNeed = (id: number): boolean => dominates(clear, id);
      if (users.some(needsIt) && users.some(hasNoNeed) && users.every((id) => needsIt(id) || hasNoNeed(id)))
        splits.set(inst.result.id, { mask: inst, from: block.id, set, clear });
    }
  }
  if (splits.size === 0) return func;

  const arriving = new Map<number, Mask[]>();
  for (const { mask, set } of splits.values()) arriving.set(set, [...(arriving.get(set) ?? []), mask]);
  const blocks = graph.order.map((block): Block => {
    const unmasked = (value: Value): Value => {
      const split = splits.get(value.id);
      return split && dominates(split.clear, block.id) ? unmasked(split.mask.left) : value;
    };
    const stays = (inst: Inst): boolean => !(inst.kind === "binary" && splits.get(inst.result.id)?.from === block.id);
    const insts = [...(arriving.get(block.id) ?? []), ...block.insts.filter(stays)];
    return {
      ...block,
      insts: insts.map((inst) => mapOperands(inst, unmasked)),
      end: mapEnd(block.end, unmasked, (edge) => ({ ...edge, args: edge.args.map(unmasked) })),
    };
  });
  return { ...func, blocks };
}

/** Ids of the values from which offsets of addresses are computed. */
function partsOfAddresses(func: Func): ReadonlySet<number> {
  const made = definitions(func);
  const given = new Map<number, Value[]>();
  const blocks = new Map(func.blocks.map((block) => [block.id, block]));
  for (const block of func.blocks)
    for (const edge of edges(block.end))
      blocks.get(edge.block)!.params.forEach((param, at) => {
        const list = given.get(param.id);
        if (list) list.push(edge.args[at]!);
        else given.set(param.id, [edge.args[at]!]);
      });
  const found = new Set<number>();
  const work: Value[] = func.blocks.flatMap((block) =>
    block.insts.flatMap((inst) => (inst.kind === "ptradd" ? [inst.offset] : [])),
  );
  for (let value = work.pop(); value; value = work.pop()) {
    if (found.has(value.id)) continue;
    found.add(value.id);
    const inst = made.get(value.id);
    if (inst?.kind === "binary") work.push(inst.left, inst.right);
    if (inst?.kind === "unary") work.push(inst.value);
    work.push(...(given.get(value.id) ?? []));
  }
  return found;
}
