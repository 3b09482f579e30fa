/** A compiled module in the virtual machine, and its exports as a test drives them. No file is touched: the playground does the same. */
import { sizeOf } from "../../compiler/layout.ts";
import { holdsLocalAddresses } from "../../compiler/local-addresses.ts";
import { withParams, type BpfModule } from "../../compiler/module.ts";
import type { EngineName } from "../vm/bare.ts";
import { createMachine, type Machine } from "../vm/machine.ts";
import { createHistory, type History } from "./history.ts";
import { followHost } from "./host-addresses.ts";
import { createHost, servicesOf, type Host } from "./host.ts";
import { mapView } from "./map-views.ts";
import { fromBytes, toBytes } from "./values.ts";
import { exportsOf, viewOf } from "./views.ts";

export interface ModuleOptions {
  /** Values for `param` constants, by name. */
  readonly params?: Readonly<Record<string, unknown>>;
  /** Clock, CPUs and failing helpers; several programs may share one. */
  readonly host?: Host;
  /** Nanoseconds since boot, where no host is given. */
  readonly now?: bigint;
  readonly engine?: EngineName;
}

export interface LoadedModule {
  readonly machine: Machine;
  readonly host: Host;
  readonly history: History;
  /** Programs, maps and params, by the names of their constants. */
  readonly views: ReadonlyMap<string, unknown>;
}

/** Values of params as a test gives them, by name, as bytes. */
function paramBytes(module: BpfModule, given: NonNullable<ModuleOptions["params"]>): ReadonlyMap<string, Uint8Array> {
  const params = module.globals.filter((one) => one.param);
  for (const name of Object.keys(given))
    if (!params.some((one) => one.name === name)) {
      const all = params.map((one) => one.name).join(", ");
      throw new TypeError(`the module has no param ${name} (${all === "" ? "it has none" : `it has ${all}`})`);
    }
  return new Map(
    params.flatMap(({ name, layout }) =>
      given[name] === undefined ? [] : [[name, toBytes(layout, given[name], name)] as const],
    ),
  );
}

/** Throws a TypeError for a param that the module has not, and what `createMachine` throws. */
export function loadModule(compiled: BpfModule, options: ModuleOptions = {}): LoadedModule {
  const module = withParams(compiled, paramBytes(compiled, options.params ?? {}));
  const host = options.host ?? createHost(options.now === undefined ? {} : { now: options.now });
  const logged: string[] = [];
  const history = createHistory();
  const machine = createMachine(module, {
    services: servicesOf(host, (line) => logged.push(line)),
    ...(options.engine ? { engine: options.engine } : {}),
    stepLimit: 1_000_000,
  });
  followHost(host, module, machine, (text) => logged.push(text));

  const views = new Map<string, unknown>();
  for (const one of exportsOf(module))
    views.set(one.name, viewOf(one, { machine, host, history, steps: { last: 0, max: 0 } }, logged));
  for (const spec of module.maps.filter((one) => !holdsLocalAddresses(one)))
    views.set(spec.name, mapView(spec, machine.maps.get(spec.name)!, host));
  for (const one of module.globals)
    if (one.param) views.set(one.name, fromBytes(one.layout, one.init.subarray(0, sizeOf(one.layout))));
  return { machine, host, history, views };
}
