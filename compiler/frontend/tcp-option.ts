/**
 * `tcpOption({…})`: one source, two targets. Here is what both share: the declaration, the callback flags, the established event.
 * How an option is written and parsed is in tcp-option-mainline.ts and tcp-option-patched.ts.
 */
import { ts } from "ts-morph";
import { SOCK_OPS_CALLBACKS, SOCK_OPS_EVENTS, SOCK_OPS_FIELDS } from "../bpf/sock-ops.ts";
import type { Value } from "../ir/ir.ts";
import type { StructLayout } from "../layout.ts";
import { constantContext, constantInteger, fieldType } from "./declare.ts";
import { say, spanOf, type ModuleState } from "./module-state.ts";
import { FLAG_CELL_BYTES, flagsInMemory, readCell, writeCell } from "./cells.ts";
import type { Context, FlagCell, Memory, Operand, Scalar, WordCell } from "./operand.ts";
import { handlerObject, onEvents, runHandler, type Handler, type ProgramBuilder } from "./programs.ts";
import { mainlineEvents } from "./tcp-option-mainline.ts";
import { patchedEvents } from "./tcp-option-patched.ts";
import { SIDE } from "./values.ts";

/** RFC 6994: the kinds shared by experiments, and the one used unless the program says otherwise. */
const EXPERIMENT_KINDS = [253, 254];
const DEFAULT_EXPERIMENT_KIND = 254;
/** Kinds that the kernel writes or reads itself (net/ipv4/tcp_input.c, mptcp/options.c). */
const KERNEL_KINDS = [0, 1, 2, 3, 4, 5, 8, 19, 29, 30, 34];

export const HANDLERS = ["established", "write", "parse", "retransmitTimeout"] as const;
export type HandlerName = (typeof HANDLERS)[number];

/** One option, as declared. */
export interface OptionDeclaration {
  readonly kind: number;
  readonly experiment: number | undefined;
  readonly payload: StructLayout;
  /** Bytes before the payload: kind, length, and an experiment's identifier. */
  readonly header: 2 | 4;
  /** Of the whole option, in bytes. */
  readonly length: number;
  readonly handlers: ReadonlyMap<string, Handler>;
}

/** One event while it is lowered: the connection that handlers get, and the flags that it leaves. */
export interface OptionEvent {
  readonly program: ProgramBuilder;
  readonly option: OptionDeclaration;
  readonly conn: Context;
  run(name: HandlerName, args: readonly Operand[]): void;
}

export function tcpOptionProgram(program: ProgramBuilder): void {
  const option = declaration(program);
  if (!option) return;
  checkWriting(program, option);
  const cases: { ops: readonly number[]; run: () => void }[] = [];
  const add = (ops: readonly number[], run: (event: OptionEvent) => void): void => {
    cases.push({ ops, run: () => withFlags(program, option, 0, run) });
  };
  const target = program.state.target === "patched" ? patchedEvents : mainlineEvents;
  const established = [SOCK_OPS_EVENTS.ActiveEstablished.op, SOCK_OPS_EVENTS.PassiveEstablished.op];
  const wanted =
    (option.handlers.has("parse") ? target.parseFlags : 0) |
    (option.handlers.has("retransmitTimeout") ? SOCK_OPS_CALLBACKS.Rto.bit : 0);
  if (option.handlers.has("established") || wanted !== 0 || (option.handlers.has("parse") && target.parseAtHandshake)) {
    const side: Scalar = { kind: "scalar", type: SIDE, value: program.op };
    cases.push({
      ops: established,
      run: () => {
        withFlags(program, option, wanted, (event) => event.run("established", [event.conn, side]));
        // With the flags set already, this is the same code as the parse event's and can stand once.
        const parse = option.handlers.has("parse") ? target.parseAtHandshake : undefined;
        if (parse) withFlags(program, option, 0, parse);
      },
    });
  }
  target.events(option, add);
  if (option.handlers.has("retransmitTimeout"))
    add([SOCK_OPS_EVENTS.Rto.op], (event) => event.run("retransmitTimeout", [event.conn]));
  target.need(program, option);
  onEvents(program, cases);
}

/** Runs handlers with the socket's callback flags at hand; sets them once at the end, where something changed them. */
function withFlags(
  program: ProgramBuilder,
  option: OptionDeclaration,
  extra: number,
  run: (event: OptionEvent) => void,
): void {
  const { b, ctx, span, state } = program;
  const word = (value: number): Value => b.constant("w32", BigInt(value), span);
  const touches = extra !== 0 || calls(state, "startWriting", "stopWriting");
  const flags: FlagCell | undefined = touches ? flagCell(program) : undefined;
  if (flags) {
    const before = b.load("w32", 4, ctx, SOCK_OPS_FIELDS.bpf_sock_ops_cb_flags.offset, span, "flags");
    writeCell(b, flags.flags, extra === 0 ? before : b.binary("or", before, word(extra), span), span);
    writeCell(b, flags.changed, word(extra === 0 ? 0 : 1), span);
  }
  const conn: Context = { kind: "context", role: "option", ctx, ...(flags ? { flags } : {}) };
  run({
    program,
    option,
    conn,
    run: (name, args) => {
      const handler = option.handlers.get(name);
      if (handler && b.reachable()) runHandler(program, handler, args);
    },
  });
  if (!flags || !b.reachable()) return;
  const set = b.label();
  const done = b.label();
  b.branch("ne", readCell(b, flags.changed, span), word(0), set, done, span);
  b.place(set);
  b.call("sock_ops_cb_flags_set", [ctx, readCell(b, flags.flags, span)], "w64", span);
  b.jump(done, span);
  b.place(done);
  for (const cell of [flags.flags, flags.changed]) if (cell.kind === "variable") b.forget(cell.variable);
}

/** Variables for the flags; memory where functions that are given the connection change them. */
function flagCell({ b, span, state, scratch }: ProgramBuilder): FlagCell {
  if (!state.sharedFlags) {
    const variable = (name: string): WordCell => ({ kind: "variable", variable: { type: "w32", name } });
    return { flags: variable("flags"), changed: variable("changed"), bit: state.writeBit };
  }
  const base = scratch.get("flags") ?? b.slot(FLAG_CELL_BYTES, 4, "flags", span);
  scratch.set("flags", base);
  return flagsInMemory(base, state.writeBit);
}

/** Does any handler of the module call this? An over-estimate costs two instructions. */
const calls = (state: ModuleState, ...names: readonly string[]): boolean => {
  const found = (node: ts.Node): boolean =>
    (ts.isPropertyAccessExpression(node) && names.includes(node.name.text)) || (ts.forEachChild(node, found) ?? false);
  return state.project.files.some((file) => names.some((name) => file.source.text.includes(name)) && found(file.tree));
};

/** An option that is written but never started would silently do nothing. */
function checkWriting(program: ProgramBuilder, option: OptionDeclaration): void {
  const write = option.handlers.get("write");
  if (!write || calls(program.state, "startWriting")) return;
  const span = spanOf(write.file, write.node.name ?? write.node);
  // A file with `write` alone is on its way; one with `established` has forgotten the call.
  say(program.state, option.handlers.size > 1 ? "never-writes" : "writes-alone", span, undefined);
}

function declaration(program: ProgramBuilder): OptionDeclaration | undefined {
  const { state, entity } = program;
  const object = handlerObject(program, HANDLERS);
  if (!object) return undefined;
  const f = constantContext(state, entity.file);
  const span = (node: Parameters<typeof spanOf>[1]) => spanOf(entity.file, node);
  const payloadNode = object.values.get("payload");
  if (!payloadNode)
    return void say(state, "option-property", span(entity.call), { name: "payload", example: "payload: MyOption" });
  const payload = fieldType(f, payloadNode);
  if (!payload) return undefined;
  if (payload.kind !== "struct")
    return void say(state, "type-mismatch", span(payloadNode), { expected: "a struct class", found: payload.kind });
  const experimentNode = object.values.get("experiment");
  const kindNode = object.values.get("kind");
  const experiment = experimentNode && constantInteger(f, experimentNode, "the experiment identifier");
  const kind = kindNode
    ? constantInteger(f, kindNode, "the kind of an option")
    : experimentNode
      ? DEFAULT_EXPERIMENT_KIND
      : undefined;
  if (experimentNode && experiment === undefined) return undefined;
  if (kind === undefined) {
    if (!kindNode) say(state, "option-property", span(entity.call), { name: "kind", example: "kind: 66" });
    return undefined;
  }
  if (experiment !== undefined && (experiment < 0 || experiment > 0xffff))
    return void say(state, "experiment-id", span(experimentNode!), { id: experiment });
  if (
    experiment !== undefined ? !EXPERIMENT_KINDS.includes(kind) : kind < 0 || kind > 252 || KERNEL_KINDS.includes(kind)
  ) {
    const node = kindNode ?? experimentNode!;
    if (experiment === undefined && EXPERIMENT_KINDS.includes(kind))
      return void say(state, "experiment-missing", span(entity.call), { kind });
    return void say(state, "option-kind", span(node), {
      kind,
      reserved: KERNEL_KINDS.includes(kind),
      experiment: experiment !== undefined,
    });
  }
  const header = experiment === undefined ? 2 : 4;
  const length = header + payload.size;
  const { maxOption } = state.kernel;
  if (length > maxOption) {
    return void say(state, "option-too-large", span(payloadNode), {
      payload: payload.name,
      bytes: length,
      limit: maxOption,
      target: state.target,
    });
  }
  if (object.handlers.size === 0)
    say(state, "no-handlers", span(entity.call), { kind: "tcpOption", example: "parse(conn, option) { … }" });
  return { kind, experiment, payload, header, length, handlers: object.handlers };
}

/** An experiment's identifier as the half-word that lies in memory. */
export const magicBits = (experiment: number): bigint => BigInt(((experiment & 0xff) << 8) | (experiment >> 8));

/** The payload behind the option's first bytes. */
export const payloadOperand = (option: OptionDeclaration, base: Value, offset: number, readOnly?: string): Operand => {
  const memory: Memory = {
    base,
    offset: offset + option.header,
    align: option.header === 4 ? 4 : 2,
    ...(readOnly ? { readOnly } : {}),
  };
  return { kind: "place", type: option.payload, at: memory };
};
