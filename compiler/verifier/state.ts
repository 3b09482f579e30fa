/**
 * What the verifier knows at one point of one path: registers, stack and held references of every frame.
 * Registers and stack slots are immutable values; a frame's arrays are private to its state and change in place.
 */
import { MAP_TYPES, type MapTypeName } from "../bpf/map-types.ts";
import type { KeptPart } from "../module.ts";
import { ANYTHING, known, show as showScalar, ZERO, type Scalar } from "./scalar.ts";
import * as tnum from "./tnum.ts";
import type { Category } from "./verdict.ts";

/** Kinds of register content, by the names of the kernel's log. */
export type RegType =
  | "?"
  | "scalar"
  | "ctx"
  | "map_ptr"
  | "map_value"
  | "fp"
  | "pkt"
  | "pkt_meta"
  | "pkt_end"
  | "flow_keys"
  | "sock"
  | "sock_common"
  | "tcp_sock"
  | "xdp_sock"
  | "mem"
  | "ringbuf_mem"
  /** Memory that programs may only read. */
  | "rdonly_mem"
  /** To a struct of the kernel's: vouched for; vouched for as long as nobody frees it (RCU); found by following another; found, who knows how. */
  | "trusted_ptr_"
  | "rcu_ptr_"
  | "ptr_"
  | "untrusted_ptr_"
  /** Part of an iterator, on the stack alone: `off` is which part, `size` is 1 where it is drained. */
  | "iter";

export interface VerifierMap {
  readonly name?: string;
  readonly type: MapTypeName;
  /** Bytes. */
  readonly key: number;
  readonly value: number;
  readonly max: number;
  readonly flags: number;
  /** Content of a frozen map of one element that programs may only read: loads from it are constants. */
  readonly frozen?: Uint8Array;
  /** Parts of values with rules of their own. */
  readonly kept?: readonly KeptPart[];
  /** Byte ranges of `frozen` that the loader may still change. */
  readonly varying?: readonly { readonly start: number; readonly end: number }[];
}
export const mapTypeNumber = (map: VerifierMap): number => MAP_TYPES[map.type].number;

/** A link by a constant difference: made by 64-bit arithmetic, or by 32-bit arithmetic, whose result is zero-extended. 0: none. */
export type Delta = 0 | 32 | 64;

export interface Reg {
  readonly type: RegType;
  /** A pointer that may be null: not to be used before it is compared with 0. */
  readonly nullable: boolean;
  /** The value; of pointers the variable part of the offset. */
  readonly value: Scalar;
  /** Fixed part of a pointer's offset; of scalars with `delta` the difference from the value they are linked with. */
  readonly off: number;
  /** Values with the same id (not 0) are the same value. */
  readonly id: number;
  /** The link is by the constant difference `off`. */
  readonly delta: Delta;
  readonly map: VerifierMap | undefined;
  /** Bytes behind a packet pointer that were compared with the packet's end; negative: at or beyond the end. */
  readonly range: number;
  /** Reference that this register holds; 0: none. */
  readonly ref: number;
  /** Frame that a stack pointer points into. */
  readonly frame: number;
  /** Bytes behind a `mem` pointer. */
  readonly size: number;
  /** The kernel's struct that a pointer by BTF leads to; absent: not known here. */
  readonly struct?: string;
  /** Of an iterator: how often it was asked on the way here. */
  readonly turns?: number;
}
/** Ranges of packet pointers that were found to lie past the packet. */
export const AT_PACKET_END = -1;
export const BEYOND_PACKET_END = -2;

const BLANK: Reg = {
  type: "?",
  nullable: false,
  value: ANYTHING,
  off: 0,
  id: 0,
  delta: 0,
  map: undefined,
  range: 0,
  ref: 0,
  frame: 0,
  size: 0,
};
export const UNINITIALISED = BLANK;
export const ANY_SCALAR: Reg = { ...BLANK, type: "scalar" };
export const scalar = (value: Scalar): Reg => (value === ANYTHING ? ANY_SCALAR : { ...ANY_SCALAR, value });
export const scalarOf = (value: bigint): Reg => scalar(known(value));
/** A pointer at offset 0. */
export const pointer = (type: RegType, extra: Partial<Reg> = {}): Reg => ({ ...BLANK, type, value: ZERO, ...extra });
/** Whether it leads to a struct of the kernel's, by what the kernel's types say. */
export const isStructPointer = ({ type }: Reg): boolean => type.endsWith("ptr_");
export const isPointer = (reg: Reg): boolean => reg.type !== "scalar" && reg.type !== "?";
export const isNull = (reg: Reg): boolean =>
  reg.type === "scalar" && reg.value.bits.mask === 0n && reg.value.bits.value === 0n;

const SOCKET_TYPES: ReadonlySet<RegType> = new Set(["sock", "sock_common", "tcp_sock", "xdp_sock"]);
export const isSocket = (type: RegType): boolean => SOCKET_TYPES.has(type);
/** What kind of rule an access through the register breaks that its type does not allow. */
export function accessCategory(reg: Reg): Category {
  if (reg.nullable) return "null-check";
  if (isPacket(reg.type) || reg.type === "pkt_end") return "packet-bounds";
  if (isSocket(reg.type)) return "sock-access";
  return ACCESSES[reg.type] ?? "other";
}
const ACCESSES: Partial<Record<RegType, Category>> = {
  ctx: "ctx-access",
  fp: "stack-oob",
  map_value: "map-bounds",
  scalar: "scalar-deref",
};
export const isPacket = (type: RegType): boolean => type === "pkt" || type === "pkt_meta";

/** Content of one stack byte. */
export const BYTE = { invalid: 0, spill: 1, misc: 2, zero: 3 } as const;
export type Byte = (typeof BYTE)[keyof typeof BYTE];
/** Eight bytes of stack: the kind of each (two bits, lowest address first), and what was spilled there. */
export interface Slot {
  readonly bytes: number;
  readonly reg: Reg | undefined;
}
export const byteAt = (slot: Slot | undefined, at: number): Byte => (((slot?.bytes ?? 0) >> (at * 2)) & 3) as Byte;
export const allBytes = (kind: Byte): number => kind * 0x5555;
export const withByte = (bytes: number, at: number, kind: Byte): number =>
  (bytes & ~(3 << (at * 2))) | (kind << (at * 2));
/** A register is spilled here if the lowest byte belongs to it. */
export const isSpill = (slot: Slot | undefined): slot is Slot & { readonly reg: Reg } =>
  slot !== undefined && (slot.bytes & 3) === BYTE.spill;
/** How many low bytes hold the spilled register. */
export function spillBytes(slot: Slot): number {
  let count = 0;
  while (count < 8 && byteAt(slot, count) === BYTE.spill) count++;
  return count;
}

export const MAX_STACK = 512;

export interface Frame {
  readonly regs: Reg[];
  /** Slot i covers the bytes from -8 * (i + 1); absent: never written. */
  readonly stack: (Slot | undefined)[];
  /** Instruction that called; -1 in the main program. */
  readonly callsite: number;
  readonly subprogram: number;
}
export interface Reference {
  readonly id: number;
  readonly insn: number;
}
export interface State {
  readonly frames: Frame[];
  references: readonly Reference[];
  /** How often `may_goto` went on on the way here. */
  turns: number;
  /** In an RCU section that the program has entered (bpf_rcu_read_lock). */
  inRcu: boolean;
  /** How often it has forbidden others to interrupt it (bpf_preempt_disable). */
  preempt: number;
}

export const currentFrame = (state: State): Frame => state.frames[state.frames.length - 1]!;
export const copyFrame = ({ regs, stack, callsite, subprogram }: Frame): Frame => ({
  regs: regs.slice(),
  stack: stack.slice(),
  callsite,
  subprogram,
});
export const copyState = (state: State): State => ({
  frames: state.frames.map(copyFrame),
  references: state.references,
  turns: state.turns,
  inRcu: state.inRcu,
  preempt: state.preempt,
});

export function newFrame(callsite: number, subprogram: number, depth: number): Frame {
  const regs = new Array<Reg>(11).fill(UNINITIALISED);
  regs[10] = pointer("fp", { frame: depth });
  return { regs, stack: [], callsite, subprogram };
}

/** Replaces registers and spilled registers of every frame for which `change` gives something else. */
export function replaceRegs(state: State, change: (reg: Reg) => Reg): void {
  for (const frame of state.frames) {
    const { regs, stack } = frame;
    for (let index = 0; index < regs.length; index++) regs[index] = change(regs[index]!);
    for (let index = 0; index < stack.length; index++) {
      const slot = stack[index];
      if (!isSpill(slot)) continue;
      const changed = change(slot.reg);
      if (changed !== slot.reg) stack[index] = { ...slot, reg: changed };
    }
  }
}

/** The type's name as the kernel writes it, with `_or_null` where it may be null. */
export function typeName(reg: Reg): string {
  if (reg.struct !== undefined && !reg.nullable) return `${reg.type}${reg.struct}`;
  if (!reg.nullable) return reg.type;
  return isStructPointer(reg) ? `${reg.type}or_null_` : `${reg.type}_or_null`;
}

/** A register as in the kernel's log. */
export function showReg(reg: Reg): string {
  if (reg.type === "?") return "?";
  if (reg.type === "scalar") {
    const link = reg.id === 0 ? "" : reg.delta !== 0 ? ` (value ${reg.id} + ${reg.off})` : ` (value ${reg.id})`;
    return showScalar(reg.value) + link;
  }
  const parts: string[] = [];
  if (reg.id !== 0) parts.push(`id=${reg.id}`);
  if (reg.ref !== 0) parts.push(`ref=${reg.ref}`);
  if (reg.map !== undefined)
    parts.push(`map=${reg.map.name ?? reg.map.type}`, `ks=${reg.map.key}`, `vs=${reg.map.value}`);
  if (reg.type === "mem" || reg.type === "ringbuf_mem") parts.push(`sz=${reg.size}`);
  if (reg.off !== 0) parts.push(`off=${reg.off}`);
  if (isPacket(reg.type)) parts.push(`r=${reg.range}`);
  if (reg.value.bits.mask !== 0n || reg.value.bits.value !== 0n) {
    parts.push(`smin=${reg.value.smin}`, `smax=${reg.value.smax}`, `var_off=${tnum.show(reg.value.bits)}`);
  }
  const depth = reg.type === "fp" && reg.frame !== 0 ? `[${reg.frame}]` : "";
  return `${typeName(reg)}${depth}${parts.length === 0 ? "" : `(${parts.join(",")})`}`;
}

/** Registers and spilled registers of the innermost frame. */
export function showState(state: State): string {
  const frame = currentFrame(state);
  const regs = frame.regs.flatMap((reg, index) => (reg.type === "?" ? [] : [`R${index}=${showReg(reg)}`]));
  const stack = frame.stack.flatMap((slot, index) => {
    if (slot === undefined || slot.bytes === 0) return [];
    const where = `fp-${8 * (index + 1)}`;
    return [isSpill(slot) ? `${where}=${showReg(slot.reg)}` : `${where}=${showBytes(slot)}`];
  });
  const depth = state.frames.length > 1 ? [`frame${state.frames.length - 1}:`] : [];
  return [...depth, ...regs, ...stack].join(" ");
}
const showBytes = (slot: Slot): string =>
  Array.from({ length: 8 }, (_, index) => "?rm0"[byteAt(slot, 7 - index)]).join("");
