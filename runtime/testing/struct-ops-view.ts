/** The functions of a struct of the kernel's as a test calls them: the first argument is what they are about. */
import { OPS_STRUCTS, type OpMember, type OpsStruct, type OpsStructName } from "../../compiler/bpf/kinds/struct-ops.ts";
import { SEEN_STRUCTS, type SeenStruct } from "../../compiler/bpf/tcp-sock-members.ts";
import type { EventServices } from "../vm/helpers.ts";
import { finished, observer } from "./call.ts";
import type { HandlerOf, HookViewParts } from "./hook-view.ts";
import { viewStruct, type Viewed } from "./kernel-struct-view.ts";

export interface OpsView<First, V extends OpsStructName> {
  readonly ops: V;
  readonly viewed: Viewed;
  /** How a test makes what comes first, for errors. */
  readonly makes: string;
  /** What helpers do to it. */
  readonly services: (first: First) => Omit<EventServices, "observe">;
}

/** Gives what the program returns: a number, whether it succeeded, or nothing. */
type Handler = (...given: readonly unknown[]) => number | boolean | undefined;

/** A function for each handler of the struct; where the program has none it does nothing. */
export function handlersOf<First extends Readonly<Record<string, unknown>>, V extends OpsStructName>(
  { hooks, shared }: HookViewParts<V>,
  { ops, viewed, makes, services }: OpsView<First, V>,
): Readonly<Record<string, Handler>> {
  const { machine } = shared;
  const { members }: OpsStruct = OPS_STRUCTS[ops];

  function call(handler: string, row: OpMember, given: readonly unknown[]): number | boolean | undefined {
    const first = given[0] as First;
    const object = viewed.get(first);
    if (!object) throw new TypeError(`${handler}: the first argument is ${makes}`);
    const program = hooks.get(handler as HandlerOf<V>);
    if (!program) return undefined;
    const args = row.args.map((arg, index) => {
      if (index === 0) return object;
      const value = given[index] ?? 0;
      if (!("struct" in arg)) return BigInt(value as number | bigint);
      const known = viewed.get(value);
      if (known) return known;
      const sample = (given[index] ?? {}) as Readonly<Record<string, unknown>>;
      return viewed.get(viewStruct(machine, viewed, arg.struct, sample, `the sample of ${handler}`))!;
    });
    const entry = shared.history.begin(program.program, handler);
    program.steps.last = 0;
    const before = { ...first };
    const outcome = machine.run(program.program, {
      args,
      read: () => 0,
      services: { ...services(first), observe: observer(program, entry, () => "") },
    });
    finished(program, entry, outcome);
    for (const key of Object.keys(SEEN_STRUCTS[object.struct as SeenStruct]))
      if (before[key] !== first[key]) entry.effects.push(`${key} ${String(before[key])} → ${String(first[key])}`);
    if (row.returns === "success") return outcome.returned === 0;
    return row.returns ? outcome.returned >>> 0 : undefined;
  }

  return Object.fromEntries(
    Object.entries(members).map(([handler, row]) => [
      handler,
      (...given: readonly unknown[]) => call(handler, row, given),
    ]),
  );
}
