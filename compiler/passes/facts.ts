/** What a rule may ask about the values before it, and which bits they may have set. */
import { bitsOf, unsigned } from "../ir/evaluate.ts";
import type { BinaryOp, Inst, Type, Value } from "../ir/ir.ts";
import type { Eyes } from "./range-transfer.ts";
import { smear } from "./range.ts";

export interface Facts {
  /** The constant a value is. */
  readonly constantOf: (value: Value) => bigint | undefined;
  /** The instruction that made a value, already simplified. */
  readonly madeBy: (value: Value) => Inst | undefined;
  /** The one value of that constant. */
  readonly constant: (type: Type, value: bigint) => Value;
  /** Computes something new in front of what is being simplified. */
  readonly compute?: (op: BinaryOp, left: Value, right: Value) => Value;
  /** Whether something else reads the value too, and will go on doing so. Absent: not known, as if not. */
  readonly shared?: (value: Value) => boolean;
}

/** A value that the instruction's result equals, a better instruction for it, or undefined: nothing to gain. */
export type Simplified = { readonly equals: Value } | { readonly inst: Inst } | undefined;

/** The instruction, if it is of that kind. */
export const pick = <K extends Inst["kind"]>(
  inst: Inst | undefined,
  kind: K,
): Extract<Inst, { kind: K }> | undefined => (inst?.kind === kind ? (inst as Extract<Inst, { kind: K }>) : undefined);

/**
 * A mask that holds every bit the value may have set. Looks a few definitions deep. With the verifier's eyes, quotients,
 * remainders, shifts by a variable and swapped bytes are anything: a mask or a check of those may be what guards an access.
 */
export function possibleBits(value: Value, facts: Facts, eyes: Eyes = "ours", depth = 4): bigint {
  const all = (1n << BigInt(bitsOf(value.type))) - 1n;
  const constant = facts.constantOf(value);
  if (constant !== undefined) return constant;
  const made = facts.madeBy(value);
  if (!made || depth === 0) return all;
  const of = (v: Value): bigint => possibleBits(v, facts, eyes, depth - 1);
  const forgets = eyes === "verifier";
  switch (made.kind) {
    case "load":
      return all & ((1n << BigInt(8 * made.bytes)) - 1n);
    case "compare":
      return 1n;
    case "assume-fits":
      return made.signed ? of(made.value) : of(made.value) & smear(made.max);
    case "unary":
      if (made.op === "zext") return of(made.value);
      if (made.op === "trunc") return of(made.value) & all;
      if (made.op === "bswap16") return forgets ? all : 0xffffn;
      if (made.op === "bswap32") return forgets ? all : 0xffff_ffffn;
      return all;
    case "binary": {
      const by = facts.constantOf(made.right);
      switch (made.op) {
        case "and":
          return of(made.left) & of(made.right);
        case "or":
        case "xor":
          return of(made.left) | of(made.right);
        case "lshr":
          return by === undefined
            ? forgets
              ? all
              : smear(of(made.left))
            : of(made.left) >> (by & BigInt(bitsOf(value.type) - 1));
        case "shl":
          return by === undefined
            ? all
            : unsigned(of(made.left) << (by & BigInt(bitsOf(value.type) - 1)), bitsOf(value.type));
        case "add":
          return all & smear(of(made.left) + of(made.right));
        case "mul":
          return all & smear(of(made.left) * of(made.right));
        case "udiv":
        case "umod":
          return forgets ? all : smear(of(made.left));
        default:
          return all;
      }
    }
    default:
      return all;
  }
}
