/** Rows about limits: instructions, loops, stack, option and header size. */
import { row } from "./row.ts";

/** "a → b → c", shortened in the middle. */
const shown = (chain: readonly string[]): string =>
  (chain.length <= 24 ? chain : [...chain.slice(0, 12), "…", ...chain.slice(-6)]).join(" → ");

export const limits = {
  "unbounded-loop": row(
    "error",
    () => "cannot prove that this loop ends",
    () => "give it a constant bound: for (const i of range(count, 16))",
  ),
  "loop-too-large": row<{ turns: number; limit: number }>(
    "error",
    (f) =>
      `this loop cannot be unrolled into a program of ${f.limit} instructions: it had grown past that after ${f.turns} turns`,
    () => "lower its bound, move work out of it, or raise the limit: --max-insns N",
  ),
  "calls-too-large": row<{ chain: readonly string[]; size: number; limit: number }>(
    "error",
    (f) =>
      `${shown(f.chain)} comes to ${f.size.toLocaleString("en")} instructions, because each call is replaced by the function: that cannot become a program of ${f.limit}`,
    () => "call a function once and keep its result in a const, or call it in fewer places",
  ),
  "too-many-instructions": row<{ program: string; count: number; limit: number; blame: string | undefined }>(
    "error",
    (f) =>
      `${f.program} needs ${f.count} instructions, the limit is ${f.limit}${f.blame === undefined ? "" : `: ${f.blame}`}`,
    () => "do less per turn, lower the loop's bound, or raise the limit: --max-insns N",
  ),
  "too-complex": row<{ program: string; times: number }>(
    "error",
    (f) =>
      `${f.program} has more paths than the kernel's verifier follows${f.times > 1 ? `: one path comes by this decision ${f.times} times, and each time it goes two ways` : ""}`,
    () =>
      "give its loops fewer turns, or decide less often inside of them; what each way leaves different keeps the ways apart",
  ),
  "stack-too-large": row<{ program: string; bytes: number; limit: number; largest: string | undefined }>(
    "error",
    (f) =>
      `${f.program} needs ${f.bytes} bytes of stack, the limit is ${f.limit}${f.largest === undefined ? "" : `: ${f.largest}`}`,
    () => "keep large values in a map (ArrayMap or SkStorage) instead of a local variable",
  ),
} as const;
