/**
 * Vectors for every instruction, in each width and with each kind of operand. The results are those of the formulas of RFC 9669,
 * sections 4 and 5, written down here as plain arithmetic on big integers; no part of the virtual machine or the compiler is asked.
 */
import { ALU, ATOMIC, JMP, type AluName, type Condition } from "../../compiler/bpf/opcodes.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import * as asm from "../vm/assemble.ts";
import type { OwnVector } from "./own-vectors.ts";

const { constant, exit, load, loadSigned, mov, reg, store } = asm;
const unsigned = (x: bigint, bits: number): bigint => BigInt.asUintN(bits, x);
const signed = (x: bigint, bits: number): bigint => BigInt.asIntN(bits, x);

/** Operands: ends of the ranges, both signs, values of which the halves differ. */
const VALUES = [
  0n,
  1n,
  7n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x1_0000_0003n,
  0x1234_5678_9abc_def0n,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0xffff_ffff_ffff_fff9n,
  0xffff_ffff_ffff_ffffn,
] as const;
const CONSTANTS = [0, 1, 5, 0x7fff_ffff, -1, -8, -0x8000_0000] as const;

type Formula = (a: bigint, b: bigint, bits: number) => bigint;
/** Shift amounts count modulo the width; a divisor of 0 gives 0, or leaves the dividend. */
const ARITHMETIC: Record<Exclude<AluName, "neg" | "end" | "mov">, Formula> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => (b === 0n ? 0n : a / b),
  or: (a, b) => a | b,
  and: (a, b) => a & b,
  lsh: (a, b, bits) => a << (b & BigInt(bits - 1)),
  rsh: (a, b, bits) => a >> (b & BigInt(bits - 1)),
  mod: (a, b) => (b === 0n ? a : a % b),
  xor: (a, b) => a ^ b,
  arsh: (a, b, bits) => signed(a, bits) >> (b & BigInt(bits - 1)),
};
const SIGNED: Record<"div" | "mod", Formula> = {
  div: (a, b, bits) => (b === 0n ? 0n : signed(a, bits) / signed(b, bits)),
  mod: (a, b, bits) => (b === 0n ? a : signed(a, bits) % signed(b, bits)),
};
const CONDITIONS: Record<Condition, (a: bigint, b: bigint, bits: number) => boolean> = {
  jeq: (a, b) => a === b,
  jne: (a, b) => a !== b,
  jset: (a, b) => (a & b) !== 0n,
  jgt: (a, b) => a > b,
  jge: (a, b) => a >= b,
  jlt: (a, b) => a < b,
  jle: (a, b) => a <= b,
  jsgt: (a, b, bits) => signed(a, bits) > signed(b, bits),
  jsge: (a, b, bits) => signed(a, bits) >= signed(b, bits),
  jslt: (a, b, bits) => signed(a, bits) < signed(b, bits),
  jsle: (a, b, bits) => signed(a, bits) <= signed(b, bits),
};

const made: OwnVector[] = [];
const vector = (name: string, result: bigint, ...insns: (RawInsn | readonly RawInsn[])[]): void => {
  made.push({ name, result: unsigned(result, 64), insns: [...insns.flat(), exit] });
};
const hex = (x: bigint | number): string => (x < 0 ? `-0x${(-x).toString(16)}` : `0x${x.toString(16)}`);

for (const bits of [64, 32] as const) {
  const op = bits === 64 ? asm.alu64 : asm.alu32;
  const jump = bits === 64 ? asm.branch64 : asm.branch32;
  for (const [name, formula, off] of [
    ...Object.entries(ARITHMETIC).map(([key, f]) => [key as AluName, f, 0] as const),
    ...Object.entries(SIGNED).map(([key, f]) => [key as AluName, f, 1] as const),
  ]) {
    const title = `${off === 1 ? "s" : ""}${name}${bits}`;
    const shift = name === "lsh" || name === "rsh" || name === "arsh";
    for (const a of VALUES) {
      for (const b of VALUES) {
        const result = unsigned(formula(unsigned(a, bits), unsigned(b, bits), bits), bits);
        vector(`${title} ${hex(a)}, ${hex(b)}`, result, constant(0, a), constant(1, b), op(name, 0, reg(1), off));
      }
      for (const b of shift ? [0, 1, bits - 1] : CONSTANTS) {
        // The kernel refuses a division by the constant 0.
        if (b === 0 && (name === "div" || name === "mod")) continue;
        const right = unsigned(BigInt(b), bits);
        const result = unsigned(formula(unsigned(a, bits), right, bits), bits);
        vector(`${title} ${hex(a)}, constant ${hex(b)}`, result, constant(0, a), op(name, 0, b, off));
      }
    }
  }
  for (const a of VALUES) {
    vector(`neg${bits} ${hex(a)}`, unsigned(-unsigned(a, bits), bits), constant(0, a), op("neg", 0, 0));
    vector(`mov${bits} ${hex(a)}`, unsigned(a, bits), constant(1, a), mov(0, -1), op("mov", 0, reg(1)));
    for (const from of bits === 64 ? ([8, 16, 32] as const) : ([8, 16] as const))
      vector(
        `movsx${bits} from ${from} ${hex(a)}`,
        unsigned(signed(a, from), bits),
        constant(1, a),
        op("mov", 0, reg(1), from),
      );
  }
  for (const b of CONSTANTS) vector(`mov${bits} constant ${hex(b)}`, unsigned(BigInt(b), bits), op("mov", 0, b));
  for (const [name, holds] of Object.entries(CONDITIONS) as [Condition, (typeof CONDITIONS)[Condition]][]) {
    for (const a of VALUES) {
      for (const b of VALUES) {
        const taken = holds(unsigned(a, bits), unsigned(b, bits), bits);
        vector(
          `${name}${bits} ${hex(a)}, ${hex(b)}`,
          taken ? 1n : 0n,
          constant(1, a),
          constant(2, b),
          mov(0, 1),
          jump(name, 1, reg(2), 1),
          mov(0, 0),
        );
      }
      for (const b of CONSTANTS) {
        const taken = holds(unsigned(a, bits), unsigned(BigInt(b), bits), bits);
        vector(
          `${name}${bits} ${hex(a)}, constant ${hex(b)}`,
          taken ? 1n : 0n,
          constant(1, a),
          mov(0, 1),
          jump(name, 1, b, 1),
          mov(0, 0),
        );
      }
    }
  }
}

for (const a of VALUES) {
  for (const bits of [16, 32, 64] as const) {
    const bytes = Array.from({ length: bits / 8 }, (_, at) => (a >> BigInt(8 * at)) & 0xffn);
    const swapped = bytes.reduce((sum, byte) => (sum << 8n) | byte, 0n);
    vector(`le${bits} ${hex(a)}`, unsigned(a, bits), constant(0, a), asm.swap("le", bits, 0));
    vector(`be${bits} ${hex(a)}`, swapped, constant(0, a), asm.swap("be", bits, 0));
    vector(`bswap${bits} ${hex(a)}`, swapped, constant(0, a), asm.swap("swap", bits, 0));
  }
  vector(`lddw ${hex(a)}`, a, constant(0, a));
  for (const bytes of [1, 2, 4, 8] as const) {
    const bits = 8 * bytes;
    vector(
      `stx and ldx of ${bytes} ${hex(a)}`,
      unsigned(a, bits),
      constant(1, a),
      store(8, 10, -8, -1),
      store(bytes, 10, -8, reg(1)),
      load(bytes, 0, 10, -8),
    );
    if (bytes < 8)
      vector(
        `ldxsx of ${bytes} ${hex(a)}`,
        signed(a, bits),
        constant(1, a),
        store(8, 10, -8, reg(1)),
        loadSigned(bytes as 1 | 2 | 4, 0, 10, -8),
      );
  }
}
for (const value of CONSTANTS)
  for (const bytes of [1, 2, 4, 8] as const)
    vector(
      `st of ${bytes} ${hex(value)}`,
      unsigned(BigInt(value), 8 * bytes),
      store(8, 10, -8, 0),
      store(bytes, 10, -8, value),
      load(8, 0, 10, -8),
    );

/** What lies in memory afterwards, and what is fetched: the old value. */
const ATOMICS: readonly (readonly [string, number, (old: bigint, operand: bigint) => bigint])[] = [
  ["add", ATOMIC.add, (old, operand) => old + operand],
  ["or", ATOMIC.or, (old, operand) => old | operand],
  ["and", ATOMIC.and, (old, operand) => old & operand],
  ["xor", ATOMIC.xor, (old, operand) => old ^ operand],
  ["xchg", ATOMIC.xchg, (_, operand) => operand],
];
for (const bytes of [4, 8] as const) {
  const bits = 8 * bytes;
  for (const [name, code, formula] of ATOMICS)
    for (const old of VALUES)
      for (const operand of [1n, 0x8000_0000n, 0xffff_ffff_ffff_ffffn]) {
        const start = [
          constant(1, old),
          store(8, 10, -8, 0),
          store(bytes, 10, -8, reg(1)),
          constant(2, operand),
        ] as const;
        const title = `atomic ${name} of ${bytes} ${hex(old)}, ${hex(operand)}`;
        const sum = unsigned(formula(unsigned(old, bits), unsigned(operand, bits)), bits);
        vector(`${title}: memory`, sum, ...start, asm.atomic(bytes, code, 10, -8, 2), load(8, 0, 10, -8));
        const fetching = code | ATOMIC.fetch;
        vector(
          `${title}: fetched`,
          unsigned(old, bits),
          ...start,
          asm.atomic(bytes, fetching, 10, -8, 2),
          mov(0, reg(2)),
        );
      }
  for (const old of VALUES)
    for (const expected of [old, old ^ 1n]) {
      const start = [
        constant(1, old),
        store(8, 10, -8, 0),
        store(bytes, 10, -8, reg(1)),
        constant(0, expected),
        mov(2, 9),
      ] as const;
      const same = unsigned(old, bits) === unsigned(expected, bits);
      const title = `cmpxchg of ${bytes} ${hex(old)}, expected ${hex(expected)}`;
      const after = same ? 9n : unsigned(old, bits);
      vector(`${title}: memory`, after, ...start, asm.atomic(bytes, ATOMIC.cmpxchg, 10, -8, 2), load(8, 0, 10, -8));
      vector(`${title}: r0`, unsigned(old, bits), ...start, asm.atomic(bytes, ATOMIC.cmpxchg, 10, -8, 2));
    }
}
vector("ja", 1n, mov(0, 1), asm.jump(1), mov(0, 0));
vector("ja by 32 bits", 1n, mov(0, 1), asm.jumpFar(1), mov(0, 0));

/** Vectors of every instruction that computes, moves data or jumps; calls and exits are in own-vectors.ts. */
export const EVERY_INSTRUCTION: readonly OwnVector[] = made;

/** Opcodes with what tells instructions of one opcode apart, so that none can be left out unnoticed. */
export const instructionKey = ({ code, off, imm, src }: RawInsn): string => {
  const group = code & 7;
  const alu = group === 4 || group === 7;
  const op = code & 0xf0;
  if (alu && op === ALU.end.code) return `${code} ${imm}`;
  if (alu && [ALU.div.code, ALU.mod.code, ALU.mov.code].some((one) => one === op)) return `${code} off ${off}`;
  if (group === 3 && (code & 0xe0) === 0xc0) return `${code} ${imm}`;
  if ((group === 5 || group === 6) && op === JMP.call.code) return `${code} src ${src}`;
  return `${code}`;
};
