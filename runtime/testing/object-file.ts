/** An object of another compiler (clang's congestion control) as the virtual machine runs it: placed by the types that the machine's kernel has. */
import { relative } from "node:path";
import { DEFAULT_TARGET, kernels } from "../../compiler/bpf/kernels.ts";
import { isOpsStruct, OPS_STRUCTS, type OpsStruct } from "../../compiler/bpf/kinds/struct-ops.ts";
import type { BpfModule } from "../../compiler/module.ts";
import { complete } from "../../compiler/object/complete.ts";
import { btfOfTypes } from "../../compiler/object/extract-btf.ts";
import { readObject } from "../../compiler/object/read.ts";
import { readObjectFile } from "../files/files.ts";

/** What the model's kernel was built with, as far as programs ask. */
const { hz, types } = kernels[DEFAULT_TARGET];
const SETTINGS: ReadonlyMap<string, string> = new Map([
  ["CONFIG_HZ", String(hz)],
  ["LINUX_KERNEL_VERSION", String((6 << 16) | (18 << 8))],
  // The section that such variables are said to lie in.
  [".kconfig", ""],
]);

/** Throws a TypeError where the object, or the machine, lacks something. */
export function openObjectFile(path: string): BpfModule {
  const shown = relative(process.cwd(), path).startsWith("..") ? path : relative(process.cwd(), path);
  const fail = (text: string): never => {
    throw new TypeError(`${shown}: ${text}`);
  };
  const read = readObject(readObjectFile(path));
  const { module } = read;
  if (!module) return fail(read.problems[0]?.text ?? "this is no BPF object");
  if (module.target !== "unknown") return fail("this is an object of tsbpf's: load its source, which tells its types");
  const done = complete({ ...read, module }, { btf: btfOfTypes(types), setting: (name) => SETTINGS.get(name) });
  for (const [program, problem] of done.problems) fail(`${program}: ${problem}`);
  const open = read.problems.find(
    ({ undefinedSymbol }) => undefinedSymbol === undefined || !SETTINGS.has(undefinedSymbol),
  );
  if (open) fail(open.text);
  for (const one of done.module.structOps ?? []) {
    const { members }: OpsStruct = isOpsStruct(one.struct)
      ? OPS_STRUCTS[one.struct]
      : fail(`${one.name}: the model has no struct ${one.struct}`);
    const known = new Set(Object.values(members).map(({ member }) => member));
    const other = Object.keys(one.programs).find((member) => !known.has(member));
    if (other !== undefined) fail(`${one.name}: the model does not call ${other}`);
  }
  return done.module;
}
