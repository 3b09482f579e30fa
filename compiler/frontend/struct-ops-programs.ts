/** A struct of the kernel's whose functions are programs, one for each handler (struct_ops). */
import { has } from "../bpf/kernels.ts";
import {
  memberHook,
  OPS_STRUCTS,
  type OpArgument,
  type OpMember,
  type OpsStruct,
  type OpsStructName,
} from "../bpf/kinds/struct-ops.ts";
import { isGplCompatible } from "../bpf/licenses.ts";
import { hasCome } from "../bpf/since.ts";
import { functionBuilder, type FuncBuilder } from "../ir/build.ts";
import type { IrProgram, Value } from "../ir/ir.ts";
import { contextType } from "../ir/types.ts";
import type { StructLayout } from "../layout.ts";
import type { Span } from "../span.ts";
import type { ProgramEntity } from "./entities.ts";
import { say, spanOf, type ModuleState } from "./module-state.ts";
import type { Operand } from "./operand.ts";
import { handlerObject, runHandler, type Handler, type HandlerObject, type ProgramBuilder } from "./program-builder.ts";
import { PROGRAM_KINDS } from "./program-kinds.ts";
import { roleOfStruct } from "./roles.ts";
import { BOOL, I32, U32, U8 } from "./types.ts";

/** What a struct has besides its functions. */
export interface OpsParts {
  /** Members that hold data; undefined where they are wrong, which was reported. */
  readonly values: Readonly<Record<string, Uint8Array>> | undefined;
  /** What is kept for each object that the functions are called with. */
  readonly kept?: StructLayout;
}
type ReadParts = (state: ModuleState, entity: ProgramEntity, object: HandlerObject) => OpsParts;

/** Lowers each handler, and notes the struct that they are members of. `parts` reads what is no handler. */
export const structOpsPrograms =
  (struct: OpsStructName, parts: ReadParts) =>
  (state: ModuleState, entity: ProgramEntity): readonly IrProgram[] => {
    const ops: OpsStruct = OPS_STRUCTS[struct];
    const object = handlerObject({ state, entity }, Object.keys(ops.members));
    if (!object) return [];
    const { values, kept } = parts(state, entity, object);
    const programs: Record<string, string> = {};
    const lowered = [...object.handlers.values()].flatMap((handler) => {
      if (!Object.hasOwn(ops.members, handler.name)) return []; // the type checker names the nearest one
      const row = ops.members[handler.name]!;
      const span = spanOf(handler.file, handler.node.name ?? handler.node);
      if (row.since !== undefined && !hasCome(row.since, state.kernel.oldest))
        say(state, "needs-newer-kernel", span, {
          what: handler.name,
          since: row.since,
          oldest: state.kernel.oldest,
        });
      const { section, suffix } = memberHook(row);
      const program = `${entity.name}${suffix}`;
      const { member } = row;
      programs[member] = program;
      const func = lowerHandler(state, entity, { handler, row, program, kept, span });
      return [{ func, section, type: "struct_ops", attachType: 0, implements: { struct, member } }];
    });
    checkWhole(state, entity, object, ops);
    if (values)
      state.structOps.push({
        name: entity.name,
        struct,
        link: has(state.kernel, "struct-ops-links"),
        programs,
        values,
        ...(kept ? { state: kept } : {}),
        span: spanOf(entity.file, entity.node),
      });
    return lowered;
  };

interface Lowered {
  readonly handler: Handler;
  readonly row: OpMember;
  readonly program: string;
  readonly kept: StructLayout | undefined;
  readonly span: Span;
}
function lowerHandler(state: ModuleState, entity: ProgramEntity, given: Lowered): IrProgram["func"] {
  const { handler, row, program, kept, span } = given;
  const context = { type: contextType("struct_ops"), name: "ctx" };
  const b = functionBuilder(program, [context], row.returns && "w32", span);
  const ctx = b.params[0]!;
  const builder: ProgramBuilder = { state, entity, b, ctx, span, scratch: new Map() };
  const result = { type: "w32" as const, name: "result" };
  if (row.returns) b.set(result, b.constant("w32", 0n, span));
  const type = row.returns === "success" ? BOOL : U32;
  const args = row.args.map((arg, index) => argument(b, ctx, arg, index, kept, span));
  runHandler(builder, handler, args, row.returns ? { result, type } : {});
  if (b.reachable()) b.return(row.returns && returned(b, row, b.get(result), span), span);
  return b.finish();
}

/** EINVAL of include/uapi/asm-generic/errno-base.h. */
const EINVAL = 22n;
/** What the kernel is told: a number as it is; 0 for true, and an error for false. */
function returned(b: FuncBuilder, { returns }: OpMember, value: Value, span: Span): Value {
  if (returns !== "success") return value;
  const failed = b.binary("xor", value, b.constant("w32", 1n, span), span);
  return b.binary("mul", failed, b.constant("w32", -EINVAL, span), span);
}

/** The arguments lie in the context one behind the other, eight bytes each, as the kernel's function was given them. */
function argument(
  b: FuncBuilder,
  ctx: Value,
  arg: OpArgument,
  index: number,
  kept: StructLayout | undefined,
  span: Span,
): Operand {
  const at = 8 * index;
  if ("struct" in arg) {
    const pointer = b.load(`ptr trusted(${arg.struct})`, 8, ctx, at, span);
    return { kind: "context", role: roleOfStruct(arg.struct), ctx: pointer, ...(kept ? { state: kept } : {}) };
  }
  // What lies above a narrow argument is whatever the caller's register held.
  return {
    kind: "scalar",
    type: arg.bytes === 1 ? U8 : arg.signed ? I32 : U32,
    value: b.load("w32", arg.bytes, ctx, at, span),
  };
}

/** What the kernel wants of the whole: members that must be there, and a license. */
function checkWhole(state: ModuleState, entity: ProgramEntity, object: HandlerObject, { needed }: OpsStruct): void {
  const span = spanOf(entity.file, entity.call.expression);
  if (object.empty)
    say(state, "no-handlers", spanOf(entity.file, entity.call), {
      kind: entity.programKind,
      example: PROGRAM_KINDS[entity.programKind].example,
    });
  for (const names of needed)
    if (!names.some((name) => object.names.has(name)))
      say(state, "ops-member", span, { kind: entity.programKind, names });
  if (state.license && !isGplCompatible(state.license.id)) say(state, "needs-gpl", span, { what: entity.programKind });
}
