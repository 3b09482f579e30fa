/** The types of values in the IR: bit patterns of two widths, and pointers that say what they lead to. */
import type { ReturnKind } from "../bpf/helpers.ts";
import type { Kfunc } from "../bpf/kfuncs.ts";
import type { ContextField } from "../bpf/kinds/index.ts";

/**
 * What a pointer leads to.
 * - `ctx(T)`: the context of a program of type T ("sock_ops").
 * - `trusted(S)`, `struct(S)`: the kernel's struct S, which BTF describes; the kernel follows a trusted one for certain, any other with care.
 * - `map`: a map, only as an argument; `map-value`: a value in one.
 * - `socket`: the kernel's view of a socket; `packet`, `packet-end`: the bytes of a packet and their end.
 * - `slot`, `global`: a stack variable, of this function or a caller; a global variable.
 * - `record`: reserved in a ring buffer.
 * - `any`: one of these, not known which.
 */
export type Pointee =
  | `ctx(${string})`
  | `trusted(${string})`
  | `struct(${string})`
  | "map"
  | "map-value"
  | "socket"
  | "packet"
  | "packet-end"
  | "slot"
  | "global"
  | "record"
  | "any";
export type Pointer = `ptr ${Pointee}`;
export type Type = "w32" | "w64" | Pointer;

export const ANY_POINTER = "ptr any";
export const isPointer = (type: Type): type is Pointer => type !== "w32" && type !== "w64";

/** Pointees without parentheses. */
export const PLAIN_POINTEES = {
  map: true,
  "map-value": true,
  socket: true,
  packet: true,
  "packet-end": true,
  slot: true,
  global: true,
  record: true,
  any: true,
} as const satisfies Record<Exclude<Pointee, `${string}(${string})`>, true>;
/** Pointees with something in parentheses. */
export const NAMED_POINTEES = { ctx: true, trusted: true, struct: true } as const;

const CONTEXT = /^ptr ctx\((.*)\)$/;
export const contextType = <T extends string>(programType: T): `ptr ctx(${T})` => `ptr ctx(${programType})`;
/** The program type of the context that a pointer of this type leads to; undefined for any other type. */
export const contextOf = (type: Type): string | undefined =>
  type.startsWith("ptr ctx") ? CONTEXT.exec(type)?.[1] : undefined;

/** Whether a value of type `from` may stand where `to` is expected. */
export const fits = (from: Type, to: Type): boolean => from === to || (to === ANY_POINTER && isPointer(from));
/** The type of what may be either; undefined where nothing may be both. */
export const either = (a: Type, b: Type): Type | undefined =>
  a === b ? a : isPointer(a) && isPointer(b) ? ANY_POINTER : undefined;

/** Where what a helper returns leads to; absent: it is no pointer. */
export const RESULT_POINTERS = {
  integer: undefined,
  void: undefined,
  value: "ptr map-value",
  "value-or-null": "ptr map-value",
  "socket-or-null": "ptr socket",
  "sock-common-or-null": "ptr socket",
  "tcp-sock-or-null": "ptr socket",
  // Nobody else has it until it is submitted, and then the program has it no longer.
  "ringbuf-or-null": "ptr record",
  "dynptr-mem-or-null": ANY_POINTER,
  btf: ANY_POINTER,
  "btf-or-null": ANY_POINTER,
} as const satisfies Record<ReturnKind, Pointer | undefined>;

/** The type of what a kernel function returns; undefined: nothing. */
export function kfuncResult({ returns, trusted }: Kfunc): Type | undefined {
  if (returns === "void") return undefined;
  if (returns === "number" || returns === "boolean") return "w64";
  if (trusted !== undefined) return `ptr trusted(${trusted})`;
  return returns === "void*" || "iterator" in returns ? ANY_POINTER : `ptr struct(${returns.struct})`;
}

/** Where pointers in the context lead to. */
export const FIELD_POINTERS = {
  socket: "ptr socket",
  "socket-or-null": "ptr socket",
  packet: "ptr packet",
  "packet-end": "ptr packet-end",
} as const satisfies Record<NonNullable<ContextField["pointer"]>, Pointer>;
