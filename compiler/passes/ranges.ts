/**
 * Value ranges of a function: for each value an unsigned and a signed interval and the bits it may have set, sharpened by the
 * comparisons that dominate a block and by the way into it.
 */
import { graphOf, type Graph } from "../ir/graph.ts";
import { bitsOf, INVERSE, SWAPPED } from "../ir/evaluate.ts";
import { edges, type Block, type CompareOp, type Edge, type End, type Func, type Inst, type Value } from "../ir/ir.ts";
import { isPointer } from "../ir/types.ts";
import { definitions, operands, useCounts } from "../ir/walk.ts";
import {
  both,
  decided,
  either,
  exactly,
  full,
  impossible,
  least,
  most,
  restrict,
  settle,
  type Range,
} from "./range.ts";
import { transfer, type Eyes } from "./range-transfer.ts";

export interface Ranges {
  /** The range of a value at the end of a block's instructions. */
  readonly at: (block: number, value: Value) => Range;
  /** Whether a comparison is decided in a block. */
  readonly decide: (block: number, op: CompareOp, left: Value, right: Value) => boolean | undefined;
  /** False where no way leads into a block, or every one contradicts itself: control never comes there. */
  readonly reachable: (block: number) => boolean;
}

/** How far a value is followed through its definition when a comparison sharpened only its operand. */
const DEPTH = 4;
/** How far up the dominators a sharper range is looked for. */
const CLIMB = 512;

type Followed = Extract<Inst, { kind: "unary" | "binary" | "assume-fits" | "assume-index" }>;
/** Whether a sharper range of what an instruction reads may give a sharper one of what it makes. */
const isFollowed = (inst: Inst): inst is Followed =>
  inst.kind === "unary" || inst.kind === "binary" || inst.kind === "assume-fits" || inst.kind === "assume-index";

/** What is made of each value by instructions that are followed. */
function followedReaders(func: Func): Map<number, number[]> {
  const readers = new Map<number, number[]>();
  for (const block of func.blocks)
    for (const inst of block.insts)
      if (isFollowed(inst))
        for (const { id } of operands(inst)) {
          const list = readers.get(id);
          if (list) list.push(inst.result.id);
          else readers.set(id, [inst.result.id]);
        }
  return readers;
}

/** Analyzes a function without loops (with loops, values that go round are taken to be anything). */
export function rangesOf(func: Func, eyes: Eyes = "ours"): Ranges {
  const graph: Graph = graphOf(func);
  const made = definitions(func);
  const uses = useCounts(func);
  const base = new Map<number, Range>();
  /** What holds at a block's start beyond what holds at its dominator, by block. */
  const sharper = new Map<number, Map<number, Range>>();
  /**
   * How many definitions lie between a value and the nearest one that any of those facts is about, where following them can lead there:
   * for all other values the climb, or the way through their definitions, would be in vain.
   */
  const distance = new Map<number, number>();
  const readers = followedReaders(func);
  const learned = (id: number, far: number): void => {
    if ((distance.get(id) ?? Infinity) <= far) return;
    distance.set(id, far);
    if (far < DEPTH) for (const reader of readers.get(id) ?? []) learned(reader, far + 1);
  };
  /** Of pointers all that is known is whether they are null. */
  const isKnown = (op: CompareOp, left: Value, right: Value): boolean =>
    !isPointer(left.type) || ((op === "eq" || op === "ne") && isNull(right));
  const isNull = ({ id }: Value): boolean => {
    const inst = made.get(id);
    return inst?.kind === "const" && inst.value === 0n;
  };
  /** The block that makes a value: no fact about it holds above. */
  const madeIn = new Map<number, number>();
  const dead = new Set<number>();

  const stored = (block: number, value: Value): Range => {
    const width = bitsOf(value.type);
    let found = base.get(value.id) ?? full(width);
    if (distance.get(value.id) !== 0) return found;
    const top = madeIn.get(value.id);
    let steps = 0;
    for (let at: number | undefined = block; at !== undefined && steps < CLIMB; at = graph.dominator.get(at), steps++) {
      const here = sharper.get(at)?.get(value.id);
      if (here) {
        // Nearer facts were made from farther ones, so the first is the sharpest.
        found = both(here, found, width);
        break;
      }
      if (at === top) break;
    }
    return found;
  };
  const at = (block: number, value: Value, depth = DEPTH): Range => {
    const inst = made.get(value.id);
    if (inst?.kind === "const") return exactly(inst.value, bitsOf(value.type));
    const known = stored(block, value);
    if (!inst || known.min === known.max || !isFollowed(inst) || (distance.get(value.id) ?? Infinity) > depth)
      return known;
    const again = transfer(inst, (operand) => at(block, operand, depth - 1), eyes);
    return again ? both(known, again, bitsOf(value.type)) : known;
  };

  /** Facts that the edge from a block to its successor adds. */
  const edgeFacts = (from: Block, edge: Edge): { value: Value; range: Range }[] => {
    const facts: { value: Value; range: Range }[] = [];
    const learn = (op: CompareOp, left: Value, right: Value): void => {
      const width = bitsOf(left.type);
      const l = at(from.id, left);
      const r = at(from.id, right);
      note(left, restrict(op, l, r, width), facts, from.id);
      note(right, restrict(SWAPPED[op], r, l, width), facts, from.id);
    };
    const end: End = from.end;
    if (end.kind === "branch" && end.then !== end.else && isKnown(end.op, end.left, end.right)) {
      if (edge === end.then) learn(end.op, end.left, end.right);
      if (edge === end.else) learn(INVERSE[end.op], end.left, end.right);
    }
    if (end.kind === "switch" && edge !== end.default) {
      const values = end.cases.filter((c) => c.to.block === edge.block).map((c) => c.value);
      if (end.default.block !== edge.block && values.length > 0) {
        const width = bitsOf(end.value.type);
        note(end.value, values.map((v) => exactly(v, width)).reduce(either), facts, from.id);
      }
    }
    return facts;
  };
  /** Whether the ranges decide a branch for its other way. */
  const neverTaken = ({ id, end }: Block, edge: Edge): boolean => {
    if (end.kind !== "branch" || end.then === end.else || !isKnown(end.op, end.left, end.right)) return false;
    const answer = decided(end.op, at(id, end.left), at(id, end.right));
    return answer !== undefined && edge === (answer ? end.else : end.then);
  };
  /** A fact about a value is one about what it was widened, narrowed or shifted from. */
  const note = (value: Value, range: Range, facts: { value: Value; range: Range }[], block: number): void => {
    if (made.get(value.id)?.kind === "const") return;
    facts.push({ value, range });
    const inst = made.get(value.id);
    if (inst?.kind === "unary" && inst.op === "zext") {
      const inner = at(block, inst.value);
      note(
        inst.value,
        both(inner, settle({ ...full(32), min: most(range.min, 0n), max: least(range.max, 0xffff_ffffn) }, 32), 32),
        facts,
        block,
      );
    } else if (inst?.kind === "unary" && inst.op === "sext") {
      note(
        inst.value,
        both(
          at(block, inst.value),
          settle({ ...full(32), smin: most(range.smin, -0x8000_0000n), smax: least(range.smax, 0x7fff_ffffn) }, 32),
          32,
        ),
        facts,
        block,
      );
    } else if (inst?.kind === "unary" && inst.op === "trunc" && at(block, inst.value).max <= 0xffff_ffffn) {
      note(
        inst.value,
        both(at(block, inst.value), settle({ ...full(64), min: range.min, max: range.max }, 64), 64),
        facts,
        block,
      );
    } else if (inst?.kind === "assume-fits" || inst?.kind === "assume-index") {
      note(inst.value, range, facts, block);
    } else if (inst?.kind === "binary" && inst.op === "and" && range.max === 0n) {
      // The verifier sees which bits are clear only where masking and comparing are one instruction.
      const mask = at(block, inst.right);
      const x = at(block, inst.left);
      if (mask.min === mask.max && (eyes === "ours" || (uses.get(value.id) ?? 0) === 1))
        note(inst.left, settle({ ...x, bits: x.bits & ~mask.min }, bitsOf(value.type)), facts, block);
    } else if (inst?.kind === "binary" && inst.op === "add") {
      // x + c in [a, b] gives x in [a - c, b - c] where nothing wraps.
      const by = at(block, inst.right);
      const width = bitsOf(value.type);
      const x = at(block, inst.left);
      if (by.min === by.max && x.max + by.min <= full(width).max && range.min >= by.min)
        note(
          inst.left,
          both(x, settle({ ...full(width), min: range.min - by.min, max: range.max - by.min }, width), width),
          facts,
          block,
        );
    }
  };

  for (const block of graph.order) {
    const from = graph.predecessors.get(block.id)!;
    const facts = new Map<number, Range>();
    const incoming = [...new Set(from)].flatMap((id) =>
      edges(graph.block.get(id)!.end).flatMap((edge) =>
        edge.block === block.id ? [{ from: graph.block.get(id)!, edge }] : [],
      ),
    );
    const forward = incoming.every((i) => graph.position.get(i.from.id)! < graph.position.get(block.id)!);
    if (forward && incoming.length > 0) {
      const each = incoming.map((i) => edgeFacts(i.from, i.edge));
      const closed = (way: number): boolean =>
        dead.has(incoming[way]!.from.id) ||
        each[way]!.some((fact) => impossible(fact.range)) ||
        neverTaken(incoming[way]!.from, incoming[way]!.edge);
      if (incoming.every((_, way) => closed(way))) dead.add(block.id);
      // What every way in says.
      for (const { value } of each[0]!) {
        const width = bitsOf(value.type);
        const ranges = each.map(
          (list, index) =>
            list
              .filter((f) => f.value.id === value.id)
              .map((f) => f.range)
              .reduce<Range | undefined>((a, b) => (a ? both(a, b, width) : b), undefined) ??
            at(incoming[index]!.from.id, value),
        );
        const joined = ranges
          .filter((r) => !impossible(r))
          .reduce<Range | undefined>((a, b) => (a ? either(a, b) : b), undefined);
        if (joined) facts.set(value.id, settle(joined, width));
      }
      block.params.forEach((param, index) => {
        if (isPointer(param.type)) return;
        const width = bitsOf(param.type);
        const ranges = incoming.map((i, way) => {
          const arg = i.edge.args[index]!;
          const own = each[way]!.filter((f) => f.value.id === arg.id).map((f) => f.range);
          return [at(i.from.id, arg), ...own].reduce((a, b) => both(a, b, width));
        });
        const joined = ranges
          .filter((r) => !impossible(r))
          .reduce<Range | undefined>((a, b) => (a ? either(a, b) : b), undefined);
        if (joined) base.set(param.id, settle(joined, width));
      });
    }
    sharper.set(block.id, facts);
    for (const id of facts.keys()) learned(id, 0);
    for (const param of block.params) madeIn.set(param.id, block.id);
    for (const inst of block.insts) {
      if (!("result" in inst) || !inst.result) continue;
      madeIn.set(inst.result.id, block.id);
      if (isPointer(inst.result.type)) continue;
      const range = transfer(inst, (value) => at(block.id, value), eyes);
      if (range && !impossible(range)) base.set(inst.result.id, range);
    }
  }
  return {
    at: (block, value) => at(block, value),
    decide: (block, op, left, right) =>
      isKnown(op, left, right) ? decided(op, at(block, left), at(block, right)) : undefined,
    reachable: (block) => graph.position.has(block) && !dead.has(block),
  };
}
