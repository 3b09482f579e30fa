/** What a test sees of an export, by the kind of its programs. */
import { cgroupKind, isCompiled, onCgroups, type Hook } from "../../compiler/bpf/kinds/index.ts";
import { isOpsStruct, memberHook, OPS_STRUCTS, type OpMember } from "../../compiler/bpf/kinds/struct-ops.ts";
import type { BpfModule, BpfProgram } from "../../compiler/module.ts";
import type { HookViewParts, Viewable } from "./hook-view.ts";
import { congestionView } from "./congestion-view.ts";
import { connectView } from "./connect-view.ts";
import { createProgramView } from "./program-view.ts";
import { schedulerView } from "./scheduler-view.ts";
import { sockOptView } from "./sockopt-view.ts";

/** One exported constant of a module. */
export interface Exported {
  readonly name: string;
  readonly kind: Viewable;
  /** Names of its programs, by the hook that each serves. */
  readonly programs: ReadonlyMap<string, string>;
}
/** Structs of functions of another compiler's: they say which program is which member. */
const structsOf = ({ structOps = [] }: BpfModule): readonly Exported[] =>
  structOps.flatMap(({ name, struct, programs }): Exported[] => {
    if (!isOpsStruct(struct)) return [];
    const handlers = Object.entries<OpMember>(OPS_STRUCTS[struct].members).flatMap(
      ([handler, { member }]): [string, string][] =>
        programs[member] === undefined ? [] : [[handler, programs[member]]],
    );
    return [{ name, kind: struct, programs: new Map(handlers) }];
  });

/** The exports of a module that we compiled: programs that differ in their hook's suffix alone belong together. Of other compilers, structs of functions. */
export function exportsOf(module: BpfModule): readonly Exported[] {
  if (module.target === "unknown") return structsOf(module);
  const found = new Map<string, { name: string; kind: Viewable; programs: Map<string, string> }>();
  for (const program of module.programs) {
    const kind = viewableOf(program);
    const [hook, row] = (kind && hooksOf(kind).find(([, { section }]) => section === program.section)) ?? [];
    if (kind === undefined || hook === undefined || row === undefined) continue;
    const name = program.name.slice(0, program.name.length - row.suffix.length);
    const one = found.get(name) ?? { name, kind, programs: new Map<string, string>() };
    one.programs.set(hook, program.name);
    found.set(name, one);
  }
  return [...found.values()];
}

function viewableOf({ type, implements: is }: BpfProgram): Viewable | undefined {
  if (is) return isOpsStruct(is.struct) ? is.struct : undefined;
  return isCompiled(type) && onCgroups(type) ? type : undefined;
}
const hooksOf = (kind: Viewable): readonly (readonly [handler: string, hook: Hook])[] =>
  isOpsStruct(kind)
    ? Object.entries<OpMember>(OPS_STRUCTS[kind].members).map(([handler, row]) => [handler, memberHook(row)])
    : Object.entries(cgroupKind(kind).hooks);

type View<V extends Viewable = Viewable> = (parts: HookViewParts<V>) => object;

/** Adds what every view has: lines, steps, history. */
const traced =
  <V extends Viewable>(view: View<V>): View<V> =>
  (parts) => {
    const { shared, logged } = parts;
    return Object.defineProperties(view(parts), {
      logged: { enumerable: true, get: () => [...logged] },
      steps: { enumerable: true, get: () => ({ last: shared.steps.last, max: shared.steps.max }) },
      history: { enumerable: true, get: () => shared.history.tell(Infinity) },
    });
  };

const VIEWS = {
  sock_ops: ({ hooks, logged }) => createProgramView(hooks.get("sockOps")!, [logged]),
  cgroup_sock_addr: traced(connectView),
  cgroup_sockopt: traced(sockOptView),
  tcp_congestion_ops: traced(congestionView),
  mptcp_sched_ops: traced(schedulerView),
} as const satisfies { readonly [V in Viewable]: View<V> };

/** The view of one export. */
export function viewOf(
  { name, kind, programs }: Exported,
  shared: HookViewParts["shared"],
  logged: readonly string[],
): object {
  const hooks = new Map([...programs].map(([hook, program]) => [hook, { ...shared, program }]));
  // Which programs an export has, exportsOf() found by the hooks of its kind.
  return (VIEWS[kind] as View)({ name, hooks: hooks as HookViewParts["hooks"], shared, logged });
}
