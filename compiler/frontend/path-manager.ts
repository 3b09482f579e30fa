/** `pathManager({…})`: MPTCP events of the patched kernel. */
import { SOCK_OPS_EVENTS, SOCK_OPS_FIELDS, type SockOpsEventName } from "../bpf/kinds/sock-ops.ts";
import type { Value } from "../ir/ir.ts";
import { need, say, spanOf } from "./module-state.ts";
import type { Operand, Scalar } from "./operand.ts";
import { handlerObject, onEvents, runHandler, type EventProgram } from "./program-builder.ts";
import { BOOL, U32, U8 } from "./types.ts";

/** What a handler is given, in order. `argN`: a word of args. */
type Given =
  | "session"
  | "remote"
  | "local"
  | "is-master"
  | "is-first"
  | "address-id"
  | "local-id"
  | "remote-id"
  | "backup"
  | "by-link"
  | "error";
interface EventRow {
  readonly event: SockOpsEventName;
  readonly given: readonly Given[];
  /** The handler's boolean decides: false refuses. */
  readonly decides?: true;
}
/** Handlers by name (runtime/dsl/mptcp.d.ts). */
export const PATH_MANAGER_EVENTS: Readonly<Record<string, EventRow>> = {
  newSession: { event: "MptcpNewSession", given: ["session"] },
  fullyEstablished: { event: "MptcpFullyEstablished", given: ["session", "is-master"] },
  closeSession: { event: "MptcpCloseSession", given: ["session"] },
  addRemoteAddress: { event: "MptcpAddRemoteAddress", given: ["session", "remote"] },
  removeRemoteAddress: { event: "MptcpRemoveRemoteAddress", given: ["session", "address-id"] },
  subflowEstablished: {
    event: "MptcpSubflowEstablished",
    given: ["session", "local-id", "remote-id", "backup", "is-first"],
  },
  subflowClosed: { event: "MptcpSubflowClosed", given: ["session", "local-id", "remote-id", "error"] },
  subflowPriority: { event: "MptcpSubflowPriority", given: ["session", "local-id", "remote-id", "backup"] },
  addLocalAddress: { event: "MptcpAddLocalAddress", given: ["session", "local", "by-link"] },
  removeLocalAddress: { event: "MptcpRemoveLocalAddress", given: ["session", "local", "by-link"] },
  timer: { event: "MptcpTimer", given: ["session", "local-id", "remote-id", "backup", "is-first"] },
  acceptSubflow: { event: "MptcpAcceptSubflow", given: ["session", "remote-id", "backup"], decides: true },
};

const ARGS = SOCK_OPS_FIELDS.args;

export function pathManagerProgram(program: EventProgram): void {
  const { state, entity, b, ctx } = program;
  const object = handlerObject(program, Object.keys(PATH_MANAGER_EVENTS));
  if (!object) return;
  if (object.empty)
    say(state, "no-handlers", spanOf(entity.file, entity.call), {
      kind: "pathManager",
      example: "fullyEstablished(session, isMaster) { … }",
    });
  const cases = [...object.handlers.values()].flatMap((handler) => {
    if (!Object.hasOwn(PATH_MANAGER_EVENTS, handler.name)) return []; // the type checker names the nearest one
    const row = PATH_MANAGER_EVENTS[handler.name]!;
    const event = SOCK_OPS_EVENTS[row.event];
    const span = spanOf(handler.file, handler.node.name ?? handler.node);
    need(state, event.needs, span, handler.name);
    const run = (): void => {
      const word = (index: number): Value => b.load("w32", 4, ctx, ARGS.offset + 4 * index, span, `args${index}`);
      const flag = (index: number): Scalar => ({
        kind: "scalar",
        type: BOOL,
        value: b.compare("ne", word(index), b.constant("w32", 0n, span), span),
      });
      const given = (what: Given): Operand => {
        switch (what) {
          case "session":
          case "remote":
          case "local":
            return { kind: "context", role: what, ctx };
          case "is-master":
            return flag(1);
          case "is-first":
            return flag(3);
          case "backup":
          case "by-link":
            return flag(2);
          case "local-id":
            return { kind: "scalar", type: U8, value: word(0) };
          case "address-id":
          case "remote-id":
            return { kind: "scalar", type: U8, value: word(1) };
          case "error":
            return { kind: "scalar", type: U32, value: word(3) };
        }
      };
      const args = row.given.map(given);
      if (!row.decides) return runHandler(program, handler, args);
      const accepted = { type: "w32" as const, name: "accepted" };
      b.set(accepted, b.constant("w32", 1n, span));
      runHandler(program, handler, args, { result: accepted, type: BOOL });
      // The kernel asks whether to refuse.
      b.store(4, ctx, ARGS.offset, b.binary("xor", b.get(accepted), b.constant("w32", 1n, span), span), span);
      b.forget(accepted);
    };
    return [{ ops: [event.op], run, span }];
  });
  onEvents(program, cases);
}
