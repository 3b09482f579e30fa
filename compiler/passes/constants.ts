/** Every constant of a function once, in its entry block: equal constants are then the same value. */
import type { Block, Func, Inst, Type, Value } from "../ir/ir.ts";
import type { Span } from "../span.ts";

export interface ConstantPool {
  /** The one value of this constant. */
  readonly constant: (type: Type, value: bigint) => Value;
  readonly constantOf: (value: Value) => bigint | undefined;
  /** The definitions, to be put in front of the entry block's instructions. */
  readonly insts: () => readonly Inst[];
}

export function constantPool(span: Span, fresh: (type: Type) => Value): ConstantPool {
  const byKey = new Map<string, Value>();
  const byId = new Map<number, bigint>();
  const insts: Inst[] = [];
  return {
    constant: (type, value) => {
      const key = `${type}${value}`;
      let found = byKey.get(key);
      if (!found) {
        found = fresh(type);
        byKey.set(key, found);
        byId.set(found.id, value);
        insts.push({ kind: "const", result: found, value, span });
      }
      return found;
    },
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
