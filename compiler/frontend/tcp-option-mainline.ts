/** TCP options on mainline: header-option callbacks and helpers (Linux 5.10, net/core/filter.c, net/ipv4/tcp_output.c). */
import { SOCK_OPS_CALLBACKS, SOCK_OPS_EVENTS } from "../bpf/kinds/sock-ops.ts";
import type { Value } from "../ir/ir.ts";
import { need } from "./module-state.ts";
import type { EventProgram } from "./program-builder.ts";
import { magicBits } from "./experiments.ts";
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
  parseAtHandshake: load,
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

/** Bytes of whole words that hold the option. */
const whole = (option: OptionDeclaration): number => Math.ceil(option.length / 8) * 8;

/** A slot that holds the option from its kind on. */
function buffer(program: EventProgram, option: OptionDeclaration): Value {
  const made = program.scratch.get("option") ?? program.b.slot(whole(option), 8, "option", program.span);
  program.scratch.set("option", made);
  return made;
}

function header(program: EventProgram, option: OptionDeclaration, slot: Value, length: number): void {
  const { b, span } = program;
  b.store(2, slot, 0, b.constant("w32", BigInt(option.kind | (length << 8)), span), span);
  if (option.experiment !== undefined) b.store(2, slot, 2, b.constant("w32", magicBits(option.experiment), span), span);
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
  const tail = option.length % 8;
  b.zero(slot, 0, [0, 1, 2, 4].includes(tail) ? option.length : whole(option), 8, span);
  header(program, option, slot, option.length);
  if (bytes) b.store(1, slot, 1, bytes, span);
  event.run("write", [event.conn, payloadOperand(option, slot, 0), segment("leaving", event)]);
  b.call(
    "store_hdr_opt",
    [ctx, slot, b.constant("w32", BigInt(option.length), span), b.constant("w64", 0n, span)],
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
  b.zero(slot, 0, whole(option), 8, span);
  header(program, option, slot, option.experiment === undefined ? 0 : 4);
  const found = b.call(
    "load_hdr_opt",
    [ctx, slot, b.constant("w32", BigInt(option.length), span), b.constant("w64", 0n, span)],
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
    payloadOperand(option, slot, 0, "it is what the peer sent"),
    segment("arriving", event, came),
  ]);
  b.jump(done, span);
  b.place(done);
}
