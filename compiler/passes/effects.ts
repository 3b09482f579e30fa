/** What calls do to memory: a table by kind of memory, and what each helper's row says (compiler/bpf/helpers.ts). */
import { kfunc, type Kfunc } from "../bpf/kfuncs.ts";
import { HELPERS, type ArgKind, type Changes, type Helper } from "../bpf/helpers.ts";
import type { Call } from "../ir/ir.ts";
import { contextOf, isPointer } from "../ir/types.ts";
import { contextChangedBy, type Memory, type Place, type Region } from "./memory.ts";

/** Which of the things that a helper may change lie in which memory. What has none changes only through arguments. */
const CHANGED_BY: Readonly<Record<Exclude<Region, "context">, readonly Changes[]>> = {
  slot: [],
  global: ["maps"],
  constant: [],
  "map-value": ["maps"],
  socket: ["socket"],
  packet: ["packet"],
  record: [],
  unknown: ["maps", "socket", "packet"],
};

/** The row of the helper that is called; undefined for calls of anything else. */
export const helperOf = ({ target }: Call): Helper | undefined =>
  target.kind === "helper" ? HELPERS[target.name] : undefined;

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

/** A kernel function may change what its row says, and whatever is given to it but the context. */
function kfuncChanges({ changes = [] }: Kfunc, { args }: Call, place: Place, bytes: number, memory: Memory): boolean {
  if (place.region === "constant") return false;
  const changedBy = place.region === "context" ? contextChangedBy(place) : CHANGED_BY[place.region];
  if (!changedBy || changes.some((what) => changedBy.includes(what))) return true;
  return args.some(
    (arg) =>
      isPointer(arg.type) &&
      contextOf(arg.type) === undefined &&
      memory.overlap(memory.placeOf(arg, 0), Infinity, place, bytes),
  );
}

/** Whether a call may change what lies at a place. */
export function callChanges(inst: Call, place: Place, bytes: number, memory: Memory): boolean {
  if (inst.target.kind === "kfunc") return kfuncChanges(kfunc(inst.target.name), inst, place, bytes, memory);
  const helper = helperOf(inst);
  const changedBy = place.region === "context" ? contextChangedBy(place) : CHANGED_BY[place.region];
  if (place.region === "constant" || (place.region === "context" && changedBy?.length === 0)) return false;
  // A function may do anything to what it can reach: what it is given, wherever in it the pointer leads to, and what is not the caller's alone.
  if (!helper)
    return (
      !(place.region === "slot" && place.named && !memory.escapes(place.root as number)) ||
      inst.args.some((arg) => isPointer(arg.type) && memory.placeOf(arg, 0).root === place.root)
    );
  // A context that there is no table of may be changed by whatever is given it.
  if (!changedBy) return helper.changes !== undefined || (helper.effect === "writes" && helper.args.includes("ctx"));
  if (helper.changes?.some((what) => changedBy.includes(what))) return true;
  return inst.args.some(
    (arg, at) =>
      isPointer(arg.type) &&
      argumentAccess(helper.args[at]).writes &&
      memory.overlap(memory.placeOf(arg, 0), Infinity, place, bytes),
  );
}
