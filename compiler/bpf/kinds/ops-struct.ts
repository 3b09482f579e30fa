/** What there is to know of one struct of functions that the kernel takes from programs (struct_ops): the shape of its row. */
import type { HelperName } from "../helpers.ts";
import type { ExtractedStruct } from "../kernel-types.ts";
import type { Feature } from "../kernels.ts";
import type { SeenStruct } from "../tcp-sock-members.ts";
import type { Version } from "../verifier-rules.ts";

/** An argument: a pointer that the kernel vouches for, or a number of so many bytes. */
export type OpArgument = { readonly struct: SeenStruct } | { readonly bytes: 1 | 4; readonly signed?: true };
export interface OpMember {
  /** The kernel's name. */
  readonly member: string;
  readonly args: readonly OpArgument[];
  /** `success`: 0, or a negative errno; true or false in the language. */
  readonly returns?: "number" | "success";
  /** The first version of Linux in which it is called so. */
  readonly since?: Version;
  /** Helpers that it may not call although others of its struct may. */
  readonly forbids?: readonly HelperName[];
}

/** Where programs may store into a struct of the kernel's. */
export interface WritablePlaces {
  /** Members, from their beginning on. */
  readonly members: readonly string[];
  /** Those of them that may be written anywhere inside. */
  readonly anywhere?: readonly string[];
}

export interface OpsStruct {
  /** What a kernel must have that takes it. */
  readonly needs: Feature;
  /** Its functions, by the names of the handlers. */
  readonly members: Readonly<Record<string, OpMember>>;
  /** Handlers without which the kernel refuses it: one of each list. */
  readonly needed: readonly (readonly string[])[];
  /** Helpers that its functions may call besides those of every kind. */
  readonly helpers: readonly HelperName[];
  /** The member `name`, by which it is chosen: what it is the name of, for people; its bytes, with a final zero. */
  readonly named: { readonly what: string; readonly bytes: number };
  /** By the kernel's struct; all others are read only. */
  readonly writes: { readonly [S in ExtractedStruct]?: WritablePlaces };
}
