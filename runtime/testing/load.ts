/** `load`: compiles a module, puts it into the virtual machine, and gives its exports as a test drives them. */
import { DEFAULT_TARGET, isTarget, type TargetName } from "../../compiler/bpf/kernels.ts";
import { versionIn } from "../../compiler/bpf/verifier-rules.ts";
import type { CompileOptions } from "../../compiler/compile.ts";
import { compileFile, pathOf } from "./compile-file.ts";
import { cover } from "./coverage.ts";
import { tellOnFailure } from "./failure-hook.ts";
import { loadModule, type ModuleOptions } from "./load-module.ts";
import { openObjectFile } from "./object-file.ts";

export interface LoadOptions extends ModuleOptions {
  /** Absent: follows from the imports. "linux-6.8": mainline, from that version on. */
  readonly target?: TargetName | `linux-${string}`;
}

/** Names of `export const` in a source text. */
const exportedNames = (text: string): string[] =>
  [...text.matchAll(/^export\s+const\s+([A-Za-z_$][\w$]*)/gm)].map((match) => match[1]!);

/** Constants of the module that are neither program, map nor param have their value from running the module in Node. */
async function constants(path: string, names: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  if (names.length === 0) return {};
  try {
    return (await import(/* @vite-ignore */ path)) as Readonly<Record<string, unknown>>;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const getters = names.map((name) => [
      name,
      {
        enumerable: true,
        get(): never {
          throw new Error(`${name} is known only where Node can import ${path}: ${reason}`);
        },
      },
    ]);
    return Object.defineProperties({}, Object.fromEntries(getters));
  }
}

function kernelsOf(target: LoadOptions["target"]): Pick<CompileOptions, "target" | "kernel"> {
  if (target === undefined) return {};
  if (isTarget(target)) return { target };
  const kernel = versionIn(target.replace(/^linux-/, ""));
  if (kernel === undefined) throw new TypeError(`${target} is no release of Linux: write "linux-6.1"`);
  return { target: DEFAULT_TARGET, kernel };
}

/** See tsbpf/testing's declarations for the types that a test sees. */
export async function load(source: string | URL, options: LoadOptions = {}): Promise<Record<string, unknown>> {
  const object = pathOf(source);
  const {
    path,
    text,
    module: compiled,
  } = object.endsWith(".o")
    ? { path: object, text: "", module: openObjectFile(object) }
    : compileFile(source, kernelsOf(options.target));
  const { target: _, ...rest } = options;
  const { machine, history, views } = loadModule(compiled, rest);
  cover(machine);
  await tellOnFailure(history);

  const others = exportedNames(text).filter((name) => !views.has(name));
  const exported = Object.fromEntries(views);
  return Object.defineProperties(
    exported,
    Object.getOwnPropertyDescriptors(pick(await constants(path, others), others)),
  );
}

function pick(from: Readonly<Record<string, unknown>>, names: readonly string[]): object {
  const out = {};
  for (const name of names) Object.defineProperty(out, name, { enumerable: true, get: () => from[name] });
  return out;
}
