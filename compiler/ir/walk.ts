/** Looking at and replacing the values of instructions: the one place that knows every shape's operands. */
import { edges, type Block, type Edge, type End, type Func, type Inst, type Value } from "./ir.ts";

/** The value an instruction makes, if it makes one. */
export const resultOf = (inst: Inst): Value | undefined => ("result" in inst ? inst.result : undefined);

/** The values an instruction reads, in order. */
export function operands(inst: Inst): readonly Value[] {
  switch (inst.kind) {
    case "const":
    case "core":
    case "slot":
    case "global":
    case "map":
      return [];
    case "binary":
    case "compare":
      return [inst.left, inst.right];
    case "unary":
    case "assume-fits":
    case "assume-index":
      return [inst.value];
    case "ptradd":
      return [inst.base, inst.offset];
    case "load":
    case "zero":
      return [inst.base];
    case "store":
      return [inst.base, inst.value];
    case "copy":
      return [inst.to, inst.from];
    case "atomic":
      return inst.expected ? [inst.base, inst.value, inst.expected] : [inst.base, inst.value];
    case "call":
      return inst.args;
  }
}

/** Shows each value that an instruction reads, as `operands` does, without making a list. */
function visitOperands(inst: Inst, see: (value: Value) => void): void {
  switch (inst.kind) {
    case "const":
    case "core":
    case "slot":
    case "global":
    case "map":
      return;
    case "binary":
    case "compare":
      see(inst.left);
      see(inst.right);
      return;
    case "unary":
    case "assume-fits":
    case "assume-index":
      see(inst.value);
      return;
    case "ptradd":
      see(inst.base);
      see(inst.offset);
      return;
    case "load":
    case "zero":
      see(inst.base);
      return;
    case "store":
      see(inst.base);
      see(inst.value);
      return;
    default:
      operands(inst).forEach(see);
  }
}

/**
 * The same instruction reading `map(v)` wherever it read `v`. Gives the instruction itself when nothing changes: most stay as they are, in
 * every pass, and a program has very many.
 */
export function mapOperands(inst: Inst, map: (value: Value) => Value): Inst {
  switch (inst.kind) {
    case "const":
    case "core":
    case "slot":
    case "global":
    case "map":
      return inst;
    case "binary":
    case "compare": {
      const [left, right] = [map(inst.left), map(inst.right)];
      return left === inst.left && right === inst.right ? inst : { ...inst, left, right };
    }
    case "unary":
    case "assume-fits":
    case "assume-index": {
      const value = map(inst.value);
      return value === inst.value ? inst : { ...inst, value };
    }
    case "ptradd": {
      const [base, offset] = [map(inst.base), map(inst.offset)];
      return base === inst.base && offset === inst.offset ? inst : { ...inst, base, offset };
    }
    case "load":
    case "zero": {
      const base = map(inst.base);
      return base === inst.base ? inst : { ...inst, base };
    }
    case "store": {
      const [base, value] = [map(inst.base), map(inst.value)];
      return base === inst.base && value === inst.value ? inst : { ...inst, base, value };
    }
    case "copy": {
      const [to, from] = [map(inst.to), map(inst.from)];
      return to === inst.to && from === inst.from ? inst : { ...inst, to, from };
    }
    case "atomic": {
      const [base, value] = [map(inst.base), map(inst.value)];
      const expected = inst.expected && map(inst.expected);
      return base === inst.base && value === inst.value && expected === inst.expected
        ? inst
        : { ...inst, base, value, ...(expected ? { expected } : {}) };
    }
    case "call": {
      const args = mapList(inst.args, map);
      return args === inst.args ? inst : { ...inst, args };
    }
  }
}

/** The mapped list; the list itself when nothing changes. */
function mapList<T>(list: readonly T[], map: (item: T) => T): readonly T[] {
  const mapped = list.map(map);
  return mapped.every((item, at) => item === list[at]) ? list : mapped;
}

/** The same instruction with another result. */
export function withResult(inst: Inst, result: Value): Inst {
  return "result" in inst && inst.result ? { ...inst, result } : inst;
}

/** The values that a block's end reads itself, edge arguments not included. */
export function endOperands(end: End): readonly Value[] {
  switch (end.kind) {
    case "branch":
      return [end.left, end.right];
    case "switch":
      return [end.value];
    case "return":
      return end.value ? [end.value] : [];
    case "jump":
    case "unreachable":
      return [];
  }
}

/** The same end with mapped values and edges; the end itself when nothing changes. */
export function mapEnd(end: End, map: (value: Value) => Value, edge: (edge: Edge) => Edge): End {
  switch (end.kind) {
    case "jump": {
      const to = edge(end.to);
      return to === end.to ? end : { ...end, to };
    }
    case "branch": {
      const [left, right] = [map(end.left), map(end.right)];
      const [then, otherwise] = [edge(end.then), edge(end.else)];
      return left === end.left && right === end.right && then === end.then && otherwise === end.else
        ? end
        : { ...end, left, right, then, else: otherwise };
    }
    case "switch": {
      const value = map(end.value);
      const cases = mapList(end.cases, (c) => {
        const to = edge(c.to);
        return to === c.to ? c : { ...c, to };
      });
      const otherwise = edge(end.default);
      return value === end.value && cases === end.cases && otherwise === end.default
        ? end
        : { ...end, value, cases, default: otherwise };
    }
    case "return": {
      const value = end.value && map(end.value);
      return value && value !== end.value ? { ...end, value } : end;
    }
    case "unreachable":
      return end;
  }
}

/** The same edge with mapped arguments; the edge itself when nothing changes. */
export function mapEdge(edge: Edge, map: (value: Value) => Value): Edge {
  const args = edge.args.length === 0 ? edge.args : mapList(edge.args, map);
  return args === edge.args ? edge : { ...edge, args };
}

/**
 * The function with every value replaced by `map`, in instructions, ends and edge arguments (not in definitions); the function itself when
 * nothing changes.
 */
export function mapUses(func: Func, map: (value: Value) => Value): Func {
  const edge = (e: Edge): Edge => mapEdge(e, map);
  const blocks = mapList(func.blocks, (block) => {
    const insts = mapList(block.insts, (inst) => mapOperands(inst, map));
    const end = mapEnd(block.end, map, edge);
    return insts === block.insts && end === block.end ? block : { ...block, insts, end };
  });
  return blocks === func.blocks ? func : { ...func, blocks };
}

/** Follows chains of replacements to the last one. */
export function resolver(replaced: ReadonlyMap<number, Value>): (value: Value) => Value {
  return (value) => {
    let found = value;
    for (let next = replaced.get(found.id); next && next !== found; next = replaced.get(found.id)) found = next;
    return found;
  };
}

/** A maker of values whose ids the function does not use yet. */
export function freshValues(func: Func): (type: Value["type"], name?: string) => Value {
  let next = 0;
  const see = (value: Value | undefined): void => {
    if (value && value.id >= next) next = value.id + 1;
  };
  func.params.forEach(see);
  for (const block of func.blocks) {
    block.params.forEach(see);
    for (const inst of block.insts) see(resultOf(inst));
  }
  return (type, name) => ({ id: next++, type, ...(name === undefined ? {} : { name }) });
}

/** A maker of block ids that the function does not use yet. */
export function freshBlocks(func: Func): () => number {
  let next = func.blocks.reduce((most, block) => Math.max(most, block.id + 1), 0);
  return () => next++;
}

/** Where each value is made: its instruction, by the value's id. Parameters are absent. */
export function definitions(func: Func): Map<number, Inst> {
  const made = new Map<number, Inst>();
  for (const block of func.blocks)
    for (const inst of block.insts) {
      const result = resultOf(inst);
      if (result) made.set(result.id, inst);
    }
  return made;
}

/** The constant a value is, if it is one. */
export type ConstantOf = (value: Value) => bigint | undefined;
export const constantsOf =
  (made: ReadonlyMap<number, Inst>): ConstantOf =>
  (value) => {
    const inst = made.get(value.id);
    return inst?.kind === "const" ? inst.value : undefined;
  };

/** How often each value is read, edge arguments included. */
export function useCounts(func: Func): Map<number, number> {
  const counts = new Map<number, number>();
  const see = (value: Value): void => void counts.set(value.id, (counts.get(value.id) ?? 0) + 1);
  for (const block of func.blocks) visitUses(block, see);
  return counts;
}

/** Every value that a block reads. */
export function visitUses(block: Block, see: (value: Value) => void): void {
  for (const inst of block.insts) visitOperands(inst, see);
  endOperands(block.end).forEach(see);
  for (const edge of edges(block.end)) edge.args.forEach(see);
}
