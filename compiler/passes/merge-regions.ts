/** Makes one region of two equal ones. */
import { dominance, graphOf, type Graph } from "../ir/graph.ts";
import { edges, type Block, type Edge, type Func, type Inst, type Type, type Value } from "../ir/ir.ts";
import { isPointer } from "../ir/types.ts";
import { freshBlocks, freshValues, mapEnd, mapOperands, resultOf, visitUses } from "../ir/walk.ts";
import { constantPool, withPool } from "./constants.ts";
import { PROFIT, type Match } from "./equal-regions.ts";

/** The function with the second region's code gone; undefined where that costs more than it saves or is not sound. */
export function merge(func: Func, graph: Graph, match: Match): Func | undefined {
  const { a, b, startA, startB, pairs, values, different, parting } = match;
  const home = homes(graph);
  const regionB = new Set(pairs.values());
  const value = freshValues(func);
  const blockId = freshBlocks(func);
  const pool = constantPool(func.span, value);
  const entryId = blockId();

  // Values that only the first way makes and that are read behind the region.
  const dominates = dominance(graph);
  const above = (id: number): boolean => {
    const at = home.get(id);
    return at === undefined || (at !== a.id && at !== b.id && dominates(at, a.id) && dominates(at, b.id));
  };
  const madeInRegion = new Set<number>();
  for (const id of pairs.keys()) {
    const block = graph.block.get(id)!;
    if (id !== a.id) for (const param of block.params) madeInRegion.add(param.id);
    for (const inst of id === a.id ? block.insts.slice(startA) : block.insts) {
      const result = resultOf(inst);
      if (result) madeInRegion.add(result.id);
    }
  }
  const behind = new Set<number>();
  const work = [...pairs.keys()].flatMap((id) => edges(graph.block.get(id)!.end).map((e) => e.block));
  for (let id = work.pop(); id !== undefined; id = work.pop()) {
    if (behind.has(id) || pairs.has(id)) continue;
    behind.add(id);
    work.push(...edges(graph.block.get(id)!.end).map((e) => e.block));
  }
  const through = new Map<number, Value>();
  const need = (v: Value): void => {
    if (
      !above(v.id) &&
      !madeInRegion.has(v.id) &&
      dominates(home.get(v.id)!, a.id) &&
      !different.some((d) => d.a.id === v.id)
    )
      through.set(v.id, v);
  };
  const firstWays = [...pairs.keys()].map((id) => graph.block.get(id)!);
  for (const id of behind) visitUses(graph.block.get(id)!, need);
  for (const block of firstWays)
    for (const edge of edges(block.end)) if (!pairs.has(edge.block)) edge.args.forEach(need);

  const passed = [
    ...different.map((d) => ({ old: d.a, other: d.b })),
    ...[...through.values()].map((v) => ({ old: v, other: undefined as Value | undefined })),
  ];
  const params = new Map(passed.map(({ old }) => [old.id, value(old.type, old.name)]));
  const zero = (type: Type): Value => pool.constant(type, 0n);

  // The two part where the first goes on to a decision: passing equal values can make that decision for the second.
  let decided = false;
  let selector: Value | undefined;
  let splitId = -1;
  if (parting) {
    const to = graph.block.get(parting.a.block)!;
    const { end } = to;
    if (
      to.insts.length === 0 &&
      to.params.length === 0 &&
      end.kind === "branch" &&
      (end.op === "eq" || end.op === "ne")
    ) {
      const reached = end.op === "eq" ? end.then : end.else;
      const open = (v: Value): boolean => through.has(v.id);
      decided =
        open(end.left) &&
        open(end.right) &&
        !isPointer(end.left.type) &&
        reached.block === parting.b.block &&
        reached.args.length === 0 &&
        parting.b.args.length === 0;
    }
    if (!decided) {
      selector = value("w32");
      splitId = blockId();
    }
  }
  const cost = passed.length + (selector ? 3 : 0);
  if (match.size - cost < PROFIT) return undefined;

  const rename = (v: Value): Value => params.get(v.id) ?? v;
  const entryParams = [...params.values(), ...(selector ? [selector] : [])];
  const toEntry = (block: Block, start: number, args: readonly Value[]): Block => ({
    ...block,
    insts: block.insts.slice(0, start),
    end: { kind: "jump", to: { block: entryId, args }, span: block.insts[start]?.span ?? block.end.span },
  });
  const renameEdge = (e: Edge): Edge => {
    const args = e.args.map(rename);
    if (!selector || !parting || e.block !== parting.a.block) return { ...e, args };
    return { block: splitId, args };
  };
  const inRegion = (block: Block, insts: readonly Inst[], id: number): Block => ({
    id,
    params: block === a ? entryParams : block.params,
    insts: insts.map((inst) => mapOperands(inst, rename)),
    end: mapEnd(block.end, rename, renameEdge),
  });
  const blocks: Block[] = [];
  for (const block of graph.order) {
    if (block === a) {
      blocks.push(toEntry(a, startA, [...passed.map((p) => p.old), ...(selector ? [pool.constant("w32", 1n)] : [])]));
      blocks.push(inRegion(a, a.insts.slice(startA), entryId));
    } else if (block === b) {
      blocks.push(
        toEntry(b, startB, [...passed.map((p) => p.other ?? zero(p.old.type)), ...(selector ? [zero("w32")] : [])]),
      );
    } else if (pairs.has(block.id)) {
      blocks.push(inRegion(block, block.insts, block.id));
    } else if (!regionB.has(block.id)) {
      const map = behind.has(block.id)
        ? // What was there before both is what it was: what is passed in for it may be another's.
          (v: Value): Value => values.get(v.id) ?? (above(v.id) ? v : rename(v))
        : (v: Value): Value => values.get(v.id) ?? v;
      const edge = (e: Edge): Edge => ({ ...e, args: e.args.map(map) });
      blocks.push({
        ...block,
        insts: block.insts.map((inst) => mapOperands(inst, map)),
        end: mapEnd(block.end, map, edge),
      });
    }
  }
  if (selector && parting) {
    const carried = parting.a.args.map((arg) => value(arg.type));
    const otherArgs = parting.b.args.map((arg) => values.get(arg.id) ?? arg);
    blocks.push({
      id: splitId,
      params: carried,
      insts: [],
      end: {
        kind: "branch",
        op: "ne",
        left: selector,
        right: zero("w32"),
        then: { block: parting.a.block, args: carried },
        else: { block: parting.b.block, args: otherArgs },
        span: a.end.span,
      },
    });
  }
  const merged = withPool(func, blocks, pool);
  return isSound(merged) ? merged : undefined;
}

/** Whether every use is still dominated by its definition: where regions have ways around them it may not be. */
function isSound(func: Func): boolean {
  const graph = graphOf(func);
  const dominates = dominance(graph);
  const home = homes(graph);
  if (
    graph.order.some((block) =>
      edges(block.end).some((e) => graph.position.get(e.block)! <= graph.position.get(block.id)!),
    )
  )
    return false;
  return graph.order.every((block) => {
    let fine = true;
    visitUses(block, (v) => {
      const at = home.get(v.id);
      if (at !== undefined && at !== block.id && !dominates(at, block.id)) fine = false;
      if (at === undefined && !func.params.some((p) => p.id === v.id)) fine = false;
    });
    return fine;
  });
}

/** The block that makes each value. */
function homes(graph: Graph): Map<number, number> {
  const home = new Map<number, number>();
  for (const block of graph.order) {
    for (const param of block.params) home.set(param.id, block.id);
    for (const inst of block.insts) {
      const result = resultOf(inst);
      if (result) home.set(result.id, block.id);
    }
  }
  return home;
}
