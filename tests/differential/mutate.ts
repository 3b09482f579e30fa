/** Seeded mutations of programs: small edits that break a program in one of the many ways in which programs are wrong. */
import { HELPERS } from "../../compiler/bpf/helpers.ts";
import { ALU, CLASS, JMP, MODE, SIZE } from "../../compiler/bpf/opcodes.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";

/** A random number generator with a seed (mulberry32). */
export interface Random {
  /** An integer in [0, limit). */
  readonly below: (limit: number) => number;
  readonly pick: <T>(from: readonly T[]) => T;
  readonly chance: (oneIn: number) => boolean;
}
export function random(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  const below = (limit: number): number => next() % limit;
  return { below, pick: (from) => from[below(from.length)]!, chance: (oneIn) => below(oneIn) === 0 };
}

const INTERESTING = [
  0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 33, 47, 48, 63, 64, 255, 256, 511, 512, 4095, 65535, -1, -2, -4, -8, -16, -512,
  -513, 0x1fffffff, 0x20000000, 0x7fffffff, -0x80000000,
];
const OFFSETS = [
  0, 1, 2, 4, 8, 12, 16, 24, 40, 48, 72, 76, 80, 140, 168, 192, -1, -2, -4, -8, -12, -16, -24, -64, -512, -520,
];
const SIZES = Object.values(SIZE);
const ALU_OPS = Object.values(ALU).map(({ code }) => code);
const JMP_OPS = Object.values(JMP).map(({ code }) => code);
const HELPER_IDS = Object.values(HELPERS).map(({ id }) => id);

type Edit = (insns: RawInsn[], at: number, rng: Random, donors: readonly (readonly RawInsn[])[]) => void;
const change = (insns: RawInsn[], at: number, part: Partial<RawInsn>): void => {
  insns[at] = { ...insns[at]!, ...part };
};
const usesImmediate = ({ code }: RawInsn): boolean =>
  (code & 7) === CLASS.st ||
  code === 0x18 ||
  ((isAlu(code) || isJmp(code)) && (code & 8) === 0 && (code & 0xf0) < 0xd0);
const clamp16 = (x: number): number => (x << 16) >> 16;
const isMemory = (code: number): boolean => [1, 2, 3].includes(code & 7);
const isAlu = (code: number): boolean => (code & 7) === CLASS.alu || (code & 7) === CLASS.alu64;
const isJmp = (code: number): boolean => (code & 7) === CLASS.jmp || (code & 7) === CLASS.jmp32;

/** Distances of jumps that pass over the place keep their target. */
function insertAt(insns: RawInsn[], at: number, added: readonly RawInsn[], rng: Random): void {
  if (!rng.chance(4)) shiftJumps(insns, at, added.length);
  insns.splice(at, 0, ...added);
}
function removeAt(insns: RawInsn[], at: number, count: number, rng: Random): void {
  if (!rng.chance(4)) shiftJumps(insns, at, -count);
  insns.splice(at, count);
}
function shiftJumps(insns: RawInsn[], place: number, by: number): void {
  insns.forEach((insn, at) => {
    if (!isJmp(insn.code) || (insn.code & 0xf0) === JMP.exit.code) return;
    const local = (insn.code & 0xf0) === JMP.call.code;
    if (local && insn.src !== 1) return;
    const far = local || insn.code === (CLASS.jmp32 | JMP.ja.code);
    const target = at + 1 + (far ? insn.imm : insn.off);
    const crosses = at < place ? target > place : target <= place;
    if (!crosses) return;
    const moved = at < place ? by : -by;
    change(insns, at, far ? { imm: insn.imm + moved } : { off: clamp16(insn.off + moved) });
  });
}

const EDITS: Readonly<Record<string, Edit>> = {
  register(insns, at, rng) {
    const to = rng.chance(30) ? 11 + rng.below(5) : rng.below(11);
    const { code } = insns[at]!;
    // A source where the instruction has none is only a broken encoding.
    const hasSource =
      (code & 7) === CLASS.ldx || (code & 7) === CLASS.stx || ((isAlu(code) || isJmp(code)) && (code & 8) !== 0);
    const source = (code & 7) !== CLASS.ld && rng.chance(2) && (hasSource || rng.chance(8));
    change(insns, at, source ? { src: to } : { dst: to });
  },
  immediate(insns, start, rng) {
    // Most instructions have none: look for the next one that does.
    const found = insns.findIndex((insn, index) => index >= start && usesImmediate(insn));
    const at = found < 0 || rng.chance(10) ? start : found;
    const { imm } = insns[at]!;
    const to = rng.pick([imm + 1, imm - 1, -imm, imm ^ (1 << rng.below(32)), rng.pick(INTERESTING), imm * 2, imm >> 1]);
    change(insns, at, { imm: to | 0 });
  },
  offset(insns, start, rng) {
    const found = insns.findIndex(
      (insn, index) =>
        index >= start && (isMemory(insn.code) || (isJmp(insn.code) && insn.code !== 0x85 && insn.code !== 0x95)),
    );
    const at = found < 0 || rng.chance(10) ? start : found;
    const { off } = insns[at]!;
    const to = rng.pick([off + 1, off - 1, off + 4, off - 4, off + 8, off - 8, -off, rng.pick(OFFSETS)]);
    change(insns, at, { off: clamp16(to) });
  },
  size(insns, at, rng) {
    if (isMemory(insns[at]!.code)) change(insns, at, { code: (insns[at]!.code & ~0x18) | rng.pick(SIZES) });
  },
  operator(insns, at, rng) {
    const { code } = insns[at]!;
    if (isAlu(code)) change(insns, at, { code: (code & 0x0f) | rng.pick(ALU_OPS) });
    else if (isJmp(code)) change(insns, at, { code: (code & 0x0f) | rng.pick(JMP_OPS) });
    else change(insns, at, { code: (code & ~0xe0) | rng.pick(Object.values(MODE)) });
  },
  operand(insns, at, rng) {
    const { code } = insns[at]!;
    if (isAlu(code) || isJmp(code))
      change(insns, at, { code: code ^ 8, src: rng.below(11), imm: rng.pick(INTERESTING) });
  },
  width(insns, at) {
    const { code } = insns[at]!;
    if (isAlu(code)) change(insns, at, { code: code ^ (CLASS.alu ^ CLASS.alu64) });
    else if (isJmp(code)) change(insns, at, { code: code ^ (CLASS.jmp ^ CLASS.jmp32) });
  },
  opcode: (insns, at, rng) => change(insns, at, { code: rng.below(256) }),
  class: (insns, at, rng) => change(insns, at, { code: (insns[at]!.code & ~7) | rng.below(8) }),
  helper(insns, at, rng) {
    const calls = insns.flatMap((insn, index) => (insn.code === 0x85 && insn.src === 0 ? [index] : []));
    if (calls.length > 0) change(insns, rng.pick(calls), { imm: rng.pick(HELPER_IDS) });
    else insertAt(insns, at, [{ code: 0x85, dst: 0, src: 0, off: 0, imm: rng.pick(HELPER_IDS) }], rng);
  },
  remove: (insns, at, rng) => removeAt(insns, at, 1, rng),
  duplicate: (insns, at, rng) => insertAt(insns, at, [insns[at]!], rng),
  swap(insns, at) {
    const next = insns[at + 1];
    if (next === undefined) return;
    insns[at + 1] = insns[at]!;
    insns[at] = next;
  },
  pointers: (insns, at, rng) =>
    insertAt(
      insns,
      at,
      [{ code: CLASS.alu64 | rng.pick(ALU_OPS) | 8, dst: rng.below(10), src: rng.below(11), off: 0, imm: 0 }],
      rng,
    ),
  access(insns, at, rng) {
    const store = rng.pick([CLASS.ldx, CLASS.stx, CLASS.st] as const);
    const insn = {
      code: store | MODE.mem | rng.pick(SIZES),
      dst: rng.below(11),
      src: rng.below(11),
      off: rng.pick(OFFSETS),
      imm: 0,
    };
    insertAt(insns, at, [insn], rng);
  },
  atomic(insns, at, rng) {
    const insn = {
      code: CLASS.stx | MODE.atomic | rng.pick([SIZE.w, SIZE.dw]),
      dst: rng.below(11),
      src: rng.below(11),
      off: rng.pick(OFFSETS),
      imm: rng.pick([0, 1, 0x40, 0x41, 0x50, 0xa0, 0xe1, 0xf1, 0x100, 0x110, 2]),
    };
    insertAt(insns, at, [insn], rng);
  },
  branch(insns, at, rng) {
    const insn = {
      code: rng.pick([CLASS.jmp, CLASS.jmp32]) | rng.pick(JMP_OPS) | (rng.chance(2) ? 8 : 0),
      dst: rng.below(11),
      src: rng.chance(2) ? rng.below(11) : 0,
      off: rng.below(7) - 2,
      imm: rng.pick(INTERESTING),
    };
    insertAt(insns, at, [insn], rng);
  },
  exit: (insns, at, rng) => insertAt(insns, at, [{ code: 0x95, dst: 0, src: 0, off: 0, imm: 0 }], rng),
  call(insns, at, rng) {
    insertAt(insns, at, [{ code: 0x85, dst: 0, src: 1, off: 0, imm: rng.below(insns.length) - at }], rng);
  },
  splice(insns, at, rng, donors) {
    const donor = rng.pick(donors);
    const start = rng.below(donor.length);
    insertAt(insns, at, donor.slice(start, start + 1 + rng.below(6)), rng);
  },
  packet(insns, at, rng) {
    insertAt(
      insns,
      at,
      [
        {
          code: rng.pick([0x20, 0x28, 0x30, 0x40, 0x48, 0x50]),
          dst: 0,
          src: rng.chance(2) ? rng.below(11) : 0,
          off: 0,
          imm: rng.pick(INTERESTING),
        },
      ],
      rng,
    );
  },
};
/** Edits that leave whole instructions come more often than those that break the encoding. */
const WEIGHTS: Readonly<Record<string, number>> = {
  register: 6,
  immediate: 8,
  offset: 4,
  size: 4,
  operator: 3,
  operand: 3,
  width: 4,
  helper: 4,
  pointers: 5,
  access: 6,
  atomic: 2,
  branch: 3,
  splice: 4,
  duplicate: 2,
};
const EDIT_NAMES = Object.keys(EDITS).flatMap((name) => new Array<string>(WEIGHTS[name] ?? 1).fill(name));

/** A copy of the program with one to three edits. */
export function mutate(
  program: readonly RawInsn[],
  rng: Random,
  donors: readonly (readonly RawInsn[])[],
): { readonly insns: readonly RawInsn[]; readonly edits: readonly string[] } {
  const insns = [...program];
  const edits: string[] = [];
  for (let left = rng.pick([1, 1, 1, 2, 3]); left > 0 && insns.length > 0; left--) {
    const name = rng.pick(EDIT_NAMES);
    edits.push(name);
    EDITS[name]!(insns, rng.below(insns.length), rng, donors);
  }
  return { insns, edits };
}
