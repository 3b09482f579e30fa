/** Which memory instructions touch: their pointers' types say what kind, where the pointers come from which of it. */
import type { Changes } from "../bpf/helpers.ts";
import { contextFieldAt, hasContextFields } from "../bpf/kinds/index.ts";
import { edges, type Call, type Func, type Value } from "../ir/ir.ts";
import { ANY_POINTER, contextOf, FIELD_POINTERS, isPointer, type Pointee, type Type } from "../ir/types.ts";
import { definitions, operands, visitUses } from "../ir/walk.ts";
import { originOf } from "./pointers.ts";

/**
 * Kinds of memory. Two different kinds never overlap, except `unknown` with all but private slots, and the context with a socket: some
 * of its fields are the socket's, read by the kernel for the program.
 */
export type Region =
  "context" | "slot" | "global" | "constant" | "map-value" | "socket" | "packet" | "record" | "unknown";

/** The memory that a type of pointer leads to. What the kernel's structs hold is reached in other ways too. */
const REGIONS = {
  map: "unknown",
  "map-value": "map-value",
  socket: "socket",
  packet: "packet",
  "packet-end": "packet",
  slot: "slot",
  global: "global",
  record: "record",
  any: "unknown",
} as const satisfies Record<Exclude<Pointee, `${string}(${string})`>, Region>;

function regionOf(type: Type): Region {
  if (contextOf(type) !== undefined) return "context";
  const pointee = type.slice("ptr ".length);
  return isPointer(type) && Object.hasOwn(REGIONS, pointee) ? REGIONS[pointee as keyof typeof REGIONS] : "unknown";
}

export interface Place {
  readonly region: Region;
  /** Same root, same memory; where it is `named`, different roots are different memory. */
  readonly root: number | string;
  /** A variable itself, or the context, not a pointer that may lead to any of its kind. */
  readonly named: boolean;
  /** From the root; undefined: anywhere in it. */
  readonly offset: number | undefined;
  /** The program type whose context it is. */
  readonly context?: string;
}

export interface Memory {
  readonly placeOf: (base: Value, offset: number) => Place;
  /** Whether a slot's address is used for more than reaching its memory: pointers of unknown origin may then point into it. */
  readonly escapes: (slot: number) => boolean;
  /** Whether writing the one place may change what is read at the other. */
  readonly overlap: (written: Place, writtenBytes: number, read: Place, readBytes: number) => boolean;
}

export interface MemoryOptions {
  /** Whether a global lies in read-only memory; absent: none does. */
  readonly isConstant?: (global: string) => boolean;
}

/** A program has one context, and nobody adds to its address. */
const CONTEXT_ROOT = "the context";

/**
 * Whether nobody has the pointers that a call was given when it is over. Helpers forget them; functions have no way to store a
 * pointer, but may give one back.
 */
export const forgetsArguments = ({ target, result }: Call): boolean =>
  target.kind === "helper" ||
  (target.kind === "function" && result?.type !== "ptr slot" && result?.type !== ANY_POINTER);

/** Where a function's pointers lead. */
export function memoryOf(func: Func, options: MemoryOptions = {}): Memory {
  const { isConstant = () => false } = options;
  const made = definitions(func);
  const escaped = new Set<number>();
  const escape = (value: Value): void => {
    const { made: inst, root } = originOf(value, made);
    if (inst?.kind === "slot") escaped.add(root.id);
  };
  for (const block of func.blocks) {
    for (const inst of block.insts) {
      // What calls write is accounted for at the call.
      if ((inst.kind === "call" && forgetsArguments(inst)) || inst.kind === "ptradd") continue;
      if (inst.kind === "store") escape(inst.value);
      else if (!["load", "zero", "copy", "compare", "atomic"].includes(inst.kind)) operands(inst).forEach(escape);
    }
    for (const edge of edges(block.end)) edge.args.forEach(escape);
    if (block.end.kind === "return") visitUses({ ...block, insts: [] }, escape);
  }
  const placeOf = (base: Value, offset: number): Place => {
    const { root, made: inst, offset: from } = originOf(base, made);
    const at = from === undefined ? undefined : from + offset;
    const context = contextOf(root.type);
    if (context !== undefined) return { region: "context", root: CONTEXT_ROOT, named: true, offset: at, context };
    if (inst?.kind === "slot") return { region: "slot", root: root.id, named: true, offset: at };
    if (inst?.kind === "global")
      return {
        region: isConstant(inst.name) ? "constant" : "global",
        root: `global ${inst.name}`,
        named: true,
        offset: at,
      };
    return { region: regionOf(root.type), root: root.id, named: false, offset: at };
  };
  const overlap = (a: Place, aBytes: number, b: Place, bBytes: number): boolean => {
    if (a.root === b.root) {
      if (a.offset === undefined || b.offset === undefined) return true;
      return a.offset < b.offset + bBytes && b.offset < a.offset + aBytes;
    }
    if (a.region === "constant" || b.region === "constant") return false;
    const far = (p: Place): boolean => p.region === "slot" && p.named && !escaped.has(p.root as number);
    // The program has no way to write the context but its own pointer; what it writes there it may read in the socket.
    if (b.region === "context") return false;
    if (a.region === "context") return b.region === "socket" || b.region === "unknown";
    if (a.region === "unknown") return !far(b);
    if (b.region === "unknown") return !far(a);
    // Two lookups may have found the same value, two ways have led to the same socket, a caller has given the same variable twice.
    return a.region === b.region && !(a.named && b.named) && !far(a) && !far(b);
  };
  return { placeOf, escapes: (slot) => escaped.has(slot), overlap };
}

/** What changes a place in the context: the socket or the packet that it shows; undefined where there is no table of its fields. */
export function contextChangedBy({ context, offset }: Place): readonly Changes[] | undefined {
  if (context === undefined) return undefined;
  const field = offset === undefined ? undefined : contextFieldAt(context, offset);
  if (!field) return hasContextFields(context) ? ["socket", "packet"] : undefined;
  if (field.stable) return [];
  return field.pointer && regionOf(FIELD_POINTERS[field.pointer]) === "packet" ? ["packet"] : ["socket"];
}
