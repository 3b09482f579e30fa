/**
 * Algebra on single instructions: what one instruction becomes, given what its operands are.
 * Rules are shared by `simplify` and by `unroll`, which folds while it copies.
 */
import { bitsOf, signed, unsigned } from "../ir/evaluate.ts";
import type { Inst, Value } from "../ir/ir.ts";
import { simplifyBinary, simplifyUnary } from "./arithmetic-rules.ts";
import { simplifyCompare } from "./comparison-rules.ts";
import { pick, type Facts, type Simplified } from "./facts.ts";

/** Simplifies one instruction. */
export function simplifyInst(inst: Inst, facts: Facts): Simplified {
  switch (inst.kind) {
    case "binary":
      return simplifyBinary(inst, facts);
    case "unary":
      return simplifyUnary(inst, facts);
    case "compare":
      return simplifyCompare(inst, facts);
    case "ptradd":
      return simplifyPtradd(inst, facts);
    case "load":
    case "store":
    case "zero":
    case "atomic": {
      const found = through(inst.base, inst.offset, facts);
      return found ? { inst: { ...inst, ...found } } : undefined;
    }
    case "copy": {
      const to = through(inst.to, inst.toOffset, facts);
      const from = through(inst.from, inst.fromOffset, facts);
      if (!to && !from) return undefined;
      return {
        inst: {
          ...inst,
          ...(to ? { to: to.base, toOffset: to.offset } : {}),
          ...(from ? { from: from.base, fromOffset: from.offset } : {}),
        },
      };
    }
    case "assume-fits": {
      const constant = facts.constantOf(inst.value);
      if (constant === undefined) return undefined;
      const bits = bitsOf(inst.value.type);
      const read = inst.signed ? signed(constant, bits) : constant;
      return read >= inst.min && read <= inst.max ? { equals: inst.value } : undefined;
    }
    case "assume-index": {
      const constant = facts.constantOf(inst.value);
      return constant !== undefined && constant < BigInt(inst.length) ? { equals: inst.value } : undefined;
    }
    default:
      return undefined;
  }
}

/** Offsets are signed 16 bits in an instruction; a margin is left for accesses behind them. */
const MAX_OFFSET = 0x7000n;

function through(base: Value, offset: number, facts: Facts): { base: Value; offset: number } | undefined {
  const made = pick(facts.madeBy(base), "ptradd");
  const by = made && facts.constantOf(made.offset);
  if (!made || by === undefined) return undefined;
  const sum = BigInt(offset) + signed(by, 64);
  return sum > MAX_OFFSET || sum < -MAX_OFFSET ? undefined : { base: made.base, offset: Number(sum) };
}

function simplifyPtradd(inst: Extract<Inst, { kind: "ptradd" }>, facts: Facts): Simplified {
  const by = facts.constantOf(inst.offset);
  if (by === 0n) return { equals: inst.base };
  const inner = pick(facts.madeBy(inst.base), "ptradd");
  const innerBy = inner && facts.constantOf(inner.offset);
  if (inner && by !== undefined && innerBy !== undefined) {
    return { inst: { ...inst, base: inner.base, offset: facts.constant("w64", unsigned(by + innerBy, 64)) } };
  }
  return undefined;
}
