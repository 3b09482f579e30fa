/** How long a run of a program can be: instructions on the longest way through it, calls of its functions included. */
import { CALL, CLASS, JMP, LDDW } from "./opcodes.ts";
import type { RawInsn } from "./raw.ts";

const EXIT = CLASS.jmp | JMP.exit.code;
const CALL_CODE = CLASS.jmp | JMP.call.code;
const ALWAYS = CLASS.jmp | JMP.ja.code;
const CLASS_BITS = 0x07;

/**
 * For code whose jumps go forward, as ours do: undefined where one does not. `starts`: where the functions begin, the program's own
 * first. Their calls are not circular.
 */
export function longestPath(insns: readonly RawInsn[], starts: readonly number[]): number | undefined {
  const known = new Map<number, number | undefined>();
  const lengthOf = (start: number): number | undefined => {
    if (!known.has(start)) known.set(start, measure(start));
    return known.get(start);
  };
  const measure = (start: number): number | undefined => {
    const end = Math.min(insns.length, ...starts.filter((other) => other > start));
    /** From each slot to the end of the function. */
    const from = new Map<number, number>();
    for (let at = end - 1; at >= start; at--) {
      const { code, off, imm, src } = insns[at]!;
      const kind = code & CLASS_BITS;
      const next = from.get(at + 1) ?? 0;
      if (code === EXIT) from.set(at, 1);
      else if (code === LDDW) from.set(at, 1 + (from.get(at + 2) ?? 0));
      else if (code === CALL_CODE) {
        // A call of the kernel's own function looks local until it is loaded, and leads to where no function begins.
        const isOwn = src === CALL.local && starts.includes(at + 1 + imm);
        const inside = isOwn ? lengthOf(at + 1 + imm) : 0;
        if (inside === undefined) return undefined;
        from.set(at, 1 + inside + next);
      } else if (kind === CLASS.jmp || kind === CLASS.jmp32) {
        if (off < 0) return undefined;
        const there = from.get(at + 1 + off) ?? 0;
        from.set(at, 1 + (code === ALWAYS ? there : Math.max(next, there)));
      } else from.set(at, 1 + next);
    }
    return from.get(start);
  };
  return lengthOf(starts[0] ?? 0);
}
