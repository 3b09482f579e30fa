/** Dead code: what has no effect and whose result nobody reads. */
import { edges, type Edge, type Func, type Inst, type Value } from "../ir/ir.ts";
import { endOperands, mapEnd, operands, resultOf } from "../ir/walk.ts";
import { helperOf } from "./effects.ts";
import type { Pass } from "./pass.ts";

export const dce: Pass = {
  name: "dce",
  why: "Removes instructions and block parameters that nothing reads.",
  run: removeDead,
};

/** Whether an instruction must stay although nobody reads its result. */
export function hasEffect(inst: Inst): boolean {
  switch (inst.kind) {
    case "store":
    case "zero":
    case "copy":
    case "atomic":
    case "assume-fits":
    case "assume-index":
      return true;
    case "call": {
      const helper = helperOf(inst);
      // A helper that only reads may still fill memory given to it.
      return (
        !helper ||
        helper.effect !== "reads" ||
        helper.args.some((kind) => typeof kind === "object" || /out|inout/.test(kind))
      );
    }
    default:
      return false;
  }
}

function withoutResult(inst: Extract<Inst, { kind: "call" | "atomic" }>): Inst {
  // An exchange is only defined as one that fetches.
  if (inst.kind === "atomic" && (inst.op === "xchg" || inst.op === "cmpxchg")) return inst;
  const { result: _unread, ...rest } = inst;
  return rest;
}

export function removeDead(func: Func): Func {
  const live = new Set<number>();
  const work: Value[] = [];
  const need = (value: Value): void => {
    if (live.has(value.id)) return;
    live.add(value.id);
    work.push(value);
  };
  const made = new Map<number, Inst>();
  /** The arguments that a block parameter can be, by its id. */
  const sources = new Map<number, Value[]>();
  const params = new Map(func.blocks.map((block) => [block.id, block.params]));
  for (const block of func.blocks) {
    for (const inst of block.insts) {
      const result = resultOf(inst);
      if (result) made.set(result.id, inst);
      if (hasEffect(inst)) operands(inst).forEach(need);
    }
    endOperands(block.end).forEach(need);
    for (const edge of edges(block.end))
      edge.args.forEach((arg, at) => {
        const param = params.get(edge.block)![at]!;
        const list = sources.get(param.id);
        if (list) list.push(arg);
        else sources.set(param.id, [arg]);
      });
  }
  for (let value = work.pop(); value; value = work.pop()) {
    const inst = made.get(value.id);
    if (inst) operands(inst).forEach(need);
    sources.get(value.id)?.forEach(need);
  }
  const trim = (edge: Edge): Edge => {
    const names = params.get(edge.block)!;
    return names.every((p) => live.has(p.id))
      ? edge
      : { ...edge, args: edge.args.filter((_, at) => live.has(names[at]!.id)) };
  };
  return {
    ...func,
    blocks: func.blocks.map((block) => ({
      ...block,
      params: block.params.filter((p) => live.has(p.id)),
      insts: block.insts.flatMap((inst) => {
        const result = resultOf(inst);
        if (result !== undefined && live.has(result.id)) return [inst];
        if (!hasEffect(inst)) return [];
        return [result !== undefined && (inst.kind === "call" || inst.kind === "atomic") ? withoutResult(inst) : inst];
      }),
      end: mapEnd(block.end, (v) => v, trim),
    })),
  };
}
