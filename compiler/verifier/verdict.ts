/** How a verification ends early: rejected for a reason, or unable to tell. Thrown inside the verifier, never out of it. */

/** Which message belongs to which kind of broken rule; the first that fits. Wording changes between kernel releases, kinds do not. */
const CATEGORIES = [
  ["uninit-reg", /!read_ok/],
  [
    "ref-leak",
    /reference leak|must be referenced|Unreleased reference|has not been acquired|cannot be mixed with socket references/,
  ],
  ["infinite-loop", /infinite loop/],
  ["too-complex", /too complex|is too large\. Processed/],
  ["null-check", /_or_null|null-check it first/],
  ["helper-arg", /^helper access to the packet/],
  ["align", /^misaligned/],
  ["ptr-arith", /between ctx pointer/],
  ["other", /combined stack size|frames is too deep|stack frame of the caller$|middle of ldimm64/],
  ["packet-bounds", /packet|\bpkt\b|pkt_/],
  ["ctx-access", /bpf_context|\bctx\b/],
  [
    "ptr-arith",
    /pointer \S+ pointer|R\d+ \S+ pointer arithmetic|pointer arithmetic on (sock|tcp_sock|map_ptr|xdp_sock)/,
  ],
  [
    "ptr-arith",
    /subtract pointer from scalar|bitwise operator|pointer arithmetic with|same insn cannot|pointer comparison/,
  ],
  ["stack-oob", /stack|\bfp\b pointer|fp and|frame pointer is read only|between fp/],
  ["map-perm", /(map|key) forbidden|write into map|read from map|cannot write into/],
  ["align", /^misaligned/],
  ["sock-access", /invalid (sock|sock_common|tcp_sock|xdp_sock) access/],
  ["scalar-deref", /invalid mem access 'scalar'/],
  ["helper-arg", /zero-sized|expected=|helper|not a known constant|leaks addr into/],
  ["map-bounds", /map_value|memory range|unbounded memory|min value is negative|map value/],
  ["ptr-arith", /pointer arithmetic/],
  ["encoding", /reserved fields|unknown opcode|is invalid$|div by zero|invalid shift/],
  ["fd", /^fd /],
  ["unreachable/cfg", /unreachable insn|jump out of range|last insn is not|invalid destination|middle of ldimm64/],
] as const satisfies readonly (readonly [string, RegExp])[];
export type Category = (typeof CATEGORIES)[number][0];

/** The kind of rule that a message of the verifier is about. */
export function categoryOf(message: string): Category {
  return CATEGORIES.find(([, pattern]) => pattern.test(message))?.[0] ?? "other";
}

export interface Rejected {
  readonly kind: "rejected";
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
export function reject(message: string, register?: number): never {
  // eslint-disable-next-line @typescript-eslint/only-throw-error -- a verdict is no error, and needs no stack
  throw { kind: "rejected", message, ...(register === undefined ? {} : { register }) } satisfies Rejected;
}
/** Ends the verification before or after the walk over the paths. */
export function rejectAt(insn: number | "none", message: string): never {
  // eslint-disable-next-line @typescript-eslint/only-throw-error -- a verdict is no error, and needs no stack
  throw { kind: "rejected", message, insn } satisfies Rejected;
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
