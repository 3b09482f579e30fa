/** Stack variables whose address goes nowhere become values: fields one by one, as long as their accesses do not overlap in part. */
import type { AccessBytes } from "../bpf/opcodes.ts";
import { graphOf } from "../ir/graph.ts";
import { edges, type Block, type Edge, type Func, type Inst, type Type, type Value } from "../ir/ir.ts";
import { definitions, freshValues, mapEnd, mapOperands, operands, resolver, visitUses } from "../ir/walk.ts";
import { slotAlignment } from "../ir/slot-alignment.ts";
import { pieces } from "../ir/pieces.ts";
import type { Pass } from "./pass.ts";

export const promote: Pass = {
  name: "promote",
  why: "A variable in registers costs no stack, no stores and no loads, and its constants fold.",
  needs: ["no-loops"],
  run: promoteSlots,
};

type SlotInst = Extract<Inst, { kind: "slot" }>;
type Copy = Extract<Inst, { kind: "copy" }>;

export function promoteSlots(func: Func): Func {
  const graph = graphOf(func);
  // Reading "the variable's value here" below looks only backward; loops would need parameters before that is known.
  if (graph.order.some((b) => edges(b.end).some((e) => graph.position.get(e.block)! <= graph.position.get(b.id)!)))
    return func;
  const value = freshValues(func);
  const slots = new Map<number, SlotInst>();
  for (const block of graph.order)
    for (const inst of block.insts) if (inst.kind === "slot") slots.set(inst.result.id, inst);
  if (slots.size === 0) return func;

  const escaped = new Set<number>();
  const accesses = new Map<number, Map<number, Piece>>();
  const conflicts = new Set<number>();
  for (const id of slots.keys()) accesses.set(id, new Map());
  const copies: Copy[] = [];
  for (const block of graph.order) {
    for (const inst of block.insts) {
      for (const used of operands(inst)) if (slots.has(used.id) && !isAccess(inst, used)) escaped.add(used.id);
      if (inst.kind === "load") note(inst.base, inst.offset, inst.bytes, inst.result.type);
      if (inst.kind === "store") note(inst.base, inst.offset, inst.bytes, inst.value.type);
      if (inst.kind === "copy") copies.push(inst);
    }
    visitUses({ ...block, insts: [] }, (used) => void (slots.has(used.id) && escaped.add(used.id)));
  }
  function note(base: Value, offset: number, bytes: AccessBytes, type: Type): void {
    const slot = slots.get(base.id);
    const list = slot && accesses.get(base.id);
    if (!slot || !list) return;
    if (offset < 0 || offset + bytes > slot.size) conflicts.add(base.id);
    const known = list.get(offset);
    if (!known) list.set(offset, { offset, bytes, type });
    else if (known.bytes !== bytes || known.type !== type) conflicts.add(base.id);
  }

  // Bytes that are copied out to other memory but never accessed by themselves move in pieces of their own.
  for (const copy of copies) {
    const slot = slots.get(copy.from.id);
    if (!slot || (slots.has(copy.to.id) && !escaped.has(copy.to.id))) continue;
    const list = accesses.get(copy.from.id)!;
    for (const gap of gaps(list, copy.fromOffset, copy.bytes))
      for (const piece of pieces(gap.offset, gap.bytes, slotAlignment(slot.size, slot.align)))
        note(copy.from, piece.offset, piece.bytes, piece.bytes === 8 ? "w64" : "w32");
  }
  // What is copied from one slot into another must be split alike in both.
  for (let changed = true, rounds = 0; changed && rounds < 8; rounds++) {
    changed = false;
    for (const copy of copies) {
      for (const [from, at, to, toAt] of [
        [copy.from, copy.fromOffset, copy.to, copy.toOffset],
        [copy.to, copy.toOffset, copy.from, copy.fromOffset],
      ] as const) {
        const other = accesses.get(to.id);
        for (const piece of accesses.get(from.id)?.values() ?? []) {
          if (!other || piece.offset < at || piece.offset + piece.bytes > at + copy.bytes) continue;
          const offset = piece.offset - at + toAt;
          if (other.has(offset)) continue;
          note(to, offset, piece.bytes, piece.type);
          changed = true;
        }
      }
    }
  }
  const promoted = new Map<number, readonly Piece[]>();
  for (const id of slots.keys()) {
    if (escaped.has(id) || conflicts.has(id)) continue;
    const list = [...accesses.get(id)!.values()].sort((a, b) => a.offset - b.offset);
    const apart = list.every((piece, at) => at === 0 || list[at - 1]!.offset + list[at - 1]!.bytes <= piece.offset);
    if (apart && rangesCover(id, list)) promoted.set(id, list);
  }
  // A copy must find every byte that it moves in some piece; a slot where it does not stays in memory, and so may others then.
  for (let changed = true; changed;) {
    changed = false;
    for (const copy of copies) {
      const from = promoted.get(copy.from.id);
      if (!from) continue;
      const to = promoted.get(copy.to.id);
      const shift = copy.fromOffset - copy.toOffset;
      const found = to
        ? to.every(
            (p) =>
              p.offset < copy.toOffset ||
              p.offset >= copy.toOffset + copy.bytes ||
              from.some((q) => q.offset === p.offset + shift && q.bytes === p.bytes && q.type === p.type),
          )
        : gaps(accesses.get(copy.from.id)!, copy.fromOffset, copy.bytes).length === 0;
      if (!found) changed = promoted.delete(copy.from.id);
    }
  }
  /** Whether every zeroing and copy of the slot takes each piece whole or not at all. */
  function rangesCover(id: number, list: readonly Piece[]): boolean {
    const whole = (offset: number, bytes: number): boolean =>
      list.every(
        (p) =>
          p.offset + p.bytes <= offset ||
          p.offset >= offset + bytes ||
          (p.offset >= offset && p.offset + p.bytes <= offset + bytes),
      );
    return graph.order.every((block) =>
      block.insts.every((inst) => {
        if (inst.kind === "zero" && inst.base.id === id) return whole(inst.offset, inst.bytes);
        if (inst.kind !== "copy") return true;
        return (
          (inst.to.id !== id || whole(inst.toOffset, inst.bytes)) &&
          (inst.from.id !== id || whole(inst.fromOffset, inst.bytes))
        );
      }),
    );
  }
  if (promoted.size === 0) return func;
  return rename(splitRanges(func, promoted, value), promoted, value);
}

interface Piece {
  readonly offset: number;
  readonly bytes: AccessBytes;
  readonly type: Type;
}

/** Whether the instruction uses the pointer only to reach its memory. */
function isAccess(inst: Inst, pointer: Value): boolean {
  switch (inst.kind) {
    case "load":
    case "zero":
      return true;
    case "store":
      return inst.value.id !== pointer.id;
    case "copy":
      return inst.to.id !== inst.from.id;
    default:
      return false;
  }
}

function gaps(list: ReadonlyMap<number, Piece>, offset: number, bytes: number): { offset: number; bytes: number }[] {
  const taken = [...list.values()].sort((a, b) => a.offset - b.offset);
  const found: { offset: number; bytes: number }[] = [];
  let at = offset;
  for (const piece of taken) {
    if (piece.offset + piece.bytes <= at || piece.offset >= offset + bytes) continue;
    if (piece.offset > at) found.push({ offset: at, bytes: piece.offset - at });
    at = Math.max(at, piece.offset + piece.bytes);
  }
  if (at < offset + bytes) found.push({ offset: at, bytes: offset + bytes - at });
  return found;
}

/** Zeroing and copying of promoted slots, piece by piece. */
function splitRanges(
  func: Func,
  promoted: ReadonlyMap<number, readonly Piece[]>,
  value: ReturnType<typeof freshValues>,
): Func {
  const within = (list: readonly Piece[], offset: number, bytes: number): readonly Piece[] =>
    list.filter((p) => p.offset >= offset && p.offset + p.bytes <= offset + bytes);
  const split = (inst: Inst): Inst[] => {
    const { span } = inst;
    if (inst.kind === "zero" && promoted.has(inst.base.id)) {
      return within(promoted.get(inst.base.id)!, inst.offset, inst.bytes).flatMap((piece): Inst[] => {
        const zero = value(piece.type);
        return [
          { kind: "const", result: zero, value: 0n, span },
          { kind: "store", bytes: piece.bytes, base: inst.base, offset: piece.offset, value: zero, span },
        ];
      });
    }
    if (inst.kind === "copy" && (promoted.has(inst.to.id) || promoted.has(inst.from.id))) {
      // Only what is read of the target matters; from a slot to elsewhere every piece does.
      const target = promoted.get(inst.to.id);
      const shift = inst.fromOffset - inst.toOffset;
      const list = target
        ? within(target, inst.toOffset, inst.bytes)
        : within(promoted.get(inst.from.id)!, inst.fromOffset, inst.bytes).map((p) => ({
            ...p,
            offset: p.offset - shift,
          }));
      return list.flatMap((piece): Inst[] => {
        const moved = value(piece.type);
        return [
          { kind: "load", result: moved, bytes: piece.bytes, base: inst.from, offset: piece.offset + shift, span },
          { kind: "store", bytes: piece.bytes, base: inst.to, offset: piece.offset, value: moved, span },
        ];
      });
    }
    return [inst];
  };
  return { ...func, blocks: func.blocks.map((block) => ({ ...block, insts: block.insts.flatMap(split) })) };
}

interface Renamed {
  readonly block: Block;
  readonly params: Value[];
  readonly insts: Inst[];
  readonly extra: Map<number, Value[]>;
  readonly known: Map<string, Value>;
}

/** Replaces loads of promoted pieces by the value stored last, with block parameters where paths disagree. */
function rename(
  func: Func,
  promoted: ReadonlyMap<number, readonly Piece[]>,
  value: ReturnType<typeof freshValues>,
): Func {
  const graph = graphOf(func);
  const made = definitions(func);
  const replaced = new Map<number, Value>();
  const resolve = resolver(replaced);
  const state = new Map<number, Renamed>();
  const undefinedOf = new Map<Type, Value>();
  const entryInsts: Inst[] = [];
  const anything = (type: Type): Value => {
    let found = undefinedOf.get(type);
    if (!found) {
      found = value(type);
      undefinedOf.set(type, found);
      entryInsts.push({ kind: "const", result: found, value: 0n, span: func.span });
    }
    return found;
  };
  const key = (slot: number, offset: number): string => `${slot}:${offset}`;

  function read(name: string, type: Type, at: Renamed, own: boolean): Value {
    const chain: Renamed[] = [];
    let here = at;
    let found = own ? here.known.get(name) : undefined;
    let sources = graph.predecessors.get(here.block.id)!;
    while (!found && sources.length === 1) {
      chain.push(here);
      here = state.get(sources[0]!)!;
      found = here.known.get(name);
      sources = graph.predecessors.get(here.block.id)!;
    }
    if (!found) {
      const each = [...new Set(sources)].map((id) => ({ id, value: resolve(read(name, type, state.get(id)!, true)) }));
      const [first] = each;
      if (!first) found = anything(type);
      else if (each.every((e) => e.value.id === first.value.id)) found = first.value;
      else {
        found = value(type);
        here.params.push(found);
        for (const { id, value: passed } of each) {
          const list = state.get(id)!.extra.get(here.block.id) ?? [];
          list.push(passed);
          state.get(id)!.extra.set(here.block.id, list);
        }
      }
      here.known.set(name, found);
    }
    for (const passed of chain) if (!passed.known.has(name)) passed.known.set(name, found);
    return found;
  }

  for (const block of graph.order) {
    const here: Renamed = { block, params: [...block.params], insts: [], extra: new Map(), known: new Map() };
    state.set(block.id, here);
    for (const inst of block.insts) {
      if (inst.kind === "slot" && promoted.has(inst.result.id)) continue;
      if (inst.kind === "load" && promoted.has(inst.base.id)) {
        replaced.set(inst.result.id, resolve(read(key(inst.base.id, inst.offset), inst.result.type, here, true)));
        continue;
      }
      if (inst.kind === "store" && promoted.has(inst.base.id)) {
        let stored = resolve(inst.value);
        // A narrow variable keeps only the low bits; a constant is cut right here.
        if (inst.bytes < 4) {
          const mask = (1n << BigInt(8 * inst.bytes)) - 1n;
          const constant = made.get(stored.id);
          if (constant?.kind !== "const" || constant.value > mask) {
            const bits = value("w32");
            const cut = value("w32");
            here.insts.push({ kind: "const", result: bits, value: mask, span: inst.span });
            here.insts.push({ kind: "binary", op: "and", left: stored, right: bits, result: cut, span: inst.span });
            stored = cut;
          }
        }
        here.known.set(key(inst.base.id, inst.offset), stored);
        continue;
      }
      here.insts.push(mapOperands(inst, resolve));
    }
  }
  const blocks = graph.order.map((block, index): Block => {
    const here = state.get(block.id)!;
    const edge = (e: Edge): Edge => ({
      block: e.block,
      args: [...e.args.map(resolve), ...(here.extra.get(e.block) ?? []).map(resolve)],
    });
    return {
      ...block,
      params: here.params,
      insts: [...(index === 0 ? entryInsts : []), ...here.insts.map((inst) => mapOperands(inst, resolve))],
      end: mapEnd(block.end, resolve, edge),
    };
  });
  return { ...func, blocks };
}
