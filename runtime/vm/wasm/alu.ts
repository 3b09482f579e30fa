/** Arithmetic, byte swaps and comparisons of the instruction set as WebAssembly. */
import { ALU, JMP, type AluName, type Condition } from "../../../compiler/bpf/opcodes.ts";
import type { RawInsn } from "../../../compiler/bpf/raw.ts";
import type { Code, OpName } from "./bytes.ts";

/** Local variables of a translated function. r0 to r9 are locals; r1 to r5 and the frame come in as parameters. */
export const LOCAL = {
  /** Parameters: r1 … r5 at 0 … 4, the offset of the frame's first byte in the arena at 5. */
  frame: 5,
  r0: 6,
  r6: 7,
  /** Two scratch 64-bit values. */
  a: 11,
  b: 12,
  /** A scratch 32-bit value: an arena offset. */
  at: 13,
  /** Instructions that may still run. */
  left: 14,
  /** Block to go to through the dispatcher. */
  next: 15,
  /** A scratch 32-bit value: a shadow byte. */
  shadow: 16,
  /** r10, the frame pointer as the program sees it. */
  r10: 17,
} as const;

export const local = (register: number): number =>
  register === 0 ? LOCAL.r0 : register === 10 ? LOCAL.r10 : register <= 5 ? register - 1 : LOCAL.r6 + register - 6;

type Plain = Exclude<AluName, "div" | "mod" | "mov" | "neg" | "end">;
const PLAIN: Record<Plain, readonly [wide: OpName, narrow: OpName]> = {
  add: ["i64Add", "i32Add"],
  sub: ["i64Sub", "i32Sub"],
  mul: ["i64Mul", "i32Mul"],
  or: ["i64Or", "i32Or"],
  and: ["i64And", "i32And"],
  xor: ["i64Xor", "i32Xor"],
  // WebAssembly takes shift counts modulo the width, as BPF does.
  lsh: ["i64Shl", "i32Shl"],
  rsh: ["i64ShrU", "i32ShrU"],
  arsh: ["i64ShrS", "i32ShrS"],
};
const nameOf = new Map<number, AluName>((Object.keys(ALU) as AluName[]).map((name) => [ALU[name].code, name]));

const COMPARE: Record<Exclude<Condition, "jset">, readonly [wide: OpName, narrow: OpName]> = {
  jeq: ["i64Eq", "i32Eq"],
  jne: ["i64Ne", "i32Ne"],
  jgt: ["i64GtU", "i32GtU"],
  jge: ["i64GeU", "i32GeU"],
  jlt: ["i64LtU", "i32LtU"],
  jle: ["i64LeU", "i32LeU"],
  jsgt: ["i64GtS", "i32GtS"],
  jsge: ["i64GeS", "i32GeS"],
  jslt: ["i64LtS", "i32LtS"],
  jsle: ["i64LeS", "i32LeS"],
};
const conditionOf = new Map<number, Condition>(
  [...(Object.keys(COMPARE) as Condition[]), "jset" as const].map((name) => [JMP[name].code, name]),
);

const operand64 = (code: Code, insn: RawInsn): void => {
  if (insn.code & 8) code.with("get", local(insn.src));
  else code.i64(BigInt(insn.imm));
};
const operand32 = (code: Code, insn: RawInsn): void => {
  if (insn.code & 8) {
    code.with("get", local(insn.src));
    code.op("i32Wrap");
  } else code.i32(insn.imm);
};

/** Reverses the bytes of the value on the stack, which has `bits` bits and zeros above. */
function reverse(code: Code, bits: number): void {
  const swapBy = (count: number, mask: bigint): void => {
    code.with("tee", LOCAL.a);
    code.i64(BigInt(count));
    code.op("i64ShrU");
    code.i64(mask);
    code.op("i64And");
    code.with("get", LOCAL.a);
    code.i64(mask);
    code.op("i64And");
    code.i64(BigInt(count));
    code.op("i64Shl", "i64Or");
  };
  swapBy(8, 0x00ff00ff00ff00ffn);
  if (bits >= 32) swapBy(16, 0x0000ffff0000ffffn);
  if (bits === 64) swapBy(32, 0x00000000ffffffffn);
}

const truncate = (code: Code, bits: number): void => {
  if (bits === 64) return;
  code.i64((1n << BigInt(bits)) - 1n);
  code.op("i64And");
};

/** Division and remainder, whose special cases would trap in WebAssembly. */
function divide64(code: Code, insn: RawInsn, name: "div" | "mod"): void {
  const signed = insn.off === 1;
  operand64(code, insn);
  code.with("set", LOCAL.b);
  code.with("get", LOCAL.b);
  code.op("i64Eqz");
  code.with("if", 0x7e);
  if (name === "div") code.i64(0n);
  else code.with("get", local(insn.dst));
  code.op("else");
  if (signed && name === "div") {
    // The least integer divided by -1 is itself; negation wraps to just that.
    code.with("get", LOCAL.b);
    code.i64(-1n);
    code.op("i64Eq");
    code.with("if", 0x7e);
    code.i64(0n);
    code.with("get", local(insn.dst));
    code.op("i64Sub", "else");
    code.with("get", local(insn.dst));
    code.with("get", LOCAL.b);
    code.op("i64DivS", "end");
  } else {
    code.with("get", local(insn.dst));
    code.with("get", LOCAL.b);
    code.op(name === "div" ? "i64DivU" : signed ? "i64RemS" : "i64RemU");
  }
  code.op("end");
  code.with("set", local(insn.dst));
}

function divide32(code: Code, insn: RawInsn, name: "div" | "mod"): void {
  const signed = insn.off === 1;
  // Done in 64 bits on extended operands: nothing overflows there, and the upper half of the result is cut off.
  const extend: OpName = signed ? "i64Extend32S" : "i64And";
  const operand = (): void => {
    if (!signed) code.i64(0xffff_ffffn);
    code.op(extend);
  };
  operand64(code, insn);
  operand();
  code.with("set", LOCAL.b);
  code.with("get", LOCAL.b);
  code.op("i64Eqz");
  code.with("if", 0x7e);
  if (name === "div") code.i64(0n);
  else code.with("get", local(insn.dst));
  code.op("else");
  code.with("get", local(insn.dst));
  operand();
  code.with("get", LOCAL.b);
  if (name === "div") code.op(signed ? "i64DivS" : "i64DivU");
  else code.op(signed ? "i64RemS" : "i64RemU");
  code.op("end");
  truncate(code, 32);
  code.with("set", local(insn.dst));
}

/** One instruction of class alu or alu64. */
export function translateAlu(code: Code, insn: RawInsn): void {
  const wide = (insn.code & 7) === 7;
  const name = nameOf.get(insn.code & 0xf0)!;
  const dst = local(insn.dst);
  if (name === "end") {
    code.with("get", dst);
    truncate(code, insn.imm);
    if (wide || insn.code & 8) reverse(code, insn.imm);
    code.with("set", dst);
  } else if (name === "mov") {
    operand64(code, insn);
    if (insn.off === 8) code.op("i64Extend8S");
    if (insn.off === 16) code.op("i64Extend16S");
    if (insn.off === 32) code.op("i64Extend32S");
    if (!wide) truncate(code, 32);
    code.with("set", dst);
  } else if (name === "neg") {
    code.i64(0n);
    code.with("get", dst);
    code.op("i64Sub");
    if (!wide) truncate(code, 32);
    code.with("set", dst);
  } else if (name === "div" || name === "mod") {
    if (wide) divide64(code, insn, name);
    else divide32(code, insn, name);
  } else if (wide) {
    code.with("get", dst);
    operand64(code, insn);
    code.op(PLAIN[name][0]);
    code.with("set", dst);
  } else {
    code.with("get", dst);
    code.op("i32Wrap");
    operand32(code, insn);
    code.op(PLAIN[name][1], "extendU");
    code.with("set", dst);
  }
}

/** Leaves 1 on the stack if the jump is taken, 0 if not. */
export function translateCondition(code: Code, insn: RawInsn): void {
  const wide = (insn.code & 7) === 5;
  const name = conditionOf.get(insn.code & 0xf0)!;
  code.with("get", local(insn.dst));
  if (wide) {
    operand64(code, insn);
    if (name === "jset") {
      code.op("i64And");
      code.i64(0n);
      code.op("i64Ne");
    } else code.op(COMPARE[name][0]);
  } else {
    code.op("i32Wrap");
    operand32(code, insn);
    if (name === "jset") {
      code.op("i32And");
      code.i32(0);
      code.op("i32Ne");
    } else code.op(COMPARE[name][1]);
  }
}
