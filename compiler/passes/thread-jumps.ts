/** Where a block only decides something that the way into it has decided already, the way goes straight on. */
import { graphOf, type Graph } from "../ir/graph.ts";
import { edges, type Block, type CompareOp, type Edge, type End, type Func, type Value } from "../ir/ir.ts";
import { bitsOf, evaluateCompare, INVERSE } from "../ir/evaluate.ts";
import { constantsOf, definitions, mapEnd, visitUses, type ConstantOf } from "../ir/walk.ts";
import type { Pass } from "./pass.ts";

export const threadJumps: Pass = {
  name: "thread-jumps",
  why: "Conditions and helper functions that give true or false become the jumps that they stand for.",
  run: threadAll,
};

/** Each round follows one more block; conditions nested deeper than this keep their jumps. */
const MAX_ROUNDS = 8;

export function threadAll(func: Func): Func {
  let current = func;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const next = threadOnce(current);
    if (next === current) break;
    current = next;
  }
  return current;
}

function threadOnce(func: Func): Func {
  const constantOf = constantsOf(definitions(func));
  const deciders = new Map<number, Block>();
  const readers = readersElsewhere(func);
  const graph = graphOf(func);
  const leads = waysAround(graph);
  for (const block of graph.order.slice(1)) {
    if (block.insts.length > 0 || block.loop) continue;
    if (block.end.kind === "branch" || block.end.kind === "switch") deciders.set(block.id, block);
  }
  if (deciders.size === 0) return func;
  let changed = false;
  /** Where the block behind an edge goes on to, when it only decides and that is decided. */
  const beyond = (edge: Edge, known: Condition | undefined): Edge | undefined => {
    const block = deciders.get(edge.block);
    if (!block) return undefined;
    const values = new Map(block.params.map((param, at) => [param.id, edge.args[at]!]));
    const map = (v: Value): Value => values.get(v.id) ?? v;
    const chosen = decide(block.end, map, constantOf, known);
    return chosen && { block: chosen.block, args: chosen.args.map(map) };
  };
  const follow =
    (known: Condition | undefined) =>
    (edge: Edge): Edge => {
      const chosen = beyond(edge, known);
      if (!chosen || chosen.block === edge.block) return edge;
      const block = deciders.get(edge.block)!;
      // Where the block's parameters are read behind it, it must go on to dominate that: the way past it must not lead there.
      if (block.params.some((p) => readers.get(p.id)?.some((at) => leads(chosen.block, at, block.id)))) return edge;
      changed = true;
      return chosen;
    };
  /** Of two ways, whether the second one's block would lead to where the first goes, under what sends one there: it can decide alone. */
  const leadsTo = (first: Edge, second: Edge, known: Condition): boolean => {
    const chosen = first.block === second.block ? undefined : beyond(second, known);
    return chosen?.block === first.block && chosen.args.every((arg, index) => arg.id === first.args[index]!.id);
  };
  const blocks = graph.order.map((block) => {
    const { end } = block;
    if (end.kind === "branch") {
      const { op, left, right } = end;
      const inverse = { op: INVERSE[op], left, right };
      const alone = leadsTo(end.then, end.else, { op, left, right })
        ? end.else
        : leadsTo(end.else, end.then, inverse)
          ? end.then
          : undefined;
      if (alone) {
        changed = true;
        return { ...block, end: { kind: "jump" as const, to: alone, span: end.span } };
      }
      return {
        ...block,
        end: {
          ...end,
          then: follow({ op, left, right })(end.then),
          else: follow(inverse)(end.else),
        },
      };
    }
    if (end.kind === "switch") {
      // In a case the value is known.
      const cases = end.cases.map((c) => ({ ...c, to: follow({ op: "eq", left: end.value, right: c.value })(c.to) }));
      return { ...block, end: { ...end, cases, default: follow(undefined)(end.default) } };
    }
    return { ...block, end: mapEnd(end, (v) => v, follow(undefined)) };
  });
  if (!changed) return func;
  const threaded = { ...func, blocks };
  const reachable = graphOf(threaded).position;
  return { ...threaded, blocks: blocks.filter((b) => reachable.has(b.id)) };
}

/** For each parameter of a block, the other blocks that read it. */
function readersElsewhere(func: Func): Map<number, number[]> {
  const home = new Map<number, number>();
  for (const block of func.blocks) for (const param of block.params) home.set(param.id, block.id);
  const found = new Map<number, number[]>();
  for (const block of func.blocks)
    visitUses(block, ({ id }) => {
      const at = home.get(id);
      if (at === undefined || at === block.id) return;
      const list = found.get(id);
      if (!list) found.set(id, [block.id]);
      else if (list.at(-1) !== block.id) list.push(block.id);
    });
  return found;
}

/** Whether one block leads to another on some way around a third. */
function waysAround(graph: Graph): (from: number, to: number, around: number) => boolean {
  const known = new Map<string, Set<number>>();
  return (from, to, around) => {
    const key = `${from} ${around}`;
    let found = known.get(key);
    if (!found) {
      found = new Set();
      const left = [from];
      for (let at = left.pop(); at !== undefined; at = left.pop()) {
        if (at === around || found.has(at)) continue;
        found.add(at);
        for (const edge of edges(graph.block.get(at)!.end)) left.push(edge.block);
      }
      known.set(key, found);
    }
    return found.has(to);
  };
}

interface Condition {
  readonly op: CompareOp;
  readonly left: Value;
  /** A value, or a number. */
  readonly right: Value | bigint;
}

/** The edge that a block takes, when that is known on this way into it. */
function decide(
  end: End,
  map: (v: Value) => Value,
  constantOf: ConstantOf,
  known: Condition | undefined,
): Edge | undefined {
  if (end.kind === "switch") {
    const value = constantOf(map(end.value));
    return value === undefined ? undefined : (end.cases.find((c) => c.value === value)?.to ?? end.default);
  }
  if (end.kind !== "branch") return undefined;
  const left = map(end.left);
  const right = map(end.right);
  const l = constantOf(left);
  const r = constantOf(right);
  if (l !== undefined && r !== undefined) return evaluateCompare(end.op, l, r, bitsOf(left.type)) ? end.then : end.else;
  if (left.id === right.id) return ["eq", "ule", "uge", "sle", "sge"].includes(end.op) ? end.then : end.else;
  if (!known || known.left.id !== left.id) return undefined;
  if (typeof known.right !== "bigint" && known.right.id === right.id) {
    if (IMPLIES[known.op].includes(end.op)) return end.then;
    if (IMPLIES[known.op].includes(INVERSE[end.op])) return end.else;
  }
  const other = typeof known.right === "bigint" ? known.right : constantOf(known.right);
  // Equal to one constant: any other comparison with a constant is decided.
  if (known.op === "eq" && other !== undefined && r !== undefined)
    return evaluateCompare(end.op, other, r, bitsOf(left.type)) ? end.then : end.else;
  return undefined;
}

/** What holds of the same operands when an operator does. */
const IMPLIES = {
  eq: ["eq", "ule", "uge", "sle", "sge"],
  ne: ["ne"],
  ult: ["ult", "ule", "ne"],
  ule: ["ule"],
  ugt: ["ugt", "uge", "ne"],
  uge: ["uge"],
  slt: ["slt", "sle", "ne"],
  sle: ["sle"],
  sgt: ["sgt", "sge", "ne"],
  sge: ["sge"],
} as const satisfies Record<CompareOp, readonly CompareOp[]> as Record<CompareOp, readonly CompareOp[]>;
