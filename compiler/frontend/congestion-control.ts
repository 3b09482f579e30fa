/** `congestionControl({…})`: a struct tcp_congestion_ops whose functions are programs, one for each handler. */
import { ts } from "ts-morph";
import { has } from "../bpf/kernels.ts";
import { hasCome } from "../bpf/since.ts";
import {
  CC_FLAGS,
  CC_NAME_BYTES,
  CONGESTION_OPS,
  LONGEST_CC_NAME,
  NEEDED_OPS,
  structOps,
  type CongestionHandler,
  type OpArgument,
  type OpMember,
} from "../bpf/kinds/struct-ops.ts";
import { isGplCompatible } from "../bpf/licenses.ts";
import { functionBuilder, type FuncBuilder } from "../ir/build.ts";
import type { IrProgram, Value } from "../ir/ir.ts";
import { contextType } from "../ir/types.ts";
import type { StructLayout } from "../layout.ts";
import type { Span } from "../span.ts";
import { constantContext } from "./declare.ts";
import type { ProgramEntity } from "./entities.ts";
import { privateBytes } from "./kernel-members.ts";
import { say, spanOf, type ModuleState } from "./module-state.ts";
import { entityAt } from "./names.ts";
import type { Operand } from "./operand.ts";
import { handlerObject, runHandler, type Handler, type HandlerObject, type ProgramBuilder } from "./program-builder.ts";
import { PROGRAM_KINDS } from "./program-kinds.ts";
import { ROLES, type Role } from "./roles.ts";
import { I32, U32, U8 } from "./types.ts";

const STRUCT = "tcp_congestion_ops";
const isHandler = (name: string): name is CongestionHandler => Object.hasOwn(CONGESTION_OPS, name);

/** Lowers each handler, and notes the struct that they are members of. */
export function congestionControlPrograms(state: ModuleState, entity: ProgramEntity): readonly IrProgram[] {
  const object = handlerObject({ state, entity }, Object.keys(CONGESTION_OPS));
  if (!object) return [];
  const kept = stateOf(state, entity, object);
  const name = nameOf(state, entity, object);
  const programs: Record<string, string> = {};
  const lowered = [...object.handlers.values()].flatMap((handler) => {
    if (!isHandler(handler.name)) return []; // the type checker names the nearest one
    const row: OpMember = CONGESTION_OPS[handler.name];
    const span = spanOf(handler.file, handler.node.name ?? handler.node);
    if (row.since !== undefined && !hasCome(row.since, state.kernel.oldest))
      say(state, "needs-newer-kernel", span, {
        what: handler.name,
        since: row.since,
        oldest: state.kernel.oldest,
      });
    const { section, suffix } = structOps.hooks[handler.name];
    const program = `${entity.name}${suffix}`;
    programs[row.member] = program;
    const func = lowerHandler(state, entity, { handler, row, program, kept, span });
    const { member } = row;
    return [{ func, section, type: "struct_ops", attachType: 0, implements: { struct: STRUCT, member } }];
  });
  checkWhole(state, entity, object);
  if (name !== undefined)
    state.structOps.push({
      name: entity.name,
      struct: STRUCT,
      link: has(state.kernel, "struct-ops-links"),
      programs,
      values: { name: fixed(name, CC_NAME_BYTES), flags: word(flagsOf(state, entity, object)) },
      ...(kept ? { state: kept } : {}),
      span: spanOf(entity.file, entity.node),
    });
  return lowered;
}

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
  const args = row.args.map((arg, index) => argument(b, ctx, arg, index, kept, span));
  runHandler(builder, handler, args, row.returns ? { result, type: U32 } : {});
  if (b.reachable()) b.return(row.returns ? b.get(result) : undefined, span);
  return b.finish();
}

const ROLE_OF: ReadonlyMap<string, Role> = new Map(
  Object.entries(ROLES).flatMap(([role, row]): [string, Role][] =>
    "struct" in row ? [[row.struct, role as Role]] : [],
  ),
);
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
    return { kind: "context", role: ROLE_OF.get(arg.struct)!, ctx: pointer, ...(kept ? { state: kept } : {}) };
  }
  // What lies above a narrow argument is whatever the caller's register held.
  const bytes = arg.bytes === 1 ? 1 : 4;
  return {
    kind: "scalar",
    type: arg.bytes === 1 ? U8 : arg.signed ? I32 : U32,
    value: b.load("w32", bytes, ctx, at, span),
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

function nameOf(state: ModuleState, entity: ProgramEntity, object: HandlerObject): string | undefined {
  const node = object.values.get("name");
  if (node && !ts.isStringLiteralLike(node))
    return void say(state, "literal-needed", spanOf(entity.file, node), {
      what: "the name of a congestion control",
      example: 'name: "ts_reno"',
    });
  const name = node?.text ?? entity.name;
  const span = spanOf(entity.file, node ?? entity.node);
  if (!/^[A-Za-z0-9_.]+$/.test(name) || name.length > LONGEST_CC_NAME)
    return void say(state, "cc-name", span, { name, longest: LONGEST_CC_NAME, given: node !== undefined });
  return name;
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

/** What the kernel wants of the whole: members that must be there, and a license that lets programs call its functions. */
function checkWhole(state: ModuleState, entity: ProgramEntity, object: HandlerObject): void {
  const span = spanOf(entity.file, entity.call.expression);
  if (object.empty)
    say(state, "no-handlers", spanOf(entity.file, entity.call), {
      kind: entity.programKind,
      example: PROGRAM_KINDS[entity.programKind].example,
    });
  for (const names of NEEDED_OPS)
    if (!names.some((name) => object.handlers.has(name))) say(state, "cc-member", span, { names });
  if (state.license && !isGplCompatible(state.license.id)) say(state, "needs-gpl", span, { what: entity.programKind });
}

function fixed(text: string, bytes: number): Uint8Array {
  const found = new Uint8Array(bytes);
  found.set(new TextEncoder().encode(text));
  return found;
}
const word = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
