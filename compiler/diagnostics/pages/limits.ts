/** Pages about limits. */
import type { limits } from "../limits.ts";
import type { Page } from "./page.ts";

export const limitPages = {
  "unbounded-loop": {
    summary: "nothing says how often this loop runs at most",
    why: "The kernel takes only programs of which it can see that they end. Loops are unrolled here, so that every kernel from 5.10 on agrees: a constant bound must be in sight. range(n, most) runs n times, and never more than most.",
    right: [
      ["import { license }", "import { license, range }"],
      ["for (let i = 0; i < ctx.mss; i++) sum += i;", "for (const i of range(ctx.mss, 16)) sum += i;"],
    ],
  },
  "loop-too-large": {
    summary: "a loop has too many turns to be unrolled",
    why: "Each turn becomes instructions of its own, and a program has at most 4096 of them (which every user of every kernel may load). --max-insns lifts the limit to what the kernel gives to the privileged, a million; each instruction still costs time for every packet.",
    right: [["range(5000)", "range(50)"]],
  },
  "calls-too-large": {
    summary: "functions that call functions have grown past the limit",
    why: "A call is replaced by the function's body as a rule. Where each function calls the next one twice, fifteen of them make 32,768 copies of the last one.",
    right: [
      [" + f1(x + 1)", ""],
      [" + f2(x + 1)", ""],
      [" + f3(x + 1)", ""],
      [" + f4(x + 1)", ""],
      [" + f5(x + 1)", ""],
      [" + f6(x + 1)", ""],
      [" + f7(x + 1)", ""],
      [" + f8(x + 1)", ""],
      [" + f9(x + 1)", ""],
      [" + f10(x + 1)", ""],
      [" + f11(x + 1)", ""],
    ],
  },
  "too-many-instructions": {
    summary: "the program is longer than the kernel's limit",
    why: "A program has at most 4096 instructions, after unrolling and optimization; the message says which loop or call has the most of them. --max-insns N lifts it up to a million for programs that the privileged load.",
    right: [["range(400)", "range(40)"]],
  },
  "too-complex": {
    summary: "the kernel's verifier gives up on this many paths",
    why: "The verifier walks every way through a program, and stops at a million instructions. Two ways that come to the same place become one where nothing differs that matters afterwards. A condition in each turn of a loop that leaves a local variable different, which an index or an address is made of, doubles the ways with every turn: twenty turns are a million. Fewer turns help, and so does a value that is computed without a decision.",
    right: [["if ((ctx.mss >> i) & 1) at = at * 3 + i;", "at = at * 3 + i * ((ctx.mss >> i) & 1);"]],
  },
  "stack-too-large": {
    summary: "local values need more than 512 bytes together",
    why: "BPF programs have 512 bytes of stack, calls included. Values in a map are not on the stack: get() refers to where they are.",
    right: [
      [
        "  const a = new Part();\n  const b = new Part();\n  a.bytes[0] = 1;\n  b.bytes[0] = 2;\n  parts.set(0, a);\n  parts.set(1, b);\n  parts.set(1, a);\n",
        "  parts.get(0).bytes[0] = 1;\n  parts.get(1).bytes[0] = 2;\n  ctx.reply = 1;\n",
      ],
    ],
  },
} satisfies Record<keyof typeof limits, Page>;
