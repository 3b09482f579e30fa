/** Our text of instructions against llvm-objdump's, over every encoding that RFC 9669 defines and many that it does not. */
import { describe, expect, test } from "vitest";
import { disassemble, UNKNOWN, type Dialect } from "../../compiler/bpf/disassemble.ts";
import { ALU, ATOMIC, CLASS, JMP, LDDW, MODE, SIZE } from "../../compiler/bpf/opcodes.ts";
import { encodeSlots, type RawInsn } from "../../compiler/bpf/raw.ts";
import { SECTION_TYPE, writeElf } from "../../compiler/object/elf.ts";
import { objdump } from "../object/llvm.ts";

const insn = (code: number, dst = 0, src = 0, off = 0, imm = 0): RawInsn => ({ code, dst, src, off, imm });
const IMM = [0, 1, -1, 7, 16, 0x7fffffff, -0x80000000];
const OFF = [0, 1, -1, 8, 32767, -32768];
const REGISTER_SOURCE = 0x08;

/** Every instruction of RFC 9669 (with version 4 of the set), each with a few operands. */
function validInstructions(): RawInsn[][] {
  const list: RawInsn[][] = [];
  const add = (...slots: RawInsn[]): void => void list.push(slots);
  for (const wide of [CLASS.alu, CLASS.alu64]) {
    for (const [name, { code }] of Object.entries(ALU)) {
      if (name === "end") continue;
      if (name === "neg") {
        add(insn(wide | code, 3));
        continue;
      }
      const signed = name === "div" || name === "mod" ? [0, 1] : [0];
      for (const off of signed) {
        for (const imm of IMM) add(insn(wide | code, 2, 0, off, imm));
        for (let src = 0; src <= 10; src++) add(insn(wide | code | REGISTER_SOURCE, 9, src, off));
      }
    }
    for (const bits of wide === CLASS.alu ? [8, 16] : [8, 16, 32])
      add(insn(wide | ALU.mov.code | REGISTER_SOURCE, 1, 2, bits));
  }
  add(insn(CLASS.alu64 | ALU.mov.code | REGISTER_SOURCE, 1, 2, 1, 0x10000), insn(0xbf, 1, 2, 1, 1));
  for (const bits of [16, 32, 64]) {
    add(insn(CLASS.alu | ALU.end.code, 5, 0, 0, bits));
    add(insn(CLASS.alu | ALU.end.code | REGISTER_SOURCE, 5, 0, 0, bits));
    add(insn(CLASS.alu64 | ALU.end.code, 5, 0, 0, bits));
  }
  for (const kind of [CLASS.jmp, CLASS.jmp32]) {
    for (const [name, { code }] of Object.entries(JMP)) {
      if (name === "ja" || name === "call" || name === "exit") continue;
      for (const off of OFF) {
        for (const imm of IMM) add(insn(kind | code, 4, 0, off, imm));
        add(insn(kind | code | REGISTER_SOURCE, 4, 10, off));
      }
    }
  }
  for (const off of OFF) add(insn(CLASS.jmp | JMP.ja.code, 0, 0, off));
  for (const imm of IMM) add(insn(CLASS.jmp32 | JMP.ja.code, 0, 0, 0, imm));
  for (const off of OFF) add(insn(0xe5, 0, 0, off));
  for (const src of [0, 1, 2]) for (const imm of IMM) add(insn(CLASS.jmp | JMP.call.code, 0, src, 0, imm));
  add(insn(CLASS.jmp | JMP.call.code | REGISTER_SOURCE, 3));
  add(insn(CLASS.jmp | JMP.exit.code));
  for (const off of OFF) {
    for (const size of Object.values(SIZE)) {
      add(insn(CLASS.ldx | size | MODE.mem, 1, 10, off));
      if (size !== SIZE.dw) add(insn(CLASS.ldx | size | MODE.memsx, 1, 10, off));
      add(insn(CLASS.stx | size | MODE.mem, 10, 1, off));
      for (const imm of IMM) add(insn(CLASS.st | size | MODE.mem, 10, 0, off, imm));
    }
    for (const size of [SIZE.w, SIZE.dw]) {
      const { fetch, xchg, cmpxchg, ...plain } = ATOMIC;
      for (const imm of [...Object.values(plain).flatMap((op) => [op, op | fetch]), xchg, cmpxchg])
        add(insn(CLASS.stx | size | MODE.atomic, 7, 3, off, imm));
    }
  }
  for (const size of [SIZE.b, SIZE.h, SIZE.w]) {
    for (const imm of IMM) add(insn(CLASS.ld | size | MODE.abs, 0, 0, 0, imm));
    add(insn(CLASS.ld | size | MODE.ind, 0, 6));
  }
  for (let src = 0; src <= 6; src++)
    for (const low of IMM) for (const high of IMM) add(insn(LDDW, 8, src, 0, low), insn(0, 0, 0, 0, high));
  return list;
}

/** All opcodes with operands that may be out of place; reserved fields included. */
function anyInstructions(): RawInsn[][] {
  const list: RawInsn[][] = [];
  const imms = [0, 1, 2, 0x10, 0x20, 0x40, 0x41, 0x42, 0x4f, 0xa1, 0xe0, 0xe1, 0xf0, 0xf1, 0x100, 0x101, -1, 0x12345];
  for (let code = 0; code < 256; code++)
    for (const dst of [3, 11, 12])
      for (const src of [0, 1, 11, 12])
        for (const off of [0, 1, 8, 16, 32, -1]) for (const imm of imms) list.push([insn(code, dst, src, off, imm)]);
  return list;
}

const ours = (slots: readonly RawInsn[], dialect: Dialect): string[] => {
  const texts: string[] = [];
  for (let at = 0; at < slots.length;) {
    const { text, slots: taken } = disassemble(slots, at, dialect);
    texts.push(`${at}: ${text}`);
    at += taken;
  }
  return texts;
};

describe.skipIf(!objdump.available)(`agrees with llvm-objdump-19${objdump.reason}`, () => {
  for (const dialect of ["generic", "v4"] as const) {
    for (const [what, instructions] of [
      ["every valid instruction", validInstructions],
      ["every opcode with any operands", anyInstructions],
    ] as const) {
      test(`${what}, ${dialect}`, () => {
        const slots = instructions().flat();
        const object = writeElf(
          [{ name: "prog", type: SECTION_TYPE.progbits, flags: 6, align: 8, data: encodeSlots(slots) }],
          [],
        );
        const theirs = objdump.run(object, dialect).map(({ slot, text }) => `${slot}: ${text}`);
        const mine = ours(slots, dialect);
        expect(mine.filter((line, index) => line !== theirs[index]).slice(0, 20)).toEqual([]);
        expect(mine.length).toBe(theirs.length);
      });
    }
  }
});

test("every valid instruction has a text", () => {
  const silent = validInstructions().filter((slots) => ours(slots, "v4").some((text) => text.endsWith(UNKNOWN)));
  expect(silent).toEqual([]);
  expect(validInstructions().length).toBeGreaterThan(1500);
});

test("jumps carry their target apart from their text", () => {
  expect(disassemble([insn(0x15, 1, 0, 5, 0)], 0)).toEqual({
    text: "if r1 == 0x0 goto +0x5",
    slots: 1,
    jump: { before: "if r1 == 0x0 goto", by: 5 },
  });
  expect(disassemble([insn(LDDW, 1)], 0)).toEqual({ text: UNKNOWN, slots: 1 });
});
