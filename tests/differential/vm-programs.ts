/**
 * Random programs that a kernel accepts and whose results depend on nothing but their input: arithmetic, jumps, bounded loops,
 * stack and map memory, atomic operations, local calls.
 *
 * Loading costs a kernel far more than running, so one loaded program holds many ("pieces"), one after the other. Each
 * piece takes its ten registers from the map value and leaves them there; the stack and the map's memory go from one to the next.
 */
import { ALU, ATOMIC, type AluName, type Condition } from "../../compiler/bpf/opcodes.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import * as asm from "../vm/assemble.ts";
import { anyImmediate, anyWord, type Random } from "./random.ts";

/** The map's only value: input words, memory that pieces read and write, and results. */
export const INPUT_WORDS = 64;
const SCRATCH = INPUT_WORDS * 8;
const SCRATCH_BYTES = 128;
const LAUNDRY = SCRATCH + SCRATCH_BYTES;
const RESULTS = LAUNDRY + 8;
/** Registers a piece computes with; r9 points to the map value throughout. */
const REGISTERS = 9;
const PIECE_RESULT = REGISTERS * 8;
/** Bytes of stack that are set to zero at the start and used. */
const STACK = 64;

export const valueBytes = (pieces: number): number => RESULTS + pieces * PIECE_RESULT;
export const resultsOf = (value: Uint8Array, piece: number): Uint8Array =>
  value.subarray(RESULTS + piece * PIECE_RESULT, RESULTS + (piece + 1) * PIECE_RESULT);

export interface Batch {
  /** With map descriptor 0 where the loader's belongs. */
  readonly insns: readonly RawInsn[];
  /** First slot of each piece. */
  readonly starts: readonly number[];
  /** The map's value before the run. */
  readonly value: Uint8Array;
}

const SHIFTS: readonly AluName[] = ["lsh", "rsh", "arsh"];
const BINARY: readonly AluName[] = ["add", "sub", "mul", "div", "or", "and", "lsh", "rsh", "mod", "xor", "mov", "arsh"];
const CONDITIONS: readonly Condition[] = [
  "jeq",
  "jgt",
  "jge",
  "jset",
  "jne",
  "jsgt",
  "jsge",
  "jlt",
  "jle",
  "jslt",
  "jsle",
];

function arithmetic(random: Random, registers: number): RawInsn {
  const wide = random.chance(0.5);
  const make = wide ? asm.alu64 : asm.alu32;
  const dst = random.below(registers);
  const source = asm.reg(random.below(registers));
  switch (random.below(12)) {
    case 0:
      return make("neg", dst, 0);
    case 1:
      return asm.swap(random.pick(["le", "be", "swap"] as const), random.pick([16, 32, 64] as const), dst);
    case 2:
      return make("mov", dst, source, random.pick(wide ? [8, 16, 32] : [8, 16]));
    case 3:
      return make(
        random.pick(["div", "mod"] as const),
        dst,
        random.chance(0.7) ? source : anyImmediate(random) || 1,
        random.below(2),
      );
  }
  const op = random.pick(BINARY);
  if (random.chance(0.6)) return make(op, dst, source);
  if (SHIFTS.includes(op)) return make(op, dst, random.below(wide ? 64 : 32));
  const immediate = anyImmediate(random);
  // The verifier refuses a division by a constant zero.
  return make(op, dst, ALU[op].code === ALU.div.code || ALU[op].code === ALU.mod.code ? immediate || 3 : immediate);
}

/** A place in the stack (aligned, as the verifier wants) or in the map's memory (anywhere): base register and offset. */
function place(
  random: Random,
  bytes: number,
  aligned: boolean,
  stackOnly: boolean,
): readonly [base: number, offset: number] {
  if (stackOnly || random.chance(0.5)) return [10, -STACK + bytes * random.below(STACK / bytes)];
  const offset = aligned ? bytes * random.below(SCRATCH_BYTES / bytes) : random.below(SCRATCH_BYTES - bytes + 1);
  return [9, SCRATCH + offset];
}

/** Through the map's memory and back: the verifier knows nothing about a value that comes from there. */
const launder = (register: number): readonly RawInsn[] => [
  asm.store(8, 9, LAUNDRY, asm.reg(register)),
  asm.load(8, register, 9, LAUNDRY),
];

/**
 * Two results are laundered, because Linux 6.18 gets the code after them wrong in programs with many branches:
 * - a fetch from the stack: the verifier follows the precision of such a value to the wrong place, prunes a path that differs
 *   and removes a branch that is taken;
 * - r0 of a 32-bit cmpxchg: the zero extension is left out where only a pruned path reads all of r0.
 * Callees cannot reach the map and do not fetch.
 */
function atomicOperation(random: Random, register: number, stackOnly: boolean): readonly RawInsn[] {
  const bytes = random.pick([4, 8] as const);
  const operation = random.pick(asm.ATOMIC_OPERATIONS.filter((one) => !stackOnly || !(one & ATOMIC.fetch)));
  const [base, offset] = place(random, bytes, true, stackOnly);
  const insn = asm.atomic(bytes, operation, base, offset, register);
  if (operation === ATOMIC.cmpxchg) return [insn, ...launder(0)];
  return base === 10 && operation & ATOMIC.fetch ? [insn, ...launder(register)] : [insn];
}

function access(random: Random, registers: number, stackOnly: boolean): readonly RawInsn[] {
  const register = random.below(registers);
  const bytes = random.pick([1, 2, 4, 8] as const);
  switch (random.below(5)) {
    case 0:
      return [asm.store(bytes, ...place(random, bytes, false, stackOnly), asm.reg(register))];
    case 1:
      return [asm.store(bytes, ...place(random, bytes, false, stackOnly), anyImmediate(random))];
    case 2:
      return [asm.load(bytes, register, ...place(random, bytes, false, stackOnly))];
    case 3: {
      const narrow = random.pick([1, 2, 4] as const);
      return [asm.loadSigned(narrow, register, ...place(random, narrow, false, stackOnly))];
    }
    default:
      return atomicOperation(random, register, stackOnly);
  }
}

function condition(random: Random, registers: number, over: number): RawInsn {
  const make = random.chance(0.5) ? asm.branch64 : asm.branch32;
  const other = random.chance(0.5) ? asm.reg(random.below(registers)) : anyImmediate(random);
  return make(random.pick(CONDITIONS), random.below(registers), other, over);
}

const straight = (random: Random, count: number, registers: number, stackOnly = false): RawInsn[] =>
  Array.from({ length: count }, () =>
    random.chance(0.7) ? [arithmetic(random, registers)] : access(random, registers, stackOnly),
  ).flat();

/** Two ways that meet again. */
function diamond(random: Random): RawInsn[] {
  const left = straight(random, 1 + random.below(3), REGISTERS);
  const right = straight(random, 1 + random.below(3), REGISTERS);
  const skip = random.chance(0.5) ? asm.jump(right.length) : asm.jumpFar(right.length);
  return [condition(random, REGISTERS, left.length + 1), ...left, skip, ...right];
}

/** A few turns counted in r8. */
function loop(random: Random): RawInsn[] {
  const body = straight(random, 2 + random.below(3), REGISTERS - 1);
  return [
    asm.mov(8, 1 + random.below(3)),
    ...body,
    asm.alu64("sub", 8, 1),
    asm.branch64("jne", 8, 0, -(body.length + 2)),
  ];
}

const loadRegisters = (random: Random, from: number, to: number): RawInsn[] =>
  Array.from({ length: to - from + 1 }, (_, index) => asm.load(8, from + index, 9, 8 * random.below(INPUT_WORDS)));

type Item = RawInsn | { readonly function: number };

/** A function for local calls: works on r0 to r5 and its own stack, calls nothing. */
function callee(random: Random): RawInsn[] {
  const clear = Array.from({ length: STACK / 8 }, (_, index) => asm.store(8, 10, -STACK + 8 * index, 0));
  const body = straight(random, 4 + random.below(6), 6, true);
  return [asm.mov(0, asm.reg(1)), ...clear, ...body, asm.exit];
}

function piece(random: Random, index: number, functions: number): Item[] {
  const items: Item[] = loadRegisters(random, 0, REGISTERS - 1);
  const parts = 5 + random.below(4);
  for (let part = 0; part < parts; part++) {
    const kind = random.below(10);
    if (kind < 5) items.push(...straight(random, 2 + random.below(5), REGISTERS));
    else if (kind < 8) items.push(...diamond(random));
    else if (kind < 9) items.push(...loop(random));
    else {
      items.push({ function: random.below(functions) });
      items.push(...loadRegisters(random, 1, 5));
    }
  }
  for (let register = 0; register < REGISTERS; register++)
    items.push(asm.store(8, 9, RESULTS + index * PIECE_RESULT + register * 8, asm.reg(register)));
  return items;
}

/** `pieces` programs in one. The same seed gives the same batch. */
export function randomBatch(random: Random, pieces: number): Batch {
  const functions = Array.from({ length: 4 }, () => callee(random));
  const items: Item[] = [...asm.mapValue(9, 0, 0)];
  for (let index = 0; index < STACK / 8; index++) items.push(asm.store(8, 10, -STACK + 8 * index, 0));
  const starts: number[] = [];
  for (let index = 0; index < pieces; index++) {
    starts.push(items.length);
    items.push(...piece(random, index, functions.length));
  }
  items.push(asm.mov(0, 0), asm.exit);
  // What nobody calls would be unreachable code, which the verifier refuses.
  const called = new Set(items.flatMap((item) => ("function" in item ? [item.function] : [])));
  const entries: number[] = [];
  let next = items.length;
  functions.forEach((one, index) => {
    entries.push(next);
    if (called.has(index)) next += one.length;
  });
  const insns = [
    ...items.map((item, slot) => ("function" in item ? asm.callLocal(entries[item.function]! - slot - 1) : item)),
    ...functions.filter((_, index) => called.has(index)).flat(),
  ];
  const value = new Uint8Array(valueBytes(pieces));
  const view = new DataView(value.buffer);
  for (let index = 0; index < INPUT_WORDS; index++) view.setBigUint64(index * 8, anyWord(random), true);
  return { insns, starts, value };
}
