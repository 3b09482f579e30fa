/** Handler objects of which each handler is a program of its own: `connectHook({ connect4(ctx) { … } })`. */
import { cgroupKind } from "../bpf/kinds/index.ts";
import type { IrProgram } from "../ir/ir.ts";
import type { ProgramEntity } from "./entities.ts";
import { say, spanOf, type ModuleState } from "./module-state.ts";
import { finishProgram, handlerObject, runHandler, startProgram } from "./program-builder.ts";
import { PROGRAM_KINDS } from "./program-kinds.ts";
import type { HookKind, HookName } from "./roles.ts";
import { BOOL } from "./types.ts";

/** Lowers each handler, which answers whether the call goes on; the program is called as the constant, with the hook's suffix. */
export const hookPrograms =
  (kind: HookKind) =>
  (state: ModuleState, entity: ProgramEntity): readonly IrProgram[] => {
    const { hooks } = cgroupKind(kind);
    const object = handlerObject({ state, entity }, Object.keys(hooks));
    if (!object) return [];
    if (object.empty)
      say(state, "no-handlers", spanOf(entity.file, entity.call), {
        kind: entity.programKind,
        example: PROGRAM_KINDS[entity.programKind].example,
      });
    return [...object.handlers.values()].flatMap((handler) => {
      if (!Object.hasOwn(hooks, handler.name)) return []; // the type checker names the nearest one
      const hook = hooks[handler.name]!;
      const span = spanOf(handler.file, handler.node.name ?? handler.node);
      const program = startProgram(state, entity, kind, `${entity.name}${hook.suffix}`, span);
      const { b, ctx } = program;
      const goesOn = { type: "w32" as const, name: "goes on" };
      b.set(goesOn, b.constant("w32", 1n, span));
      runHandler(program, handler, [{ kind: "context", role: handler.name as HookName, ctx }], {
        result: goesOn,
        type: BOOL,
      });
      if (b.reachable()) b.return(b.get(goesOn), span);
      return [finishProgram(program, kind, hook)];
    });
  };
