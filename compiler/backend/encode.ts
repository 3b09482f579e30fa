/** From allocated machine code to instruction slots (RFC 9669), with relocations and lines. */
import { ALU, ATOMIC, CALL, CLASS, JMP, LDDW, MODE, PSEUDO, SIZE_OF_BYTES, SRC_K, SRC_X } from "../bpf/opcodes.ts";
import type { RawInsn } from "../bpf/raw.ts";
import type { CoreFact, CoreRelocation, Extern, LineEntry, Relocation } from "../module.ts";
import type { Span } from "../span.ts";
import { NEGATED } from "../bpf/isa.ts";
import type { FrameLayout } from "./frame.ts";
import { isBoundedOffset, type BoundedOffset } from "./guard.ts";
import { FRAME, slotsOf, type Finish, type Insn, type MachineBlock, type Operand, type Reg } from "./insn.ts";

export interface Encoded {
  readonly insns: readonly RawInsn[];
  readonly relocations: readonly Relocation[];
  readonly lines: readonly LineEntry[];
  /** Where bounded offsets are added to addresses, in order. */
  readonly offsets: readonly BoundedOffset[];
  /** Calls of functions of the program, whose place is not known yet. */
  readonly calls: readonly { readonly slot: number; readonly callee: string }[];
  readonly externs: readonly Extern[];
  readonly core: readonly CoreRelocation[];
}

const slot = (code: number, dst: number, src: number, off: number, imm: number): RawInsn => ({
  code,
  dst,
  src,
  off,
  imm: imm | 0,
});

/** Encodes blocks in their order. A jump to the block that follows takes no slot. */
export function encode(blocks: readonly MachineBlock<Reg>[], frame: FrameLayout): Encoded {
  const starts = new Map<number, number>();
  let at = 0;
  blocks.forEach((block, index) => {
    starts.set(block.id, at);
    for (const insn of block.insns) at += slotsOf(insn);
    at += endSlots(block.end, blocks[index + 1]?.id);
  });

  const insns: RawInsn[] = [];
  const relocations: Relocation[] = [];
  const lines: LineEntry[] = [];
  const offsets: BoundedOffset[] = [];
  const calls: { slot: number; callee: string }[] = [];
  const externs: Extern[] = [];
  const core: CoreRelocation[] = [];
  const put = (span: Span, ...made: RawInsn[]): void => {
    lines.push({ slot: insns.length, span });
    insns.push(...made);
  };
  const jump = (span: Span, code: number, dst: number, right: Operand<Reg>, to: number): void => {
    const distance = starts.get(to)! - insns.length - 1;
    if ("reg" in right) put(span, slot(code | SRC_X, dst, right.reg, distance, 0));
    else put(span, slot(code | SRC_K, dst, 0, distance, right.imm));
  };
  const always = (span: Span, to: number): void => {
    put(span, slot(CLASS.jmp | JMP.ja.code, 0, 0, starts.get(to)! - insns.length - 1, 0));
  };

  blocks.forEach((block, index) => {
    const next = blocks[index + 1]?.id;
    for (const insn of block.insns) {
      if (insn.kind === "lddw") {
        const { value } = insn;
        if (value.kind === "map") relocations.push({ slot: insns.length, kind: "map", map: value.map });
        if (value.kind === "global")
          relocations.push({ slot: insns.length, kind: "global", section: value.section, offset: value.offset });
      }
      if (insn.kind === "address") {
        // Two instructions, each with its own line entry.
        put(insn.span, slot(CLASS.alu64 | ALU.mov.code | SRC_X, insn.dst, FRAME, 0, 0));
        put(
          insn.span,
          slot(CLASS.alu64 | ALU.add.code | SRC_K, insn.dst, 0, 0, frame.offsets[insn.base.frame]! + insn.offset),
        );
        continue;
      }
      if (insn.kind === "call" && insn.callee.kind === "function")
        calls.push({ slot: insns.length, callee: insn.callee.name });
      if (insn.kind === "call" && insn.callee.kind === "kfunc")
        externs.push({ slot: insns.length, name: insn.callee.name, kind: "function" });
      const fact = factIn(insn);
      if (fact) core.push({ slot: insns.length, fact });
      if (isBoundedOffset(insn)) offsets.push({ slot: insns.length, most: insn.most });
      put(insn.span, ...encodeInsn(insn, frame));
    }
    const { end } = block;
    switch (end.kind) {
      case "exit":
        put(end.span, slot(CLASS.jmp | JMP.exit.code, 0, 0, 0, 0));
        break;
      case "jump":
        if (end.to !== next) always(end.span, end.to);
        break;
      case "branch": {
        const kind = end.wide ? CLASS.jmp : CLASS.jmp32;
        const negated = NEGATED[end.op];
        if (end.then === next && end.else !== next && negated) {
          jump(end.span, kind | JMP[negated].code, end.left, end.right, end.else);
        } else {
          jump(end.span, kind | JMP[end.op].code, end.left, end.right, end.then);
          if (end.else !== next) always(end.span, end.else);
        }
      }
    }
  });
  return { insns, relocations, lines, offsets, calls, externs, core };
}

/** The fact of the kernel that a number in an instruction is. */
function factIn(insn: Insn<Reg>): CoreFact | undefined {
  if ("core" in insn) return insn.core;
  return (insn.kind === "alu" || insn.kind === "mov") && "core" in insn.src ? insn.src.core : undefined;
}

/** Slots that the end of a block takes, given the block that follows. */
export function endSlots(end: Finish<Reg>, next: number | undefined): number {
  switch (end.kind) {
    case "exit":
      return 1;
    case "jump":
      return end.to === next ? 0 : 1;
    case "branch":
      return end.else === next || (end.then === next && NEGATED[end.op]) ? 1 : 2;
  }
}

function encodeInsn(insn: Exclude<Insn<Reg>, { kind: "address" }>, frame: FrameLayout): RawInsn[] {
  const operand = (code: number, dst: number, src: Operand<Reg>, off = 0): RawInsn[] => [
    "reg" in src ? slot(code | SRC_X, dst, src.reg, off, 0) : slot(code | SRC_K, dst, 0, off, src.imm),
  ];
  const alu = (wide: boolean): number => (wide ? CLASS.alu64 : CLASS.alu);
  const where = (): { base: number; offset: number } => {
    const { base, offset } = insn as Extract<Insn<Reg>, { kind: "load" }>;
    return "reg" in base ? { base: base.reg, offset } : { base: FRAME, offset: frame.offsets[base.frame]! + offset };
  };
  switch (insn.kind) {
    case "alu":
      return operand(alu(insn.wide) | ALU[insn.op].code, insn.dst, insn.src, insn.signed ? 1 : 0);
    case "mov":
      return operand(alu(insn.wide) | ALU.mov.code, insn.dst, insn.src);
    case "movsx":
      return operand(CLASS.alu64 | ALU.mov.code, insn.dst, { reg: insn.src }, 32);
    case "neg":
      return [slot(alu(insn.wide) | ALU.neg.code, insn.dst, 0, 0, 0)];
    case "swap":
      // "To big endian": reverses on the little-endian machines that we serve, and exists at every level.
      return [slot(CLASS.alu | ALU.end.code | SRC_X, insn.dst, 0, 0, insn.bits)];
    case "lddw": {
      const { value } = insn;
      if (value.kind === "map") return [slot(LDDW, insn.dst, PSEUDO.mapFd, 0, 0), slot(0, 0, 0, 0, 0)];
      if (value.kind === "global") return [slot(LDDW, insn.dst, PSEUDO.mapValue, 0, 0), slot(0, 0, 0, 0, value.offset)];
      const low = Number(BigInt.asIntN(32, value.value));
      return [slot(LDDW, insn.dst, 0, 0, low), slot(0, 0, 0, 0, Number(BigInt.asIntN(32, value.value >> 32n)))];
    }
    case "load": {
      const { base, offset } = where();
      return [slot(CLASS.ldx | MODE.mem | SIZE_OF_BYTES[insn.bytes], insn.dst, base, offset, 0)];
    }
    case "store": {
      const { base, offset } = where();
      const size = MODE.mem | SIZE_OF_BYTES[insn.bytes];
      return "reg" in insn.src
        ? [slot(CLASS.stx | size, base, insn.src.reg, offset, 0)]
        : [slot(CLASS.st | size, base, 0, offset, insn.src.imm)];
    }
    case "atomic": {
      const { base, offset } = where();
      const fetch = insn.fetch ? ATOMIC.fetch : 0;
      return [
        slot(CLASS.stx | MODE.atomic | SIZE_OF_BYTES[insn.bytes], base, insn.src, offset, ATOMIC[insn.op] | fetch),
      ];
    }
    case "call":
      return [
        insn.callee.kind === "helper"
          ? slot(CLASS.jmp | JMP.call.code, 0, CALL.helper, 0, insn.callee.id)
          : slot(CLASS.jmp | JMP.call.code, 0, CALL.local, 0, -1),
      ];
  }
}
