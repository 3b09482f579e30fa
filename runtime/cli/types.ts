/** `tsbpf types`: how maps, params and variables of a program look from user space, as declarations or as JSON. */
import type { BpfModule } from "../../compiler/module.ts";
import { typesFor } from "../kernel/types.ts";
import { extractTypes } from "../../compiler/object/extract-types.ts";
import { trouble, type TroubleError } from "../files/files.ts";
import { btfOf } from "../project/kernel-types.ts";
import { kernelDeclarations } from "./kernel-declarations.ts";
import { moduleOf } from "./module-of.ts";
import { json, out } from "./output.ts";

export interface TypesOptions {
  readonly json?: boolean;
  /** Of `vmlinux`: the kernel's types; absent: the running kernel's. */
  readonly btf?: string;
}
/** `vmlinux` in place of a file stands for the kernel; then structs of it are named. */
export function types(file: string, structs: readonly string[], options: TypesOptions): number {
  if (file === KERNEL) return ofKernel(structs, options);
  if (structs.length > 0 || options.btf !== undefined)
    throw trouble(
      "not-the-kernel",
      `structs and --btf are for \`tsbpf types ${KERNEL}\``,
      "name one file, and nothing else",
    );
  const module = moduleOf(file, {});
  if (!module) return 1;
  out(options.json ? json(described(module)) : typesFor(module));
  return 0;
}

const KERNEL = "vmlinux";
const RUNNING = "/sys/kernel/btf/vmlinux";

function ofKernel(structs: readonly string[], { json: asJson, btf: path = RUNNING }: TypesOptions): number {
  if (structs.length === 0)
    throw trouble("no-struct", "which struct of the kernel?", `name one, or more: tsbpf types ${KERNEL} tcp_sock`);
  const btf = btfOf(path);
  if (asJson) {
    const made = extractTypes(btf, structs, path);
    const missing = structs.find((name) => !made.structs.has(name));
    if (missing !== undefined) throw noStruct(missing, path);
    out(json(Object.fromEntries(made.structs)));
    return 0;
  }
  const made = kernelDeclarations(btf, structs, path);
  if ("missing" in made) throw noStruct(made.missing, path, made.like);
  out(made.text);
  return 0;
}
const noStruct = (name: string, path: string, like?: string): TroubleError =>
  trouble(
    "no-struct",
    `${path} has no struct ${name}`,
    like === undefined ? "see bpftool btf dump file" : `is it ${like}?`,
  );

/** Sizes and offsets are in bytes; `kind: "be"` is network byte order. */
const described = ({ license, target, maps, globals, programs }: BpfModule): object => ({
  license,
  target,
  maps: maps.map(({ name, type, maxEntries, key, value, pinned }) => ({ name, type, maxEntries, pinned, key, value })),
  params: globals.filter((one) => one.param).map(({ name, layout }) => ({ name, layout })),
  variables: globals
    .filter((one) => !one.param && one.section !== ".rodata")
    .map(({ name, section, offset, layout }) => ({ name, section, offset, layout })),
  programs: programs.map(({ name, type, section }) => ({ name, type, section })),
});
