/** What a test sees of an export, by the kind of its programs. */
import { COMPILED, isCompiled, type CompiledKind, type KindName } from "../../compiler/bpf/kinds/index.ts";
import type { BpfModule } from "../../compiler/module.ts";
import type { HookViewParts } from "./hook-view.ts";
import { congestionView } from "./congestion-view.ts";
import { connectView } from "./connect-view.ts";
import { createProgramView } from "./program-view.ts";
import { sockOptView } from "./sockopt-view.ts";

/** One exported constant of a module. */
export interface Exported {
  readonly name: string;
  readonly kind: KindName;
  /** Names of its programs, by the hook that each serves. */
  readonly programs: ReadonlyMap<string, string>;
}
/** The exports of a module that we compiled: programs that differ in their hook's suffix alone belong together. */
export function exportsOf(module: BpfModule): readonly Exported[] {
  const found = new Map<string, { name: string; kind: KindName; programs: Map<string, string> }>();
  for (const program of module.programs) {
    if (!isCompiled(program.type)) continue;
    const { hooks }: CompiledKind = COMPILED[program.type];
    const [hook, row] = Object.entries(hooks).find(([, { section }]) => section === program.section) ?? [];
    if (hook === undefined || row === undefined) continue;
    const name = program.name.slice(0, program.name.length - row.suffix.length);
    const one = found.get(name) ?? { name, kind: program.type, programs: new Map<string, string>() };
    one.programs.set(hook, program.name);
    found.set(name, one);
  }
  return [...found.values()];
}

type View = (parts: HookViewParts) => object;

/** Adds what every view has: lines, steps, history. */
const traced =
  (view: View): View =>
  (parts) => {
    const { shared, logged } = parts;
    return Object.defineProperties(view(parts), {
      logged: { enumerable: true, get: () => [...logged] },
      steps: { enumerable: true, get: () => ({ ...shared.steps }) },
      history: { enumerable: true, get: () => shared.history.tell(Infinity) },
    });
  };

const VIEWS = {
  sock_ops: ({ hooks, logged }) => createProgramView(hooks.get("sockOps")!, [logged]),
  cgroup_sock_addr: traced(connectView),
  cgroup_sockopt: traced(sockOptView),
  struct_ops: traced(congestionView),
} as const satisfies Record<KindName, View>;

/** The view of one export. */
export function viewOf(
  { name, kind, programs }: Exported,
  shared: HookViewParts["shared"],
  logged: readonly string[],
): object {
  const hooks = new Map([...programs].map(([hook, program]) => [hook, { ...shared, program }]));
  return VIEWS[kind]({ name, hooks, shared, logged });
}
