/** The range of what an instruction makes, by the ranges of what it reads. */
import { bitsOf, byteSwap, evaluateBinary, signed, unsigned } from "../ir/evaluate.ts";
import type { Inst, Value } from "../ir/ir.ts";
import { both, exactly, full, impossible, least, most, settle, type Range } from "./range.ts";

/**
 * Whose knowledge counts. What guards a memory access must be visible to the kernel's verifier, which forgets the
 * range of quotients, remainders and shifts by a variable (is_safe_to_compute_dst_reg_range in kernel/bpf/verifier.c), and which knows
 * nothing of what the source promised.
 */
export type Eyes = "ours" | "verifier";

function forgotten(inst: Extract<Inst, { kind: "binary" }>, of: (value: Value) => Range): boolean {
  const known = (value: Value): boolean => of(value).min === of(value).max;
  if (["shl", "lshr", "ashr"].includes(inst.op)) return !known(inst.right);
  // Even where both operands are known: what we know of them is folded before the verifier meets it.
  return ["udiv", "umod", "sdiv", "smod"].includes(inst.op);
}

/** The range of a result by its operands' ranges. */
export function transfer(inst: Inst, of: (value: Value) => Range, eyes: Eyes): Range | undefined {
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
    // What no value can be is found where no way leads: nothing follows from it, and there is nothing to compute with.
    case "unary":
      return impossible(of(inst.value)) ? undefined : transferUnary(inst, of);
    case "binary": {
      const [left, right] = [of(inst.left), of(inst.right)];
      return impossible(left) || impossible(right) ? undefined : transferBinary(inst, left, right);
    }
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
