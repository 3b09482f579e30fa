/**
 * Equal code on paths that exclude each other stands once. Two regions are equal when they do the same in lockstep, block by
 * block, up to the values' names; they may lead on to the same places, and to one place where they differ. What differs
 * going in, or is needed after the one region only, is passed in as a block parameter.
 */
import { dominance, graphOf, type Graph } from "../ir/graph.ts";
import { edges, type Block, type Edge, type End, type Func, type Inst, type Type, type Value } from "../ir/ir.ts";
import {
  endOperands,
  freshBlocks,
  freshValues,
  mapEnd,
  mapOperands,
  operands,
  resultOf,
  visitUses,
} from "../ir/walk.ts";
import { constantPool, withPool } from "./constants.ts";
import type { Pass } from "./pass.ts";

export const shareRegions: Pass = {
  name: "share-regions",
  why: "A handler that several events run is expanded for each; one copy is smaller, and the verifier walks it with equal states once.",
  run: shareAll,
};

/** Instructions that a region must have beyond what passing values into it costs. */
const PROFIT = 4;
/** Values that may be passed in because the two differ in them. */
const MAX_DIFFERENT = 2;
/** Merges per function; each looks at all blocks again. */
const MAX_MERGES = 24;
/** Candidate pairs looked at per merge. */
const MAX_PAIRS = 256;

export function shareAll(func: Func): Func {
  let current = func;
  for (let round = 0; round < MAX_MERGES; round++) {
    const next = shareOnce(current);
    if (!next) break;
    current = next;
  }
  return current;
}

interface Match {
  /** First instruction of the region in its first block. */
  readonly startA: number;
  readonly startB: number;
  readonly a: Block;
  readonly b: Block;
  /** Blocks of the second region, by the first's ids. */
  readonly pairs: ReadonlyMap<number, number>;
  /** Values of the first region for those of the second. */
  readonly values: ReadonlyMap<number, Value>;
  /** Values from outside that differ. */
  readonly different: readonly { readonly a: Value; readonly b: Value }[];
  /** Where the two lead to different places. */
  readonly parting: { readonly a: Edge; readonly b: Edge } | undefined;
  readonly size: number;
}

/** What an instruction does, its values aside. */
function shape(inst: Inst): string {
  switch (inst.kind) {
    case "const":
      return `const ${inst.value}`;
    case "binary":
    case "unary":
    case "compare":
      return `${inst.op} ${inst.result.type}`;
    case "load":
    case "store":
      return `${inst.kind}${inst.bytes} ${inst.offset}`;
    case "zero":
      return `zero ${inst.offset} ${inst.bytes}`;
    case "copy":
      return `copy ${inst.toOffset} ${inst.fromOffset} ${inst.bytes}`;
    case "atomic":
      return `atomic ${inst.op} ${inst.bytes} ${inst.offset} ${inst.result !== undefined}`;
    case "call":
      return `call ${inst.helper} ${inst.args.length} ${inst.result?.type}`;
    case "global":
    case "map":
      return `${inst.kind} ${inst.name}`;
    case "ptradd":
      return "ptradd";
    default:
      // A stack variable is memory of its own, and what is not lowered yet is left alone.
      return `${inst.kind} ${resultOf(inst)?.id}`;
  }
}
const endShape = (end: End): string =>
  end.kind === "branch"
    ? `branch ${end.op}`
    : end.kind === "switch"
      ? `switch ${end.cases.map((c) => c.value)}`
      : end.kind;

function shareOnce(func: Func): Func | undefined {
  const graph = graphOf(func);
  if (graph.order.some((b) => edges(b.end).some((e) => graph.position.get(e.block)! <= graph.position.get(b.id)!)))
    return undefined;
  const groups = new Map<string, Block[]>();
  for (const block of graph.order) {
    const last = block.insts.at(-1);
    if (!last) continue;
    const key = `${shape(last)}|${endShape(block.end)}`;
    const group = groups.get(key);
    if (group) group.push(block);
    else groups.set(key, [block]);
  }
  const home = homes(graph);
  let best: Match | undefined;
  let pairs = 0;
  for (const group of groups.values())
    for (let i = 0; i < group.length; i++)
      for (let j = i + 1; j < group.length && pairs < MAX_PAIRS; j++, pairs++) {
        const match = compare(group[i]!, group[j]!, graph);
        if (match && (!best || match.size > best.size)) best = match;
      }
  return best ? merge(func, graph, best, home) : undefined;
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

function reaches(graph: Graph, from: number, to: number): boolean {
  const limit = graph.position.get(to)!;
  const seen = new Set([from]);
  const work = [from];
  for (let id = work.pop(); id !== undefined; id = work.pop()) {
    if (id === to) return true;
    for (const edge of edges(graph.block.get(id)!.end))
      if (!seen.has(edge.block) && graph.position.get(edge.block)! <= limit) {
        seen.add(edge.block);
        work.push(edge.block);
      }
  }
  return false;
}

function compare(a: Block, b: Block, graph: Graph): Match | undefined {
  let common = 0;
  while (common < Math.min(a.insts.length, b.insts.length)) {
    if (shape(a.insts.at(-1 - common)!) !== shape(b.insts.at(-1 - common)!)) break;
    common++;
  }
  if (common === 0 || reaches(graph, a.id, b.id) || reaches(graph, b.id, a.id)) return undefined;
  for (let tries = 0; common > 0 && tries < 4; tries++, common--) {
    const found = lockstep(a, a.insts.length - common, b, b.insts.length - common, graph);
    if (found) return found.size >= PROFIT ? found : undefined;
  }
  return undefined;
}

function lockstep(a: Block, startA: number, b: Block, startB: number, graph: Graph): Match | undefined {
  const values = new Map<number, Value>();
  const pairs = new Map<number, number>([[a.id, b.id]]);
  const taken = new Set<number>([b.id]);
  const different: { a: Value; b: Value }[] = [];
  const insideB = new Set<number>();
  const insideA = new Set<number>();
  /** Whether `x` in the first region is what `y` is in the second. */
  const same = (x: Value, y: Value, pending: { a: Value; b: Value }[]): boolean => {
    const mapped = values.get(y.id);
    if (mapped) return mapped.id === x.id;
    if (insideB.has(y.id) || insideA.has(x.id)) return false;
    if (x.id === y.id) return true;
    if (x.type !== y.type || x.type === "ptr") return false;
    if ([...different, ...pending].some((d) => d.a.id === x.id && d.b.id === y.id)) return true;
    if (different.length + pending.length >= MAX_DIFFERENT) return false;
    pending.push({ a: x, b: y });
    return true;
  };
  /** Compares the instructions of two blocks; keeps what it learns only when all are equal. */
  const equal = (x: Block, fromX: number, y: Block, fromY: number): boolean => {
    if (x.insts.length - fromX !== y.insts.length - fromY || endShape(x.end) !== endShape(y.end)) return false;
    const pending: { a: Value; b: Value }[] = [];
    const learned: [Value, Value][] = [];
    const undo = (): false => {
      for (const [, vy] of learned) values.delete(vy.id);
      for (const [vx, vy] of learned) {
        insideA.delete(vx.id);
        insideB.delete(vy.id);
      }
      return false;
    };
    const learn = (vx: Value, vy: Value): void => {
      values.set(vy.id, vx);
      insideA.add(vx.id);
      insideB.add(vy.id);
      learned.push([vx, vy]);
    };
    if (fromX === 0 && x.id !== a.id) {
      if (x.params.length !== y.params.length || x.params.some((p, at) => p.type !== y.params[at]!.type)) return false;
      x.params.forEach((p, at) => learn(p, y.params[at]!));
    }
    for (let at = 0; at + fromX < x.insts.length; at++) {
      const ix = x.insts[fromX + at]!;
      const iy = y.insts[fromY + at]!;
      if (shape(ix) !== shape(iy)) return undo();
      const ox = operands(ix);
      const oy = operands(iy);
      if (ox.length !== oy.length || !ox.every((v, index) => same(v, oy[index]!, pending))) return undo();
      const rx = resultOf(ix);
      const ry = resultOf(iy);
      if ((rx === undefined) !== (ry === undefined)) return undo();
      if (rx && ry) learn(rx, ry);
    }
    const ex = endOperands(x.end);
    const ey = endOperands(y.end);
    if (ex.length !== ey.length || !ex.every((v, index) => same(v, ey[index]!, pending))) return undo();
    different.push(...pending);
    return true;
  };

  if (!equal(a, startA, b, startB)) return undefined;
  let size = a.insts.length - startA + 1;
  let parting: { a: Edge; b: Edge } | undefined;
  const order = [a.id];
  const exits: { a: Edge; b: Edge }[] = [];
  const candidates = new Map<number, number>();
  const visit = (x: Block, y: Block): boolean => {
    const ex = edges(x.end);
    const ey = edges(y.end);
    for (let at = 0; at < ex.length; at++) {
      const known = candidates.get(ex[at]!.block);
      if (known !== undefined && known !== ey[at]!.block) return false;
      if (ex[at]!.block !== ey[at]!.block) candidates.set(ex[at]!.block, ey[at]!.block);
      exits.push({ a: ex[at]!, b: ey[at]! });
    }
    return true;
  };
  if (!visit(a, b)) return undefined;
  for (;;) {
    // The next block in order whose predecessors all belong to the regions.
    const next = [...candidates].find(
      ([x, y]) =>
        !pairs.has(x) &&
        !taken.has(y) &&
        graph.predecessors.get(x)!.every((p) => pairs.has(p)) &&
        graph.predecessors.get(y)!.every((p) => taken.has(p)) &&
        graph.predecessors.get(x)!.length === graph.predecessors.get(y)!.length,
    );
    if (!next) break;
    const [idX, idY] = next;
    candidates.delete(idX);
    const x = graph.block.get(idX)!;
    const y = graph.block.get(idY)!;
    const arriving = exits.filter((e) => e.a.block === idX);
    const argsFit = arriving.every((e) => {
      const pending: { a: Value; b: Value }[] = [];
      const fits = e.a.args.length === e.b.args.length && e.a.args.every((v, at) => same(v, e.b.args[at]!, pending));
      if (fits) different.push(...pending);
      return fits;
    });
    if (!argsFit || !equal(x, 0, y, 0)) continue;
    pairs.set(idX, idY);
    taken.add(idY);
    order.push(idX);
    size += x.insts.length + 1;
    if (!visit(x, y)) return undefined;
  }
  // Every way out: to the same place with the same values, or all to one pair of different places.
  for (const id of order) {
    const ex = edges(graph.block.get(id)!.end);
    const ey = edges(graph.block.get(pairs.get(id)!)!.end);
    for (let at = 0; at < ex.length; at++) {
      const ea = ex[at]!;
      const eb = ey[at]!;
      if (pairs.get(ea.block) === eb.block) continue;
      if (pairs.has(ea.block) || taken.has(eb.block)) return undefined;
      const pending: { a: Value; b: Value }[] = [];
      if (
        ea.block === eb.block &&
        ea.args.length === eb.args.length &&
        ea.args.every((v, index) => same(v, eb.args[index]!, pending))
      ) {
        different.push(...pending);
        continue;
      }
      if (parting && (parting.a.block !== ea.block || parting.b.block !== eb.block)) return undefined;
      parting ??= { a: ea, b: eb };
    }
  }
  return { a, b, startA, startB, pairs, values, different, parting, size: size - 2 * different.length };
}

function merge(func: Func, graph: Graph, match: Match, home: ReadonlyMap<number, number>): Func | undefined {
  const { a, b, startA, startB, pairs, values, different, parting } = match;
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
    ...different.map((d) => ({ old: d.a, other: d.b as Value | undefined })),
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
        end.left.type !== "ptr" &&
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
        ? (v: Value): Value => values.get(v.id) ?? rename(v)
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
