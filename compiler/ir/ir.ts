/**
 * The intermediate representation: typed SSA with block parameters, close to the machine.
 *
 * - `w32` and `w64` are bit patterns; signedness is in the operator. Smaller integers are `w32` whose upper bits are known.
 * - Booleans are `w32` 0 or 1. A nullable pointer is one that is compared with the constant 0 of its type.
 * - Memory is reached by load/store on pointers, whose type says what they lead to (`types.ts`).
 * - Values are immutable and a pass returns new functions. `checker.ts` states the invariants.
 */
import type { HelperName } from "../bpf/helpers.ts";
import type { KfuncName } from "../bpf/kfuncs.ts";
import type { AccessBytes } from "../bpf/opcodes.ts";
import type { CoreFact, GlobalVar, MapSpec, StructOps } from "../module.ts";
import type { SourceFile, Span } from "../span.ts";
import type { Type } from "./types.ts";

export type { Type } from "./types.ts";

export interface Value {
  /** Unique in its function. */
  readonly id: number;
  readonly type: Type;
  /** Name in the source, for people. */
  readonly name?: string;
}

export type BinaryOp =
  "add" | "sub" | "mul" | "udiv" | "sdiv" | "umod" | "smod" | "and" | "or" | "xor" | "shl" | "lshr" | "ashr";
/** bswapN reverses the low N bits' bytes and clears the rest. zext/sext: w32 to w64. trunc: w64 to w32. */
export type UnaryOp = "neg" | "zext" | "sext" | "trunc" | "bswap16" | "bswap32" | "bswap64";
export type CompareOp = "eq" | "ne" | "ult" | "ule" | "ugt" | "uge" | "slt" | "sle" | "sgt" | "sge";
export type AtomicOp = "add" | "or" | "and" | "xor" | "xchg" | "cmpxchg";

/**
 * What a call calls: a kernel helper by its name in compiler/bpf/helpers.ts without "bpf_" ("map_lookup_elem"), a kernel
 * function by its name in compiler/bpf/kfuncs.ts, or a function of the module.
 */
export type CallTarget =
  | { readonly kind: "helper"; readonly name: HelperName }
  | { readonly kind: "kfunc"; readonly name: KfuncName }
  | { readonly kind: "function"; readonly name: string };

/** Instructions. Those without `result` are run for their effect. */
export type Inst = { readonly span: Span } & (
  | { readonly kind: "const"; readonly result: Value; /** Unsigned, below 2^width. */ readonly value: bigint }
  | {
      readonly kind: "binary";
      readonly result: Value;
      readonly op: BinaryOp;
      readonly left: Value;
      readonly right: Value;
    }
  | { readonly kind: "unary"; readonly result: Value; readonly op: UnaryOp; readonly value: Value }
  | {
      readonly kind: "compare";
      readonly result: Value;
      readonly op: CompareOp;
      readonly left: Value;
      readonly right: Value;
    }
  /** A stack variable; its content is undefined until stored. */
  | {
      readonly kind: "slot";
      readonly result: Value;
      readonly size: number;
      readonly align: number;
      readonly name: string;
    }
  /** Address of a global variable of the module. */
  | { readonly kind: "global"; readonly result: Value; readonly name: string }
  /** A map of the module, only as a helper's argument. */
  | { readonly kind: "map"; readonly result: Value; readonly name: string }
  /** A fact of the kernel that runs; `value` is what it is in the types that the program is compiled with. */
  | { readonly kind: "core"; readonly result: Value; readonly fact: CoreFact; readonly value: bigint }
  /** Pointer plus w64 offset in bytes; of an element's place, the offset of the array's last element. */
  | {
      readonly kind: "ptradd";
      readonly result: Value;
      readonly base: Value;
      readonly offset: Value;
      readonly most?: number;
    }
  /** 1, 2 and 4 bytes give w32, zero-extended; 8 bytes give w64 or a pointer. */
  | {
      readonly kind: "load";
      readonly result: Value;
      readonly bytes: AccessBytes;
      readonly base: Value;
      readonly offset: number;
    }
  | {
      readonly kind: "store";
      readonly bytes: AccessBytes;
      readonly base: Value;
      readonly offset: number;
      readonly value: Value;
    }
  /** `bytes` zero bytes. */
  | {
      readonly kind: "zero";
      readonly base: Value;
      readonly offset: number;
      readonly bytes: number;
      readonly align: number;
    }
  | {
      readonly kind: "copy";
      readonly to: Value;
      readonly toOffset: number;
      readonly from: Value;
      readonly fromOffset: number;
      readonly bytes: number;
      readonly align: number;
    }
  /** With a result: the value before (fetch). 4 or 8 bytes. `expected` only for cmpxchg. */
  | {
      readonly kind: "atomic";
      readonly result?: Value;
      readonly op: AtomicOp;
      readonly bytes: 4 | 8;
      readonly base: Value;
      readonly offset: number;
      readonly value: Value;
      readonly expected?: Value;
    }
  | { readonly kind: "call"; readonly result?: Value; readonly target: CallTarget; readonly args: readonly Value[] }
  /** The result is the value, which the prove pass must show to lie in [min, max] (read as signed or unsigned); `what` names the target for the error. */
  | {
      readonly kind: "assume-fits";
      readonly result: Value;
      readonly value: Value;
      readonly signed: boolean;
      readonly min: bigint;
      readonly max: bigint;
      readonly what: string;
    }
  /** The result is the index, which the prove pass must show to be below `length`. */
  | {
      readonly kind: "assume-index";
      readonly result: Value;
      readonly value: Value;
      readonly length: number;
      readonly what: string;
    }
);

export type Call = Extract<Inst, { kind: "call" }>;
/** A call of a function of the module. */
export type FunctionCall = Call & { readonly target: { readonly kind: "function" } };
export const isFunctionCall = (inst: Inst): inst is FunctionCall =>
  inst.kind === "call" && inst.target.kind === "function";

export interface Edge {
  /** Id of the target block. */
  readonly block: number;
  /** One per parameter of the target. */
  readonly args: readonly Value[];
}

export type End = { readonly span: Span } & (
  | { readonly kind: "jump"; readonly to: Edge }
  | {
      readonly kind: "branch";
      readonly op: CompareOp;
      readonly left: Value;
      readonly right: Value;
      readonly then: Edge;
      readonly else: Edge;
    }
  | {
      readonly kind: "switch";
      readonly value: Value;
      readonly cases: readonly { readonly value: bigint; readonly to: Edge }[];
      readonly default: Edge;
    }
  | { readonly kind: "return"; readonly value?: Value }
  | { readonly kind: "unreachable" }
);

export interface Block {
  /** Unique in its function. */
  readonly id: number;
  readonly params: readonly Value[];
  readonly insts: readonly Inst[];
  readonly end: End;
  /** Set on the header of a source loop: the statement, for the unroll pass and its errors. No loop is left after it. */
  readonly loop?: Span;
}

export interface Func {
  readonly name: string;
  readonly params: readonly Value[];
  /** Type of the value returned; absent: none. */
  readonly returns?: Type;
  /** The entry first. It has no block parameters and no predecessors. */
  readonly blocks: readonly Block[];
  readonly span: Span;
}

/** A BPF program: its function takes the context pointer and returns w32; a function of the kernel's that returns nothing does so too. */
export interface IrProgram {
  readonly func: Func;
  /** Section and types as in module.ts. */
  readonly section: string;
  readonly type: string;
  readonly attachType: number;
  readonly implements?: { readonly struct: string; readonly member: string };
}

export interface IrModule {
  readonly license: string;
  readonly target: string;
  readonly needs: readonly string[];
  readonly maps: readonly MapSpec[];
  readonly globals: readonly GlobalVar[];
  /** Ordinary functions. */
  readonly functions: readonly Func[];
  readonly programs: readonly IrProgram[];
  readonly structOps?: readonly StructOps[];
  readonly sources: readonly SourceFile[];
}

/** Every edge of a block's end, in order. */
export function edges(end: End): readonly Edge[] {
  switch (end.kind) {
    case "jump":
      return [end.to];
    case "branch":
      return [end.then, end.else];
    case "switch":
      return [...end.cases.map((c) => c.to), end.default];
    case "return":
    case "unreachable":
      return [];
  }
}
