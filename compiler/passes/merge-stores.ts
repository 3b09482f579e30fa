/** Stores of constants next to each other become one wider store. */
import type { AccessBytes } from "../bpf/opcodes.ts";
import type { Func, Inst, Type, Value } from "../ir/ir.ts";
import { definitions, freshValues } from "../ir/walk.ts";
import { pieces } from "../ir/pieces.ts";
import { memoryOf, type Memory, type Place } from "./memory.ts";
import type { Pass } from "./pass.ts";
import { alignmentOf } from "./pointers.ts";

export const mergeStores: Pass = {
  name: "merge-stores",
  why: "Fields that are set to constants one by one, and the zeros between them, fit into fewer, wider stores.",
  run: mergeConstantStores,
};

interface Group {
  readonly base: Value;
  readonly place: Place;
  /** Constant bytes by offset from `base`. */
  readonly bytes: Map<number, { value: number; span: Inst["span"] }>;
  /** Constant stores that were collected: with one there is nothing to merge. */
  readonly stores: Extract<Inst, { kind: "store" | "zero" }>[];
}

export function mergeConstantStores(func: Func): Func {
  const made = definitions(func);
  const memory = memoryOf(func);
  const value = freshValues(func);
  const constantOf = (v: Value): bigint | undefined => {
    const inst = made.get(v.id);
    return inst?.kind === "const" ? inst.value : undefined;
  };
  return {
    ...func,
    blocks: func.blocks.map((block) => {
      const out: Inst[] = [];
      let groups: Group[] = [];
      const flush = (which: (group: Group) => boolean): void => {
        for (const group of groups) if (which(group)) out.push(...write(group, alignmentOf(group.base, made), value));
        groups = groups.filter((group) => !which(group));
      };
      for (const inst of block.insts) {
        if (inst.kind === "store" || inst.kind === "zero") {
          const place = memory.placeOf(inst.base, inst.offset);
          const constant = inst.kind === "zero" ? 0n : constantOf(inst.value);
          const mergeable =
            place.offset !== undefined &&
            (place.region === "slot" || place.region === "map-value" || place.region === "global");
          if (constant === undefined || !mergeable) {
            flush((group) =>
              group.base.id === inst.base.id
                ? covers(group, inst.offset, inst.bytes)
                : touches(group, place, inst.bytes, memory),
            );
            out.push(inst);
            continue;
          }
          flush((group) => group.base.id !== inst.base.id && touches(group, place, inst.bytes, memory));
          let group = groups.find((g) => g.base.id === inst.base.id);
          if (!group) {
            group = { base: inst.base, place: memory.placeOf(inst.base, 0), bytes: new Map(), stores: [] };
            groups.push(group);
          }
          group.stores.push(inst);
          for (let at = 0; at < inst.bytes; at++)
            group.bytes.set(inst.offset + at, { value: Number((constant >> BigInt(8 * at)) & 0xffn), span: inst.span });
          continue;
        }
        if (inst.kind === "load") {
          const place = memory.placeOf(inst.base, inst.offset);
          flush((group) =>
            group.base.id === inst.base.id
              ? covers(group, inst.offset, inst.bytes)
              : touches(group, place, inst.bytes, memory),
          );
        } else if (inst.kind === "call" && inst.target.kind === "helper") {
          const roots = new Set(inst.args.map((arg) => memory.placeOf(arg, 0).root));
          flush(
            (group) =>
              group.place.region !== "slot" ||
              roots.has(group.place.root) ||
              memory.escapes(group.place.root as number),
          );
        } else if (inst.kind === "copy" || inst.kind === "atomic" || inst.kind === "call") {
          flush(() => true);
        }
        out.push(inst);
      }
      flush(() => true);
      return { ...block, insts: out };
    }),
  };
}

const touches = (group: Group, place: Place, bytes: number, memory: Memory): boolean =>
  memory.overlap({ ...group.place, offset: undefined }, 1, place, bytes);

const covers = (group: Group, offset: number, bytes: number): boolean =>
  Array.from({ length: bytes }, (_, at) => offset + at).some((at) => group.bytes.has(at));

/** The group's bytes in as few stores as alignment and immediates allow. */
function write(group: Group, align: number, value: (type: Type) => Value): Inst[] {
  const out: Inst[] = [];
  const offsets = [...group.bytes.keys()].sort((a, b) => a - b);
  const numberAt = (offset: number, bytes: number): bigint => {
    let number = 0n;
    for (let at = bytes - 1; at >= 0; at--) number = (number << 8n) | BigInt(group.bytes.get(offset + at)!.value);
    return number;
  };
  const store = (offset: number, bytes: AccessBytes): void => {
    const number = numberAt(offset, bytes);
    // An immediate has 32 bits and is sign-extended.
    if (bytes === 8 && BigInt.asUintN(64, BigInt.asIntN(32, number)) !== number) {
      store(offset, 4);
      store(offset + 4, 4);
      return;
    }
    const { span } = group.bytes.get(offset)!;
    const result = value(bytes === 8 ? "w64" : "w32");
    out.push({ kind: "const", result, value: number, span });
    out.push({ kind: "store", bytes, base: group.base, offset, value: result, span });
  };
  for (let at = 0; at < offsets.length;) {
    let end = at + 1;
    while (end < offsets.length && offsets[end] === offsets[end - 1]! + 1) end++;
    for (const piece of pieces(offsets[at]!, end - at, align)) store(piece.offset, piece.bytes);
    at = end;
  }
  // Two instructions stand for each new store: its constant and itself.
  const before = group.stores.reduce(
    (sum, inst) => sum + (inst.kind === "zero" ? pieces(inst.offset, inst.bytes, align).length : 1),
    0,
  );
  return out.length / 2 < before ? out : group.stores;
}
