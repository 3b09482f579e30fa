import { expect, test } from "vitest";
import { ALU, ATOMIC, CLASS, JMP, MODE, SIZE, SRC_X } from "../../compiler/bpf/opcodes.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import { runBare } from "../../runtime/vm/bare.ts";
import { createKernelBench } from "../differential/vm-kernel.ts";
import { mapValue, reg, store } from "../vm/assemble.ts";
import { EVERY_INSTRUCTION, instructionKey } from "./every-instruction.ts";
import { OWN_VECTORS } from "./own-vectors.ts";

test.each(["interpreter", "translator"] as const)("every instruction: %s", { timeout: 120_000 }, (engine) => {
  const wrong = EVERY_INSTRUCTION.flatMap(({ name, insns, result }) => {
    const { r0 } = runBare(insns, { engine });
    return r0 === result ? [] : [`${name}: 0x${r0.toString(16)} instead of 0x${result.toString(16)}`];
  });
  expect(wrong).toEqual([]);
});

test("no instruction is left out", () => {
  const insn = (code: number, off = 0, imm = 0, src = 0): RawInsn => ({ code, dst: 0, src, off, imm });
  const wanted: RawInsn[] = [insn(CLASS.ld | SIZE.dw | MODE.imm)];
  for (const group of [CLASS.alu, CLASS.alu64]) {
    for (const [name, { code }] of Object.entries(ALU)) {
      if (name === "end") continue;
      const signs = name === "div" || name === "mod" ? [0, 1] : [0];
      for (const off of signs) {
        wanted.push(insn(group | code, off));
        if (name !== "neg") wanted.push(insn(group | code | SRC_X, off));
      }
    }
    for (const off of group === CLASS.alu64 ? [8, 16, 32] : [8, 16])
      wanted.push(insn(group | ALU.mov.code | SRC_X, off));
  }
  for (const bits of [16, 32, 64])
    for (const code of [CLASS.alu, CLASS.alu | SRC_X, CLASS.alu64]) wanted.push(insn(code | ALU.end.code, 0, bits));
  for (const group of [CLASS.jmp, CLASS.jmp32])
    for (const [name, { code }] of Object.entries(JMP)) {
      if (name === "call" || name === "exit") continue;
      wanted.push(insn(group | code));
      if (name !== "ja") wanted.push(insn(group | code | SRC_X));
    }
  wanted.push(insn(CLASS.jmp | JMP.call.code, 0, 0, 1), insn(CLASS.jmp | JMP.exit.code));
  for (const size of Object.values(SIZE)) {
    wanted.push(insn(CLASS.ldx | size | MODE.mem), insn(CLASS.st | size | MODE.mem), insn(CLASS.stx | size | MODE.mem));
    if (size !== SIZE.dw) wanted.push(insn(CLASS.ldx | size | MODE.memsx));
  }
  for (const size of [SIZE.w, SIZE.dw])
    for (const op of [ATOMIC.add, ATOMIC.or, ATOMIC.and, ATOMIC.xor])
      for (const imm of [op, op | ATOMIC.fetch]) wanted.push(insn(CLASS.stx | size | MODE.atomic, 0, imm));
  for (const size of [SIZE.w, SIZE.dw])
    for (const imm of [ATOMIC.xchg, ATOMIC.cmpxchg]) wanted.push(insn(CLASS.stx | size | MODE.atomic, 0, imm));
  const covered = new Set([...EVERY_INSTRUCTION, ...OWN_VECTORS].flatMap(({ insns }) => insns.map(instructionKey)));
  expect(wanted.map(instructionKey).filter((key) => !covered.has(key))).toEqual([]);
  expect(new Set(wanted.map(instructionKey)).size).toBeGreaterThan(130);
});

const bench = createKernelBench(8);
test.skipIf("unavailable" in bench)(
  `every instruction: the kernel gives the same${"unavailable" in bench ? " (skipped without root and BPF)" : ""}`,
  { timeout: 120_000 },
  () => {
    if ("unavailable" in bench) return;
    // Each is loaded for itself, which takes its time: every seventh.
    const wrong = EVERY_INSTRUCTION.filter((_, index) => index % 7 === 0).flatMap(({ name, insns, result }) => {
      const batch = [...insns.slice(0, -1), ...mapValue(9, 0, 0), store(8, 9, 0, reg(0)), insns.at(-1)!];
      const ran = bench.run({ insns: batch, value: new Uint8Array(8) });
      if ("refused" in ran) return [`${name}: ${ran.refused}`];
      const r0 = new DataView(ran.value.buffer, ran.value.byteOffset).getBigUint64(0, true);
      return r0 === result ? [] : [`${name}: 0x${r0.toString(16)} instead of 0x${result.toString(16)}`];
    });
    bench.close();
    expect(wrong).toEqual([]);
  },
);
