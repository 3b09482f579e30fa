/** Which memory instructions touch, by where their pointers come from. */
import type { Changes, ReturnKind } from "../bpf/helpers.ts";
import { HELPERS } from "../bpf/helpers.ts";
import { contextFieldAt, hasContextFields, type ContextField } from "../bpf/kinds/index.ts";
import { edges, type Func, type Inst, type Value } from "../ir/ir.ts";
import { definitions, operands, visitUses } from "../ir/walk.ts";
import { originOf } from "./pointers.ts";

/**
 * Kinds of memory. Two different kinds never overlap, except `unknown` with all but private slots, and the context with a socket: some
 * of its fields are the socket's, read by the kernel for the program.
 */
export type Region =
  "context" | "slot" | "global" | "constant" | "map-value" | "socket" | "packet" | "record" | "unknown";

/** What a pointer that a helper gives points into. */
const RESULTS: Readonly<Record<ReturnKind, Region>> = {
  integer: "unknown",
  void: "unknown",
  value: "map-value",
  "value-or-null": "map-value",
  "socket-or-null": "socket",
  "sock-common-or-null": "socket",
  "tcp-sock-or-null": "socket",
  // Reserved in a ring buffer: nobody else has it until it is submitted, and then the program has it no longer.
  "ringbuf-or-null": "record",
  "dynptr-mem-or-null": "unknown",
  btf: "unknown",
  "btf-or-null": "unknown",
};
const CONTEXT_POINTERS: Readonly<Record<NonNullable<ContextField["pointer"]>, Region>> = {
  socket: "socket",
  "socket-or-null": "socket",
  packet: "packet",
  "packet-end": "packet",
};

export interface Place {
  readonly region: Region;
  /** Same root, same memory; for the context, slots and globals different roots are different memory. */
  readonly root: number | string;
  /** From the root; undefined: anywhere in it. */
  readonly offset: number | undefined;
}

export interface Memory {
  readonly placeOf: (base: Value, offset: number) => Place;
  /** Whether a slot's address is used for more than reaching its memory: pointers of unknown origin may then point into it. */
  readonly escapes: (slot: number) => boolean;
  /** Whether writing the one place may change what is read at the other. */
  readonly overlap: (written: Place, writtenBytes: number, read: Place, readBytes: number) => boolean;
  /** What changes a place in the context: the socket or the packet that it shows; undefined where there is no table of its fields. */
  readonly contextChangedBy: (place: Place) => readonly Changes[] | undefined;
}

export interface MemoryOptions {
  /** Type of the program; absent: nothing is known of its context. */
  readonly programType?: string;
  /** Whether a global lies in read-only memory; absent: none does. */
  readonly isConstant?: (global: string) => boolean;
}

/** Where a function's pointers lead. */
export function memoryOf(func: Func, options: MemoryOptions = {}): Memory {
  const { programType = "", isConstant = () => false } = options;
  const made = definitions(func);
  const context = func.params[0]?.id;
  const escaped = new Set<number>();
  const escape = (value: Value): void => {
    const { made: inst, root } = originOf(value, made);
    if (inst?.kind === "slot") escaped.add(root.id);
  };
  for (const block of func.blocks) {
    for (const inst of block.insts) {
      // Helpers forget the pointers given to them, and what they write is accounted for at the call.
      if ((inst.kind === "call" && inst.target.kind === "helper") || inst.kind === "ptradd") continue;
      if (inst.kind === "store") escape(inst.value);
      else if (!["load", "zero", "copy", "compare", "atomic"].includes(inst.kind)) operands(inst).forEach(escape);
    }
    for (const edge of edges(block.end)) edge.args.forEach(escape);
    if (block.end.kind === "return") visitUses({ ...block, insts: [] }, escape);
  }
  const placeOf = (base: Value, offset: number): Place => {
    const { root, made: inst, offset: from } = originOf(base, made);
    const at = from === undefined ? undefined : from + offset;
    if (root.id === context) return { region: "context", root: root.id, offset: at };
    if (inst?.kind === "slot") return { region: "slot", root: root.id, offset: at };
    if (inst?.kind === "global")
      return { region: isConstant(inst.name) ? "constant" : "global", root: inst.name, offset: at };
    const region = inst?.kind === "call" ? resultRegion(inst) : inst?.kind === "load" ? loadedRegion(inst) : "unknown";
    return { region, root: root.id, offset: at };
  };
  const resultRegion = (call: Extract<Inst, { kind: "call" }>): Region => {
    const { target } = call;
    return target.kind === "helper" ? RESULTS[HELPERS[target.name].returns] : "unknown";
  };
  /** A pointer from the context says what it points into; one from other memory does not. */
  const loadedRegion = (load: Extract<Inst, { kind: "load" }>): Region => {
    const pointer = load.base.id === context ? contextFieldAt(programType, load.offset)?.pointer : undefined;
    return pointer ? CONTEXT_POINTERS[pointer] : "unknown";
  };
  const contextChangedBy = (place: Place): readonly Changes[] | undefined => {
    const field = place.offset === undefined ? undefined : contextFieldAt(programType, place.offset);
    if (!field) return hasContextFields(programType) ? ["socket", "packet"] : undefined;
    if (field.stable) return [];
    return field.pointer && CONTEXT_POINTERS[field.pointer] === "packet" ? ["packet"] : ["socket"];
  };
  const overlap = (a: Place, aBytes: number, b: Place, bBytes: number): boolean => {
    if (a.root === b.root) {
      if (a.offset === undefined || b.offset === undefined) return true;
      return a.offset < b.offset + bBytes && b.offset < a.offset + aBytes;
    }
    if (a.region === "constant" || b.region === "constant") return false;
    const far = (p: Place): boolean => p.region === "slot" && !escaped.has(p.root as number);
    // The program has no way to write the context but its own pointer; what it writes there it may read in the socket.
    if (b.region === "context") return false;
    if (a.region === "context") return b.region === "socket" || b.region === "unknown";
    if (a.region === "unknown") return !far(b);
    if (b.region === "unknown") return !far(a);
    // Two lookups may have found the same value, two ways have led to the same socket.
    return a.region === b.region && a.region !== "slot" && a.region !== "global";
  };
  return { placeOf, escapes: (slot) => escaped.has(slot), overlap, contextChangedBy };
}
