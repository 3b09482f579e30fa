/** WebAssembly's binary format, as much of it as the translator needs (WebAssembly Core Specification 2.0, chapter 5). */
import { latin1 } from "../bytes.ts";

export const TYPE = { i32: 0x7f, i64: 0x7e, none: 0x40 } as const;

export const OP = {
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  brTable: 0x0e,
  return: 0x0f,
  call: 0x10,
  unreachable: 0x00,
  drop: 0x1a,
  select: 0x1b,
  get: 0x20,
  set: 0x21,
  tee: 0x22,
  globalGet: 0x23,
  globalSet: 0x24,
  i32Load: 0x28,
  i64Load: 0x29,
  i32Load8U: 0x2d,
  i64Load8S: 0x30,
  i64Load8U: 0x31,
  i64Load16S: 0x32,
  i64Load16U: 0x33,
  i64Load32S: 0x34,
  i64Load32U: 0x35,
  i32Store: 0x36,
  i64Store: 0x37,
  i64Store8: 0x3c,
  i64Store16: 0x3d,
  i64Store32: 0x3e,
  i32Const: 0x41,
  i64Const: 0x42,
  i32Eqz: 0x45,
  i32Eq: 0x46,
  i32Ne: 0x47,
  i32LtS: 0x48,
  i32LtU: 0x49,
  i32GtS: 0x4a,
  i32GtU: 0x4b,
  i32LeS: 0x4c,
  i32LeU: 0x4d,
  i32GeS: 0x4e,
  i32GeU: 0x4f,
  i64Eqz: 0x50,
  i64Eq: 0x51,
  i64Ne: 0x52,
  i64LtS: 0x53,
  i64LtU: 0x54,
  i64GtS: 0x55,
  i64GtU: 0x56,
  i64LeS: 0x57,
  i64LeU: 0x58,
  i64GeS: 0x59,
  i64GeU: 0x5a,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i32Mul: 0x6c,
  i32DivS: 0x6d,
  i32DivU: 0x6e,
  i32RemS: 0x6f,
  i32RemU: 0x70,
  i32And: 0x71,
  i32Or: 0x72,
  i32Xor: 0x73,
  i32Shl: 0x74,
  i32ShrS: 0x75,
  i32ShrU: 0x76,
  i64Add: 0x7c,
  i64Sub: 0x7d,
  i64Mul: 0x7e,
  i64DivS: 0x7f,
  i64DivU: 0x80,
  i64RemS: 0x81,
  i64RemU: 0x82,
  i64And: 0x83,
  i64Or: 0x84,
  i64Xor: 0x85,
  i64Shl: 0x86,
  i64ShrS: 0x87,
  i64ShrU: 0x88,
  i32Wrap: 0xa7,
  extendS: 0xac,
  extendU: 0xad,
  i64Extend8S: 0xc2,
  i64Extend16S: 0xc3,
  i64Extend32S: 0xc4,
} as const;
export type OpName = keyof typeof OP;

/** Growing code: opcodes and their LEB128 immediates. */
export interface Code {
  /** What has been written so far; shared until the next write. */
  bytes(): Uint8Array;
  op(...names: readonly OpName[]): void;
  /** An opcode with unsigned immediates (indices, labels, block types). */
  with(name: OpName, ...immediates: readonly number[]): void;
  i32(value: number): void;
  i64(value: bigint): void;
  /** Load or store: no alignment promised, constant offset. */
  memory(name: OpName, offset: number): void;
  /** memory.fill: destination, value and length are on the stack. */
  fill(): void;
}

/** Takes bytes one after the other. */
interface Sink {
  push(byte: number): void;
}

export function unsigned(value: number, out: Sink): void {
  let rest = value >>> 0;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    out.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
}

function signed32(value: number, out: Sink): void {
  let rest = value | 0;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    const done = (rest === 0 && !(low & 0x40)) || (rest === -1 && low & 0x40);
    out.push(done ? low : low | 0x80);
    if (done) return;
  }
}

function signed64(value: bigint, out: Sink): void {
  let rest = BigInt.asIntN(64, value);
  if (rest >= -0x8000_0000n && rest <= 0x7fff_ffffn) return signed32(Number(rest), out);
  for (;;) {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    const done = (rest === 0n && !(low & 0x40)) || (rest === -1n && low & 0x40);
    out.push(done ? low : low | 0x80);
    if (done) return;
  }
}

export function createCode(): Code {
  // Written in place: a large program makes some hundred kilobytes of code.
  let buffer = new Uint8Array(4096);
  let length = 0;
  const sink = {
    push(byte: number): void {
      if (length === buffer.length) {
        const larger = new Uint8Array(buffer.length * 2);
        larger.set(buffer);
        buffer = larger;
      }
      buffer[length++] = byte;
    },
  };
  return {
    bytes: () => buffer.subarray(0, length),
    op(...names) {
      for (const name of names) sink.push(OP[name]);
    },
    with(name, ...immediates) {
      sink.push(OP[name]);
      for (const immediate of immediates) unsigned(immediate, sink);
    },
    i32(value) {
      sink.push(OP.i32Const);
      signed32(value, sink);
    },
    i64(value) {
      sink.push(OP.i64Const);
      signed64(value, sink);
    },
    memory(name, offset) {
      sink.push(OP[name]);
      sink.push(0);
      unsigned(offset, sink);
    },
    fill() {
      sink.push(0xfc);
      sink.push(0x0b);
      sink.push(0x00);
    },
  };
}

function vector(items: readonly (readonly number[])[]): number[] {
  const out: number[] = [];
  unsigned(items.length, out);
  for (const item of items) for (const byte of item) out.push(byte);
  return out;
}

const name = (text: string): number[] => [text.length, ...latin1(text)];

export interface FunctionType {
  readonly params: readonly number[];
  readonly results: readonly number[];
}
export interface ModuleParts {
  readonly types: readonly FunctionType[];
  /** Imported from module "m": functions by type index, then one memory and mutable i32 globals. */
  readonly functionImports: readonly { readonly name: string; readonly type: number }[];
  readonly memory: { readonly name: string; readonly pages: number };
  readonly globals: readonly string[];
  readonly functions: readonly {
    readonly type: number;
    readonly locals: readonly { readonly count: number; readonly type: number }[];
    readonly code: Uint8Array;
    readonly export?: string;
  }[];
}

/** A complete binary module. */
export function assemble(parts: ModuleParts): Uint8Array<ArrayBuffer> {
  const out: Uint8Array[] = [Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)];
  const section = (id: number, content: readonly number[] | Uint8Array): void => {
    const head = [id];
    unsigned(content.length, head);
    out.push(Uint8Array.from(head), content instanceof Uint8Array ? content : Uint8Array.from(content));
  };
  section(
    1,
    vector(parts.types.map(({ params, results }) => [0x60, params.length, ...params, results.length, ...results])),
  );
  const pages: number[] = [1];
  unsigned(parts.memory.pages, pages);
  unsigned(parts.memory.pages, pages);
  section(
    2,
    vector([
      ...parts.functionImports.map((one) => [...name("m"), ...name(one.name), 0x00, one.type]),
      [...name("m"), ...name(parts.memory.name), 0x02, ...pages],
      ...parts.globals.map((one) => [...name("m"), ...name(one), 0x03, TYPE.i32, 1]),
    ]),
  );
  section(3, vector(parts.functions.map(({ type }) => [type])));
  section(
    7,
    vector(
      parts.functions.flatMap((one, index) => {
        if (one.export === undefined) return [];
        const entry = [...name(one.export), 0x00];
        unsigned(parts.functionImports.length + index, entry);
        return [entry];
      }),
    ),
  );
  const bodies: (readonly number[] | Uint8Array)[] = [];
  const count: number[] = [];
  unsigned(parts.functions.length, count);
  bodies.push(count);
  for (const one of parts.functions) {
    const locals = vector(one.locals.map(({ count, type }) => [count, type]));
    const size: number[] = [];
    unsigned(locals.length + one.code.length, size);
    bodies.push(size, locals, one.code);
  }
  section(10, concat(bodies));
  return concat(out);
}

function concat(parts: readonly (readonly number[] | Uint8Array)[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
