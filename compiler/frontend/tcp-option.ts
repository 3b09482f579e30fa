/**
 * `tcpOption({…})`: one source, two targets. Here is what both share: the declaration, the callback flags, the established event.
 * How an option is written and parsed is in tcp-option-mainline.ts and tcp-option-patched.ts, on which sockets in option-state.ts.
 */
import { ts } from "ts-morph";
import { SOCK_OPS_CALLBACKS, SOCK_OPS_EVENTS } from "../bpf/kinds/sock-ops.ts";
import type { Label, Variable } from "../ir/build.ts";
import type { Value } from "../ir/ir.ts";
import type { StructLayout } from "../layout.ts";
import { has } from "../bpf/kernels.ts";
import { constantContext, constantInteger, fieldType } from "./declare.ts";
import { DEFAULT_EXPERIMENT_KIND, isExperimentKind } from "./experiments.ts";
import { say, spanOf, type ModuleState } from "./module-state.ts";
import { resolveName } from "./names.ts";
import { readCell, WISH_BYTES, wishInMemory, writeCell } from "./cells.ts";
import type { Context, Memory, Operand, Scalar, Wish, WordCell } from "./operand.ts";
import { begin, callbackFlags, end, optionBits, setCallbackFlags, speak, type OptionBits } from "./option-state.ts";
import { bare } from "./lowering.ts";
import { handlerObject, onEvents, runHandler, type Handler, type EventProgram } from "./program-builder.ts";
import { mainlineEvents } from "./tcp-option-mainline.ts";
import { patchedEvents } from "./tcp-option-patched.ts";
import { U32 } from "./types.ts";
import { SIDE } from "./values.ts";

/** Kinds that the kernel writes or reads itself (net/ipv4/tcp_input.c, mptcp/options.c). */
const KERNEL_KINDS = [0, 1, 2, 3, 4, 5, 8, 19, 29, 30, 34];

export const HANDLERS = [
  "connecting",
  "listening",
  "established",
  "length",
  "write",
  "parse",
  "retransmitTimeout",
] as const;
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
  /** No other program writes on its sockets: the callback flag is all the state there is. */
  readonly exclusive: boolean;
}

/** One event while it is lowered: the connection that handlers get, and the flags that it leaves. */
export interface OptionEvent {
  readonly program: EventProgram;
  readonly option: OptionDeclaration;
  readonly conn: Context;
  run(name: HandlerName, args: readonly Operand[]): void;
  /** Bytes of this segment's option, its first ones included; 0: it has none. Of options whose length varies. */
  bytes(): Value;
}

/** What a target does at its events. */
export interface OptionTarget {
  /** Callback flags that parsing needs. */
  readonly parseFlags: number;
  /** The event that ends the handshake brings the options of the segment that ended it. */
  readonly parseAtHandshake: boolean;
  need(program: EventProgram, option: OptionDeclaration): void;
  /** Events that ask for the length of options, for their bytes, and that bring those of the peer. */
  readonly ops: { readonly length: number; readonly write: number; readonly parse: number };
  length(event: OptionEvent): void;
  write(event: OptionEvent): void;
  parse(event: OptionEvent): void;
}

export function tcpOptionProgram(program: EventProgram): void {
  const option = declaration(program);
  if (!option) return;
  checkWriting(program, option);
  const target: OptionTarget = has(program.state.kernel, "tcp-option-events") ? patchedEvents : mainlineEvents;
  const writes = option.handlers.has("write");
  const parses = option.handlers.has("parse");
  const bits = writes && !option.exclusive ? optionBits(program, option.handlers.has("listening")) : undefined;
  const handle = (extra: number, run: (event: OptionEvent) => void, word?: Writing["word"]): void =>
    withWish(program, option, { bits, extra, word }, run);
  /** Where the options of a segment are at hand: in the parse event, and where the handshake ends with the flags set already. */
  const arrived = program.b.label();
  const cases: { ops: readonly number[]; run: () => void }[] = [];
  const add = (op: number, run: (event: OptionEvent) => void): void => {
    cases.push({ ops: [op], run: () => handle(0, run) });
  };
  const wanted =
    (parses ? target.parseFlags : 0) | (option.handlers.has("retransmitTimeout") ? SOCK_OPS_CALLBACKS.Rto.bit : 0);
  if (option.handlers.has("established") || wanted !== 0 || (parses && target.parseAtHandshake)) {
    const side: Scalar = { kind: "scalar", type: SIDE, value: program.op };
    cases.push({
      ops: [SOCK_OPS_EVENTS.ActiveEstablished.op, SOCK_OPS_EVENTS.PassiveEstablished.op],
      run: () => {
        handle(wanted, (event) => event.run("established", [event.conn, side]));
        if (parses && target.parseAtHandshake && program.b.reachable()) program.b.jump(arrived, program.span);
      },
    });
  }
  for (const [name, op] of [
    ["connecting", SOCK_OPS_EVENTS.TcpConnect.op],
    ["listening", SOCK_OPS_EVENTS.TcpListen.op],
  ] as const)
    if (option.handlers.has(name)) add(op, (event) => event.run(name, [event.conn]));
  const { ops } = target;
  if (bits) {
    const asked = {
      lengthOp: ops.length,
      length: () => handle(0, (event) => target.length(event)),
      write: (word: Value) => handle(0, (event) => target.write(event), word),
      requests: option.handlers.has("listening"),
    };
    cases.push({ ops: [ops.length, ops.write], run: () => speak(program, bits, asked) });
  } else if (writes) {
    add(ops.length, (event) => target.length(event));
    add(ops.write, (event) => target.write(event));
  }
  if (parses)
    cases.push({
      ops: [ops.parse],
      run: () => {
        program.b.jump(arrived, program.span);
        program.b.place(arrived);
        handle(0, (event) => target.parse(event));
      },
    });
  if (option.handlers.has("retransmitTimeout"))
    add(SOCK_OPS_EVENTS.Rto.op, (event) => event.run("retransmitTimeout", [event.conn]));
  target.need(program, option);
  onEvents(program, cases);
}

interface Writing {
  /** Absent: an option that does not write, or the only one that does. */
  readonly bits: OptionBits | undefined;
  /** Callback flags to set, whatever the handlers want. */
  readonly extra: number;
  /** Address of the socket's word, where it is at hand: the option is writing. 0: on a request, which has none. */
  readonly word: Value | undefined;
}

/** Runs handlers, then does what they asked of writing: what they asked last. */
function withWish(
  program: EventProgram,
  option: OptionDeclaration,
  writing: Writing,
  run: (event: OptionEvent) => void,
): void {
  const { b, ctx, span, state } = program;
  const wish = calls(state, "startWriting", "stopWriting") ? wishCell(program) : undefined;
  const cells = wish ? [wish.start, wish.stop] : [];
  for (const cell of cells) writeCell(b, cell, b.constant("w32", 0n, span), span);
  const conn: Context = { kind: "context", role: "option", ctx, ...(wish ? { wish } : {}) };
  run({
    program,
    option,
    conn,
    bytes: () => bytesOf(program, option, conn),
    run: (name, args) => {
      const handler = option.handlers.get(name);
      if (handler && b.reachable()) runHandler(program, handler, args);
    },
  });
  if (b.reachable()) carryOut(program, option, writing, wish);
  for (const cell of cells) if (cell.kind === "variable") b.forget(cell.variable);
}

/** What `length` answers, held to what the payload has. */
function bytesOf(program: EventProgram, option: OptionDeclaration, conn: Context): Value {
  const { b, span } = program;
  const number = (value: number): Value => b.constant("w32", BigInt(value), span);
  const result = { type: "w32" as const, name: "length" };
  b.set(result, number(0));
  const planned: Operand = { kind: "context", role: "planned", ctx: program.ctx };
  runHandler(program, option.handlers.get("length")!, [conn, planned], { result, type: U32 });
  const [any, some, none, done] = [b.label(), b.label(), b.label(), b.label()];
  const wanted = b.get(result);
  b.branch("ne", wanted, number(0), any, none, span);
  b.place(any);
  b.branch("ule", wanted, number(option.payload.size), some, none, span);
  b.place(none);
  b.set(result, number(0));
  b.jump(done, span);
  b.place(some);
  b.set(result, b.binary("add", wanted, number(option.header), span));
  b.jump(done, span);
  b.place(done);
  const bytes = b.get(result);
  b.forget(result);
  return bytes;
}

function carryOut(
  program: EventProgram,
  option: OptionDeclaration,
  { bits, extra, word }: Writing,
  wish: Wish | undefined,
): void {
  const { b, span, state } = program;
  const constant = (value: number): Value => b.constant("w32", BigInt(value >>> 0), span);
  const flags: Variable = { type: "w32", name: "flags" };
  const [start, other, stop, neither, set, done] = Array.from({ length: 6 }, () => b.label()) as [
    Label,
    Label,
    Label,
    Label,
    Label,
    Label,
  ];
  const writes = wish && option.handlers.has("write");
  const flag = state.writeBit;
  if (writes) {
    b.branch("ne", readCell(b, wish.start, span), constant(0), start, other, span);
    b.place(start);
    // Where the word is at hand, the option is writing already.
    if (word) b.jump(done, span);
    else {
      const before = callbackFlags(program);
      if (bits) begin(program, bits, before, neither);
      b.set(flags, b.binary("or", before, constant(extra | flag), span));
      b.jump(set, span);
    }
    b.place(other);
    b.branch("ne", readCell(b, wish.stop, span), constant(0), stop, neither, span);
    b.place(stop);
    if (bits) {
      end(program, bits, word, neither);
      b.jump(neither, span);
    } else {
      const kept = b.binary("and", callbackFlags(program), constant(~flag & 0xff), span);
      b.set(flags, extra === 0 ? kept : b.binary("or", kept, constant(extra), span));
      b.jump(set, span);
    }
    b.place(neither);
  }
  if (extra !== 0) {
    b.set(flags, b.binary("or", callbackFlags(program), constant(extra), span));
    b.jump(set, span);
  } else b.jump(done, span);
  b.place(set);
  if (b.reachable()) setCallbackFlags(program, b.get(flags));
  b.jump(done, span);
  b.place(done);
  b.forget(flags);
}

/** Variables for what is wanted; memory where functions that are given the connection change it. */
function wishCell({ b, span, state, scratch }: EventProgram): Wish {
  if (!state.sharedWish) {
    const variable = (name: string): WordCell => ({ kind: "variable", variable: { type: "w32", name } });
    return { start: variable("start"), stop: variable("stop") };
  }
  const base = scratch.get("wish") ?? b.slot(WISH_BYTES, 4, "wish", span);
  scratch.set("wish", base);
  return wishInMemory(base);
}

/** Does any handler of the module call this? An over-estimate costs two instructions. */
const calls = (state: ModuleState, ...names: readonly string[]): boolean => {
  const found = (node: ts.Node): boolean =>
    (ts.isPropertyAccessExpression(node) && names.includes(node.name.text)) || (ts.forEachChild(node, found) ?? false);
  return state.project.files.some((file) => names.some((name) => file.source.text.includes(name)) && found(file.tree));
};

/** An option that is written but never started would silently do nothing. */
function checkWriting(program: EventProgram, option: OptionDeclaration): void {
  const write = option.handlers.get("write");
  const length = option.handlers.get("length");
  if (length && !write)
    say(program.state, "length-without-write", spanOf(length.file, length.node.name ?? length.node), undefined);
  if (!write || calls(program.state, "startWriting")) return;
  const span = spanOf(write.file, write.node.name ?? write.node);
  // A file with `write` alone is on its way; one with `established` has forgotten the call.
  say(program.state, option.handlers.size > 1 ? "never-writes" : "writes-alone", span, undefined);
}

/** What is given as a payload in the place of a class: an object of it, a record, an interface. */
function insteadOfPayload(
  { state, entity }: EventProgram,
  written: ts.Expression,
): { readonly found: string; readonly help: string } | undefined {
  const node = bare(written);
  if (ts.isNewExpression(node)) {
    const name = node.expression.getText(entity.file.tree).slice(0, 40);
    return { found: `an object of ${name}`, help: `write ${name}` };
  }
  if (!ts.isIdentifier(node)) return undefined;
  const help = `declare it as a class: class ${node.text} extends struct({ … }) {}`;
  if (state.scopes[entity.file.index]?.types.has(node.text)) return { found: "a type", help };
  return resolveName(state, entity.file, node.text)?.kind === "object" ? { found: "a record", help } : undefined;
}

function declaration(program: EventProgram): OptionDeclaration | undefined {
  const { state, entity } = program;
  const object = handlerObject(program, HANDLERS);
  if (!object) return undefined;
  const f = constantContext(state, entity.file);
  const span = (node: Parameters<typeof spanOf>[1]) => spanOf(entity.file, node);
  const payloadNode = object.values.get("payload");
  if (!payloadNode)
    return void say(state, "option-property", span(entity.call), { name: "payload", example: "payload: MyOption" });
  const instead = insteadOfPayload(program, payloadNode);
  if (instead) return void say(state, "type-mismatch", span(payloadNode), { expected: "a struct class", ...instead });
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
  if (experiment !== undefined ? !isExperimentKind(kind) : kind < 0 || kind > 252 || KERNEL_KINDS.includes(kind)) {
    const node = kindNode ?? experimentNode!;
    if (experiment === undefined && isExperimentKind(kind))
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
  const exclusive = exclusively(program, object.values.get("exclusive"), object.handlers.has("write"));
  if (exclusive === undefined) return undefined;
  state.findings.push({
    kind: "option",
    at: span(entity.node),
    name: entity.name,
    number: kind,
    ...(experiment === undefined ? {} : { experiment }),
    payload,
    header,
    length,
  });
  return { kind, experiment, payload, header, length, handlers: object.handlers, exclusive };
}

/** `exclusive: true`; no other option of the object may write then. */
function exclusively(program: EventProgram, node: ts.Expression | undefined, writes: boolean): boolean | undefined {
  const { state, entity } = program;
  const value = node && bare(node);
  if (value && value.kind !== ts.SyntaxKind.TrueKeyword && value.kind !== ts.SyntaxKind.FalseKeyword)
    return void say(state, "not-constant", spanOf(entity.file, node), { what: "exclusive" });
  const exclusive = value?.kind === ts.SyntaxKind.TrueKeyword;
  const mine = { name: entity.name, exclusive, span: spanOf(entity.file, node ?? entity.node) };
  const other = writes ? state.writers.find((one) => one.name !== mine.name) : undefined;
  const [alone, beside] = other?.exclusive ? [other, mine] : [mine, other];
  if (alone.exclusive && beside)
    say(state, "exclusive-shared", alone.span, { name: alone.name, other: beside.name }, [
      { span: beside.span, text: `${beside.name} writes, too` },
    ]);
  if (writes && !state.writers.some((one) => one.name === mine.name)) state.writers.push(mine);
  return exclusive;
}

/** The payload behind the option's first bytes, which lie so far into a slot that is so aligned. */
export const payloadOperand = (
  option: OptionDeclaration,
  slot: { readonly base: Value; readonly lead: number; readonly align: number },
  readOnly?: string,
): Operand => {
  const memory: Memory = {
    base: slot.base,
    offset: slot.lead + option.header,
    align: slot.align,
    ...(readOnly ? { readOnly } : {}),
  };
  return { kind: "place", type: option.payload, at: memory };
};
/** The segment that an event is about, as handlers see it. */
export const segment = (role: "leaving" | "arriving", { program }: OptionEvent, optionBytes?: Value): Operand => ({
  kind: "context",
  role,
  ctx: program.ctx,
  ...(optionBytes ? { optionBytes } : {}),
});
/** Its length is the program's to say, segment by segment. */
export const varies = (option: OptionDeclaration): boolean => option.handlers.has("length");

/** Runs the rest where the option has bytes; nothing is written otherwise. */
export function whereAny({ program: { b, span }, bytes }: OptionEvent, run: (bytes: Value) => void): void {
  const length = bytes();
  const [some, none] = [b.label(), b.label()];
  b.branch("ne", length, b.constant("w32", 0n, span), some, none, span);
  b.place(some);
  run(length);
  b.jump(none, span);
  b.place(none);
}
