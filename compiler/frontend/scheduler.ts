/** `scheduler({…})`: what a struct mptcp_sched_ops has besides its functions, its name. */
import type { ProgramEntity } from "./entities.ts";
import type { ModuleState } from "./module-state.ts";
import { opsName } from "./ops-name.ts";
import type { HandlerObject } from "./program-builder.ts";
import type { OpsParts } from "./struct-ops-programs.ts";

export function schedulerParts(state: ModuleState, entity: ProgramEntity, object: HandlerObject): OpsParts {
  const name = opsName(state, entity, object, "mptcp_sched_ops");
  return { values: name && { name } };
}
