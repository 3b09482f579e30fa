/** Figures of one compiled program. */
import { ALU, CLASS, JMP, MODE } from "../../compiler/bpf/opcodes.ts";
import type { BpfModule, BpfProgram } from "../../compiler/module.ts";
import type { SockOpsEvent } from "./events.ts";
import { replay } from "./replay.ts";
import type { Twin } from "./twins.ts";

export interface Static {
  /** Instruction slots of eight bytes. */
  readonly slots: number;
  /** Bytes of stack below the frame pointer. */
  readonly stack: number;
  /** No jump goes backward: the paper's limit. */
  readonly forward: boolean;
}

export function staticFigures(program: BpfProgram): Static {
  return { slots: program.insns.length, stack: stackDepth(program), forward: isForward(program) };
}

/** The lowest offset from r10 that is used in an address: direct accesses, and pointers made from it by one addition. */
export function stackDepth(program: BpfProgram): number {
  let lowest = 0;
  const { insns } = program;
  for (const [slot, insn] of insns.entries()) {
    const cls = insn.code & 7;
    const memory = cls === CLASS.ldx || cls === CLASS.stx || cls === CLASS.st;
    if (
      memory &&
      ((insn.code & 0xe0) === MODE.mem || (insn.code & 0xe0) === MODE.memsx || (insn.code & 0xe0) === MODE.atomic)
    ) {
      if ((cls === CLASS.ldx ? insn.src : insn.dst) === 10) lowest = Math.min(lowest, insn.off);
    }
    const copiesFrame = cls === CLASS.alu64 && (insn.code & 0xf8) === (ALU.mov.code | 0x08) && insn.src === 10;
    if (!copiesFrame) continue;
    const next = insns
      .slice(slot + 1, slot + 12)
      .find((other) => other.dst === insn.dst && (other.code & 7) === CLASS.alu64);
    if (next && (next.code & 0xf8) === ALU.add.code) lowest = Math.min(lowest, next.imm);
  }
  return -lowest;
}

function isForward(program: BpfProgram): boolean {
  return program.insns.every((insn) => {
    const cls = insn.code & 7;
    const op = insn.code & 0xf0;
    if (cls !== CLASS.jmp && cls !== CLASS.jmp32) return true;
    if (op === JMP.call.code || op === JMP.exit.code) return true;
    return (cls === CLASS.jmp32 && op === JMP.ja.code ? insn.imm : insn.off) >= 0;
  });
}

export interface Dynamic {
  /** Instructions of the most expensive event, and of all events together. */
  readonly worst: number;
  readonly total: number;
  /** Calls of map helpers: of the event with most, and of all together. */
  readonly worstMapCalls: number;
  readonly mapCalls: number;
}

export function dynamicFigures(
  module: BpfModule,
  twin: Twin,
  events: readonly SockOpsEvent[],
  initial?: BpfModule,
): Dynamic {
  const { steps, mapCalls } = replay(module, twin, events, initial);
  const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
  return {
    worst: Math.max(...steps),
    total: sum(steps),
    worstMapCalls: Math.max(...mapCalls),
    mapCalls: sum(mapCalls),
  };
}
