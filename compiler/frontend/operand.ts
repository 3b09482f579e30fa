/** What an expression lowers to: a value, a place in memory, or something that exists only at compile time. */
import type { Value } from "../ir/ir.ts";
import type { Layout, StructLayout } from "../layout.ts";
import type { Variable } from "../ir/build.ts";
import type { Entity } from "./entities.ts";
import type { Role } from "./roles.ts";
import type { Aggregate, Primitive, Range, ScalarType } from "./types.ts";

/** What a reference lies in, as far as it is known: tells which stores replace what it stands for. */
export type Root =
  /** A stack variable of this function. */
  | { readonly kind: "slot"; readonly slot: Value }
  | { readonly kind: "global"; readonly name: string }
  /** A value of a map. `key`: of a constant one. */
  | { readonly kind: "map"; readonly name: string; readonly key?: bigint }
  /** What a congestion control keeps for the connection: memory of the kernel's, which has no offsets that vary. */
  | { readonly kind: "state" }
  /** Something of the caller's. */
  | { readonly kind: "parameter"; readonly index: number };
/** Where a reference comes from. */
export interface Origin {
  readonly root?: Root;
  /** Bytes from the beginning of the root; absent where an index decides. */
  readonly from?: number;
  /** May be a stack variable: how many loops are around its declaration, each turn of which uses the same one. */
  readonly turns?: number;
}

/** An address: where it is, how well it is aligned, and why it must not be written, if so. */
export interface Memory extends Origin {
  readonly base: Value;
  readonly offset: number;
  /** Power of two that divides the address of `base`; at most 8. */
  readonly align: number;
  /** Why it cannot be written. */
  readonly readOnly?: string;
}

export interface Scalar {
  readonly kind: "scalar";
  readonly type: ScalarType;
  readonly value: Value;
  /** For integers: what the value can be, as far as it is evident. */
  readonly range?: Range;
}
export interface Place {
  readonly kind: "place";
  readonly type: Aggregate;
  readonly at: Memory;
  /** Made for this expression alone (`new S()`), so that it needs no copy. */
  readonly fresh?: true;
}
/** A pointer that may be 0: what `get()` of a struct and `ref()` give. */
export interface Nullable extends Origin {
  readonly kind: "nullable";
  readonly of: Layout;
  readonly pointer: Value;
  readonly align: number;
  readonly readOnly?: string;
  /** A Ref<T>: its `.value` is the place. */
  readonly ref?: true;
}
/** A scalar that may be missing; `present` is 0 or 1. */
export interface Optional {
  readonly kind: "optional";
  readonly of: ScalarType;
  readonly present: Value;
  readonly value: Value;
  readonly range?: Range;
}
/** A word that several functions may change: a variable, or memory where not all of them are part of one function. */
export type WordCell =
  | { readonly kind: "variable"; readonly variable: Variable }
  | { readonly kind: "memory"; readonly base: Value; readonly offset: number };
/** What a handler last asked of writing, which is carried out when it has returned: each is 1 or 0, and never both 1. */
export interface Wish {
  readonly start: WordCell;
  readonly stop: WordCell;
}
export interface Context {
  readonly kind: "context";
  readonly role: Role;
  readonly ctx: Value;
  /** A struct of the kernel's that may be missing: `ctx` may be 0. */
  readonly nullable?: true;
  /** Of a tcpSock: the struct that its congestion control keeps. */
  readonly state?: StructLayout;
  /** With role "option". */
  readonly wish?: Wish;
  /** With role "arriving": bytes of the option's payload that came. */
  readonly optionBytes?: Value;
}
export type Operand =
  /** An integer literal, which takes the type of what stands beside it. `wide`: written with n. */
  | {
      readonly kind: "literal";
      readonly value: bigint;
      readonly wide: boolean;
      /** From `~`: may wrap to unsigned. */ readonly wraps?: true;
    }
  | { readonly kind: "text"; readonly text: string }
  | Scalar
  | Place
  | Nullable
  | Optional
  | { readonly kind: "ref"; readonly of: Primitive; readonly at: Memory }
  | Context
  | { readonly kind: "undefined" }
  | { readonly kind: "entity"; readonly entity: Entity }
  /** Reported already; everything accepts it. */
  | { readonly kind: "error" };

export const ERROR: Operand = { kind: "error" };
export const UNDEFINED: Operand = { kind: "undefined" };

/** The origin alone, of something that has one. */
export const originOf = ({ root, from, turns }: Origin): Origin => ({
  ...(root ? { root } : {}),
  ...(from === undefined ? {} : { from }),
  ...(turns === undefined ? {} : { turns }),
});

export const sameRoot = (a: Root, b: Root): boolean => {
  if (a.kind === "slot") return b.kind === "slot" && a.slot.id === b.slot.id;
  if (a.kind === "global") return b.kind === "global" && a.name === b.name;
  if (a.kind === "map") return b.kind === "map" && a.name === b.name && a.key === b.key;
  if (a.kind === "state") return b.kind === "state";
  return b.kind === "parameter" && a.index === b.index;
};
/** What a caller must know of the reference that a function gives back. */
export interface Given extends Origin {
  readonly align: number;
  readonly readOnly?: string | undefined;
  /** Made by the function, and nobody else's. */
  readonly fresh: boolean;
}

/** The alignment of an address `offset` bytes after one aligned to `align`. */
export const alignAt = (align: number, offset: number): number => {
  let result = align;
  while (result > 1 && offset % result !== 0) result /= 2;
  return result;
};
/** The alignment of a place. */
export const placeAlign = ({ align, offset }: Memory): number => alignAt(align, offset);
