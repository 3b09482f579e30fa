/** Steps per second of the two engines on loops of arithmetic, memory and calls: `npm run bench:vm`. Ratios matter, not absolutes. */
import { runBare, type EngineName } from "../../runtime/vm/bare.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import * as asm from "../vm/assemble.ts";

const { alu32, alu64, branch64, callLocal, exit, load, mov, reg, store } = asm;
/** `body` again and again, r9 times. */
const loop = (turns: number, body: readonly RawInsn[]): RawInsn[] => [
  mov(9, turns),
  mov(0, 1),
  ...body,
  alu64("sub", 9, 1),
  branch64("jne", 9, 0, -(body.length + 2)),
  exit,
];

const BODIES: Readonly<Record<string, (turns: number) => readonly RawInsn[]>> = {
  "64-bit arithmetic": (turns) =>
    loop(turns, [alu64("mul", 0, 31), alu64("add", 0, reg(9)), alu64("xor", 0, 0x55), alu64("rsh", 0, 1)]),
  "32-bit arithmetic": (turns) =>
    loop(turns, [alu32("mul", 0, 31), alu32("add", 0, reg(9)), alu32("xor", 0, 0x55), alu32("rsh", 0, 1)]),
  "stack through r10": (turns) =>
    loop(turns, [store(8, 10, -8, reg(0)), load(8, 0, 10, -8), store(4, 10, -16, reg(9)), load(4, 1, 10, -16)]),
  "memory through a checked pointer": (turns) =>
    loop(turns, [mov(2, reg(10)), alu64("add", 2, -64), store(8, 2, 0, reg(0)), load(8, 0, 2, 0)]),
  "local calls": (turns) => [
    mov(9, turns),
    mov(0, 1),
    mov(1, reg(0)),
    callLocal(3),
    alu64("sub", 9, 1),
    branch64("jne", 9, 0, -4),
    exit,
    mov(0, reg(1)),
    alu64("add", 0, 3),
    exit,
  ],
};

/** Millions of instructions per second; the best of three. */
function speed(engine: EngineName, make: (turns: number) => readonly RawInsn[], turns: number): number {
  const rates = Array.from({ length: 3 }, () => {
    const started = process.hrtime.bigint();
    const { steps } = runBare(make(turns), { engine, stepLimit: 2 ** 31 - 1 });
    return steps / (Number(process.hrtime.bigint() - started) / 1e3);
  });
  return Math.max(...rates);
}

console.log("million instructions per second       interpreter  translator   ratio");
for (const [name, make] of Object.entries(BODIES)) {
  const plain = speed("interpreter", make, 200_000);
  const fast = speed("translator", make, 20_000_000);
  console.log(
    `${name.padEnd(36)} ${plain.toFixed(1).padStart(12)} ${fast.toFixed(0).padStart(11)} ${(fast / plain).toFixed(0).padStart(7)}`,
  );
}
