/** The functions of a program, one behind the other: callers first, so that calls go forward like jumps. */
import { CALL } from "../bpf/opcodes.ts";
import type { FunctionEntry } from "../module.ts";
import type { Encoded } from "./encode.ts";

/** One sequence of instructions, the program's own first, in which every call of a function goes to where that begins. */
export function joinFunctions(
  parts: readonly { readonly name: string; readonly code: Encoded }[],
): Omit<Encoded, "calls"> & { readonly functions: readonly FunctionEntry[] } {
  const starts: number[] = [];
  let slots = 0;
  for (const { code } of parts) {
    starts.push(slots);
    slots += code.insns.length;
  }
  const startOf = new Map(parts.slice(1).map(({ name }, at) => [name, starts[at + 1]!]));
  const moved = <T extends { readonly slot: number }>(list: readonly T[], by: number): T[] =>
    list.map((one) => ({ ...one, slot: one.slot + by }));
  const insns = parts.flatMap(({ code }) => code.insns);
  for (const [at, { code }] of parts.entries())
    for (const { slot, callee } of moved(code.calls, starts[at]!))
      insns[slot] = { ...insns[slot]!, src: CALL.local, imm: startOf.get(callee)! - slot - 1 };
  return {
    insns,
    relocations: parts.flatMap(({ code }, at) => moved(code.relocations, starts[at]!)),
    lines: parts.flatMap(({ code }, at) => moved(code.lines, starts[at]!)),
    offsets: parts.flatMap(({ code }, at) => moved(code.offsets, starts[at]!)),
    functions: parts.map(({ name }, at) => ({ name, slot: starts[at]! })),
  };
}
