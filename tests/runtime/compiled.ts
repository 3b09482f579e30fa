/** Programs of this repository, compiled once per test file. */
import { readFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { versionIn } from "../../compiler/bpf/verifier-rules.ts";
import { isRange, kernels, type TargetName } from "../../compiler/bpf/kernels.ts";
import { compile } from "../../compiler/compile.ts";
import type { BpfModule } from "../../compiler/module.ts";
import { repository } from "./repository.ts";

const cache = new Map<string, BpfModule>();

/** A module from `programs/` by name, or from source text. Throws with the diagnostics when it does not compile. */
export function compiled(name: string, target?: TargetName, text?: string): BpfModule {
  const key = `${name} ${target} ${text ?? ""}`;
  const before = cache.get(key);
  if (before) return before;
  const path = `programs/${name}.ts`;
  const source = text ?? readFileSync(join(repository, path), "utf8");
  // What is tried here is for the kernel that it is tried on.
  const running = target && isRange(kernels[target]) ? versionIn(release()) : undefined;
  const result = compile(
    { path, text: source },
    { ...(target ? { target } : {}), ...(running ? { kernel: running } : {}) },
  );
  if (!result.module)
    throw new Error(`${name}: ${result.diagnostics.map((one) => `${one.key}: ${one.message}`).join("\n")}`);
  cache.set(key, result.module);
  return result.module;
}
