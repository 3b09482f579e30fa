/**
 * The functions of a program, one behind the other, in the order in which libbpf puts them when it loads the object: each behind the first
 * that calls it, and before what comes after that call. So what is verified here is what is loaded.
 */
import { CALL } from "../bpf/opcodes.ts";
import type { FunctionEntry } from "../module.ts";
import type { Encoded } from "./encode.ts";
import type { MachineFunc, Reg } from "./insn.ts";

/** The program and the functions that it calls, directly or through others, in that order. */
export function inLoadOrder(program: MachineFunc<Reg>, functions: readonly MachineFunc<Reg>[]): MachineFunc<Reg>[] {
  const left = new Map(functions.map((one) => [one.name, one]));
  const order: MachineFunc<Reg>[] = [];
  const append = (machine: MachineFunc<Reg>): void => {
    order.push(machine);
    for (const { insns } of machine.blocks)
      for (const insn of insns) {
        const callee = insn.kind === "call" && insn.callee.kind === "function" ? left.get(insn.callee.name) : undefined;
        if (!callee) continue;
        left.delete(callee.name);
        append(callee);
      }
  };
  append(program);
  return order;
}

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
    externs: parts.flatMap(({ code }, at) => moved(code.externs, starts[at]!)),
    core: parts.flatMap(({ code }, at) => moved(code.core, starts[at]!)),
    functions: parts.map(({ name }, at) => ({ name, slot: starts[at]! })),
  };
}
