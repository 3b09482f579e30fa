/** Moves and arithmetic on registers: numbers by the rules of alu.ts, pointers by the kernel's much narrower ones. */
import type { AluName } from "../bpf/opcodes.ts";
import type { RawInsn } from "../bpf/raw.ts";
import type { Rules } from "../bpf/verifier-rules.ts";
import {
  binary,
  byteOrder,
  move32,
  negate,
  quotient,
  signExtend,
  signExtend32,
  type Binary,
  type SignBits,
} from "./alu.ts";
import { constantOf } from "./branch.ts";
import { usesRegister } from "./decode.ts";
import { checkInvariants, checkTarget, goOn, later, newId, regsOf, source, type Env } from "./env.ts";
import {
  draft,
  isKnown,
  known,
  S32_MAX,
  S32_MIN,
  S64_MAX,
  S64_MIN,
  s64,
  settle,
  forget32,
  width,
  type Scalar,
} from "./scalar.ts";
import { identify, MAX_OFFSET, unlinked } from "./stack.ts";
import {
  accessCategory,
  ANY_SCALAR,
  copyState,
  currentFrame,
  isPacket,
  isPointer,
  scalar,
  scalarOf,
  typeName,
  type Reg,
  type RegType,
} from "./state.ts";
import { recall } from "./recall.ts";
import * as tnum from "./tnum.ts";
import { reject } from "./verdict.ts";

const ADDRESS_SPACE_CAST = 1;

export function move(env: Env, insn: RawInsn, wide: boolean): void {
  const regs = regsOf(env);
  if (!usesRegister(insn.code)) {
    if (insn.src !== 0 || insn.off !== 0) reject("encoding", "BPF_MOV uses reserved fields");
    checkTarget(insn.dst);
    regs[insn.dst] = scalarOf(wide ? BigInt(insn.imm) : BigInt(insn.imm >>> 0));
    return;
  }
  const widths: readonly number[] = !env.rules.isaV4 ? [0] : wide ? [0, 8, 16, 32] : [0, 8, 16];
  if (env.rules.isaV4 && wide && insn.off === ADDRESS_SPACE_CAST) {
    if (insn.imm !== 1 && insn.imm !== 1 << 16)
      reject("other", "addr_space_cast insn can only convert between address space 1 and 0");
    reject("other", "addr_space_cast insn can only be used in a program that has an associated arena");
  }
  if (!widths.includes(insn.off) || insn.imm !== 0) reject("encoding", "BPF_MOV uses reserved fields");
  source(env, insn.src);
  checkTarget(insn.dst);
  const made = moved(env, insn, wide);
  regs[insn.dst] = checked(env, made);
}

/** The kernel's self-check of a number that was made. */
function checked(env: Env, made: Reg): Reg {
  if (made.type !== "scalar") return made;
  const value = checkInvariants(env, made.value);
  return value === made.value ? made : { ...made, value };
}

function moved(env: Env, insn: RawInsn, wide: boolean): Reg {
  const regs = regsOf(env);
  const from = regs[insn.src]!;
  if (wide && insn.off === 0) return (regs[insn.src] = identify(env, from));
  if (from.type !== "scalar") return wide ? ANY_SCALAR : { ...ANY_SCALAR, value: move32(ANY_SCALAR.value, env.rules) };
  // A copy stays linked to its source only where it is sure to be the same number.
  const same =
    insn.off === 0 && !env.rules.narrowLinks
      ? false
      : insn.off === 0
        ? width(from.value) <= 32
        : from.value.umax < 1n << BigInt(insn.off - 1);
  if (same) regs[insn.src] = identify(env, from);
  const copy = same ? regs[insn.src]! : unlinked(from);
  const value = recall(env.results, env.insn, from.value, from.value, () =>
    insn.off === 0
      ? move32(from.value, env.rules)
      : wide
        ? signExtend(from.value, insn.off as SignBits)
        : signExtend32(from.value, insn.off as 8 | 16, env.rules),
  );
  return { ...copy, value };
}

export function alu(env: Env, insn: RawInsn, name: Exclude<AluName, "mov">, wide: boolean): void {
  const regs = regsOf(env);
  if (name === "neg" || name === "end") {
    const value = source(env, insn.dst);
    checkTarget(insn.dst);
    if (value.type !== "scalar") regs[insn.dst] = ANY_SCALAR;
    else if (name === "neg") regs[insn.dst] = scalar(checkInvariants(env, negate(value.value, wide, env.rules)));
    else {
      const swaps = wide || usesRegister(insn.code);
      const changed = swaps || insn.imm !== 64;
      const made = checkInvariants(env, byteOrder(value.value, insn.imm as 16 | 32 | 64, swaps, env.rules));
      regs[insn.dst] = changed || !env.rules.byteSwaps ? scalar(made) : { ...value, value: made };
    }
    return;
  }
  const signed = env.rules.isaV4 && insn.off === 1 && (name === "div" || name === "mod");
  const withRegister = usesRegister(insn.code);
  if ((insn.off !== 0 && !signed) || (withRegister ? insn.imm !== 0 : insn.src !== 0))
    reject("encoding", "BPF_ALU uses reserved fields");
  if (withRegister) source(env, insn.src);
  const left = source(env, insn.dst);
  if ((name === "div" || name === "mod") && !withRegister && insn.imm === 0) reject("encoding", "div by zero");
  if ((name === "lsh" || name === "rsh" || name === "arsh") && !withRegister) {
    if (insn.imm < 0 || insn.imm >= (wide ? 64 : 32)) reject("encoding", `invalid shift ${insn.imm}`);
  }
  checkTarget(insn.dst);
  const right = withRegister ? regs[insn.src]! : scalarOf(BigInt(insn.imm));
  const made = combine(env, insn, name, wide, left, right);
  regsOf(env)[insn.dst] = checked(env, made);
}

function combine(env: Env, insn: RawInsn, name: AluName, wide: boolean, left: Reg, right: Reg): Reg {
  if (isPointer(left) || isPointer(right)) env.flow.pointerMath(env);
  if (isPointer(right)) {
    if (isPointer(left)) {
      // Privileged programs may take the distance of two pointers, which is a number.
      if (name === "sub") return ANY_SCALAR;
      return reject("ptr-arith", `R${insn.dst} pointer ${OPERATORS[name] ?? name} pointer prohibited`, insn.dst);
    }
    return offset(env, insn, name, wide, right, left, false);
  }
  if (isPointer(left)) return offset(env, insn, name, wide, left, right, true);
  if (name === "div" || name === "mod") return scalar(quotient(right.value, wide, env.rules));
  let a = left;
  if (env.rules.splitsMasks && (name === "and" || name === "or") && isKnown(right.value)) a = fork(env, insn, left);
  const value = recall(env.results, env.insn, a.value, right.value, () =>
    binary(name as Binary, a.value, right.value, wide, env.rules),
  );
  const linked = link(env.rules, insn, name, wide, left, right);
  return linked ? { ...scalar(value), ...linked } : scalar(value);
}

const OPERATORS: Readonly<Partial<Record<AluName, string>>> = {
  add: "+=",
  sub: "-=",
  mul: "*=",
  div: "/=",
  or: "|=",
  and: "&=",
  lsh: "<<=",
  rsh: ">>=",
  mod: "%=",
  xor: "^=",
  arsh: "s>>=",
};

/** After `r1 = r2; r1 += 4` the two stay linked by the difference; any other arithmetic ends the link. */
function link(
  rules: Rules,
  insn: RawInsn,
  name: AluName,
  wide: boolean,
  left: Reg,
  right: Reg,
): Pick<Reg, "id" | "delta" | "off"> | undefined {
  if (!rules.sumLinks || (!rules.differenceLinks && (name !== "add" || !wide))) return undefined;
  if ((name !== "add" && name !== "sub") || left.id === 0 || left.delta !== 0) return undefined;
  if (usesRegister(insn.code) && insn.src === insn.dst) return undefined;
  // 32-bit arithmetic on a wider number drops the upper half, and the difference with it.
  if (!wide && left.value.umax > tnum.U32) return undefined;
  const constant = constantOf(right.value, wide);
  if (constant === undefined) return undefined;
  const added = BigInt.asIntN(wide ? 64 : 32, constant);
  if (!rules.differenceLinks && added < 0n) return undefined;
  const difference = name === "sub" ? -added : added;
  if (difference < BigInt(S32_MIN) || difference > BigInt(S32_MAX)) return undefined;
  if (added < BigInt(S32_MIN) || added > BigInt(S32_MAX)) return undefined;
  return { id: left.id, delta: wide ? 64 : 32, off: Number(difference) };
}

/**
 * A value that is either all ones or all zeroes (the result of an arithmetic shift by all bits) is followed as two constants,
 * since a mask on it selects one of two values.
 */
function fork(env: Env, insn: RawInsn, left: Reg): Reg {
  const { value } = left;
  const wide = value.smin === -1n && value.smax === 0n;
  const narrow = !wide && value.s32min === -1 && value.s32max === 0;
  if (!wide && !narrow) return left;
  const zero = wide ? known(0n) : become32(value, 0);
  const ones = wide ? known(-1n) : become32(value, -1);
  const forward = env.replay?.(env.insn);
  const other = copyState(env.state);
  currentFrame(other).regs[insn.dst] = { ...left, value: zero };
  later(env, env.insn, other, true);
  goOn(env, forward ?? false);
  env.flow.decided(env);
  return { ...left, value: forward === true ? zero : ones };
}

function become32(value: Scalar, low: number): Scalar {
  const fixed = known(BigInt(low >>> 0));
  const d = draft(value);
  d.u32min = d.u32max = low >>> 0;
  d.s32min = d.s32max = low;
  d.bits = tnum.withLow32(d.bits, fixed.bits);
  return d;
}

const MOVABLE: ReadonlySet<RegType> = new Set<RegType>([
  "ctx",
  "map_value",
  "fp",
  "pkt_meta",
  "pkt",
  "mem",
  "ringbuf_mem",
  "rdonly_mem",
  "ptr_",
  "trusted_ptr_",
  "rcu_ptr_",
  "untrusted_ptr_",
]);

/** Pointer plus or minus a number. `pointerLeft` is false for `number op pointer`. */
function offset(
  env: Env,
  insn: RawInsn,
  name: AluName,
  wide: boolean,
  ptr: Reg,
  number: Reg,
  pointerLeft: boolean,
): Reg {
  const at = insn.dst;
  const by = number.value;
  const fixed = isKnown(by);
  if ((fixed && (by.smin !== by.smax || by.umin !== by.umax)) || by.smin > by.smax || by.umin > by.umax)
    return ANY_SCALAR;
  if (!wide) {
    // The low half of a pointer is a number like any other to a privileged program, but only a difference makes sense.
    if (name === "sub") return ANY_SCALAR;
    return reject("ptr-arith", `R${at} 32-bit pointer arithmetic prohibited`, at);
  }
  const type = typeName(ptr);
  if (ptr.nullable) reject("null-check", `R${at} pointer arithmetic on ${type} prohibited, null-check it first`, at);
  const harmless = fixed && by.smin === 0n && name === "add";
  const movable =
    MOVABLE.has(ptr.type) ||
    (ptr.type === "flow_keys" && fixed) ||
    ((ptr.type === "map_ptr" || ptr.type === "flow_keys") && harmless);
  if (!movable) reject("ptr-arith", `R${at} pointer arithmetic on ${type} prohibited`, at);
  checkSane(number, ptr);
  checkSane(ptr, ptr);
  if (name !== "add" && name !== "sub") {
    if (name === "and" || name === "or" || name === "xor")
      reject("ptr-arith", `R${at} bitwise operator ${OPERATORS[name]} on pointer prohibited`, at);
    reject("ptr-arith", `R${at} pointer arithmetic with ${OPERATORS[name]} operator prohibited`, at);
  }
  const made = name === "add" ? plus(env, ptr, by, fixed) : minus(env, insn, ptr, by, fixed, pointerLeft);
  checkSane(made, ptr);
  const d = draft(made.value);
  forget32(d);
  return { ...made, value: settle(d, env.rules) };
}

function checkSane({ off, value }: Pick<Reg, "off" | "value">, ptr: Reg): void {
  const type = typeName(ptr);
  const category = ptr.type === "ctx" ? "ptr-arith" : accessCategory(ptr);
  const limit = BigInt(MAX_OFFSET);
  const single = s64(value.bits.value);
  if (isKnown(value) && (single >= limit || single <= -limit))
    reject(category, `math between ${type} pointer and ${single} is not allowed`);
  if (off >= MAX_OFFSET || off <= -MAX_OFFSET) reject(category, `${type} pointer offset ${off} is not allowed`);
  if (value.smin === S64_MIN)
    reject(category, `math between ${type} pointer and register with unbounded min value is not allowed`);
  if (value.smin >= limit || value.smin <= -limit)
    reject(category, `value ${value.smin} makes ${type} pointer be out of bounds`);
}

const fitsOffset = (x: bigint): boolean => x === BigInt.asIntN(32, x);
const overflows = (x: bigint): boolean => x < S64_MIN || x > S64_MAX;

function plus(env: Env, ptr: Reg, by: Scalar, fixed: boolean): Reg {
  const sum = BigInt(ptr.off) + by.smin;
  if (fixed && fitsOffset(sum)) return { ...ptr, off: Number(sum) };
  const p = ptr.value;
  const d = draft(p);
  d.smin = p.smin + by.smin;
  d.smax = p.smax + by.smax;
  if (overflows(d.smin) || overflows(d.smax)) {
    d.smin = S64_MIN;
    d.smax = S64_MAX;
  }
  d.umin = p.umin + by.umin;
  d.umax = p.umax + by.umax;
  if (d.umin > tnum.U64 || d.umax > tnum.U64) {
    d.umin = 0n;
    d.umax = tnum.U64;
  }
  d.bits = tnum.add(p.bits, by.bits);
  // A packet pointer with something unknown added is a new base: what was compared before does not hold for it.
  return isPacket(ptr.type) ? { ...ptr, value: d, id: newId(env), range: 0 } : { ...ptr, value: d };
}

function minus(env: Env, insn: RawInsn, ptr: Reg, by: Scalar, fixed: boolean, pointerLeft: boolean): Reg {
  if (!pointerLeft) reject("ptr-arith", `R${insn.dst} tried to subtract pointer from scalar`, insn.dst);
  if (ptr.type === "fp") reject("stack-oob", `R${insn.dst} subtraction from stack pointer prohibited`, insn.dst);
  const difference = BigInt(ptr.off) - by.smin;
  if (fixed && fitsOffset(difference)) return { ...ptr, off: Number(difference) };
  const p = ptr.value;
  const d = draft(p);
  d.smin = p.smin - by.smax;
  d.smax = p.smax - by.smin;
  if (overflows(d.smin) || overflows(d.smax)) {
    d.smin = S64_MIN;
    d.smax = S64_MAX;
  }
  if (p.umin < by.umax) {
    d.umin = 0n;
    d.umax = tnum.U64;
  } else {
    d.umin = p.umin - by.umax;
    d.umax = p.umax - by.umin;
  }
  d.bits = tnum.sub(p.bits, by.bits);
  if (!isPacket(ptr.type)) return { ...ptr, value: d };
  return { ...ptr, value: d, id: newId(env), range: by.smin < 0n ? 0 : ptr.range };
}
