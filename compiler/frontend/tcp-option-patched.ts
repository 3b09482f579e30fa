/** TCP options on the patched kernel: size, write and parse events (kernel/README.md). */
import { SOCK_OPS_EVENTS, SOCK_OPS_FIELDS } from "../bpf/kinds/sock-ops.ts";
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

const ARGS = SOCK_OPS_FIELDS.args.offset;
const OPTION_DATA = SOCK_OPS_FIELDS.opt_data.offset;

export const patchedEvents: OptionTarget = {
  /** Parsing needs no callback flag here. */
  parseFlags: 0,
  parseAtHandshake: false,

  need(program: EventProgram, option: OptionDeclaration): void {
    if (option.handlers.has("write") || option.handlers.has("parse"))
      need(program.state, "tcp-option-events", program.span, "tcpOption");
  },

  ops: {
    length: SOCK_OPS_EVENTS.OptionsSize.op,
    write: SOCK_OPS_EVENTS.OptionsWrite.op,
    parse: SOCK_OPS_EVENTS.ParseOptions.op,
  },

  length(event): void {
    const { b, ctx, span } = event.program;
    const reply = (bytes: Value): void => b.store(4, ctx, ARGS, bytes, span);
    if (varies(event.option)) whereAny(event, reply);
    else reply(b.constant("w32", BigInt(event.option.length), span));
  },
  write,
  parse,
};

/** The option's words: 4 bytes each, the last one filled with zeros. */
const words = (option: OptionDeclaration): number => Math.ceil(option.length / 4);

function buffer(program: EventProgram, option: OptionDeclaration): Value {
  const made = program.scratch.get("option") ?? program.b.slot(4 * words(option), 4, "option", program.span);
  program.scratch.set("option", made);
  return made;
}

function write(event: OptionEvent): void {
  if (varies(event.option)) whereAny(event, (bytes) => put(event, bytes));
  else put(event, undefined);
}

function put(event: OptionEvent, bytes: Value | undefined): void {
  const { program, option } = event;
  const { b, ctx, span } = program;
  const slot = buffer(program, option);
  b.zero(slot, 0, 4 * words(option), 4, span);
  b.store(2, slot, 0, b.constant("w32", BigInt(option.kind | (option.length << 8)), span), span);
  if (bytes) b.store(1, slot, 1, bytes, span);
  if (option.experiment !== undefined) b.store(2, slot, 2, b.constant("w32", magicBits(option.experiment), span), span);
  event.run("write", [
    event.conn,
    payloadOperand(option, { base: slot, lead: 0, align: 4 }),
    segment("leaving", event),
  ]);
  // reply and replylong are one union with args.
  for (let word = 0; word < words(option); word++)
    b.store(4, ctx, ARGS + 4 * word, b.load("w32", 4, slot, 4 * word, span), span);
}

/** Delivers an option of this kind (and experiment) that is as long as it should be, or not longer. */
function parse(event: OptionEvent): void {
  const { program, option } = event;
  const { b, ctx, span } = program;
  const done = b.label();
  const expect = (value: Value, wanted: bigint): void => {
    const next = b.label();
    b.branch("eq", value, b.constant("w32", wanted, span), next, done, span);
    b.place(next);
  };
  const first = b.load("w32", 4, ctx, OPTION_DATA, span, "option");
  const kindAndLength = BigInt(option.kind | (option.length << 8));
  let rest = first;
  let came: Value | undefined;
  if (varies(option)) {
    const number = (value: number): Value => b.constant("w32", BigInt(value), span);
    const byte = (shift: number): Value =>
      b.binary("and", b.binary("lshr", first, number(shift), span), number(0xff), span);
    expect(byte(0), BigInt(option.kind));
    if (option.experiment !== undefined)
      expect(b.binary("lshr", first, number(16), span), magicBits(option.experiment));
    // Shorter than its first bytes is more than any payload has.
    came = b.binary("sub", byte(8), number(option.header), span);
    const fits = b.label();
    b.branch("ult", b.binary("sub", came, number(1), span), number(option.payload.size), fits, done, span);
    b.place(fits);
  } else if (option.experiment !== undefined) {
    expect(first, kindAndLength | (magicBits(option.experiment) << 16n));
  } else {
    // One test for kind and length, which leaves the payload with zeros below it.
    rest = b.binary("xor", first, b.constant("w32", kindAndLength, span), span);
    expect(b.binary("and", rest, b.constant("w32", 0xffffn, span), span), 0n);
  }
  const loaded = Array.from({ length: words(option) }, (_, word) =>
    word === 0 ? rest : b.load("w32", 4, ctx, OPTION_DATA + 4 * word, span),
  );
  const slot = buffer(program, option);
  loaded.forEach((value, word) => b.store(4, slot, 4 * word, value, span));
  event.run("parse", [
    event.conn,
    payloadOperand(option, { base: slot, lead: 0, align: 4 }, "it is what the peer sent"),
    segment("arriving", event, came),
  ]);
  b.jump(done, span);
  b.place(done);
}
