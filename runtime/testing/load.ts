/** `load`: compiles a module, puts it into the virtual machine, and gives its exports as a test drives them. */
import { isTarget, type TargetName } from "../../compiler/bpf/kernels.ts";
import { versionIn } from "../../compiler/bpf/verifier-rules.ts";
import type { CompileOptions } from "../../compiler/compile.ts";
import { sizeOf } from "../../compiler/layout.ts";
import { holdsLocalAddresses } from "../../compiler/local-addresses.ts";
import type { BpfModule, GlobalVar } from "../../compiler/module.ts";
import type { EngineName } from "../vm/bare.ts";
import { createMachine } from "../vm/machine.ts";
import { compileFile, pathOf } from "./compile-file.ts";
import { cover } from "./coverage.ts";
import { tellOnFailure } from "./failure-hook.ts";
import { createHistory } from "./history.ts";
import { followHost } from "./host-addresses.ts";
import { createHost, servicesOf, type Host } from "./host.ts";
import { mapView } from "./map-views.ts";
import { openObjectFile } from "./object-file.ts";
import { fromBytes, toBytes } from "./values.ts";
import { exportsOf, viewOf } from "./views.ts";

export interface LoadOptions {
  /** Values for `param` constants, by name. */
  readonly params?: Readonly<Record<string, unknown>>;
  /** Absent: follows from the imports. "linux-6.8": mainline, from that version on. */
  readonly target?: TargetName | `linux-${string}`;
  /** Clock, CPUs and failing helpers; several programs may share one. */
  readonly host?: Host;
  /** Nanoseconds since boot, where no host is given. */
  readonly now?: bigint;
  readonly engine?: EngineName;
}

function withParams(module: BpfModule, given: NonNullable<LoadOptions["params"]>): BpfModule {
  const params = module.globals.filter((one) => one.param);
  for (const name of Object.keys(given))
    if (!params.some((one) => one.name === name)) {
      const all = params.map((one) => one.name).join(", ");
      throw new TypeError(`the module has no param ${name} (${all === "" ? "it has none" : `it has ${all}`})`);
    }
  const init = (one: GlobalVar): GlobalVar => {
    const value = one.param ? given[one.name] : undefined;
    return value === undefined ? one : { ...one, init: toBytes(one.layout, value, one.name) };
  };
  return { ...module, globals: module.globals.map(init) };
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
  return { target: "mainline", kernel };
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
  const module = withParams(compiled, options.params ?? {});
  const host = options.host ?? createHost(options.now === undefined ? {} : { now: options.now });
  const logged: string[] = [];
  const history = createHistory();
  const services = servicesOf(host, (line) => logged.push(line));
  const machine = createMachine(module, {
    services,
    ...(options.engine ? { engine: options.engine } : {}),
    stepLimit: 1_000_000,
  });
  followHost(host, module, machine, (text) => logged.push(text));
  cover(machine);
  await tellOnFailure(history);

  const views = new Map<string, unknown>();
  for (const one of exportsOf(module))
    views.set(one.name, viewOf(one, { machine, host, history, steps: { last: 0, max: 0 } }, logged));
  for (const spec of module.maps.filter((one) => !holdsLocalAddresses(one)))
    views.set(spec.name, mapView(spec, machine.maps.get(spec.name)!, host));
  for (const one of module.globals)
    if (one.param) views.set(one.name, fromBytes(one.layout, one.init.subarray(0, sizeOf(one.layout))));

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
