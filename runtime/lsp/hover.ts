/** What is said of what the mouse points at: what TypeScript cannot know. */
import type { FoundOption, FoundStruct, FoundVariable } from "../../compiler/findings.ts";
import { sizeOf, type StructLayout } from "../../compiler/layout.ts";
import { instructionTexts, layoutText } from "../../compiler/object/listing.ts";
import type { Known } from "./programs.ts";
import { lineOf, textLines } from "./text-lines.ts";

/** Markdown for an offset of a file of a program; undefined where there is nothing to say. */
export function hover(known: Known, path: string, offset: number): string | undefined {
  const parts = [...names(known, path, offset), ...bytecode(known, path, offset)];
  return parts.length > 0 ? parts.join("\n\n---\n\n") : undefined;
}

const code = (lines: readonly string[]): string => ["```text", ...lines, "```"].join("\n");

function names({ quick }: Known, path: string, offset: number): string[] {
  const file = quick?.sources.findIndex((source) => source.path === path) ?? -1;
  if (!quick || file < 0) return [];
  const { text } = quick.sources[file]!;
  const word = wordAt(text, offset);
  if (word === undefined) return [];
  const points = (at: { file: number; start: number; end: number }): boolean =>
    at.file === file && at.start <= offset && offset <= at.end;
  const structs = quick.findings.filter((one): one is FoundStruct => one.kind === "struct");
  const options = quick.findings.filter((one): one is FoundOption => one.kind === "option");
  const variables = quick.findings.filter((one): one is FoundVariable => one.kind === "variable");
  // Where it is declared; or by its name, which is one in the program unless two files have it.
  const struct = structs.find((one) => points(one.at)) ?? only(structs.filter((one) => one.layout.name === word));
  const option = options.find((one) => points(one.at)) ?? only(options.filter((one) => one.name === word));
  const here = variables.filter((one) => points(one.at));
  const types = [
    ...new Set((here.length > 0 ? here : variables.filter((one) => one.name === word)).map((one) => one.type)),
  ];
  return [
    ...(struct ? [structText(struct.layout)] : []),
    ...(option ? [optionText(option)] : []),
    // Several of that name and of different types: which is meant is TypeScript's to know.
    ...(types.length > 0 && (here.length > 0 || types.length === 1)
      ? [`\`${word}\`: ${types.map((type) => `\`${type}\``).join(" or ")}`]
      : []),
  ];
}

const only = <T>(list: readonly T[]): T | undefined => (list.length === 1 ? list[0] : undefined);

function wordAt(text: string, offset: number): string | undefined {
  const before = /\w*$/.exec(text.slice(Math.max(0, offset - 100), offset))![0];
  const after = /^\w*/.exec(text.slice(offset, offset + 100))![0];
  const word = before + after;
  return /^[A-Za-z_]/.test(word) ? word : undefined;
}

/** Offsets, types and sizes, with the bytes that no field covers. */
function structText({ name, fields, size, align, packed }: StructLayout): string {
  const rows: string[] = [];
  let end = 0;
  const row = (offset: number, bytes: number, what: string): void =>
    void rows.push(`${String(offset).padStart(4)} ${String(bytes).padStart(5)}  ${what}`);
  for (const field of fields) {
    if (field.offset > end) row(end, field.offset - end, "(padding)");
    row(field.offset, sizeOf(field.layout), `${field.name}: ${layoutText(field.layout)}`);
    end = field.offset + sizeOf(field.layout);
  }
  if (size > end) row(end, size - end, "(padding)");
  const how = packed ? "packed" : `aligned to ${align}`;
  return `struct \`${name}\`: ${size} ${size === 1 ? "byte" : "bytes"}, ${how}\n${code(["  at bytes  field", ...rows])}`;
}

/** The option as it goes over the wire, byte by byte. */
function optionText({ number, experiment, payload, header, length }: FoundOption): string {
  const hex = (byte: number): string => byte.toString(16).padStart(2, "0");
  const rows: (readonly [number, string, string])[] = [
    [0, hex(number), "kind"],
    [1, hex(length), "length"],
  ];
  if (experiment !== undefined)
    rows.push([2, `${hex(experiment >> 8)} ${hex(experiment & 0xff)}`, "experiment (RFC 6994)"]);
  for (const field of payload.fields) {
    const bytes = sizeOf(field.layout);
    const shown = bytes > 8 ? `${".. ".repeat(8)}…` : ".. ".repeat(bytes).trim();
    rows.push([header + field.offset, shown, `${field.name}: ${layoutText(field.layout)}`]);
  }
  const lines = rows.map(([at, bytes, what]) => `${String(at).padStart(4)}  ${bytes.padEnd(24)}  ${what}`);
  return `TCP option, ${length} bytes on the wire, of the 40 that all options share\n${code(lines)}`;
}

const MOST_INSTRUCTIONS = 24;

/** The instructions of a line, with what the verifier knew of the registers that each reads when it first came there. */
function bytecode({ quick, whole }: Known, path: string, offset: number): string[] {
  const file = whole?.sources.findIndex((source) => source.path === path) ?? -1;
  const module = whole?.module;
  if (!module || file < 0) return [];
  const { text } = whole.sources[file]!;
  // Only of the text that was compiled.
  if (quick && quick.sources.find((source) => source.path === path)?.text !== text) return [];
  const lines = textLines(text);
  const line = lineOf(lines, offset);
  return module.programs.flatMap((program) => {
    const texts = instructionTexts(module, program);
    const work = whole.work.get(program.name);
    const found = program.lines.filter(({ span }) => span.file === file && lineOf(lines, span.start) === line);
    if (found.length === 0) return [];
    const rows = found.slice(0, MOST_INSTRUCTIONS).map(({ slot }) => {
      const insn = texts.get(slot) ?? "";
      const state = registersOf(insn, work?.states.get(slot));
      return `${String(slot).padStart(5)}: ${state === "" ? insn : `${insn.padEnd(36)} ; ${state}`}`;
    });
    if (found.length > MOST_INSTRUCTIONS) rows.push(`       … ${found.length - MOST_INSTRUCTIONS} more`);
    const count = `${found.length} ${found.length === 1 ? "instruction" : "instructions"}`;
    return [
      `line ${line + 1} in \`${program.name}\`: ${count}${work ? `; what the verifier of Linux ${work.kernel} knows before each` : ""}\n${code(rows)}`,
    ];
  });
}

/** Of a state, the registers that an instruction names. */
function registersOf(insn: string, state: string | undefined): string {
  if (state === undefined) return "";
  const named = new Set([...insn.matchAll(/\b[rw](\d+)\b/g)].map((match) => match[1]!));
  const known =
    /\b(goto|if|exit|call)\b/.test(insn) || !/^[rw]\d+ = /.test(insn) ? undefined : /^[rw](\d+)/.exec(insn)![1];
  const read = [...named].filter((one) => one !== known || new RegExp(`= .*\\b[rw]${one}\\b`).test(insn));
  return [...state.matchAll(/\bR(\d+)=(\S+)/g)]
    .flatMap(([text, number]) => (read.includes(number!) ? [text] : []))
    .join(" ");
}
