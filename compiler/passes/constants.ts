/** Every constant of a function once, in its entry block: equal constants are then the same value. */
import type { Block, Func, Inst, Type, Value } from "../ir/ir.ts";
import type { Span } from "../span.ts";

export interface ConstantPool {
  /** The one value of this constant. */
  readonly constant: (type: Type, value: bigint) => Value;
  readonly constantOf: (value: Value) => bigint | undefined;
  /** The one value of what an instruction defines: its own, if it is the first that defines this. */
  readonly adopt: (inst: Extract<Inst, { kind: "const" }>) => Value;
  /** The definitions, to be put in front of the entry block's instructions. */
  readonly insts: () => readonly Inst[];
}

export function constantPool(span: Span, fresh: (type: Type) => Value): ConstantPool {
  const byKey = new Map<string, Value>();
  const byId = new Map<number, bigint>();
  const insts: Inst[] = [];
  const one = (type: Type, value: bigint, define: () => Extract<Inst, { kind: "const" }>): Value => {
    const key = `${type}${value}`;
    const known = byKey.get(key);
    if (known) return known;
    const inst = define();
    byKey.set(key, inst.result);
    byId.set(inst.result.id, value);
    insts.push(inst);
    return inst.result;
  };
  return {
    constant: (type, value) => one(type, value, () => ({ kind: "const", result: fresh(type), value, span })),
    adopt: (inst) => one(inst.result.type, inst.value, () => (inst.span === span ? inst : { ...inst, span })),
    constantOf: (value) => byId.get(value.id),
    insts: () => insts,
  };
}

/** The function with the pool's constants at its start. */
export function withPool(func: Func, blocks: readonly Block[], pool: ConstantPool): Func {
  const [entry, ...rest] = blocks;
  if (!entry) return func;
  return { ...func, blocks: [{ ...entry, insts: [...pool.insts(), ...entry.insts] }, ...rest] };
}
