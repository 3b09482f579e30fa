/** Signed division and modulo by unsigned ones, without a branch. */
import { LEVELS } from "../bpf/isa.ts";
import type { BinaryOp, Func, Inst, Value } from "../ir/ir.ts";
import { bitsOf } from "../ir/evaluate.ts";
import { freshValues } from "../ir/walk.ts";
import type { Pass } from "./pass.ts";

export const lowerDivision: Pass = {
  name: "lower-division",
  why: "Signed division exists from v4 on; older kernels reject it.",
  required: true,
  needs: ["proved"],
  makes: ["no-signed-division"],
  run: (func, context) => (LEVELS[context.kernel.isa].signed ? func : lowerDivisions(func)),
};

export function lowerDivisions(func: Func): Func {
  const signed = (inst: Inst): inst is Extract<Inst, { kind: "binary" }> =>
    inst.kind === "binary" && (inst.op === "sdiv" || inst.op === "smod");
  if (!func.blocks.some((block) => block.insts.some(signed))) return func;
  const value = freshValues(func);
  const expand = (inst: Extract<Inst, { kind: "binary" }>): Inst[] => {
    const { span, left, right, result } = inst;
    const out: Inst[] = [];
    const binary = (op: BinaryOp, a: Value, b: Value, made: Value = value(result.type)): Value => {
      out.push({ kind: "binary", op, left: a, right: b, result: made, span });
      return made;
    };
    const count = value(result.type);
    out.push({ kind: "const", result: count, value: BigInt(bitsOf(result.type) - 1), span });
    // The sign is all ones or zero; (x ^ sign) - sign is the magnitude, and the same again puts a sign back. A zero divisor
    // and the least integer come out right by themselves: udiv by 0 is 0, umod by 0 keeps x, and negation wraps.
    const signOf = (v: Value): Value => binary("ashr", v, count);
    const magnitude = (v: Value, sign: Value): Value => binary("sub", binary("xor", v, sign), sign);
    const leftSign = signOf(left);
    const rightSign = signOf(right);
    const quotient = binary(
      inst.op === "sdiv" ? "udiv" : "umod",
      magnitude(left, leftSign),
      magnitude(right, rightSign),
    );
    const sign = inst.op === "sdiv" ? binary("xor", leftSign, rightSign) : leftSign;
    binary("sub", binary("xor", quotient, sign), sign, result);
    return out;
  };
  return {
    ...func,
    blocks: func.blocks.map((block) => ({
      ...block,
      insts: block.insts.flatMap((inst) => (signed(inst) ? expand(inst) : [inst])),
    })),
  };
}
