/** Loads, stores and atomic operations as WebAssembly, each behind a look at the shadow (runtime/vm/memory.ts). */
import { ATOMIC, CLASS, MODE, SIZE_BYTES, STORE_RELEASE } from "../../../compiler/bpf/opcodes.ts";
import type { RawInsn } from "../../../compiler/bpf/raw.ts";
import { STACK_BYTES } from "../engine.ts";
import { FAULT_KINDS, type FaultKind } from "../fault.ts";
import { GUEST_BASE, type Memory } from "../memory.ts";
import { LOCAL, local } from "./alu.ts";
import type { Code, OpName } from "./bytes.ts";

/** Function indices of the imports. */
export const IMPORT = { call: 0, check: 1, wild: 2, fault: 3 } as const;

/** Where the code stands: for the place and the step count of a fault. */
export interface Place {
  readonly slot: number;
  /** Instructions of the block after this one, which are counted already. */
  readonly ahead: number;
}

type Bytes = 1 | 2 | 4 | 8;
const LOADS: Record<Bytes, readonly [zero: OpName, sign: OpName]> = {
  1: ["i64Load8U", "i64Load8S"],
  2: ["i64Load16U", "i64Load16S"],
  4: ["i64Load32U", "i64Load32S"],
  8: ["i64Load", "i64Load"],
};
const STORES: Record<Bytes, OpName> = { 1: "i64Store8", 2: "i64Store16", 4: "i64Store32", 8: "i64Store" };
const bytesOf = (insn: RawInsn): Bytes => SIZE_BYTES[(insn.code & 0x18) as keyof typeof SIZE_BYTES];

export function pushLeft(code: Code, place: Place): void {
  code.with("get", LOCAL.left);
  if (place.ahead === 0) return;
  code.i32(place.ahead);
  code.op("i32Add");
}

/** Ends the run. What follows is never reached. */
export function emitFault(code: Code, kind: FaultKind, place: Place): void {
  code.i32(FAULT_KINDS.indexOf(kind));
  code.i32(place.slot);
  pushLeft(code, place);
  code.with("call", IMPORT.fault);
  code.op("unreachable");
}

/** A checked address: a local that holds an i32, and the constant to put into the load or store. */
interface Checked {
  readonly base: number;
  readonly offset: number;
}

function emitCheck(
  code: Code,
  memory: Memory,
  register: number,
  offset: number,
  bytes: Bytes,
  write: boolean,
  place: Place,
): Checked {
  // Inside the own frame nothing can go wrong: r10 never changes and the frame is live.
  if (register === 10 && offset >= -STACK_BYTES && offset + bytes <= 0)
    return { base: LOCAL.frame, offset: memory.arenaStart + STACK_BYTES + offset };
  code.with("get", local(register));
  code.i64(BigInt.asIntN(64, BigInt(offset) - GUEST_BASE));
  code.op("i64Add");
  code.with("tee", LOCAL.a);
  code.i64(BigInt(memory.arenaBytes));
  code.op("i64GeU");
  code.with("if", 0x40);
  code.with("get", LOCAL.a);
  code.i64(GUEST_BASE);
  code.op("i64Add");
  code.i32(bytes);
  code.i32(write ? 1 : 0);
  code.i32(place.slot);
  pushLeft(code, place);
  code.with("call", IMPORT.wild);
  code.op("unreachable", "end");
  code.with("get", LOCAL.a);
  code.op("i32Wrap");
  code.with("tee", LOCAL.at);
  code.i32(7);
  code.op("i32And");
  code.i32(bytes);
  code.op("i32Add");
  code.with("get", LOCAL.at);
  code.i32(3);
  code.op("i32ShrU");
  code.memory("i32Load8U", 0);
  if (write) {
    code.with("tee", LOCAL.shadow);
    code.op("i32GtU");
    code.with("get", LOCAL.shadow);
    code.i32(8);
    code.op("i32GtU", "i32Or");
  } else {
    code.i32(0xf);
    code.op("i32And", "i32GtU");
  }
  // The shadow byte alone does not say yes: an access across two of them, the context, read-only memory, or a fault.
  code.with("if", 0x40);
  code.with("get", LOCAL.at);
  code.i32(bytes);
  code.i32(write ? 1 : 0);
  code.i32(place.slot);
  pushLeft(code, place);
  code.with("call", IMPORT.check);
  code.op("end");
  return { base: LOCAL.at, offset: memory.arenaStart };
}

function emitAtomic(code: Code, memory: Memory, insn: RawInsn, place: Place): void {
  const bytes = bytesOf(insn);
  const isLoad = insn.imm === 0x100;
  const at = emitCheck(code, memory, isLoad ? insn.src : insn.dst, insn.off, bytes, !isLoad, place);
  if (at.base === LOCAL.frame) {
    if (at.offset % bytes !== 0) return emitFault(code, "misaligned", place);
  } else {
    code.with("get", LOCAL.at);
    code.i32(bytes - 1);
    code.op("i32And");
    code.with("if", 0x40);
    emitFault(code, "misaligned", place);
    code.op("end");
  }
  const load = (): void => {
    code.with("get", at.base);
    code.memory(LOADS[bytes][0], at.offset);
  };
  if (isLoad) {
    load();
    return code.with("set", local(insn.dst));
  }
  if (insn.imm !== STORE_RELEASE) {
    load();
    code.with("set", LOCAL.a);
  }
  code.with("get", at.base);
  switch (insn.imm & ~ATOMIC.fetch) {
    case ATOMIC.cmpxchg & ~ATOMIC.fetch:
      code.with("get", local(insn.src));
      code.with("get", LOCAL.a);
      code.with("get", LOCAL.a);
      code.with("get", local(0));
      if (bytes === 4) {
        code.i64(0xffff_ffffn);
        code.op("i64And");
      }
      code.op("i64Eq", "select");
      break;
    case ATOMIC.xchg & ~ATOMIC.fetch:
    case STORE_RELEASE:
      code.with("get", local(insn.src));
      break;
    default: {
      const ops: Record<number, OpName> = {
        [ATOMIC.add]: "i64Add",
        [ATOMIC.or]: "i64Or",
        [ATOMIC.and]: "i64And",
        [ATOMIC.xor]: "i64Xor",
      };
      code.with("get", LOCAL.a);
      code.with("get", local(insn.src));
      code.op(ops[insn.imm & ~ATOMIC.fetch]!);
    }
  }
  code.memory(STORES[bytes], at.offset);
  if (insn.imm === ATOMIC.cmpxchg) {
    code.with("get", LOCAL.a);
    code.with("set", local(0));
  } else if (insn.imm & ATOMIC.fetch) {
    code.with("get", LOCAL.a);
    code.with("set", local(insn.src));
  }
}

/** One instruction of class ldx, st or stx. */
export function translateAccess(code: Code, memory: Memory, insn: RawInsn, place: Place): void {
  const cls = insn.code & 7;
  const bytes = bytesOf(insn);
  if (cls === CLASS.stx && (insn.code & 0xe0) === MODE.atomic) return emitAtomic(code, memory, insn, place);
  if (cls === CLASS.ldx) {
    const at = emitCheck(code, memory, insn.src, insn.off, bytes, false, place);
    code.with("get", at.base);
    code.memory(LOADS[bytes][(insn.code & 0xe0) === MODE.memsx ? 1 : 0], at.offset);
    return code.with("set", local(insn.dst));
  }
  const at = emitCheck(code, memory, insn.dst, insn.off, bytes, true, place);
  code.with("get", at.base);
  if (cls === CLASS.st) code.i64(BigInt(insn.imm));
  else code.with("get", local(insn.src));
  code.memory(STORES[bytes], at.offset);
}
