/** TCP options on the patched kernel: size, write and parse events (kernel/README.md). */
import { SOCK_OPS_EVENTS, SOCK_OPS_FIELDS } from "../bpf/kinds/sock-ops.ts";
import type { Value } from "../ir/ir.ts";
import { need } from "./module-state.ts";
import type { EventProgram } from "./program-builder.ts";
import {
  magicBits,
  payloadOperand,
  type OptionDeclaration,
  type OptionEvent,
  type OptionTarget,
} from "./tcp-option.ts";

const ARGS = SOCK_OPS_FIELDS.args.offset;
const OPTION_DATA = SOCK_OPS_FIELDS.opt_data.offset;

export const patchedEvents: OptionTarget = {
  /** Parsing needs no callback flag here. */
  parseFlags: 0,
  parseAtHandshake: undefined,

  need(program: EventProgram, option: OptionDeclaration): void {
    if (option.handlers.has("write") || option.handlers.has("parse"))
      need(program.state, "tcp-option-events", program.span, "tcpOption");
  },

  ops: {
    length: SOCK_OPS_EVENTS.OptionsSize.op,
    write: SOCK_OPS_EVENTS.OptionsWrite.op,
    parse: SOCK_OPS_EVENTS.ParseOptions.op,
  },

  length({ program: { b, ctx, span }, option }): void {
    b.store(4, ctx, ARGS, b.constant("w32", BigInt(option.length), span), span);
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
  const { program, option } = event;
  const { b, ctx, span } = program;
  const slot = buffer(program, option);
  b.zero(slot, 0, 4 * words(option), 4, span);
  b.store(2, slot, 0, b.constant("w32", BigInt(option.kind | (option.length << 8)), span), span);
  if (option.experiment !== undefined) b.store(2, slot, 2, b.constant("w32", magicBits(option.experiment), span), span);
  event.run("write", [event.conn, payloadOperand(option, slot, 0)]);
  // reply and replylong are one union with args.
  for (let word = 0; word < words(option); word++)
    b.store(4, ctx, ARGS + 4 * word, b.load("w32", 4, slot, 4 * word, span), span);
}

/** Delivers an option of this kind (and experiment) that is as long as it should be. */
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
  if (option.experiment !== undefined) {
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
  event.run("parse", [event.conn, payloadOperand(option, slot, 0, "it is what the peer sent")]);
  b.jump(done, span);
  b.place(done);
}
