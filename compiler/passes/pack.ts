/** Stack variables that are written in parts and read whole, or the other way, become words that shifts and masks compose. */
import { edges, type Func, type Inst, type Type, type Value } from "../ir/ir.ts";
import { isPointer } from "../ir/types.ts";
import type { AccessBytes } from "../bpf/opcodes.ts";
import { freshValues, operands, visitUses } from "../ir/walk.ts";
import { slotAlignment } from "../ir/slot-alignment.ts";
import type { Pass } from "./pass.ts";

export const pack: Pass = {
  name: "pack",
  why: "An option's few bytes are composed in a register and stored into the reply at once, instead of on the stack first.",
  needs: ["no-loops", "no-memory-ops"],
  run: packSlots,
};

/** More parts than this cost more to compose than to store. */
const MAX_PARTS = 3;

interface Unit {
  readonly offset: number;
  readonly bytes: AccessBytes;
}
type Access = Extract<Inst, { kind: "load" | "store" }>;

export function packSlots(func: Func): Func {
  const slots = new Map<number, Extract<Inst, { kind: "slot" }>>();
  const accesses = new Map<number, Access[]>();
  const unfit = new Set<number>();
  for (const block of func.blocks)
    for (const inst of block.insts) {
      if (inst.kind !== "slot") continue;
      slots.set(inst.result.id, inst);
      accesses.set(inst.result.id, []);
    }
  for (const block of func.blocks) {
    for (const inst of block.insts) {
      const access = inst.kind === "load" || inst.kind === "store";
      for (const used of operands(inst)) {
        if (!slots.has(used.id)) continue;
        const whole = inst.kind === "load" ? inst.result : inst.kind === "store" ? inst.value : used;
        if (!access || whole.id === used.id || isPointer(whole.type)) unfit.add(used.id);
        else accesses.get(used.id)!.push(inst);
      }
    }
    for (const edge of edges(block.end)) for (const arg of edge.args) unfit.add(arg.id);
    visitUses({ ...block, insts: [] }, (used) => void unfit.add(used.id));
  }
  const units = new Map<number, readonly Unit[]>();
  for (const [id, slot] of slots) {
    if (unfit.has(id)) continue;
    const found = unitsOf(accesses.get(id)!, slot.size, slotAlignment(slot.size, slot.align));
    if (found) units.set(id, found);
  }
  if (units.size === 0) return func;
  const value = freshValues(func);
  return {
    ...func,
    blocks: func.blocks.map((block) => ({
      ...block,
      insts: block.insts.flatMap((inst) => {
        if (inst.kind !== "load" && inst.kind !== "store") return [inst];
        const unit = units.get(inst.base.id)?.find((u) => u.offset <= inst.offset && inst.offset < u.offset + u.bytes);
        return unit && unit.bytes !== inst.bytes ? throughUnit(inst, unit, value) : [inst];
      }),
    })),
  };
}

/** The words that hold what is accessed, or undefined when every access fits already or composing is not worth it. */
function unitsOf(list: readonly Access[], size: number, align: number): Unit[] | undefined {
  const ranges = list.map((a) => ({ start: a.offset, end: a.offset + a.bytes })).sort((a, b) => a.start - b.start);
  const clusters: { start: number; end: number }[] = [];
  for (const range of ranges) {
    const last = clusters.at(-1);
    if (last && range.start < last.end) last.end = Math.max(last.end, range.end);
    else clusters.push({ ...range });
  }
  const units: Unit[] = [];
  let mixed = false;
  for (const cluster of clusters) {
    const bytes = ([1, 2, 4, 8] as const).find(
      (b) => b <= align && Math.floor(cluster.start / b) * b + b >= cluster.end,
    );
    if (bytes === undefined) return undefined;
    const offset = Math.floor(cluster.start / bytes) * bytes;
    if (offset + bytes > size) return undefined;
    const inside = list.filter((a) => a.offset >= offset && a.offset < offset + bytes);
    const parts = new Set(inside.filter((a) => a.bytes !== bytes && a.kind === "store").map((a) => a.offset));
    const writes = inside.filter((a) => a.bytes !== bytes && a.kind === "store");
    if (parts.size > MAX_PARTS || writes.length > 2 * MAX_PARTS) return undefined;
    if (inside.some((a) => a.bytes !== bytes)) mixed = true;
    units.push({ offset, bytes });
  }
  const apart = units.every((unit, at) => at === 0 || units[at - 1]!.offset + units[at - 1]!.bytes <= unit.offset);
  return mixed && apart ? units : undefined;
}

/** A narrow access as one of the whole word. */
function throughUnit(inst: Access, unit: Unit, value: (type: Type) => Value): Inst[] {
  const { span, base } = inst;
  const type: Type = unit.bytes === 8 ? "w64" : "w32";
  const out: Inst[] = [];
  const constant = (number: bigint): Value => {
    const result = value(type);
    out.push({ kind: "const", result, value: number, span });
    return result;
  };
  const binary = (op: "and" | "or" | "shl" | "lshr", left: Value, right: Value): Value => {
    const result = value(type);
    out.push({ kind: "binary", op, left, right, result, span });
    return result;
  };
  const ones = (1n << BigInt(8 * unit.bytes)) - 1n;
  const shift = BigInt(8 * (inst.offset - unit.offset));
  const mask = (1n << BigInt(8 * inst.bytes)) - 1n;
  const whole = value(type);
  out.push({ kind: "load", result: whole, bytes: unit.bytes, base, offset: unit.offset, span });
  if (inst.kind === "load") {
    const shifted = binary("lshr", whole, constant(shift));
    if (type === "w32") {
      out.push({ kind: "binary", op: "and", left: shifted, right: constant(mask), result: inst.result, span });
    } else {
      const kept = binary("and", shifted, constant(mask));
      out.push({ kind: "unary", op: "trunc", value: kept, result: inst.result, span });
    }
    return out;
  }
  let part = inst.value;
  if (type === "w64") {
    part = value("w64");
    out.push({ kind: "unary", op: "zext", value: inst.value, result: part, span });
  }
  const placed = binary("shl", binary("and", part, constant(mask)), constant(shift));
  const kept = binary("and", whole, constant(ones & ~(mask << shift)));
  out.push({ kind: "store", bytes: unit.bytes, base, offset: unit.offset, value: binary("or", kept, placed), span });
  return out;
}
