/** The low level of `sockOps`: callbacks, and the mainline helpers for header options. */
import { ts } from "ts-morph";
import { sizeOf, type StructLayout } from "../layout.ts";
import type { Value } from "../ir/ir.ts";
import { argumentsOf } from "./arguments.ts";
import { build, buildsAggregate, propertyValue } from "./aggregates.ts";
import { errno } from "./context-fields.ts";
import { constantInteger, fieldType } from "./declare.ts";
import { DEFAULT_EXPERIMENT_KIND, isExperimentKind, magicBits } from "./experiments.ts";
import { at, bare, fail, type Lowering } from "./lowering.ts";
import { asPlace, copyPlace, ownMemory } from "./memory.ts";
import { need } from "./module-state.ts";
import { ERROR, originOf, type Context, type Memory, type Operand } from "./operand.ts";
import { layoutOfLiteral } from "./literal-layouts.ts";
import { U32, U8 } from "./types.ts";
import { convert } from "./values.ts";
import { expression } from "./visit.ts";

/** `ctx.setCallbacks(flags)`: replaces the flags, as the helper does. */
function setCallbacks(f: Lowering, context: Context, call: ts.CallExpression): Operand {
  const args = argumentsOf(f, call, "setCallbacks", 1);
  const value = args && convert(f, expression(f, args[0]!, U32), U32, args[0]!);
  if (!value) return ERROR;
  const flags = f.b.constantOf(value) ?? 0n;
  if (flags & 0x70n) need(f.state, "header-options", at(f, call), "header-option callbacks");
  if (flags & 0x80n) need(f.state, "tcp-option-events", at(f, call), "Callback.TcpOptions");
  const result = f.b.call("sock_ops_cb_flags_set", [context.ctx, value], "w64", at(f, call));
  return { ...errno(f, result, call), range: { min: -4095n, max: 255n } };
}

function reserveOption(f: Lowering, context: Context, call: ts.CallExpression): Operand {
  need(f.state, "header-options", at(f, call), "reserveOption()");
  const args = argumentsOf(f, call, "reserveOption", 1);
  const value = args && convert(f, expression(f, args[0]!, U8), U8, args[0]!);
  if (!value) return ERROR;
  const span = at(f, call);
  return errno(f, f.b.call("reserve_hdr_opt", [context.ctx, value, f.b.constant("w64", 0n, span)], "w64", span), call);
}

/** Which option: its kind, and what an experiment has behind it. */
interface Head {
  readonly kind: number;
  readonly experiment?: number;
}
/** Bytes before the payload. */
const headBytes = (head: Head): 2 | 4 => (head.experiment === undefined ? 2 : 4);

/** `100`, or `{ experiment: 0x1234 }` with its kind or without. */
function optionHead(f: Lowering, written: ts.Expression): Head | undefined {
  const node = bare(written);
  const properties = ts.isObjectLiteralExpression(node) ? node.properties.map((one) => propertyValue(f, one)) : [];
  const value = (name: string): ts.Expression | undefined => properties.find((one) => one?.name === name)?.value;
  const [idNode, kindNode] = [value("experiment"), ts.isObjectLiteralExpression(node) ? value("kind") : node];
  const experiment = idNode && constantInteger(f, idNode, "the experiment identifier");
  const kind = kindNode ? constantInteger(f, kindNode, "the kind of an option") : DEFAULT_EXPERIMENT_KIND;
  if (kind === undefined || (idNode && experiment === undefined)) return undefined;
  if (experiment === undefined) {
    if (isExperimentKind(kind)) return void fail(f, "experiment-missing", written, { kind });
    return { kind };
  }
  if (experiment < 0 || experiment > 0xffff) return void fail(f, "experiment-id", idNode!, { id: experiment });
  if (!isExperimentKind(kind))
    return void fail(f, "option-kind", kindNode!, { kind, reserved: false, experiment: true });
  return { kind, experiment };
}

/** A slot with kind, length and an experiment's identifier in front of the payload. */
function optionSlot(
  f: Lowering,
  head: Head,
  layout: StructLayout,
  name: string,
  node: ts.Node,
): { base: Value; payload: Memory; length: number } | undefined {
  const before = headBytes(head);
  const length = before + sizeOf(layout);
  if (length > f.state.kernel.maxOption) {
    return void fail(f, "option-too-large", node, {
      payload: layout.name,
      bytes: length,
      limit: f.state.kernel.maxOption,
      target: f.state.target,
    });
  }
  const base = f.b.slot(Math.ceil(length / 8) * 8, 8, name, at(f, node));
  return { base, payload: ownMemory(base, before, 8, node), length };
}

/** What stands in front, in a slot of zeros where there is no length: kind, `length`, and an experiment's identifier. */
function storeHead(f: Lowering, { kind, experiment }: Head, slot: Value, length: number, node: ts.Node): void {
  const span = at(f, node);
  f.b.store(1, slot, 0, f.b.constant("w32", BigInt(kind), span), span);
  if (length > 0) f.b.store(1, slot, 1, f.b.constant("w32", BigInt(length), span), span);
  if (experiment !== undefined) f.b.store(2, slot, 2, f.b.constant("w32", magicBits(experiment), span), span);
}

/** `ctx.storeOption(kind, payload)`. */
function storeOption(f: Lowering, context: Context, call: ts.CallExpression): Operand {
  need(f.state, "header-options", at(f, call), "storeOption()");
  const args = argumentsOf(f, call, "storeOption", 2);
  const head = args && optionHead(f, args[0]!);
  if (!head) return ERROR;
  const payload = args[1]!;
  const literal = buildsAggregate(f, payload) ? layoutOfLiteral(f, payload) : undefined;
  if (buildsAggregate(f, payload) && !literal) return ERROR;
  const place = literal ? build(f, literal, payload, "payload") : asPlace(f, expression(f, payload), payload);
  if (!place) return ERROR;
  if (place.type.kind !== "struct")
    return fail(f, "type-mismatch", payload, { expected: "a struct", found: place.type.kind });
  const slot = optionSlot(f, head, place.type, "option", payload);
  if (!slot) return ERROR;
  const span = at(f, call);
  storeHead(f, head, slot.base, slot.length, call);
  copyPlace(f, place.type, slot.payload, place.at, payload);
  const result = f.b.call(
    "store_hdr_opt",
    [context.ctx, slot.base, f.b.constant("w32", BigInt(slot.length), span), f.b.constant("w64", 0n, span)],
    "w64",
    span,
  );
  return errno(f, result, call);
}

/** `ctx.loadOption(kind, S)`: the payload, or undefined when the segment has no such option of that length. */
const loadOption = (f: Lowering, context: Context, call: ts.CallExpression): Operand =>
  load(f, context, call, "loadOption", 0n);
const LOAD_SYN = 1n;
/** `conn.synOption(kind, S)`: likewise, of the SYN that the peer opened the connection with. */
export const synOption = (f: Lowering, context: Context, call: ts.CallExpression): Operand =>
  load(f, context, call, "synOption", LOAD_SYN);

function load(f: Lowering, context: Context, call: ts.CallExpression, name: string, flags: bigint): Operand {
  need(f.state, "header-options", at(f, call), `${name}()`);
  const args = argumentsOf(f, call, name, 2);
  const head = args && optionHead(f, args[0]!);
  const layout = args && fieldType(f, args[1]!);
  if (!head || !layout) return ERROR;
  if (layout.kind !== "struct")
    return fail(f, "type-mismatch", call.arguments[1]!, { expected: "a struct class", found: layout.kind });
  const slot = optionSlot(f, head, layout, "option", call.arguments[1]!);
  if (!slot) return ERROR;
  const span = at(f, call);
  f.b.zero(slot.base, 0, Math.ceil(slot.length / 8) * 8, 8, span);
  // The helper searches for what stands in front; of an experiment it wants to know how much that is.
  storeHead(f, head, slot.base, head.experiment === undefined ? 0 : headBytes(head), call);
  const found = f.b.call(
    "load_hdr_opt",
    [context.ctx, slot.base, f.b.constant("w32", BigInt(slot.length), span), f.b.constant("w64", flags, span)],
    "w64",
    span,
  );
  const pointer = { type: "ptr slot" as const, name: "option" };
  const there = f.b.label();
  const done = f.b.label();
  f.b.set(pointer, f.b.constant("ptr slot", 0n, span));
  f.b.branch("eq", found, f.b.constant("w64", BigInt(slot.length), span), there, done, span);
  f.b.place(there);
  f.b.set(pointer, f.b.ptradd(slot.base, f.b.constant("w64", BigInt(headBytes(head)), span), span));
  f.b.jump(done, span);
  f.b.place(done);
  const result = f.b.get(pointer);
  f.b.forget(pointer);
  return { kind: "nullable", of: layout, pointer: result, align: headBytes(head), ...originOf(slot.payload) };
}

/** By name. */
export const HEADER_OPTION_CALLS = { setCallbacks, reserveOption, storeOption, loadOption } as const;
