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

/** The same instruction reading `map(v)` wherever it read `v`. Gives the instruction itself when nothing changes. */
export function mapOperands(inst: Inst, map: (value: Value) => Value): Inst {
  const old = operands(inst);
  if (old.every((value) => map(value) === value)) return inst;
  switch (inst.kind) {
    case "const":
    case "core":
    case "slot":
    case "global":
    case "map":
      return inst;
    case "binary":
    case "compare":
      return { ...inst, left: map(inst.left), right: map(inst.right) };
    case "unary":
    case "assume-fits":
    case "assume-index":
      return { ...inst, value: map(inst.value) };
    case "ptradd":
      return { ...inst, base: map(inst.base), offset: map(inst.offset) };
    case "load":
    case "zero":
      return { ...inst, base: map(inst.base) };
    case "store":
      return { ...inst, base: map(inst.base), value: map(inst.value) };
    case "copy":
      return { ...inst, to: map(inst.to), from: map(inst.from) };
    case "atomic":
      return {
        ...inst,
        base: map(inst.base),
        value: map(inst.value),
        ...(inst.expected ? { expected: map(inst.expected) } : {}),
      };
    case "call":
      return { ...inst, args: inst.args.map(map) };
  }
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

/** The same end with mapped values and edges. */
export function mapEnd(end: End, map: (value: Value) => Value, edge: (edge: Edge) => Edge): End {
  switch (end.kind) {
    case "jump":
      return { ...end, to: edge(end.to) };
    case "branch":
      return { ...end, left: map(end.left), right: map(end.right), then: edge(end.then), else: edge(end.else) };
    case "switch":
      return {
        ...end,
        value: map(end.value),
        cases: end.cases.map((c) => ({ value: c.value, to: edge(c.to) })),
        default: edge(end.default),
      };
    case "return":
      return end.value ? { ...end, value: map(end.value) } : end;
    case "unreachable":
      return end;
  }
}

/** The function with every value replaced by `map`, in instructions, ends and edge arguments (not in definitions). */
export function mapUses(func: Func, map: (value: Value) => Value): Func {
  const edge = (e: Edge): Edge => (e.args.length === 0 ? e : { ...e, args: e.args.map(map) });
  return {
    ...func,
    blocks: func.blocks.map((block) => ({
      ...block,
      insts: block.insts.map((inst) => mapOperands(inst, map)),
      end: mapEnd(block.end, map, edge),
    })),
  };
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
  for (const inst of block.insts) operands(inst).forEach(see);
  endOperands(block.end).forEach(see);
  for (const edge of edges(block.end)) edge.args.forEach(see);
}
