/**
 * Which options write on a socket. The kernel has one flag for all of them, so each object keeps a word per socket, with a bit
 * for each of its options, in socket storage. An option whose bit is not set is silent, whoever asked for the callbacks.
 *
 * The flag is cleared by the object that turned it on, and by no other:
 *  - Whoever begins to write and finds the flag clear sets it, and owns it.
 *  - An owner with nothing left to write offers the flag: it clears it when a segment asks for the length of its options.
 *  - Who writes and finds it clear, then or when that segment is written, sets it and owns it.
 *  - A segment that is written although its owner asked for nothing has an option of somebody else's, and the kernel asks
 *    for it whether or not the flag is still there: the former owner sets the flag again, and never clears it.
 */
import { SOCK_OPS_CALLBACKS, SOCK_OPS_FIELDS } from "../bpf/kinds/sock-ops.ts";
import type { Label } from "../ir/build.ts";
import type { Value } from "../ir/ir.ts";
import { ANY_POINTER } from "../ir/types.ts";
import { declareOptionMap, inheritOptionMap } from "./maps.ts";
import { need, say } from "./module-state.ts";
import type { EventProgram } from "./program-builder.ts";

/** Bits of the word besides those of the options. OWN is the callback flag's own bit, which saves an instruction. */
const OFFERED = 1;
const FIRST_OPTION_BIT = 8;
/** Bits of a word that options can have. */
const MAX_WRITING_OPTIONS = 32 - FIRST_OPTION_BIT;
const CREATE = 1n;

/** One option's view of the word. */
export interface OptionBits {
  readonly bit: number;
  /** The callback flag, and in the word: it is ours. */
  readonly flag: number;
  readonly map: string;
}

/** Gives the program a bit of its own, and the object its map. */
export function optionBits(program: EventProgram, listens: boolean): OptionBits {
  const { state, entity, span } = program;
  need(state, "socket-storage", span, "tcpOption");
  state.optionMap ??= declareOptionMap(state, span);
  // What a listener's word says holds for the connections that it accepts, as the callback flag does.
  if (listens) inheritOptionMap(state, state.optionMap);
  const known = state.optionBits.get(entity.name);
  if (known === undefined && state.optionBits.size === MAX_WRITING_OPTIONS)
    say(state, "too-many-writers", span, { name: entity.name, limit: MAX_WRITING_OPTIONS });
  const bit = known ?? 1 << (FIRST_OPTION_BIT + state.optionBits.size);
  state.optionBits.set(entity.name, bit);
  return { bit, flag: state.writeBit, map: state.optionMap };
}

/** Goes to `missing` where the socket has no word (and none is made), to `request` where it is a request; gives its address otherwise. */
function wordOf(
  { b, ctx, span }: EventProgram,
  bits: OptionBits,
  create: boolean,
  missing: Label,
  request = missing,
): Value {
  const nothing = b.constant(ANY_POINTER, 0n, span);
  const socket = b.load("ptr socket", 8, ctx, SOCK_OPS_FIELDS.sk.offset, span, "sk");
  const found = b.label();
  b.branch("ne", socket, nothing, found, request, span);
  b.place(found);
  const flags = b.constant("w64", create ? CREATE : 0n, span);
  const word = b.call("sk_storage_get", [b.map(bits.map, span), socket, nothing, flags], "pointer", span);
  const there = b.label();
  b.branch("ne", word, nothing, there, missing, span);
  b.place(there);
  return word;
}

const constant = ({ b, span }: EventProgram, value: number): Value => b.constant("w32", BigInt(value >>> 0), span);
const readWord = ({ b, span }: EventProgram, word: Value): Value => b.load("w32", 4, word, 0, span, "writing");
const writeWord = ({ b, span }: EventProgram, word: Value, value: Value): void => b.store(4, word, 0, value, span);
export const callbackFlags = ({ b, ctx, span }: EventProgram): Value =>
  b.load("w32", 4, ctx, SOCK_OPS_FIELDS.bpf_sock_ops_cb_flags.offset, span, "flags");
export const setCallbackFlags = ({ b, ctx, span }: EventProgram, flags: Value): void =>
  void b.call("sock_ops_cb_flags_set", [ctx, flags], "w64", span);

/** The option writes from now on. `flags` are the socket's callback flags; goes to `missing` where there is no memory. */
export function begin(program: EventProgram, bits: OptionBits, flags: Value, missing: Label): void {
  const { b, span } = program;
  const word = wordOf(program, bits, true, missing);
  // The bit, and OWN where nobody has set the flag.
  const ours = b.binary("and", flags, constant(program, bits.flag), span);
  const added = b.binary("xor", ours, constant(program, bits.flag | bits.bit), span);
  // What was offered before is another story.
  const before = b.binary("and", readWord(program, word), constant(program, ~OFFERED), span);
  writeWord(program, word, b.binary("or", before, added, span));
}

/** The option does not write any more. The flag stays: that it is not needed shows at the next segment. */
export function end(program: EventProgram, bits: OptionBits, known: Value | undefined, missing: Label): void {
  const { b, span } = program;
  const word = known ?? wordOf(program, bits, false, missing);
  if (known) {
    const there = b.label();
    b.branch("ne", known, b.null(known, span), there, missing, span);
    b.place(there);
  }
  writeWord(program, word, b.binary("and", readWord(program, word), constant(program, ~bits.bit), span));
}

/** A segment asks for options: how long (`lengthOp`), or which bytes. */
export interface Asked {
  readonly lengthOp: number;
  length(): void;
  /** What the option says, given the address of the word; 0: of a request. */
  write(word: Value): void;
  /** The option speaks for listeners, too: what asks without a socket is a request of one of them. */
  readonly requests: boolean;
}

/** Lets an option speak that writes on this socket; keeps the flag for those that do. */
export function speak(program: EventProgram, bits: OptionBits, asked: Asked): void {
  const { b, ctx, span, op } = program;
  const done = b.label();
  /** Where a request joins. */
  const spoken = asked.requests ? b.label() : undefined;
  const held = { type: "ptr map-value" as const, name: "word" };
  b.set(held, b.constant("ptr map-value", 0n, span));
  const word = wordOf(program, bits, false, done, spoken);
  b.set(held, word);
  const writing = readWord(program, word);
  const flags = callbackFlags(program);
  const isSet = (value: Value, mask: number, yes: Label, no: Label): void =>
    b.branch("ne", b.binary("and", value, constant(program, mask), span), constant(program, 0), yes, no, span);
  const isLength = (yes: Label, no: Label): void =>
    b.branch("eq", op, constant(program, asked.lengthOp), yes, no, span);
  const [speaks, silent, take, taken, length, write] = Array.from({ length: 6 }, () => b.label()) as [
    Label,
    Label,
    Label,
    Label,
    Label,
    Label,
  ];
  isSet(writing, bits.bit, speaks, silent);

  b.place(speaks);
  isSet(flags, bits.flag, taken, take);
  b.place(take);
  writeWord(program, word, b.binary("or", writing, constant(program, bits.flag), span));
  setCallbackFlags(program, b.binary("or", flags, constant(program, bits.flag), span));
  b.jump(taken, span);
  b.place(taken);
  if (spoken) {
    b.jump(spoken, span);
    b.place(spoken);
  }
  isLength(length, write);
  b.place(length);
  asked.length();
  b.jump(done, span);
  b.place(write);
  asked.write(b.get(held));
  b.jump(done, span);

  b.place(silent);
  const [silentLength, silentWrite, ours, offer, back] = Array.from({ length: 5 }, () => b.label()) as [
    Label,
    Label,
    Label,
    Label,
    Label,
  ];
  isLength(silentLength, silentWrite);
  b.place(silentLength);
  b.branch("eq", writing, constant(program, bits.flag), ours, done, span);
  b.place(ours);
  // Without a segment, when the MSS is computed, no write event follows that would tell of others.
  const segment = b.load("w32", 4, ctx, SOCK_OPS_FIELDS.skb_tcp_flags.offset, span, "segment");
  b.branch("ne", segment, constant(program, 0), offer, done, span);
  b.place(offer);
  writeWord(program, word, constant(program, OFFERED));
  setCallbackFlags(program, b.binary("and", flags, constant(program, ~bits.flag & ALL_FLAGS), span));
  b.jump(done, span);
  b.place(silentWrite);
  b.branch("eq", writing, constant(program, OFFERED), back, done, span);
  b.place(back);
  writeWord(program, word, constant(program, 0));
  setCallbackFlags(program, b.binary("or", flags, constant(program, bits.flag), span));
  b.jump(done, span);
  b.place(done);
  b.forget(held);
}
const ALL_FLAGS = Object.values(SOCK_OPS_CALLBACKS).reduce((all, { bit }) => all | bit, 0);
