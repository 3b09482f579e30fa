/** The member `name` of a struct of functions: what users choose it by. */
import { ts } from "ts-morph";
import { OPS_STRUCTS, type OpsStructName } from "../bpf/kinds/struct-ops.ts";
import type { ProgramEntity } from "./entities.ts";
import { say, spanOf, type ModuleState } from "./module-state.ts";
import type { HandlerObject } from "./program-builder.ts";

/** Its bytes, filled up with zeros: the literal, or the name of the exported constant. Undefined where it is wrong, which is reported. */
export function opsName(
  state: ModuleState,
  entity: ProgramEntity,
  object: HandlerObject,
  struct: OpsStructName,
): Uint8Array | undefined {
  const { what, bytes } = OPS_STRUCTS[struct].named;
  const node = object.values.get("name");
  if (node && !ts.isStringLiteralLike(node))
    return void say(state, "literal-needed", spanOf(entity.file, node), {
      what: `the name of ${what}`,
      example: 'name: "ts_first"',
    });
  const name = node?.text ?? entity.name;
  const span = spanOf(entity.file, node ?? entity.node);
  const longest = bytes - 1;
  if (!/^[A-Za-z0-9_.]+$/.test(name) || name.length > longest)
    return void say(state, "ops-name", span, { what, name, longest, given: node !== undefined });
  const made = new Uint8Array(bytes);
  made.set(new TextEncoder().encode(name));
  const isSame = (other?: Uint8Array): boolean => other?.every((byte, index) => byte === made[index]) === true;
  if (state.structOps.some((one) => one.struct === struct && isSame(one.values["name"])))
    return void say(state, "ops-name-taken", span, { what, name });
  return made;
}
