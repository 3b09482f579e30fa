/** Seeded random programs of numbers alone: arithmetic, comparisons, copies and spills, which the kernel accepts. */
import { ALU, CLASS, JMP, MODE, SIZE } from "../../compiler/bpf/opcodes.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import type { Random } from "./mutate.ts";

const insn = (code: number, dst = 0, src = 0, off = 0, imm = 0): RawInsn => ({ code, dst, src, off, imm });
const NUMBERS = [0, 1, -1, 2, 3, 7, 8, 15, 16, 31, 32, 63, 127, 128, 255, 256, 0xffff, 0x10000, 0x7fff, -0x8000, -128];
const LARGE = [0x7fffffff, -0x80000000, 0x7ffffffe, -0x7fffffff, 0x40000000, 0x12345678, -0x12345678];
const BINARY = ["add", "sub", "mul", "or", "and", "xor", "lsh", "rsh", "arsh"] as const;
const CONDITIONS = ["jeq", "jgt", "jge", "jset", "jne", "jsgt", "jsge", "jlt", "jle", "jslt", "jsle"] as const;

const constant = (rng: Random): number => {
  const kind = rng.below(4);
  if (kind === 0) return rng.pick(LARGE);
  if (kind === 1) return rng.below(1 << 30) - (1 << 29);
  return rng.pick(NUMBERS);
};

/** A program of about `length` instructions on r0 to r9 that ends with r0 = 0. */
export function numberProgram(rng: Random, length: number): readonly RawInsn[] {
  const code: RawInsn[] = [];
  // Unknown numbers of several widths.
  for (let register = 6; register <= 9; register++) {
    code.push(insn(0x85, 0, 0, 0, 7));
    code.push(insn(CLASS.alu64 | ALU.mov.code | 8, register, 0));
  }
  for (let register = 1; register <= 5; register++)
    code.push(
      rng.chance(3)
        ? insn(CLASS.alu64 | ALU.mov.code, register, 0, 0, constant(rng))
        : insn(CLASS.alu64 | ALU.mov.code | 8, register, 6 + rng.below(4)),
    );
  const start = code.length;
  const slots = new Set<number>();
  for (let count = 0; count < length; count++) {
    const dst = rng.below(10);
    const src = rng.below(10);
    const wide = rng.chance(2) ? CLASS.alu64 : CLASS.alu;
    switch (rng.below(12)) {
      case 0:
      case 1:
      case 2:
      case 3: {
        const op = rng.pick(BINARY);
        const shift = op === "lsh" || op === "rsh" || op === "arsh";
        if (rng.chance(2)) code.push(insn(wide | ALU[op].code | 8, dst, src));
        else {
          const imm = shift ? rng.below(wide === CLASS.alu64 ? 64 : 32) : constant(rng);
          code.push(insn(wide | ALU[op].code, dst, 0, 0, imm));
        }
        break;
      }
      case 4:
      case 5: {
        const signs = wide === CLASS.alu64 ? [0, 0, 0, 8, 16, 32] : [0, 0, 8, 16];
        code.push(insn(wide | ALU.mov.code | 8, dst, src, rng.pick(signs)));
        break;
      }
      case 6:
        code.push(
          rng.pick([
            insn(wide | ALU.neg.code, dst),
            insn(CLASS.alu | ALU.end.code | (rng.chance(2) ? 8 : 0), dst, 0, 0, rng.pick([16, 32, 64])),
            insn(CLASS.alu64 | ALU.end.code, dst, 0, 0, rng.pick([16, 32, 64])),
            insn(wide | ALU.div.code | 8, dst, src, rng.below(2)),
            insn(wide | ALU.mod.code, dst, 0, rng.below(2), 1 + rng.below(100)),
          ]),
        );
        break;
      case 7: {
        const slot = 1 + rng.below(4);
        slots.add(slot);
        const size = rng.pick(Object.values(SIZE));
        const place = rng.chance(4) ? 4 : 0;
        const off = -8 * slot + (size === SIZE.dw ? 0 : place);
        code.push(
          rng.chance(5)
            ? insn(CLASS.st | MODE.mem | size, 10, 0, off, constant(rng))
            : insn(CLASS.stx | MODE.mem | size, 10, src, off),
        );
        break;
      }
      case 8: {
        const slot = 1 + rng.below(4);
        const size = rng.pick(Object.values(SIZE));
        const mode = size !== SIZE.dw && rng.chance(3) ? MODE.memsx : MODE.mem;
        const off = -8 * slot + (size === SIZE.dw || !rng.chance(4) ? 0 : 4);
        code.push(insn(CLASS.ldx | mode | size, dst, 10, off));
        break;
      }
      default: {
        const narrow = rng.chance(2) ? CLASS.jmp : CLASS.jmp32;
        const condition = JMP[rng.pick(CONDITIONS)].code;
        // Both ways meet again at the next instruction, or one way leaves.
        const off = rng.chance(3) ? 0 : 1 + rng.below(3);
        code.push(
          rng.chance(2)
            ? insn(narrow | condition | 8, dst, src, off)
            : insn(narrow | condition, dst, 0, off, constant(rng)),
        );
      }
    }
  }
  void start;
  for (let pad = 0; pad < 4; pad++) code.push(insn(CLASS.alu64 | ALU.mov.code, 0, 0, 0, 0));
  code.push(insn(0x95));
  return code;
}
