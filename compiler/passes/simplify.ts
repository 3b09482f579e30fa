/** Constant folding, algebra, copy propagation through block parameters, and removal of unreachable blocks, in one walk. */
import { graphOf } from "../ir/graph.ts";
import { edges, type Block, type Edge, type Func, type Inst, type Value } from "../ir/ir.ts";
import { freshValues, mapEdge, mapEnd, mapOperands, mapUses, resolver, resultOf, useCounts } from "../ir/walk.ts";
import { constantPool, withPool } from "./constants.ts";
import type { Pass } from "./pass.ts";
import { simplifyEnd } from "./end-rules.ts";
import type { Facts } from "./facts.ts";
import { simplifyInst } from "./rules.ts";

export const simplify: Pass = {
  name: "simplify",
  why: "Folds constants exactly as the instruction set computes, so that later passes see what is known; unreachable code must go, because kernels reject it.",
  required: true,
  run: simplifyFunc,
};

/** An instruction is looked at again after a rule changed it, at most this often. */
const MAX_ROUNDS = 8;

export function simplifyFunc(func: Func): Func {
  const graph = graphOf(func);
  const fresh = freshValues(func);
  const pool = constantPool(func.span, fresh);
  const made = new Map<number, Inst>();
  const replaced = new Map<number, Value>();
  const resolve = resolver(replaced);
  const uses = useCounts(func);
  const facts: Facts = {
    constant: pool.constant,
    constantOf: pool.constantOf,
    madeBy: (value) => made.get(value.id),
    shared: (value) => (uses.get(value.id) ?? 0) > 1,
  };

  // What reaches each block, from the predecessors done so far. A back edge is not known yet when its header is done.
  const incoming = new Map<number, (readonly Value[])[]>();
  const hasBackEdge = new Set<number>();
  for (const block of graph.order)
    for (const edge of edges(block.end))
      if (graph.position.get(edge.block)! <= graph.position.get(block.id)!) hasBackEdge.add(edge.block);
  incoming.set(func.blocks[0]!.id, []);

  const done: Block[] = [];
  for (const block of graph.order) {
    const reached = incoming.get(block.id);
    if (!reached && !hasBackEdge.has(block.id)) continue;
    if (!reached) continue;
    if (!hasBackEdge.has(block.id)) {
      block.params.forEach((param, at) => {
        const [first, ...more] = reached.map((args) => resolve(args[at]!));
        if (first && more.every((arg) => arg.id === first.id)) replaced.set(param.id, first);
      });
    }
    const insts: Inst[] = [];
    for (const old of block.insts) {
      if (old.kind === "const") {
        const one = pool.adopt(old);
        if (one !== old.result) replaced.set(old.result.id, one);
        continue;
      }
      let inst = mapOperands(old, resolve);
      let kept = true;
      for (let round = 0; round < MAX_ROUNDS; round++) {
        const found = simplifyInst(inst, facts);
        if (!found) break;
        if ("equals" in found) {
          replaced.set(resultOf(inst)!.id, found.equals);
          kept = false;
          break;
        }
        inst = found.inst;
      }
      if (!kept) continue;
      const result = resultOf(inst);
      if (result) made.set(result.id, inst);
      insts.push(inst);
    }
    const edge = (e: Edge): Edge => mapEdge(e, resolve);
    const compute: Facts["compute"] = (op, left, right) => {
      const result = fresh(left.type);
      const inst: Inst = { kind: "binary", op, left, right, result, span: block.end.span };
      made.set(result.id, inst);
      insts.push(inst);
      return result;
    };
    const end = simplifyEnd(mapEnd(block.end, resolve, edge), { ...facts, compute });
    for (const e of edges(end)) {
      const list = incoming.get(e.block);
      if (list) list.push(e.args);
      else incoming.set(e.block, [e.args]);
    }
    done.push({ ...block, insts, end });
  }

  // Parameters that were replaced disappear together with their arguments.
  const kept = new Map(
    done
      .filter((b) => b.params.some((p) => replaced.has(p.id)))
      .map((b) => [b.id, b.params.map((p) => !replaced.has(p.id))]),
  );
  const trim = (e: Edge): Edge => {
    const keep = kept.get(e.block);
    return keep ? { ...e, args: e.args.filter((_, at) => keep[at]) } : e;
  };
  const blocks = done.map((block) => {
    const keep = kept.get(block.id);
    return {
      ...block,
      ...(keep ? { params: block.params.filter((_, at) => keep[at]) } : {}),
      end: mapEnd(block.end, (v) => v, trim),
    };
  });
  return mapUses(withPool(func, blocks, pool), resolve);
}
