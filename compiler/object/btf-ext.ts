/**
 * .BTF.ext: which function starts where, which source line each instruction comes from, and CO-RE relocations
 * (Documentation/bpf/btf.rst, "The .BTF.ext section"). Offsets are in bytes from the start of the named ELF section.
 */
import { byteWriter, stringAt, viewOf, type ByteWriter, type FormatProblem, type Parsed } from "./bytes.ts";
import { BTF_MAGIC } from "./btf.ts";

/** Strings are offsets into the strings of .BTF. */
export interface FuncRecord {
  readonly offset: number;
  readonly type: number;
}
export interface LineRecord {
  readonly offset: number;
  readonly file: number;
  readonly text: number;
  /** 1-based. */
  readonly line: number;
  readonly column: number;
}
/** struct bpf_core_relo of include/uapi/linux/bpf.h. */
export interface CoreRecord {
  readonly offset: number;
  readonly type: number;
  readonly access: number;
  readonly kind: number;
}
/** Records by name of the ELF section that they are about. */
export interface BtfExt {
  readonly funcs: ReadonlyMap<string, readonly FuncRecord[]>;
  readonly lines: ReadonlyMap<string, readonly LineRecord[]>;
  readonly core: ReadonlyMap<string, readonly CoreRecord[]>;
}

/** `line_col` of struct bpf_line_info has 22 bits for the line and 10 for the column. */
export const MAX_LINE = 0x3f_ffff;
export const MAX_COLUMN = 0x3ff;

export const FUNC_RECORD_BYTES = 8;
export const LINE_RECORD_BYTES = 16;
export const CORE_RECORD_BYTES = 16;

export function writeFunc(out: ByteWriter, record: FuncRecord): void {
  out.u32(record.offset);
  out.u32(record.type);
}
export function writeLine(out: ByteWriter, record: LineRecord): void {
  out.u32(record.offset);
  out.u32(record.file);
  out.u32(record.text);
  out.u32(((Math.min(record.line, MAX_LINE) << 10) | Math.min(record.column, MAX_COLUMN)) >>> 0);
}
export function writeCore(out: ByteWriter, record: CoreRecord): void {
  out.u32(record.offset);
  out.u32(record.type);
  out.u32(record.access);
  out.u32(record.kind);
}

/** Writes the section; `string` gives the offset of a text in the strings of .BTF. */
export function encodeBtfExt(ext: BtfExt, string: (text: string) => number): Uint8Array {
  const table = <T>(
    groups: ReadonlyMap<string, readonly T[]>,
    recordBytes: number,
    write: (out: ByteWriter, record: T) => void,
  ): Uint8Array => {
    const out = byteWriter();
    // A table without records has no bytes at all: libbpf refuses the whole section otherwise.
    if ([...groups.values()].every((records) => records.length === 0)) return out.finish();
    out.u32(recordBytes);
    for (const [section, records] of groups) {
      if (records.length === 0) continue;
      out.u32(string(section));
      out.u32(records.length);
      for (const record of records) write(out, record);
    }
    return out.finish();
  };
  const funcs = table(ext.funcs, FUNC_RECORD_BYTES, writeFunc);
  const lines = table(ext.lines, LINE_RECORD_BYTES, writeLine);
  const core = table(ext.core, CORE_RECORD_BYTES, writeCore);
  const out = byteWriter();
  out.u16(BTF_MAGIC);
  out.u8(1);
  out.u8(0);
  out.u32(32);
  out.u32(0);
  out.u32(funcs.length);
  out.u32(funcs.length);
  out.u32(lines.length);
  out.u32(funcs.length + lines.length);
  out.u32(core.length);
  out.bytes(funcs);
  out.bytes(lines);
  out.bytes(core);
  return out.finish();
}

export function decodeBtfExt(bytes: Uint8Array, strings: Uint8Array): Parsed<BtfExt> {
  const fail = (text: string, offset?: number): { readonly problem: FormatProblem } => ({
    problem: { text: `.BTF.ext: ${text}`, ...(offset === undefined ? {} : { offset }) },
  });
  if (bytes.length < 24) return fail(`the header is cut off: ${bytes.length} of 24 bytes`, 0);
  const view = viewOf(bytes);
  if (view.getUint16(0, true) !== BTF_MAGIC) return fail("the magic number is wrong", 0);
  if (bytes[2] !== 1) return fail(`version ${bytes[2]}, not 1`, 2);
  const headerBytes = view.getUint32(4, true);
  if (headerBytes < 24 || headerBytes > bytes.length) return fail(`a header of ${headerBytes} bytes`, 4);

  let held = 0;
  const table = <T>(field: number, least: number, read: (at: number) => T): Parsed<Map<string, T[]>> => {
    const groups = new Map<string, T[]>();
    let at = headerBytes + view.getUint32(field, true);
    const end = at + view.getUint32(field + 4, true);
    if (end === at) return { value: groups };
    if (end > bytes.length || end - at < 4) return fail("a table ends behind the section", field);
    // The three tables share no bytes, so their records cannot be more than the section holds.
    held += end - at;
    if (held > bytes.length) return fail("the tables overlap", field);
    const recordBytes = view.getUint32(at, true);
    if (recordBytes < least || recordBytes % 4 !== 0) return fail(`records of ${recordBytes} bytes`, at);
    at += 4;
    while (at < end) {
      if (end - at < 8) return fail("a group of records is cut off", at);
      const section = stringAt(strings, view.getUint32(at, true));
      const count = view.getUint32(at + 4, true);
      if (section === undefined) return fail("the section's name of a group lies outside the strings", at);
      if (count === 0 || count * recordBytes > end - at - 8)
        return fail(`a group of ${count} records does not fit`, at);
      at += 8;
      const records = groups.get(section) ?? [];
      for (let index = 0; index < count; index++, at += recordBytes) records.push(read(at));
      groups.set(section, records);
    }
    return { value: groups };
  };
  const word = (at: number): number => view.getUint32(at, true);
  const funcs = table(8, FUNC_RECORD_BYTES, (at): FuncRecord => ({ offset: word(at), type: word(at + 4) }));
  if ("problem" in funcs) return funcs;
  const lines = table(16, LINE_RECORD_BYTES, (at): LineRecord => ({
    offset: word(at),
    file: word(at + 4),
    text: word(at + 8),
    line: word(at + 12) >>> 10,
    column: word(at + 12) & MAX_COLUMN,
  }));
  if ("problem" in lines) return lines;
  const core =
    headerBytes >= 32
      ? table(24, CORE_RECORD_BYTES, (at): CoreRecord => ({
          offset: word(at),
          type: word(at + 4),
          access: word(at + 8),
          kind: word(at + 12),
        }))
      : { value: new Map<string, CoreRecord[]>() };
  if ("problem" in core) return core;
  return { value: { funcs: funcs.value, lines: lines.value, core: core.value } };
}
