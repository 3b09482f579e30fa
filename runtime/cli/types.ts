/** `tsbpf types`: how maps, params and variables of a program look from user space, as declarations or as JSON. */
import type { BpfModule } from "../../compiler/module.ts";
import { typesFor } from "../kernel/types.ts";
import { moduleOf } from "./module-of.ts";
import { json, out } from "./output.ts";

export function types(file: string, options: { readonly json?: boolean }): number {
  const module = moduleOf(file, {});
  if (!module) return 1;
  out(options.json ? json(described(module)) : typesFor(module));
  return 0;
}

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
