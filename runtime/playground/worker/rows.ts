/** Lines of the compiler's texts, with the lines of the source that they came from. */
import { moduleLines } from "../../../compiler/ir/print.ts";
import type { IrModule } from "../../../compiler/ir/ir.ts";
import type { BpfModule } from "../../../compiler/module.ts";
import { readElf, SECTION_TYPE } from "../../../compiler/object/elf.ts";
import { placeFinder } from "../../../compiler/object/lines.ts";
import { listedParts } from "../../../compiler/object/listing.ts";
import { encodeSlots } from "../../../compiler/bpf/raw.ts";
import { hexOf } from "../../../compiler/hex.ts";
import type { SourceFile, Span } from "../../../compiler/span.ts";
import type { Row } from "../protocol.ts";

/** The line of a span in the file that is in the editor; undefined in others. */
export type LineOf = (span: Span | undefined) => number | undefined;
export function lineFinder(sources: readonly SourceFile[]): LineOf {
  const place = placeFinder(sources);
  return (span) => (span?.file === 0 ? place(span)?.line : undefined);
}

export const row = (text: string, line: number | undefined): Row => (line === undefined ? { text } : { text, line });

export const irRows = (module: IrModule, lineOf: LineOf): readonly Row[] =>
  moduleLines(module).map(({ text, span }) => row(text, lineOf(span)));

/** Instructions under their source lines, as `build --emit asm` shows them. */
export const bytecodeRows = (module: BpfModule, lineOf: LineOf): readonly Row[] =>
  listedParts(module).flatMap((part, index) => [
    ...(index > 0 ? [{ text: "" }] : []),
    ...part.map(({ text, span }) => row(text, lineOf(span))),
  ]);

const TYPES: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(SECTION_TYPE).map(([name, number]) => [number, name]),
);
const BYTES_A_ROW = 8;

/** The sections of an object, and the bytes of each that holds instructions, one a line. */
export function objectRows(object: Uint8Array, module: BpfModule, lineOf: LineOf): readonly Row[] {
  const elf = readElf(object);
  if ("problem" in elf) return [{ text: elf.problem.text }];
  const { sections, symbols, relocations } = elf.value;
  const table = sections.slice(1).map(({ name, type, size }, index) => {
    const relocated = relocations.get(index + 1)?.length ?? 0;
    const facts = `${(TYPES[type] ?? String(type)).padEnd(9)}${String(size).padStart(7)} bytes`;
    return `  ${name.padEnd(26)} ${facts}${relocated > 0 ? `, ${relocated} relocations` : ""}`;
  });
  const functions = symbols.filter(({ name }) => name !== "");
  const programs = module.programs.flatMap((program) => {
    const lines = new Map(program.lines.map(({ slot, span }) => [slot, lineOf(span)]));
    const bytes = encodeSlots(program.insns);
    let line: number | undefined;
    return [
      { text: "" },
      { text: `section ${program.section}, ${program.name}, ${bytes.length} bytes` },
      ...program.insns.map((_, slot) => {
        line = lines.get(slot) ?? line;
        const own = hexOf(bytes.subarray(slot * BYTES_A_ROW, (slot + 1) * BYTES_A_ROW)).replace(/..(?=.)/g, "$& ");
        return row(`  ${(slot * BYTES_A_ROW).toString(16).padStart(6, "0")}  ${own}`, line);
      }),
    ];
  });
  return [
    { text: `ELF object, ${object.length} bytes, license ${module.license}` },
    ...(module.needs.length > 0 ? [{ text: `needs ${module.needs.join(", ")}` }] : []),
    { text: "" },
    { text: `${table.length} sections` },
    ...table.map((text) => ({ text })),
    { text: "" },
    { text: `${functions.length} symbols` },
    ...functions.map(({ name, size, section }) => ({
      text: `  ${name.padEnd(26)} ${(sections[section]?.name ?? "").padEnd(20)} ${size} bytes`,
    })),
    ...programs,
  ];
}
