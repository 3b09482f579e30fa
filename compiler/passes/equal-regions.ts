/** Finds regions that do the same in lockstep, block by block, up to the values' names. */
import type { Graph } from "../ir/graph.ts";
import { edges, type Block, type Edge, type End, type Inst, type Value } from "../ir/ir.ts";
import { isPointer } from "../ir/types.ts";
import { endOperands, operands, resultOf } from "../ir/walk.ts";

/** Instructions that a region must have beyond what passing values into it costs. */
export const PROFIT = 4;
/** Values that may be passed in because the two differ in them. */
const MAX_DIFFERENT = 2;

/** What a value of the first region is in the second. */
interface Partner {
  readonly a: Value;
  readonly b: Value;
}

/** Two equal regions. */
export interface Match {
  /** First instruction of the region in its first block. */
  readonly startA: number;
  readonly startB: number;
  readonly a: Block;
  readonly b: Block;
  /** Blocks of the second region, by the first's ids. */
  readonly pairs: ReadonlyMap<number, number>;
  /** Values of the first region for those of the second. */
  readonly values: ReadonlyMap<number, Value>;
  /** Values from outside that differ, each of the first region once. */
  readonly different: readonly Partner[];
  /** Where the two lead to different places. */
  readonly parting: { readonly a: Edge; readonly b: Edge } | undefined;
  readonly size: number;
}

/** What an instruction does, its values aside. */
export function shape(inst: Inst): string {
  switch (inst.kind) {
    case "const":
      return `const ${inst.value}`;
    case "core":
      return `core ${inst.fact.kind} ${inst.fact.struct} ${inst.fact.member}`;
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
      return `call ${inst.target.kind} ${inst.target.name} ${inst.args.length} ${inst.result?.type}`;
    case "global":
    case "map":
      return `${inst.kind} ${inst.name}`;
    case "ptradd":
      return `ptradd ${inst.most ?? ""}`;
    default:
      // A stack variable is memory of its own, and what is not lowered yet is left alone.
      return `${inst.kind} ${resultOf(inst)?.id}`;
  }
}

/** How a block ends, its values and targets aside. */
export const endShape = (end: End): string =>
  end.kind === "branch"
    ? `branch ${end.op}`
    : end.kind === "switch"
      ? `switch ${end.cases.map((c) => c.value)}`
      : end.kind;

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

/** The largest equal regions that begin at the ends of two blocks, if they are worth sharing. */
export function compare(a: Block, b: Block, graph: Graph): Match | undefined {
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

const sameEdge = (x: Edge, y: Edge): boolean =>
  x.block === y.block && x.args.length === y.args.length && x.args.every(({ id }, at) => id === y.args[at]!.id);

function lockstep(a: Block, startA: number, b: Block, startB: number, graph: Graph): Match | undefined {
  const values = new Map<number, Value>();
  const pairs = new Map<number, number>([[a.id, b.id]]);
  const taken = new Set<number>([b.id]);
  /** Of values from outside of the first region: what stands for each in the second, which may be itself. It is one value in all places. */
  const partners = new Map<number, Partner>();
  const differ = ({ a: x, b: y }: Partner): boolean => x.id !== y.id;
  const insideB = new Set<number>();
  const insideA = new Set<number>();
  /** Whether `x` in the first region is what `y` is in the second. */
  const same = (x: Value, y: Value, pending: Map<number, Partner>): boolean => {
    const mapped = values.get(y.id);
    if (mapped) return mapped.id === x.id;
    if (insideB.has(y.id) || insideA.has(x.id)) return false;
    const known = partners.get(x.id) ?? pending.get(x.id);
    if (known) return known.b.id === y.id;
    if (x.id !== y.id) {
      if (x.type !== y.type || isPointer(x.type)) return false;
      const others = [...partners.values(), ...pending.values()].filter(differ);
      if (others.length >= MAX_DIFFERENT) return false;
    }
    pending.set(x.id, { a: x, b: y });
    return true;
  };
  const keep = (pending: ReadonlyMap<number, Partner>): void => {
    for (const [id, partner] of pending) partners.set(id, partner);
  };
  /** Compares the instructions of two blocks; keeps what it learns only when all are equal. */
  const equal = (x: Block, fromX: number, y: Block, fromY: number): boolean => {
    if (x.insts.length - fromX !== y.insts.length - fromY || endShape(x.end) !== endShape(y.end)) return false;
    const pending = new Map<number, Partner>();
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
    keep(pending);
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
      const pending = new Map<number, Partner>();
      const fits = e.a.args.length === e.b.args.length && e.a.args.every((v, at) => same(v, e.b.args[at]!, pending));
      if (fits) keep(pending);
      return fits;
    });
    if (!argsFit || !equal(x, 0, y, 0)) continue;
    pairs.set(idX, idY);
    taken.add(idY);
    order.push(idX);
    size += x.insts.length + 1;
    if (!visit(x, y)) return undefined;
  }
  // Every way out: to the same place with the same values, or all that lead to one place to one other, with the same values there.
  const alike = (x: Edge, y: Edge): boolean => {
    const pending = new Map<number, Partner>();
    const fits =
      x.block === y.block &&
      x.args.length === y.args.length &&
      x.args.every((v, index) => same(v, y.args[index]!, pending));
    if (fits) keep(pending);
    return fits;
  };
  /** Where the second way goes is decided by where the first goes: by its block, whichever way out leads there. */
  const together = new Set<number>();
  for (const id of order) {
    const ex = edges(graph.block.get(id)!.end);
    const ey = edges(graph.block.get(pairs.get(id)!)!.end);
    for (let at = 0; at < ex.length; at++) {
      const ea = ex[at]!;
      const eb = ey[at]!;
      if (pairs.get(ea.block) === eb.block) continue;
      if (pairs.has(ea.block) || taken.has(eb.block)) return undefined;
      if (alike(ea, eb)) {
        together.add(ea.block);
        continue;
      }
      if (parting && (parting.a.block !== ea.block || !sameEdge(parting.b, eb))) return undefined;
      parting ??= { a: ea, b: eb };
    }
  }
  if (parting && together.has(parting.a.block)) return undefined;
  const different = [...partners.values()].filter(differ);
  return { a, b, startA, startB, pairs, values, different, parting, size: size - 2 * different.length };
}
