/** `congestionControl({…})`: what a struct tcp_congestion_ops has besides its functions. */
import { ts } from "ts-morph";
import { CC_FLAGS } from "../bpf/kinds/congestion-ops.ts";
import type { StructLayout } from "../layout.ts";
import { constantContext } from "./declare.ts";
import type { ProgramEntity } from "./entities.ts";
import { privateBytes } from "./kernel-members.ts";
import { say, spanOf, type ModuleState } from "./module-state.ts";
import { entityAt } from "./names.ts";
import { opsName } from "./ops-name.ts";
import type { HandlerObject } from "./program-builder.ts";
import type { OpsParts } from "./struct-ops-programs.ts";

/** Its name, its flags, and what is kept for each connection. */
export function congestionControlParts(state: ModuleState, entity: ProgramEntity, object: HandlerObject): OpsParts {
  const kept = stateOf(state, entity, object);
  const name = opsName(state, entity, object, "tcp_congestion_ops");
  const flags = flagsOf(state, entity, object);
  return {
    values: name && { name, flags: word(flags) },
    ...(kept ? { kept } : {}),
  };
}

function stateOf(state: ModuleState, entity: ProgramEntity, object: HandlerObject): StructLayout | undefined {
  const node = object.values.get("state");
  if (!node) return undefined;
  const f = constantContext(state, entity.file);
  const found = entityAt(f, node);
  if (found?.kind !== "struct") {
    if (found?.kind !== "error")
      say(state, "literal-needed", spanOf(entity.file, node), {
        what: "the state of a connection",
        example: "class State extends struct({ … }) {}, and state: State",
      });
    return undefined;
  }
  const most = privateBytes(f);
  if (found.layout.size > most)
    say(state, "state-too-large", spanOf(entity.file, node), {
      name: found.layout.name,
      size: found.layout.size,
      limit: most,
    });
  return found.layout;
}

function flagsOf(state: ModuleState, entity: ProgramEntity, object: HandlerObject): number {
  let flags = 0;
  for (const [name, bit] of Object.entries(CC_FLAGS)) {
    const node = object.values.get(name);
    if (!node || node.kind === ts.SyntaxKind.FalseKeyword) continue;
    if (node.kind === ts.SyntaxKind.TrueKeyword) flags |= bit;
    else say(state, "literal-needed", spanOf(entity.file, node), { what: name, example: `${name}: true` });
  }
  return flags;
}

const word = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
