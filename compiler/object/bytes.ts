/** Little-endian bytes: what the encoders of ELF, BTF and BTF.ext write with, and the string table they share. */

export interface ByteWriter {
  readonly length: () => number;
  readonly u8: (value: number) => void;
  readonly u16: (value: number) => void;
  readonly u32: (value: number) => void;
  readonly u64: (value: number | bigint) => void;
  readonly bytes: (value: Uint8Array) => void;
  /** Zeros up to a multiple of `align`. */
  readonly pad: (align: number) => void;
  /** Everything written so far. */
  readonly finish: () => Uint8Array;
}

export function byteWriter(): ByteWriter {
  let buffer = new Uint8Array(1024);
  let view = new DataView(buffer.buffer);
  let used = 0;
  const reserve = (count: number): number => {
    const at = used;
    used += count;
    if (used > buffer.length) {
      const larger = new Uint8Array(Math.max(used, buffer.length * 2));
      larger.set(buffer);
      buffer = larger;
      view = new DataView(buffer.buffer);
    }
    return at;
  };
  return {
    length: () => used,
    u8: (value) => {
      const at = reserve(1);
      view.setUint8(at, value);
    },
    u16: (value) => {
      const at = reserve(2);
      view.setUint16(at, value, true);
    },
    u32: (value) => {
      const at = reserve(4);
      view.setUint32(at, value, true);
    },
    u64: (value) => {
      const at = reserve(8);
      view.setBigUint64(at, BigInt(value), true);
    },
    bytes: (value) => {
      const at = reserve(value.length);
      buffer.set(value, at);
    },
    pad: (align) => {
      reserve((align - (used % align)) % align);
    },
    finish: () => buffer.slice(0, used),
  };
}

/** NUL-terminated strings, each once, in the order of first use; offset 0 is the empty string. */
export interface StringTable {
  readonly offset: (text: string) => number;
  readonly finish: () => Uint8Array;
}

export function stringTable(): StringTable {
  const writer = byteWriter();
  const encoder = new TextEncoder();
  const known = new Map<string, number>([["", 0]]);
  writer.u8(0);
  return {
    offset: (text) => {
      const before = known.get(text);
      if (before !== undefined) return before;
      const at = writer.length();
      // A NUL inside would end the string early, so it cannot be kept.
      writer.bytes(encoder.encode(text.replaceAll("\0", " ")));
      writer.u8(0);
      known.set(text, at);
      return at;
    },
    finish: writer.finish,
  };
}

/** Why a file cannot be read: one sentence, and the place in the file where there is one. */
export interface FormatProblem {
  readonly text: string;
  /** In bytes from the start of the file or section that the text names. */
  readonly offset?: number;
  /** The symbol (or ".kconfig", the section of such) that is not defined in the object, where that is the problem: somebody else may know it. */
  readonly undefinedSymbol?: string;
}
/** A name out of a file, as long as a message can bear. */
export const clipped = (name: string): string => (name.length > 80 ? `${name.slice(0, 79)}…` : name);

export type Parsed<T> = { readonly value: T } | { readonly problem: FormatProblem };

const utf8 = new TextDecoder();

/** No name, path or source line is longer; the bound keeps overlapping strings of a hostile file from adding up. */
export const LONGEST_STRING = 4096;

/** The string that starts at `offset` in a table, or undefined when it does not end inside. */
export function stringAt(table: Uint8Array, offset: number): string | undefined {
  if (offset < 0 || offset >= table.length) return undefined;
  const candidate = table.subarray(offset, offset + LONGEST_STRING + 1);
  const end = candidate.indexOf(0);
  return end < 0 ? undefined : utf8.decode(candidate.subarray(0, end));
}

export const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
