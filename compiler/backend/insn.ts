/**
 * Machine instructions while registers are being chosen. `R` is `Virtual` before register allocation and `Reg` after it, so
 * that unallocated code cannot be encoded.
 */
import type { AccessBytes, AluName, Condition } from "../bpf/opcodes.ts";
import type { AtomicOp } from "../ir/ir.ts";
import type { CoreFact, GlobalSection } from "../module.ts";
import type { Span } from "../span.ts";

/** r0 to r10. */
export type Reg = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10;
declare const unallocated: unique symbol;
/** A register, or one of any number of virtual ones (11 and up). */
export type Virtual = Reg | (number & { readonly [unallocated]: true });
/** First number of a virtual register. */
export const FIRST_VIRTUAL = 11;
export const FRAME: Reg = 10;

/** A piece of the stack frame; its place is chosen last. */
export interface FrameSlot {
  readonly frame: number;
}
export type Base<R> = { readonly reg: R } | FrameSlot;
/** `core`: what the number is a fact of. */
export type Operand<R> = { readonly reg: R } | { readonly imm: number; readonly core?: CoreFact };
export type Arithmetic = Exclude<AluName, "mov" | "neg" | "end">;

export type Insn<R> = {
  readonly span: Span;
  /** Cheap to do again: instead of being kept in memory, the result is made anew before each use. */
  readonly again?: true;
} & (
  | {
      readonly kind: "alu";
      readonly op: Arithmetic;
      /** The signed form of div and mod (v4). */ readonly signed?: true;
      readonly wide: boolean;
      readonly dst: R;
      readonly src: Operand<R>;
      /** Of an offset that is added to an address: the largest it may be. */
      readonly most?: number;
    }
  | { readonly kind: "mov"; readonly wide: boolean; readonly dst: R; readonly src: Operand<R> }
  /** Sign-extends 32 to 64 bits (v4). */
  | { readonly kind: "movsx"; readonly dst: R; readonly src: R }
  | { readonly kind: "neg"; readonly wide: boolean; readonly dst: R }
  /** Reverses bytes; clears what is above. */
  | { readonly kind: "swap"; readonly dst: R; readonly bits: 16 | 32 | 64 }
  | { readonly kind: "lddw"; readonly dst: R; readonly value: Wide }
  /** Address in the frame: two instructions. */
  | { readonly kind: "address"; readonly dst: R; readonly base: FrameSlot; readonly offset: number }
  | {
      readonly kind: "load";
      readonly dst: R;
      readonly bytes: AccessBytes;
      readonly base: Base<R>;
      readonly offset: number;
      /** What the offset is a fact of. */
      readonly core?: CoreFact;
    }
  | {
      readonly kind: "store";
      readonly bytes: AccessBytes;
      readonly base: Base<R>;
      readonly offset: number;
      /** What the offset is a fact of. */
      readonly core?: CoreFact;
      readonly src: Operand<R>;
    }
  /** With `fetch`, `src` gets the value before; cmpxchg compares with and fetches into r0. */
  | {
      readonly kind: "atomic";
      readonly op: AtomicOp;
      readonly fetch: boolean;
      readonly bytes: 4 | 8;
      readonly base: Base<R>;
      readonly offset: number;
      /** What the offset is a fact of. */
      readonly core?: CoreFact;
      readonly src: R;
    }
  /** Reads r1 to r`args`, writes r0, leaves r1 to r5 undefined. */
  | { readonly kind: "call"; readonly callee: Callee; readonly args: number }
);

/** What is called: a helper by its number, a function of the kernel, or one of the program. */
export type Callee =
  | { readonly kind: "helper"; readonly id: number }
  | { readonly kind: "kfunc"; readonly name: string }
  | { readonly kind: "function"; readonly name: string };

/** What `lddw` loads. */
export type Wide =
  | { readonly kind: "number"; readonly value: bigint }
  | { readonly kind: "map"; readonly map: string }
  | { readonly kind: "global"; readonly section: GlobalSection; readonly offset: number };

export type Finish<R> = { readonly span: Span } & (
  | { readonly kind: "jump"; readonly to: number }
  | {
      readonly kind: "branch";
      readonly op: Condition;
      readonly wide: boolean;
      readonly left: R;
      readonly right: Operand<R>;
      readonly then: number;
      readonly else: number;
    }
  /** Returns r0, or nothing. */
  | { readonly kind: "exit"; readonly nothing?: true }
);

export interface MachineBlock<R> {
  readonly id: number;
  readonly insns: readonly Insn<R>[];
  readonly end: Finish<R>;
}

/** Stack memory of one variable, before it has a place. */
export interface FrameVariable {
  readonly size: number;
  readonly align: number;
  readonly kind: "variable" | "spill";
  /** Name in the source. */
  readonly name?: string;
  readonly span?: Span;
  /** First and last position that needs the memory; two variables whose lives do not meet may share it. */
  readonly life: { readonly from: number; readonly to: number };
}

export interface MachineFunc<R> {
  readonly name: string;
  /** The entry first; each block before its successors. */
  readonly blocks: readonly MachineBlock<R>[];
  readonly frame: readonly FrameVariable[];
  /** Virtual registers are below this. */
  readonly registers: number;
}

/** Slots of 8 bytes that an instruction takes. */
export function slotsOf(insn: Insn<Reg>): number {
  if (insn.kind === "lddw") return 2;
  if (insn.kind === "address") return 2;
  return 1;
}

export const successors = <R>(end: Finish<R>): readonly number[] =>
  end.kind === "jump" ? [end.to] : end.kind === "branch" ? [end.then, end.else] : [];

/** Registers an instruction reads. `call` reads its argument registers. */
export function reads<R>(insn: Insn<R>): readonly (R | Reg)[] {
  const operand = (o: Operand<R>): readonly R[] => ("reg" in o ? [o.reg] : []);
  const base = (b: Base<R>): readonly R[] => ("reg" in b ? [b.reg] : []);
  switch (insn.kind) {
    case "alu":
      return [insn.dst, ...operand(insn.src)];
    case "mov":
      return operand(insn.src);
    case "movsx":
      return [insn.src];
    case "neg":
    case "swap":
      return [insn.dst];
    case "lddw":
    case "address":
      return [];
    case "load":
      return base(insn.base);
    case "store":
      return [...base(insn.base), ...operand(insn.src)];
    case "atomic":
      return [...base(insn.base), insn.src, ...(insn.op === "cmpxchg" ? [0 as Reg] : [])];
    case "call":
      return [1, 2, 3, 4, 5].slice(0, insn.args) as Reg[];
  }
}

const CLOBBERED: readonly Reg[] = [0, 1, 2, 3, 4, 5];

/** Registers an instruction writes or leaves undefined. */
export function writes<R>(insn: Insn<R>): readonly (R | Reg)[] {
  switch (insn.kind) {
    case "store":
      return [];
    case "atomic":
      return insn.op === "cmpxchg" ? [0] : insn.fetch ? [insn.src] : [];
    case "call":
      return CLOBBERED;
    default:
      return [insn.dst];
  }
}

export function endReads<R>(end: Finish<R>): readonly (R | Reg)[] {
  switch (end.kind) {
    case "jump":
      return [];
    case "branch":
      return "reg" in end.right ? [end.left, end.right.reg] : [end.left];
    case "exit":
      return end.nothing ? [] : [0];
  }
}

/** The same instruction with other registers: `read` for those it reads, `write` for the one it writes. */
export function mapRegisters<A, B>(insn: Insn<A>, map: (register: A) => B): Insn<B> {
  const operand = (o: Operand<A>): Operand<B> => ("reg" in o ? { reg: map(o.reg) } : o);
  const base = (b: Base<A>): Base<B> => ("reg" in b ? { reg: map(b.reg) } : b);
  switch (insn.kind) {
    case "alu":
    case "mov":
      return { ...insn, dst: map(insn.dst), src: operand(insn.src) };
    case "movsx":
      return { ...insn, dst: map(insn.dst), src: map(insn.src) };
    case "neg":
    case "swap":
    case "lddw":
    case "address":
      return { ...insn, dst: map(insn.dst) };
    case "load":
      return { ...insn, dst: map(insn.dst), base: base(insn.base) };
    case "store":
      return { ...insn, base: base(insn.base), src: operand(insn.src) };
    case "atomic":
      return { ...insn, base: base(insn.base), src: map(insn.src) };
    case "call":
      return insn;
  }
}

export function mapEndRegisters<A, B>(end: Finish<A>, map: (register: A) => B): Finish<B> {
  if (end.kind !== "branch") return end;
  return { ...end, left: map(end.left), right: "reg" in end.right ? { reg: map(end.right.reg) } : end.right };
}

const keys = new WeakMap<object, string>();
/** Equal for instructions that do the same. Where they come from does not count. */
export function insnKey<R>(insn: Insn<R>): string {
  let key = keys.get(insn);
  if (key === undefined) {
    const { span: _span, again: _again, ...rest } = insn;
    key = JSON.stringify(rest, (_, value: unknown) => (typeof value === "bigint" ? `${value}n` : value));
    keys.set(insn, key);
  }
  return key;
}
