/**
 * What pointers lead to, once it is known what a function is given: parameters of blocks, steps from addresses and results of calls take
 * the type of what they come from. A null pointer takes whatever type is wanted where it goes.
 */
import { graphOf } from "../ir/graph.ts";
import { edges, isFunctionCall, type Edge, type Func, type Inst, type Type, type Value } from "../ir/ir.ts";
import { either, fits, isPointer } from "../ir/types.ts";
import { freshValues, mapEnd, mapOperands, resultOf, withResult } from "../ir/walk.ts";
import { constantPool, withPool } from "./constants.ts";

/** Types of a function's parameters, and of what it gives back. */
export interface Signature {
  readonly params: readonly Type[];
  readonly returns: Type | undefined;
}
export type SignatureOf = (callee: string) => Signature | undefined;

/** The function with parameters of these types. `signatureOf`: of the functions that it calls; undefined where they are put in place. */
export function sharpen(func: Func, params: readonly Type[], signatureOf: SignatureOf): Func {
  const { order } = graphOf(func);
  const types = new Map(func.params.map((param, at) => [param.id, params[at]!]));
  const typeOf = (value: Value): Type => types.get(value.id) ?? value.type;
  const nulls = new Set<number>();
  const blockParams = new Map(order.map((block) => [block.id, block.params]));
  /** Parameters of blocks of which no argument's type is known yet. */
  const open = new Set<number>();
  for (const block of order) {
    for (const param of block.params) if (isPointer(param.type)) open.add(param.id);
    for (const inst of block.insts) if (inst.kind === "const" && isPointer(inst.result.type)) nulls.add(inst.result.id);
  }
  let changed = true;
  const learn = (value: Value, type: Type | undefined): void => {
    if (type === undefined || typeOf(value) === type) return;
    types.set(value.id, type);
    changed = true;
  };
  while (changed) {
    changed = false;
    for (const block of order) {
      for (const inst of block.insts)
        if (inst.kind === "ptradd") learn(inst.result, typeOf(inst.base));
        else if (isFunctionCall(inst) && inst.result) learn(inst.result, signatureOf(inst.target.name)?.returns);
      for (const edge of edges(block.end))
        edge.args.forEach((arg, at) => {
          const param = blockParams.get(edge.block)![at]!;
          if (!isPointer(param.type) || nulls.has(arg.id) || open.has(arg.id)) return;
          learn(param, open.delete(param.id) ? typeOf(arg) : either(typeOf(param), typeOf(arg)));
        });
    }
  }
  return retyped(func, typeOf, nulls, signatureOf);
}

function retyped(
  func: Func,
  typeOf: (value: Value) => Type,
  nulls: ReadonlySet<number>,
  signatureOf: SignatureOf,
): Func {
  const made = new Map<number, Value>();
  const map = (value: Value): Value => {
    const type = typeOf(value);
    if (type === value.type) return value;
    const found = made.get(value.id) ?? { ...value, type };
    made.set(value.id, found);
    return found;
  };
  const pool = constantPool(func.span, freshValues(func));
  const wanted = (value: Value, type: Type | undefined): Value =>
    type !== undefined && nulls.has(value.id) && !fits(typeOf(value), type) ? pool.constant(type, 0n) : map(value);
  const params = new Map(func.blocks.map((block) => [block.id, block.params.map(map)]));
  const edge = (to: Edge): Edge => ({
    ...to,
    args: to.args.map((arg, at) => wanted(arg, params.get(to.block)![at]!.type)),
  });
  const returned = func.blocks.flatMap(({ end }) => (end.kind === "return" && end.value ? [end.value] : []));
  const given = returned.filter((value) => !nulls.has(value.id)).map(typeOf);
  const returns = given.length === 0 ? func.returns : given.reduce((a, b) => either(a, b) ?? a);
  const blocks = func.blocks.map((block) => ({
    ...block,
    params: params.get(block.id)!,
    insts: block.insts.map((inst): Inst => {
      const result = resultOf(inst);
      const moved = mapOperands(inst, map);
      const typed = result ? withResult(moved, map(result)) : moved;
      if (!isFunctionCall(typed)) return typed;
      const takes = signatureOf(typed.target.name)?.params;
      return {
        ...typed,
        args: inst.kind === "call" ? inst.args.map((arg, at) => wanted(arg, takes?.[at])) : typed.args,
      };
    }),
    end:
      block.end.kind === "return" && block.end.value
        ? { ...block.end, value: wanted(block.end.value, returns) }
        : mapEnd(block.end, map, edge),
  }));
  const typed: Func = { ...func, params: func.params.map(map), ...(returns === undefined ? {} : { returns }), blocks };
  return withPool(typed, blocks, pool);
}
