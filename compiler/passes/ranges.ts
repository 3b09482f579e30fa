/**
 * Value ranges: for each value an unsigned and a signed interval and the bits it may have set, sharpened by the comparisons
 * that dominate a block and by the way into it.
 */
import { graphOf, type Graph } from "../ir/graph.ts";
import { bitsOf, byteSwap, evaluateBinary, INVERSE, signed, SWAPPED, unsigned } from "../ir/evaluate.ts";
import { edges, type Block, type CompareOp, type Edge, type End, type Func, type Inst, type Value } from "../ir/ir.ts";
import { definitions, useCounts } from "../ir/walk.ts";

export interface Range {
  readonly min: bigint;
  readonly max: bigint;
  readonly smin: bigint;
  readonly smax: bigint;
  /** Bits that may be set. */
  readonly bits: bigint;
}

export interface Ranges {
  /** The range of a value at the end of a block's instructions. */
  readonly at: (block: number, value: Value) => Range;
  /** Whether a comparison is decided in a block. */
  readonly decide: (block: number, op: CompareOp, left: Value, right: Value) => boolean | undefined;
}

const full = (width: number): Range => {
  const top = 1n << BigInt(width - 1);
  return { min: 0n, max: 2n * top - 1n, smin: -top, smax: top - 1n, bits: 2n * top - 1n };
};
const exactly = (value: bigint, width: number): Range => {
  const s = signed(value, width);
  return { min: value, max: value, smin: s, smax: s, bits: value };
};
const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const most = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const smear = (mask: bigint): bigint => (mask <= 0n ? 0n : (1n << BigInt(mask.toString(2).length)) - 1n);

/** Lets the three views of a range sharpen each other. */
function settle(range: Range, width: number): Range {
  const top = 1n << BigInt(width - 1);
  let { min, max, smin, smax } = range;
  const bits = range.bits & smear(max);
  max = least(max, bits);
  if (max < top) {
    // The sign bit is clear: both readings agree.
    smin = most(smin, min);
    smax = least(smax, max);
  } else if (min >= top) {
    smin = most(smin, min - 2n * top);
    smax = least(smax, max - 2n * top);
  }
  if (smin >= 0n) {
    min = most(min, smin);
    max = least(max, smax);
  } else if (smax < 0n) {
    min = most(min, smin + 2n * top);
    max = least(max, smax + 2n * top);
  }
  return { min, max, smin, smax, bits };
}

const both = (a: Range, b: Range, width: number): Range =>
  settle(
    {
      min: most(a.min, b.min),
      max: least(a.max, b.max),
      smin: most(a.smin, b.smin),
      smax: least(a.smax, b.smax),
      bits: a.bits & b.bits,
    },
    width,
  );
const either = (a: Range, b: Range): Range => ({
  min: least(a.min, b.min),
  max: most(a.max, b.max),
  smin: least(a.smin, b.smin),
  smax: most(a.smax, b.smax),
  bits: a.bits | b.bits,
});
const impossible = (r: Range): boolean => r.min > r.max || r.smin > r.smax;

/**
 * Whose knowledge counts. What guards a memory access must be visible to the kernel's verifier, which forgets the
 * range of quotients, remainders and shifts by a variable (is_safe_to_compute_dst_reg_range in kernel/bpf/verifier.c), and which knows
 * nothing of what the source promised.
 */
export type Eyes = "ours" | "verifier";

function forgotten(inst: Extract<Inst, { kind: "binary" }>, of: (value: Value) => Range): boolean {
  const known = (value: Value): boolean => of(value).min === of(value).max;
  if (["shl", "lshr", "ashr"].includes(inst.op)) return !known(inst.right);
  if (!["udiv", "umod", "sdiv", "smod"].includes(inst.op)) return false;
  // Two constants are folded before the verifier meets them.
  return !known(inst.left) || !known(inst.right);
}

/** The range of a result by its operands' ranges. */
function transfer(inst: Inst, of: (value: Value) => Range, eyes: Eyes): Range | undefined {
  if (eyes === "verifier") {
    if (inst.kind === "assume-fits" || inst.kind === "assume-index") return of(inst.value);
    if (inst.kind === "binary" && forgotten(inst, of)) return undefined;
  }
  switch (inst.kind) {
    case "const":
      return exactly(inst.value, bitsOf(inst.result.type));
    case "load":
      return inst.bytes === 8 ? full(64) : settle({ ...full(32), max: (1n << BigInt(8 * inst.bytes)) - 1n }, 32);
    case "compare":
      return settle({ ...full(32), max: 1n }, 32);
    case "assume-fits": {
      const width = bitsOf(inst.result.type);
      const limit = inst.signed
        ? { ...full(width), smin: inst.min, smax: inst.max }
        : { ...full(width), min: inst.min, max: inst.max };
      return both(of(inst.value), settle(limit, width), width);
    }
    case "assume-index": {
      const width = bitsOf(inst.result.type);
      return both(of(inst.value), settle({ ...full(width), max: BigInt(inst.length - 1) }, width), width);
    }
    case "unary":
      return transferUnary(inst, of);
    case "binary":
      return transferBinary(inst, of(inst.left), of(inst.right));
    default:
      return undefined;
  }
}

function transferUnary(inst: Extract<Inst, { kind: "unary" }>, of: (value: Value) => Range): Range {
  const width = bitsOf(inst.result.type);
  const a = of(inst.value);
  switch (inst.op) {
    case "zext":
      return settle({ ...full(64), min: a.min, max: a.max, bits: a.bits }, 64);
    case "sext":
      return settle({ ...full(64), smin: a.smin, smax: a.smax }, 64);
    case "trunc":
      if (a.max <= 0xffff_ffffn) return settle({ ...full(32), min: a.min, max: a.max, bits: a.bits }, 32);
      if (a.smin >= -0x8000_0000n && a.smax < 0x8000_0000n)
        return settle({ ...full(32), smin: a.smin, smax: a.smax }, 32);
      return settle({ ...full(32), bits: a.bits & 0xffff_ffffn }, 32);
    case "neg":
      return a.smin > full(width).smin ? settle({ ...full(width), smin: -a.smax, smax: -a.smin }, width) : full(width);
    case "bswap16":
      return settle({ ...full(width), max: 0xffffn }, width);
    case "bswap32":
      return settle({ ...full(width), bits: byteSwap(a.bits & 0xffff_ffffn, 32) }, width);
    case "bswap64":
      return full(64);
  }
}

function transferBinary(inst: Extract<Inst, { kind: "binary" }>, a: Range, b: Range): Range {
  const width = bitsOf(inst.result.type);
  const any = full(width);
  const exact = b.min === b.max ? b.min : undefined;
  if (exact !== undefined && a.min === a.max) return exactly(evaluateBinary(inst.op, a.min, exact, width), width);
  const unsignedRange = (min: bigint, max: bigint): Range => (min >= 0n && max <= any.max ? { ...any, min, max } : any);
  const signedRange = (smin: bigint, smax: bigint): Range =>
    smin >= any.smin && smax <= any.smax ? { ...any, smin, smax } : any;
  const joined = (u: Range, s: Range): Range => both(settle(u, width), settle(s, width), width);
  switch (inst.op) {
    case "add":
      return joined(unsignedRange(a.min + b.min, a.max + b.max), signedRange(a.smin + b.smin, a.smax + b.smax));
    case "sub":
      return joined(unsignedRange(a.min - b.max, a.max - b.min), signedRange(a.smin - b.smax, a.smax - b.smin));
    case "mul": {
      const products = [a.smin * b.smin, a.smin * b.smax, a.smax * b.smin, a.smax * b.smax];
      return joined(
        unsignedRange(a.min * b.min, a.max * b.max),
        signedRange(products.reduce(least), products.reduce(most)),
      );
    }
    case "udiv":
      return settle({ ...any, max: b.min > 0n ? a.max / b.min : a.max, min: b.min > 0n ? a.min / b.max : 0n }, width);
    case "umod":
      return settle({ ...any, max: b.min > 0n ? least(a.max, b.max - 1n) : a.max }, width);
    case "sdiv": {
      const size = most(-a.smin, a.smax);
      return settle(
        { ...any, smin: a.smin >= 0n && b.smin >= 0n ? 0n : most(-size, any.smin), smax: least(size, any.smax) },
        width,
      );
    }
    case "smod": {
      const size =
        exact !== undefined && exact !== 0n
          ? most(signed(exact, width), -signed(exact, width)) - 1n
          : most(-a.smin, a.smax);
      return settle(
        { ...any, smin: a.smin >= 0n ? 0n : most(-size, any.smin), smax: a.smax <= 0n ? 0n : least(size, any.smax) },
        width,
      );
    }
    case "and":
      return settle({ ...any, bits: a.bits & b.bits, max: least(a.max, b.max) }, width);
    case "or":
      return settle({ ...any, bits: a.bits | b.bits, min: most(a.min, b.min) }, width);
    case "xor":
      return settle({ ...any, bits: a.bits | b.bits }, width);
    case "shl": {
      if (exact === undefined) return any;
      const by = exact & BigInt(width - 1);
      return joined({ ...any, bits: unsigned(a.bits << by, width) }, unsignedRange(a.min << by, a.max << by));
    }
    case "lshr": {
      if (exact === undefined) return settle({ ...any, max: a.max }, width);
      const by = exact & BigInt(width - 1);
      return settle({ ...any, min: a.min >> by, max: a.max >> by, bits: a.bits >> by }, width);
    }
    case "ashr": {
      if (exact === undefined) return settle({ ...any, smin: least(a.smin, 0n), smax: most(a.smax, 0n) }, width);
      const by = exact & BigInt(width - 1);
      return settle({ ...any, smin: a.smin >> by, smax: a.smax >> by }, width);
    }
  }
}

/** What holds of `left` when `left op right` does. */
function restrict(op: CompareOp, left: Range, right: Range, width: number): Range {
  const any = full(width);
  switch (op) {
    case "eq":
      return both(left, right, width);
    case "ne":
      if (right.min !== right.max) return left;
      if (left.min === right.min)
        return settle(
          { ...left, min: left.min + 1n, smin: left.smin === right.smin ? left.smin + 1n : left.smin },
          width,
        );
      if (left.max === right.min)
        return settle(
          { ...left, max: left.max - 1n, smax: left.smax === right.smin ? left.smax - 1n : left.smax },
          width,
        );
      return left;
    case "ult":
      return both(left, { ...any, max: right.max - 1n }, width);
    case "ule":
      return both(left, { ...any, max: right.max }, width);
    case "ugt":
      return both(left, { ...any, min: right.min + 1n }, width);
    case "uge":
      return both(left, { ...any, min: right.min }, width);
    case "slt":
      return both(left, { ...any, smax: right.smax - 1n }, width);
    case "sle":
      return both(left, { ...any, smax: right.smax }, width);
    case "sgt":
      return both(left, { ...any, smin: right.smin + 1n }, width);
    case "sge":
      return both(left, { ...any, smin: right.smin }, width);
  }
}

/** Whether the ranges alone decide a comparison. */
export function decided(op: CompareOp, left: Range, right: Range): boolean | undefined {
  switch (op) {
    case "eq":
      if (left.min === left.max && right.min === right.max) return left.min === right.min;
      return left.max < right.min ||
        right.max < left.min ||
        left.smax < right.smin ||
        right.smax < left.smin ||
        disjointBits(left, right)
        ? false
        : undefined;
    case "ult":
      return left.max < right.min ? true : left.min >= right.max ? false : undefined;
    case "ule":
      return left.max <= right.min ? true : left.min > right.max ? false : undefined;
    case "slt":
      return left.smax < right.smin ? true : left.smin >= right.smax ? false : undefined;
    case "sle":
      return left.smax <= right.smin ? true : left.smin > right.smax ? false : undefined;
    default: {
      const opposite = decided(INVERSE[op], left, right);
      return opposite === undefined ? undefined : !opposite;
    }
  }
}
const disjointBits = (a: Range, b: Range): boolean => b.min === b.max && (b.min & ~a.bits) !== 0n;

/** How far a value is followed through its definition when a comparison sharpened only its operand. */
const DEPTH = 4;
/** How far up the dominators a sharper range is looked for. */
const CLIMB = 512;

/** Analyzes a function without loops (with loops, values that go round are taken to be anything). */
export function rangesOf(func: Func, eyes: Eyes = "ours"): Ranges {
  const graph: Graph = graphOf(func);
  const made = definitions(func);
  const uses = useCounts(func);
  const base = new Map<number, Range>();
  /** What holds at a block's start beyond what holds at its dominator, by block. */
  const sharper = new Map<number, Map<number, Range>>();
  /** The values that any of those facts is about: for all others the climb is in vain, and would make this quadratic. */
  const learned = new Set<number>();

  const stored = (block: number, value: Value): Range => {
    const width = bitsOf(value.type);
    let found = base.get(value.id) ?? full(width);
    if (!learned.has(value.id)) return found;
    let steps = 0;
    for (let at: number | undefined = block; at !== undefined && steps < CLIMB; at = graph.dominator.get(at), steps++) {
      const here = sharper.get(at)?.get(value.id);
      if (here) {
        // Nearer facts were made from farther ones, so the first is the sharpest.
        found = both(here, found, width);
        break;
      }
    }
    return found;
  };
  const at = (block: number, value: Value, depth = DEPTH): Range => {
    const inst = made.get(value.id);
    if (inst?.kind === "const") return exactly(inst.value, bitsOf(value.type));
    const known = stored(block, value);
    if (!inst || depth === 0 || known.min === known.max || value.type === "ptr") return known;
    if (inst.kind !== "unary" && inst.kind !== "binary" && inst.kind !== "assume-fits" && inst.kind !== "assume-index")
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
    if (end.kind === "branch" && end.then !== end.else && end.left.type !== "ptr") {
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
        if (param.type === "ptr") return;
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
    for (const id of facts.keys()) learned.add(id);
    for (const inst of block.insts) {
      if (!("result" in inst) || !inst.result || inst.result.type === "ptr") continue;
      const range = transfer(inst, (value) => at(block.id, value), eyes);
      if (range && !impossible(range)) base.set(inst.result.id, range);
    }
  }
  return {
    at: (block, value) => at(block, value),
    decide: (block, op, left, right) =>
      left.type === "ptr" ? undefined : decided(op, at(block, left), at(block, right)),
  };
}
