/** What an object wants of the kernel by name: undefined symbols, and their types in the BTF section `.ksyms`. */
import { KFUNCS, type Kfunc, type KfuncType } from "../bpf/kfuncs.ts";
import type { BpfModule } from "../module.ts";
import { LINKAGE, type BtfBuilder } from "./btf.ts";
import { intType } from "./layout-types.ts";

/** The names of the kernel functions that a module calls, once each. A name that has no row is a RangeError. */
export function externFunctions(module: BpfModule, btf: BtfBuilder): readonly string[] {
  const names = module.programs.flatMap(({ externs = [] }) =>
    externs.flatMap(({ name, kind }) => (kind === "function" ? [name] : [])),
  );
  const unique = [...new Set(names)].sort();
  if (unique.length === 0) return [];
  const vars = unique.map((name) => {
    if (!Object.hasOwn(KFUNCS, name)) throw new RangeError(`nothing is known of the kernel function ${name}`);
    const { args, returns }: Kfunc = KFUNCS[name as keyof typeof KFUNCS];
    const params = args.map((arg, at) => ({ name: `a${at}`, type: typeOf(btf, arg) }));
    const proto = btf.add({ kind: "func_proto", returns: typeOf(btf, returns), params });
    return { type: btf.add({ kind: "func", name, type: proto, linkage: LINKAGE.extern }), offset: 0, size: 0 };
  });
  btf.add({ kind: "datasec", name: ".ksyms", size: 0, vars });
  return unique;
}

function typeOf(btf: BtfBuilder, type: KfuncType): number {
  if (type === "void") return 0;
  if (type === "number" || type === "boolean") return intType(btf);
  const name = type === "void*" ? undefined : "struct" in type ? type.struct : `bpf_iter_${type.iterator}`;
  const to = name === undefined ? 0 : btf.add({ kind: "struct", name, size: 0, members: [] });
  return btf.add({ kind: "ptr", type: to });
}
