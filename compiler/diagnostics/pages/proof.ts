/** Pages about what has to be proven. */
import type { proof } from "../proof.ts";
import type { Page } from "./page.ts";

export const proofPages = {
  "does-not-fit": {
    summary: "a value may be larger than what it is put into holds",
    why: "Arithmetic is 32 bits wide (64 for u64 and i64), and storing into fewer bits would cut the value without a word. The compiler follows what each value can be: a mask is enough, and u8(x) says that the low bits are meant.",
    right: [["one.n = ctx.mss + 1", "one.n = (ctx.mss + 1) & 0xff"]],
  },
  "index-out-of-range": {
    summary: "an index may lie outside of its list",
    why: "The kernel's verifier refuses an access that it cannot prove to lie inside, and JavaScript would make the list longer. The compiler follows what the index can be: a comparison, a mask, or the variable of a range() proves it.",
    right: [["list[ctx.mss & 3] = 4;", "const index = ctx.mss & 3;\n  if (index < 3) list[index] = 4;"]],
  },
  "verifier-rejects": {
    summary: "the kernel's verifier would refuse to load this",
    why: `tsbpf has a model of the verifier of each kernel, and the message is what that one would say, at the instruction where it stops. "tsbpf verify --verbose FILE.o" shows what it knew of the registers before.

No source that compiles leads here: it is said of objects of other compilers. If it is said of one of tsbpf's own, that is a fault of tsbpf: please report it.`,
  },
  "verifier-cannot-tell": {
    summary: "the model of the verifier does not know what the object uses",
    why: `Something in the object is newer than the model, or was left out of it; the kernel may take it or not.

No source that compiles leads here: it is said of objects of other compilers.`,
  },
} satisfies Record<keyof typeof proof, Page>;
