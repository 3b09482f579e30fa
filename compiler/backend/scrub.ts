/**
 * Code that changes nothing, for the sake of verifiers before 6.12. They keep a small number that was stored at the beginning of
 * eight bytes of the stack as a spilled register, and a store somewhere into a range that begins further on in the same eight bytes
 * makes that register useless: the number cannot be read any more ("invalid size of register fill", check_stack_write_var_off and
 * check_stack_read_fixed_off in kernel/bpf/verifier.c). One byte of the range read and written back first makes plain bytes of it.
 */
import type { Func, Inst, Value } from "../ir/ir.ts";
import { definitions, freshValues } from "../ir/walk.ts";

/** What the stack's verifier keeps together. */
const GRANULE = 8;
const WRITES: ReadonlySet<Inst["kind"]> = new Set(["store", "atomic", "call"]);

/** The function, with the beginning of every range of the stack that is stored into somewhere made plain first. */
export function scrubRanges(func: Func): Func {
  const made = definitions(func);
  const fresh = freshValues(func);
  const blocks = func.blocks.map((block) => {
    // What is plain already, until something else is stored.
    const plain = new Set<string>();
    const insts = block.insts.flatMap((inst): Inst[] => {
      const start =
        inst.kind === "store" || inst.kind === "atomic" ? rangeStart(made, inst.base, inst.offset) : undefined;
      if (!start) {
        if (WRITES.has(inst.kind)) plain.clear();
        return [inst];
      }
      const granule = `${start.slot.id}/${Math.floor(start.offset / GRANULE)}`;
      if (start.offset % GRANULE === 0 || plain.has(granule)) return [inst];
      plain.add(granule);
      const { span } = inst;
      const result = fresh("w32");
      const place = { bytes: 1, base: start.slot, offset: start.offset, span } as const;
      return [{ kind: "load", result, ...place }, { kind: "store", value: result, ...place }, inst];
    });
    return { ...block, insts };
  });
  return { ...func, blocks };
}

/** The first place that an address in a stack variable may be, where it is not always the same place. */
function rangeStart(
  made: ReadonlyMap<number, Inst>,
  address: Value,
  offset: number,
): { readonly slot: Value; readonly offset: number } | undefined {
  let varies = false;
  let sum = offset;
  for (let value = address; ;) {
    const inst = made.get(value.id);
    if (inst?.kind === "slot") return varies ? { slot: value, offset: sum } : undefined;
    if (inst?.kind !== "ptradd") return undefined;
    const by = made.get(inst.offset.id);
    if (by?.kind === "const") sum += Number(BigInt.asIntN(64, by.value));
    else varies = true;
    value = inst.base;
  }
}
