/**
 * CO-RE for objects of any compiler: what their records say of local types, put into instructions as a kernel's BTF has it (what libbpf does before
 * it loads a program). In short: types go by their names, members by theirs, and what a kernel does not have makes its instruction one that no
 * verifier takes, because programs ask for it first and then step around.
 */
import { CORE_RELOCATIONS as KIND } from "../bpf/core-kinds.ts";
import { CLASS, JMP, LDDW, SIZE_OF_BYTES, type AccessBytes } from "../bpf/opcodes.ts";
import { SLOT_BYTES, type RawInsn } from "../bpf/raw.ts";
import { resolved, sizeOfType, type Btf, type BtfType } from "./btf.ts";
import type { CoreRecord } from "./btf-ext.ts";
import { stringAt } from "./bytes.ts";

/** 0 is the answer where the kernel has no such thing. */
const ASKS: ReadonlySet<number> = new Set([KIND.exists, KIND.typeExists, KIND.typeSize, KIND.valueExists]);
const OF_TYPES: ReadonlySet<number> = new Set([KIND.targetTypeId, KIND.typeExists, KIND.typeSize]);
const OF_VALUES: ReadonlySet<number> = new Set([KIND.valueExists, KIND.value]);
/** What libbpf calls instead, so that the log shows it. */
const NOWHERE = 0xbad2310;
const DEEPEST = 32;
/** Parts without a name that are looked through for one member: each is looked at from within the one around it. */
const MOST_PARTS = 256;

/** What comes out of a record. */
type Answer =
  | {
      readonly kind: "value";
      readonly value: bigint;
      /** Of the load or store, where it changes. */ readonly bytes?: AccessBytes;
    }
  | { readonly kind: "missing" }
  | { readonly kind: "problem"; readonly text: string };
/** Types may say of themselves what no memory holds, or what lies between two bytes. */
const value = (number: number | bigint, bytes?: AccessBytes): Answer =>
  typeof number === "number" && !Number.isSafeInteger(number)
    ? { kind: "problem", text: "a record about a place that cannot be" }
    : { kind: "value", value: BigInt(number), ...(bytes === undefined ? {} : { bytes }) };
const MISSING: Answer = { kind: "missing" };

/** A step of the way to a member: by name, or by position in an array. */
type Step = string | number;
interface Place {
  readonly type: number;
  /** In bits from the start of the root. */
  readonly offset: number;
  readonly bits: number;
  /** The last step was into a struct. */
  readonly member: boolean;
}

/** A name without what follows three underscores: variants of one type of the kernel's are told apart so. */
export const essentialName = (name: string): string => name.replace(/___[^_].*$/, "");

/** The types of a kernel by kind and name. */
export interface CoreTarget {
  readonly btf: Btf;
  readonly named: (kind: BtfType["kind"], name: string) => readonly number[];
}
export function coreTarget(btf: Btf): CoreTarget {
  let index: Map<string, number[]> | undefined;
  return {
    btf,
    named(kind, name) {
      if (!index) {
        index = new Map();
        for (const [id, type] of btf.types.entries()) {
          if (!type || !("name" in type) || type.name === "") continue;
          const key = `${type.kind} ${essentialName(type.name)}`;
          const list = index.get(key);
          if (list) list.push(id);
          else index.set(key, [id]);
        }
      }
      return index.get(`${kind} ${name}`) ?? [];
    },
  };
}

/** The instructions with the kernel's numbers in them, or what is wrong with the records. */
export function relocated(
  insns: readonly RawInsn[],
  records: readonly CoreRecord[],
  local: Btf,
  target: CoreTarget,
): { readonly insns: readonly RawInsn[] } | { readonly problem: string } {
  const patched = [...insns];
  for (const record of records) {
    const slot = record.offset / SLOT_BYTES;
    const insn = patched[slot];
    if (!insn) return { problem: `a record about instruction ${slot}, which is not there` };
    const answer = answerOf(record, local, target);
    if (answer.kind === "problem") return { problem: `${answer.text} (instruction ${slot})` };
    if (!put(patched, slot, insn, answer))
      return { problem: `instruction ${slot} has no number that could be replaced` };
  }
  return { insns: patched };
}

function put(
  insns: RawInsn[],
  slot: number,
  insn: RawInsn,
  answer: Exclude<Answer, { readonly kind: "problem" }>,
): boolean {
  const wide = insn.code === LDDW;
  const kind = insn.code & 7;
  const memory = kind === CLASS.ldx || kind === CLASS.st || kind === CLASS.stx;
  if (!wide && !memory && kind !== CLASS.alu && kind !== CLASS.alu64) return false;
  if (answer.kind === "missing" || (memory && answer.value > 0x7fffn)) {
    const nowhere: RawInsn = { code: CLASS.jmp | JMP.call.code, dst: 0, src: 0, off: 0, imm: NOWHERE };
    insns[slot] = nowhere;
    if (wide) insns[slot + 1] = nowhere;
    return true;
  }
  if (wide) {
    insns[slot] = { ...insn, imm: Number(BigInt.asIntN(32, answer.value)) };
    insns[slot + 1] = { ...insns[slot + 1]!, imm: Number(BigInt.asIntN(32, answer.value >> 32n)) };
  } else if (memory) {
    const code = answer.bytes === undefined ? insn.code : (insn.code & ~0x18) | SIZE_OF_BYTES[answer.bytes];
    insns[slot] = { ...insn, code, off: Number(answer.value) };
  } else insns[slot] = { ...insn, imm: Number(BigInt.asIntN(32, answer.value)) };
  return true;
}
const isAccess = (bytes: number): bytes is AccessBytes => bytes === 1 || bytes === 2 || bytes === 4 || bytes === 8;

function answerOf(record: CoreRecord, local: Btf, target: CoreTarget): Answer {
  if (record.kind === KIND.localTypeId) return value(record.type);
  const root = OF_TYPES.has(record.kind) ? local.types[record.type] : resolved(local, record.type);
  const name = root && "name" in root ? essentialName(root.name) : "";
  if (!root || name === "") return { kind: "problem", text: "a record about a type without a name" };
  const access = stringAt(local.strings, record.access);
  if (access === undefined || !/^\d{1,10}(?::\d{1,10})*$/.test(access))
    return { kind: "problem", text: "a record that names no member" };
  const positions = access.split(":").map(Number);
  if (positions.length > DEEPEST) return { kind: "problem", text: "a record that names no member" };
  const found = target
    .named(root.kind, name)
    .map((id) => inCandidate(record.kind, local, record.type, positions, target.btf, id));
  const problem = found.find((one) => one.kind === "problem");
  if (problem) return problem;
  const [first, ...more] = found.filter((one) => one.kind === "value");
  if (!first) return ASKS.has(record.kind) ? value(0) : record.kind > KIND.value ? unknown(record.kind) : MISSING;
  if (more.some((one) => one.value !== first.value))
    return { kind: "problem", text: `the kernel has several types ${name}, which differ` };
  return first;
}
const unknown = (kind: number): Answer => ({ kind: "problem", text: `a record of kind ${kind}` });

function inCandidate(
  kind: number,
  local: Btf,
  root: number,
  positions: readonly number[],
  btf: Btf,
  candidate: number,
): Answer {
  if (kind === KIND.targetTypeId) return value(candidate);
  if (kind === KIND.typeExists) return value(1);
  if (kind === KIND.typeSize) return value(sizeOfType(btf, candidate));
  if (OF_VALUES.has(kind)) {
    const own = resolved(local, root);
    const there = resolved(btf, candidate);
    if ((own?.kind !== "enum" && own?.kind !== "enum64") || (there?.kind !== "enum" && there?.kind !== "enum64"))
      return MISSING;
    const wanted = own.values[positions[0]!];
    const same = wanted && there.values.find((one) => essentialName(one.name) === essentialName(wanted.name));
    if (!same) return MISSING;
    return value(kind === KIND.value ? same.value : 1);
  }
  const way = stepsOf(local, root, positions);
  if (!way) return { kind: "problem", text: "a record whose way leads nowhere" };
  const place = follow(btf, candidate, way.steps, local, way.place);
  return place ? memberFact(kind, btf, place, local, way.place) : MISSING;
}

/** The way as the local types have it, by names. */
function stepsOf(
  btf: Btf,
  root: number,
  [first = 0, ...positions]: readonly number[],
): { readonly steps: readonly Step[]; readonly place: Place } | undefined {
  const steps: Step[] = [first];
  let place: Place = { type: root, offset: first * sizeOfType(btf, root) * 8, bits: 0, member: false };
  for (const position of positions) {
    const type = resolved(btf, place.type);
    if (type?.kind === "struct" || type?.kind === "union") {
      const member = type.members[position];
      if (!member) return undefined;
      // What has no name is passed through.
      if (member.name !== "") steps.push(member.name);
      place = { type: member.type, offset: place.offset + member.offset, bits: member.bits, member: true };
    } else if (type?.kind === "array") {
      steps.push(position);
      const offset = place.offset + position * sizeOfType(btf, type.element) * 8;
      place = { type: type.element, offset, bits: 0, member: false };
    } else return undefined;
  }
  return { steps, place };
}

function follow(btf: Btf, root: number, steps: readonly Step[], local: Btf, own: Place): Place | undefined {
  const [first, ...rest] = steps;
  let place: Place | undefined = {
    type: root,
    offset: (first as number) * sizeOfType(btf, root) * 8,
    bits: 0,
    member: false,
  };
  for (const step of rest) {
    if (typeof step === "string") place = memberNamed(btf, place.type, step, place.offset);
    else {
      const type = resolved(btf, place.type);
      // An array without a length, at the end of a struct, has any number of elements.
      if (type?.kind !== "array" || (step >= type.length && type.length > 0)) return undefined;
      const offset = place.offset + step * sizeOfType(btf, type.element) * 8;
      place = { type: type.element, offset, bits: 0, member: false };
    }
    if (!place) return undefined;
  }
  return compatible(local, own.type, btf, place.type) ? place : undefined;
}

/** `seen`: parts without a name that do not have it. One may be in itself, or in many places. */
function memberNamed(
  btf: Btf,
  id: number,
  name: string,
  base: number,
  seen: Set<BtfType> = new Set(),
): Place | undefined {
  const type = resolved(btf, id);
  if ((type?.kind !== "struct" && type?.kind !== "union") || seen.has(type) || seen.size > MOST_PARTS) return undefined;
  seen.add(type);
  for (const member of type.members) {
    const offset = base + member.offset;
    if (member.name === "") {
      const inner = memberNamed(btf, member.type, name, offset, seen);
      if (inner) return inner;
    } else if (member.name === name) return { type: member.type, offset, bits: member.bits, member: true };
  }
  return undefined;
}

/** Members may differ in size and sign, but not in kind; enumerations by their names. */
function compatible(local: Btf, own: number, btf: Btf, there: number, depth = 0): boolean {
  const a = resolved(local, own);
  const b = resolved(btf, there);
  const composite = (type: BtfType | undefined): boolean => type?.kind === "struct" || type?.kind === "union";
  if (composite(a) && composite(b)) return true;
  const isEnum = (type: BtfType | undefined): boolean => type?.kind === "enum" || type?.kind === "enum64";
  if (!a || !b) return a === b;
  if (a.kind !== b.kind && !(isEnum(a) && isEnum(b))) return false;
  if (a.kind === "array" && b.kind === "array")
    return depth < DEEPEST && compatible(local, a.element, btf, b.element, depth + 1);
  if ((isEnum(a) || a.kind === "fwd") && "name" in a && "name" in b)
    return a.name === "" || b.name === "" || essentialName(a.name) === essentialName(b.name);
  return true;
}

/** The word that holds a member: for bit fields the least one that holds all of it. */
function wordOf(
  btf: Btf,
  { type, offset, bits }: Place,
): { readonly offset: number; readonly bytes: number } | undefined {
  let bytes = sizeOfType(btf, type);
  if (bits === 0) return { offset: offset / 8, bytes };
  for (; bytes <= 8; bytes *= 2) {
    const start = Math.floor(offset / 8 / bytes) * bytes;
    if (offset + bits - start * 8 <= bytes * 8) return { offset: start, bytes };
  }
  return undefined;
}

function memberFact(kind: number, btf: Btf, place: Place, local: Btf, own: Place): Answer {
  const word = wordOf(btf, place);
  if (!word) return { kind: "problem", text: "a bit field wider than a word" };
  const type = resolved(btf, place.type);
  const bits = place.bits || word.bytes * 8;
  switch (kind) {
    case KIND.exists:
      return value(1);
    case KIND.byteOffset:
      return resized(word, btf, place, local, own);
    case KIND.byteSize:
      return value(word.bytes);
    case KIND.signed:
      return value(type && "signed" in type && type.signed ? 1 : 0);
    case KIND.shiftLeft:
      return value(64 - (place.offset + bits - word.offset * 8));
    case KIND.shiftRight:
      return value(64 - bits);
    default:
      return unknown(kind);
  }
}

/** Loads of pointers and unsigned numbers may become wider or narrower. */
function resized(
  word: { readonly offset: number; readonly bytes: number },
  btf: Btf,
  place: Place,
  local: Btf,
  own: Place,
): Answer {
  const before = wordOf(local, own);
  if (!before || before.bytes === word.bytes) return value(word.offset);
  const a = resolved(local, own.type);
  const b = resolved(btf, place.type);
  const unsigned = (type: BtfType | undefined): boolean => type?.kind === "int" && !type.signed;
  if (((a?.kind === "ptr" && b?.kind === "ptr") || (unsigned(a) && unsigned(b))) && isAccess(word.bytes))
    return value(word.offset, word.bytes);
  // Only loads and stores care how large a member is; a struct that grew is one whose address is taken.
  return a?.kind === "struct" || a?.kind === "union" || a?.kind === "array" ? value(word.offset) : MISSING;
}
