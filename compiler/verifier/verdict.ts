/** How a verification ends early: rejected for a reason, or unable to tell. Thrown inside the verifier, never out of it. */

/** The kinds of rules that programs break. Messages change between releases of the kernel, kinds do not. */
export type Category =
  | "uninit-reg"
  | "ref-leak"
  | "iterator"
  | "infinite-loop"
  | "too-complex"
  | "null-check"
  | "helper-arg"
  | "align"
  | "ptr-arith"
  | "packet-bounds"
  | "ctx-access"
  | "stack-oob"
  | "map-perm"
  | "map-bounds"
  | "sock-access"
  | "struct-offset"
  | "scalar-deref"
  | "encoding"
  | "fd"
  | "unreachable/cfg"
  | "other";

export interface Rejected {
  readonly kind: "rejected";
  readonly category: Category;
  /** In the words of the kernel's log. */
  readonly message: string;
  /** The register whose content breaks the rule. */
  readonly register?: number;
  /** Found before or after the walk over the paths: the instruction, or "none" if no single one is to blame. */
  readonly insn?: number | "none";
}
export interface Unsupported {
  readonly kind: "unsupported";
  /** What this verifier does not know. */
  readonly feature: string;
}

/** Ends the verification: the kernel would reject. */
export function reject(category: Category, message: string, register?: number): never {
  // eslint-disable-next-line @typescript-eslint/only-throw-error -- a verdict is no error, and needs no stack
  throw { kind: "rejected", category, message, ...(register === undefined ? {} : { register }) } satisfies Rejected;
}
/** Ends the verification before or after the walk over the paths. */
export function rejectAt(category: Category, insn: number | "none", message: string): never {
  // eslint-disable-next-line @typescript-eslint/only-throw-error -- a verdict is no error, and needs no stack
  throw { kind: "rejected", category, message, insn } satisfies Rejected;
}
/** Ends the verification: whether the kernel would accept is not known. */
export function unsupported(feature: string): never {
  // eslint-disable-next-line @typescript-eslint/only-throw-error -- a verdict is no error, and needs no stack
  throw { kind: "unsupported", feature } satisfies Unsupported;
}
export function isVerdict(thrown: unknown): thrown is Rejected | Unsupported {
  const kind = (thrown as { kind?: unknown } | null)?.kind;
  return kind === "rejected" || kind === "unsupported";
}
