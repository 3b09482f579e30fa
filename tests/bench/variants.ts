/** Every compilation of every program that the bench compares: ours, and clang's of the C counterpart. */
import { readFileSync } from "node:fs";
import type { TargetName } from "../../compiler/bpf/kernels.ts";
import { compile } from "../../compiler/compile.ts";
import type { BpfModule } from "../../compiler/module.ts";
import { readObject } from "../../compiler/object/read.ts";
import { CLANGS, cFile, compileC, hasClang, ISAS, programFile, type Clang, type Isa } from "./clang.ts";
import { TWINS, type Twin } from "./twins.ts";

export interface Variant {
  readonly twin: Twin;
  readonly target: TargetName;
  /** "tsbpf", or the clang. */
  readonly compiler: "tsbpf" | Clang;
  readonly isa: Isa;
  readonly object: Uint8Array;
  readonly module: BpfModule;
}

/** Throws with the diagnostics when a bundled program does not compile: that is a bug. */
export function ours(twin: Twin, target: TargetName, withoutPasses: readonly string[] = []): Variant {
  const path = programFile(twin.file);
  const result = compile({ path, text: readFileSync(path, "utf8") }, { target, withoutPasses });
  if (!result.object || !result.module) {
    const errors = result.diagnostics.map((d) => `${d.key}: ${d.message}`).join("\n");
    throw new Error(`programs/${twin.file}.ts does not compile for ${target}:\n${errors}`);
  }
  return { twin, target, compiler: "tsbpf", isa: "v3", object: result.object, module: result.module };
}

export function clangs(twin: Twin, target: TargetName): readonly Variant[] {
  return CLANGS.filter(hasClang).flatMap((compiler) => ISAS.map((isa) => clangVariant(twin, target, compiler, isa)));
}

export function clangVariant(twin: Twin, target: TargetName, compiler: Clang, isa: Isa): Variant {
  const object = compileC(cFile(twin.file), compiler, isa, target);
  return { twin, target, compiler, isa, object, module: readClang(object, twin.file) };
}

export function readClang(object: Uint8Array, what: string): BpfModule {
  const { module, problems } = readObject(object);
  if (!module || problems.length > 0) throw new Error(`${what}: ${problems.map((p) => p.text).join("; ")}`);
  return module;
}

export const builds: readonly { readonly twin: Twin; readonly target: TargetName }[] = TWINS.flatMap((twin) =>
  twin.targets.map((target) => ({ twin, target })),
);
export const programOf = (variant: Variant) => {
  const found = variant.module.programs.find((program) => program.name === variant.twin.program);
  if (!found)
    throw new Error(`${variant.twin.file}: no program ${variant.twin.program} in ${variant.compiler}'s object`);
  return found;
};
export const label = (variant: Pick<Variant, "compiler" | "isa">): string =>
  variant.compiler === "tsbpf" ? "tsbpf" : `${variant.compiler} ${variant.isa}`;
