/** The stack of a program whose functions call each other, as the kernel's verifier counts it. */
import type { FrameLayout } from "./frame.ts";
import type { MachineFunc, Reg } from "./insn.ts";

/** Every kernel rounds frames up to this or less (check_max_stack_depth in kernel/bpf/verifier.c), an empty one too. */
const ROUNDING = 32;

/** The chain of calls that takes most, and its bytes; of a program that calls nothing, just its frame's. */
export function deepestStack(
  machines: readonly MachineFunc<Reg>[],
  frames: readonly FrameLayout[],
): { readonly chain: readonly MachineFunc<Reg>[]; readonly bytes: number } {
  const [program] = machines;
  if (machines.length === 1) return { chain: [program!], bytes: frames[0]!.size };
  interface Stack {
    readonly chain: readonly MachineFunc<Reg>[];
    readonly bytes: number;
  }
  const numbers = new Map(machines.map(({ name }, at) => [name, at]));
  const known = new Map<number, Stack>();
  const deepest = (at: number): Stack => {
    const before = known.get(at);
    if (before) return before;
    const machine = machines[at]!;
    const own = Math.ceil(Math.max(frames[at]!.size, 1) / ROUNDING) * ROUNDING;
    let below: Stack = { chain: [], bytes: 0 };
    for (const { insns } of machine.blocks)
      for (const insn of insns) {
        if (insn.kind !== "call" || insn.callee.kind !== "function") continue;
        const found = deepest(numbers.get(insn.callee.name)!);
        if (found.bytes > below.bytes) below = found;
      }
    const found = { chain: [machine, ...below.chain], bytes: own + below.bytes };
    known.set(at, found);
    return found;
  };
  return deepest(0);
}
