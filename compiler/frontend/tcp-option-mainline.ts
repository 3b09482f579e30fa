/** TCP options on mainline: header-option callbacks and helpers (Linux 5.10, net/core/filter.c, net/ipv4/tcp_output.c). */
import { SOCK_OPS_CALLBACKS, SOCK_OPS_EVENTS } from "../bpf/kinds/sock-ops.ts";
import type { Value } from "../ir/ir.ts";
import { sizeOf, type Layout } from "../layout.ts";
import { pieces } from "../ir/pieces.ts";
import { need } from "./module-state.ts";
import type { EventProgram } from "./program-builder.ts";
import { magicBits } from "./experiments.ts";
import { alignAt } from "./operand.ts";
import {
  payloadOperand,
  segment,
  varies,
  whereAny,
  type OptionDeclaration,
  type OptionEvent,
  type OptionTarget,
} from "./tcp-option.ts";

export const mainlineEvents: OptionTarget = {
  parseFlags: SOCK_OPS_CALLBACKS.ParseUnknownOptions.bit,

  need(program: EventProgram, option: OptionDeclaration): void {
    if (option.handlers.has("write") || option.handlers.has("parse"))
      need(program.state, "header-options", program.span, "tcpOption");
  },

  /**
   * The parse callback begins with the segment after the handshake; what came with the segment that completed it is still at
   * hand in the established event.
   */
  parseAtHandshake: true,
  ops: {
    length: SOCK_OPS_EVENTS.HeaderOptionLength.op,
    write: SOCK_OPS_EVENTS.WriteHeaderOption.op,
    parse: SOCK_OPS_EVENTS.ParseHeaderOption.op,
  },

  length(event): void {
    const { b, ctx, span } = event.program;
    const reserve = (bytes: Value): void =>
      void b.call("reserve_hdr_opt", [ctx, bytes, b.constant("w64", 0n, span)], "w64", span);
    if (varies(event.option)) whereAny(event, reserve);
    else reserve(b.constant("w32", BigInt(event.option.length), span));
  },
  write,
  parse: load,
};

const wholeWords = (bytes: number): number => Math.ceil(bytes / 8) * 8;

/** Accesses of copies and primitives in all of a payload that begins so far into a slot, and is copied from a place of its own. */
function accesses(layout: Layout, from: number, to: number): number {
  switch (layout.kind) {
    case "struct":
      return layout.fields.reduce(
        (sum, field) => sum + accesses(field.layout, from + field.offset, to + field.offset),
        0,
      );
    case "array":
    case "cstring":
      return pieces(from, sizeOf(layout), alignAt(8, Math.abs(to - from))).length;
    default:
      return layout.bits / 8 / Math.min(layout.bits / 8, alignAt(8, to));
  }
}
/** Where in its slot an option begins: at its start, which saves a store, or so that the payload is aligned, where that saves more. */
function leadOf({ payload, header: bytes }: OptionDeclaration): number {
  return accesses(payload, 0, 8) < accesses(payload, 0, bytes) ? 8 - bytes : 0;
}

/** A slot that holds the option from its kind on, so many bytes after its start. */
interface OptionSlot {
  readonly base: Value;
  readonly lead: number;
  readonly align: 8;
}
function buffer(program: EventProgram, option: OptionDeclaration): OptionSlot {
  const lead = leadOf(option);
  const base =
    program.scratch.get("option") ?? program.b.slot(wholeWords(lead + option.length), 8, "option", program.span);
  program.scratch.set("option", base);
  return { base, lead, align: 8 };
}
/** What helpers are given. */
const startOf = ({ b, span }: EventProgram, { base, lead }: OptionSlot): Value =>
  lead === 0 ? base : b.ptradd(base, b.constant("w64", BigInt(lead), span), span);
/** Zeros in front of `bytes` of the option, as far as `header` does not fill them. */
function clear({ b, span }: EventProgram, { base, lead }: OptionSlot, bytes: number): void {
  const from = lead === 0 ? 0 : 8;
  b.zero(base, from, lead + bytes - from, 8, span);
}

function header(
  { b, span }: EventProgram,
  option: OptionDeclaration,
  { base, lead }: OptionSlot,
  length: number,
): void {
  b.store(2, base, lead, b.constant("w32", BigInt(option.kind | (length << 8)), span), span);
  if (option.experiment !== undefined)
    b.store(2, base, lead + 2, b.constant("w32", magicBits(option.experiment), span), span);
}

function write(event: OptionEvent): void {
  if (varies(event.option)) whereAny(event, (bytes) => put(event, bytes));
  else put(event, undefined);
}

/** The helper takes as many bytes from the buffer as the option says that it has. */
function put(event: OptionEvent, bytes: Value | undefined): void {
  const { program, option } = event;
  const { b, ctx, span } = program;
  const slot = buffer(program, option);
  // Only what is stored needs to be there, except where one wide store takes the place of several narrow ones.
  const end = slot.lead + option.length;
  clear(program, slot, ([0, 1, 2, 4].includes(end % 8) ? end : wholeWords(end)) - slot.lead);
  header(program, option, slot, option.length);
  if (bytes) b.store(1, slot.base, slot.lead + 1, bytes, span);
  event.run("write", [event.conn, payloadOperand(option, slot), segment("leaving", event)]);
  b.call(
    "store_hdr_opt",
    [ctx, startOf(program, slot), b.constant("w32", BigInt(option.length), span), b.constant("w64", 0n, span)],
    "w64",
    span,
  );
}

/** Finds the option in the segment at hand; delivers it when it is there and as long as it should be, or not longer. */
function load(event: OptionEvent): void {
  const { program, option } = event;
  const { b, ctx, span } = program;
  if (!b.reachable()) return;
  const slot = buffer(program, option);
  // The helper searches for kind (and an experiment's identifier) as they stand in the buffer; a length of 0 where there is none.
  clear(program, slot, wholeWords(slot.lead + option.length) - slot.lead);
  header(program, option, slot, option.experiment === undefined ? 0 : 4);
  const found = b.call(
    "load_hdr_opt",
    [ctx, startOf(program, slot), b.constant("w32", BigInt(option.length), span), b.constant("w64", 0n, span)],
    "w64",
    span,
  );
  const there = b.label();
  const done = b.label();
  let came: Value | undefined;
  if (varies(option)) {
    // An errno is negative; what is longer than the buffer is one, too.
    b.branch("sgt", found, b.constant("w64", BigInt(option.header), span), there, done, span);
    b.place(there);
    came = b.binary("sub", b.unary("trunc", found, span), b.constant("w32", BigInt(option.header), span), span);
  } else {
    b.branch("eq", found, b.constant("w64", BigInt(option.length), span), there, done, span);
    b.place(there);
  }
  event.run("parse", [
    event.conn,
    payloadOperand(option, slot, "it is what the peer sent"),
    segment("arriving", event, came),
  ]);
  b.jump(done, span);
  b.place(done);
}
