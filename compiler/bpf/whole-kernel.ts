/**
 * One kernel's types as a whole, where they are at hand (BTF): what objects of other compilers are judged by, which look into any struct and call
 * any function.
 */

/** What a load through a pointer to a struct meets (btf_struct_walk of kernel/bpf/btf.c). */
export type Walked =
  | { readonly kind: "number" }
  | {
      readonly kind: "pointer";
      readonly to: string;
      /** The member, and the struct that it is of. */
      readonly member: string;
      readonly of: string;
      /** Marks in the kernel's source, where its compiler kept them. */
      readonly mark?: "user" | "percpu" | "rcu";
      /** On the way lies a union of several members: nobody knows which of them is there. */
      readonly union: boolean;
    }
  | { readonly kind: "wrong"; readonly message: string };

/** A parameter or result of a function of the kernel. */
export type FunctionType =
  | { readonly kind: "void" }
  | { readonly kind: "number"; readonly bytes: number }
  | {
      readonly kind: "struct";
      readonly name: string;
      /** Nothing but numbers is in it. */ readonly numbers: boolean;
      readonly bytes: number;
    }
  /** To numbers, or to anything (0 bytes: void). */
  | { readonly kind: "memory"; readonly bytes: number }
  | { readonly kind: "other" };
export interface KernelFunction {
  readonly params: readonly { readonly name: string; readonly type: FunctionType }[];
  readonly returns: FunctionType;
}

export interface WholeKernel {
  /** What lies at the bytes of a struct. */
  readonly walk: (struct: string, off: number, size: number) => Walked;
  /** Whether a struct of the wanted name lies at these bytes of the struct, or is the struct. */
  readonly liesAt: (struct: string, off: number, wanted: string) => boolean;
  readonly function: (name: string) => KernelFunction | undefined;
  /** What a tracepoint hands to programs ("tp_btf/NAME"). */
  readonly tracepoint: (name: string) => KernelFunction | undefined;
}
