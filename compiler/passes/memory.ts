/** Which memory instructions touch, by where their pointers come from. */
import { HELPERS, type ArgKind, type Helper } from "../bpf/helpers.ts";
import { SOCK_OPS_FIELDS, type ContextField } from "../bpf/sock-ops.ts";
import { edges, type Func, type Inst, type Value } from "../ir/ir.ts";
import { definitions, operands, visitUses } from "../ir/walk.ts";
import { originOf } from "./pointers.ts";

/** Kinds of memory; two different kinds never overlap, except `unknown` with all but the context and private slots. */
export type Region = "context" | "slot" | "global" | "constant" | "map-value" | "unknown";

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
  readonly overlap: (a: Place, aBytes: number, b: Place, bBytes: number) => boolean;
}

export function memoryOf(func: Func, isConstant: (global: string) => boolean): Memory {
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
      if (inst.kind === "call" || inst.kind === "ptradd") continue;
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
    if (inst?.kind === "call") return { region: "map-value", root: root.id, offset: at };
    return { region: "unknown", root: root.id, offset: at };
  };
  const overlap = (a: Place, aBytes: number, b: Place, bBytes: number): boolean => {
    if (a.root === b.root) {
      if (a.offset === undefined || b.offset === undefined) return true;
      return a.offset < b.offset + bBytes && b.offset < a.offset + aBytes;
    }
    if (a.region === "constant" || b.region === "constant") return false;
    const far = (p: Place): boolean =>
      p.region === "context" || (p.region === "slot" && !escaped.has(p.root as number));
    if (a.region === "unknown") return !far(b);
    if (b.region === "unknown") return !far(a);
    // Two lookups may have found the same value.
    return a.region === "map-value" && b.region === "map-value";
  };
  return { placeOf, escapes: (slot) => escaped.has(slot), overlap };
}

/** Offsets of context words that no call changes. */
const STABLE: ReadonlySet<number> = new Set(
  Object.values(SOCK_OPS_FIELDS as Record<string, ContextField>).flatMap((field) =>
    field.stable ? Array.from({ length: field.count ?? 1 }, (_, at) => field.offset + at * field.bytes) : [],
  ),
);

export const helperOf = (inst: Extract<Inst, { kind: "call" }>): Helper | undefined =>
  (HELPERS as Record<string, Helper>)[inst.helper];

/** Whether the helper may read (or write) the memory of this argument. */
export const argumentAccess = (kind: ArgKind | undefined): { reads: boolean; writes: boolean } => {
  if (kind === undefined) return { reads: true, writes: true };
  if (typeof kind === "object") return { reads: kind.access !== "out", writes: kind.access !== "in" };
  switch (kind) {
    case "mem-out":
    case "value-out":
      return { reads: false, writes: true };
    case "mem-inout":
    case "mem-inout-or-null":
      return { reads: true, writes: true };
    case "key":
    case "value":
    case "value-or-null":
    case "mem":
    case "mem-or-null":
    case "const-str":
      return { reads: true, writes: false };
    case "any":
    case "ctx":
    case "ctx-or-null":
    case "map":
    case "size":
    case "size-or-zero":
    case "alloc-size":
    case "scalar":
    case "sock-common":
    case "socket-or-null":
    case "btf-sock":
    case "btf-sock-or-null":
      return { reads: false, writes: false };
    default:
      return { reads: true, writes: true };
  }
};

/** Whether a call may change what lies at a place. */
export function callChanges(
  inst: Extract<Inst, { kind: "call" }>,
  place: Place,
  bytes: number,
  memory: Memory,
): boolean {
  if (place.region === "constant") return false;
  const helper = helperOf(inst);
  if (!helper) return true;
  if (place.region === "context") {
    if (place.offset !== undefined && STABLE.has(place.offset)) return false;
    return helper.changes?.includes("socket") ?? false;
  }
  if (
    helper.changes?.includes("maps") &&
    (place.region === "map-value" || place.region === "global" || place.region === "unknown")
  )
    return true;
  return inst.args.some(
    (arg, at) =>
      arg.type === "ptr" &&
      argumentAccess(helper.args[at]).writes &&
      memory.overlap(memory.placeOf(arg, 0), Infinity, place, bytes),
  );
}
