/** A module as text for people and golden files: its maps and variables, and its instructions under their source lines. */
import { disassemble, type Disassembled } from "../bpf/disassemble.ts";
import { helperName } from "../bpf/helpers.ts";
import { CALL, CLASS, JMP, LDDW, MODE, PSEUDO, SIZE } from "../bpf/opcodes.ts";
import type { RawInsn } from "../bpf/raw.ts";
import { sizeOf, type Layout } from "../layout.ts";
import type { BpfModule, BpfProgram, GlobalVar, MapSpec } from "../module.ts";
import type { Span } from "../span.ts";
import { printable } from "../printable.ts";
import { placeFinder, type Place } from "./lines.ts";

/** Wide enough for 4096 instructions, and the same in short programs, so that golden files do not shift. */
const SLOT_WIDTH = 5;

/** A line of the text, and what it is about. */
export interface ListedLine {
  readonly text: string;
  /** Of an instruction: its slot, and the TypeScript that it came from. */
  readonly slot?: number;
  readonly span?: Span;
}

/** Everything in a module, ending with a line break. */
export function listing(module: BpfModule): string {
  return listedParts(module)
    .map((lines) => `${lines.map(({ text }) => text).join("\n")}\n`)
    .join("\n");
}

/** The same line by line: maps, variables, and each program, as far as there are any. */
export function listedParts(module: BpfModule): readonly (readonly ListedLine[])[] {
  const place = placeFinder(module.sources);
  const plain = (text: string): ListedLine => ({ text });
  const parts: ListedLine[][] = [
    module.maps.map(mapLine).map(plain),
    module.globals.map(globalLine).map(plain),
    ...module.programs.map((program) => programLines(program, module, place)),
  ];
  return parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.map((line) => ({ ...line, text: printable(line.text) })));
}

/** "u32", "be16", "Addr (8 bytes)", "u8[4]". */
export function layoutText(layout: Layout): string {
  switch (layout.kind) {
    case "int":
      return `${layout.signed ? "i" : "u"}${layout.bits}`;
    case "be":
      return `be${layout.bits}`;
    case "cstring":
      return `cstring(${layout.size})`;
    case "array":
      return `${layoutText(layout.of)}[${layout.length}]`;
    case "struct":
      return `${layout.name || "struct"} (${layout.size} bytes)`;
  }
}

const count = (value: number, one: string, many: string): string => `${value} ${value === 1 ? one : many}`;

function mapLine(map: MapSpec): string {
  const facts = [
    map.key && `key ${layoutText(map.key)}`,
    map.value && `value ${layoutText(map.value)}`,
    map.key ? count(map.maxEntries, "entry", "entries") : `${map.maxEntries} bytes`,
    map.flags !== 0 && `flags 0x${map.flags.toString(16)}`,
    map.pinned && "pinned",
    map.initial.length > 0 && `${map.initial.length} set at the start`,
  ];
  return `map ${map.name}: ${[map.type, ...facts].filter(Boolean).join(", ")}`;
}

function globalLine(variable: GlobalVar): string {
  const { name, layout, section, offset, param } = variable;
  const size = sizeOf(layout);
  const bytes = count(size, "byte", "bytes");
  return `${param ? "param" : "global"} ${name}: ${layoutText(layout)} at ${section}+${offset}, ${bytes}${valueText(variable)}`;
}

/** " = 7", ' = "reno"', " = 01 02 …"; nothing for variables that start as zero. */
function valueText({ layout, init }: GlobalVar): string {
  if (init.every((byte) => byte === 0)) return layout.kind === "struct" || layout.kind === "array" ? "" : " = 0";
  if (layout.kind === "int") {
    const bits = init.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
    return ` = ${layout.signed ? BigInt.asIntN(layout.bits, bits) : bits}`;
  }
  if (layout.kind === "cstring") {
    const end = init.indexOf(0);
    return ` = ${JSON.stringify(new TextDecoder().decode(end < 0 ? init : init.subarray(0, end)))}`;
  }
  const shown = [...init.subarray(0, 16)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return ` = ${shown}${init.length > 16 ? " …" : ""}`;
}

function programLines(program: BpfProgram, module: BpfModule, place: (span: Span) => Place | undefined): ListedLine[] {
  const { insns } = program;
  const lines: ListedLine[] = [
    {
      text: `program ${program.name}: section ${program.section}, type ${program.type}, ${insns.length} instructions, ${program.stack} bytes of stack`,
    },
  ];
  const labels = labelNames(program);
  const texts = instructionTexts(module, program);
  const spans = new Map(program.lines.map((line) => [line.slot, line.span]));
  const functions = new Map(program.functions.slice(1).map((entry) => [entry.slot, entry.name]));

  let shown = "";
  for (const [slot, named] of texts) {
    const inner = functions.get(slot);
    if (inner !== undefined) lines.push({ text: "" }, { text: `function ${inner}:` });
    const span = spans.get(slot);
    const at = span && place(span);
    const source = at && `${at.path}:${at.line}`;
    if (source !== undefined && source !== shown) {
      lines.push({ text: `; ${source}  ${at!.text.trim()}`, span: span! });
      shown = source;
    }
    const label = labels.get(slot);
    if (label !== undefined) lines.push({ text: `${label}:` });
    lines.push({ text: `${String(slot).padStart(SLOT_WIDTH)}: ${named}`, slot, ...(span ? { span } : {}) });
  }
  return lines;
}

/** Each instruction of a program by its slot, in order: maps, variables, functions and the targets of jumps by their names. */
export function instructionTexts(module: BpfModule, program: BpfProgram): ReadonlyMap<number, string> {
  const { insns } = program;
  const labels = labelNames(program);
  const relocations = new Map(program.relocations.map((relocation) => [relocation.slot, relocation]));
  const texts = new Map<number, string>();
  for (let slot = 0; slot < insns.length;) {
    const { text, slots, jump } = instruction(insns, slot);
    const relocation = relocations.get(slot);
    const named = relocation
      ? `r${insns[slot]!.dst} = ${relocation.kind === "map" ? `map ${relocation.map}` : globalText(module, relocation.section, relocation.offset)}`
      : jump
        ? `${jump.before} ${labels.get(slot + 1 + jump.by) ?? jump.by}`
        : callText(insns[slot]!, slot, program, text);
    texts.set(slot, named);
    slot += slots;
  }
  return texts;
}

const ATOMIC32 = CLASS.stx | SIZE.w | MODE.atomic;
/** As llvm-objdump reads an object by itself, except for 32-bit atomics, which it misreads so. */
const instruction = (insns: readonly RawInsn[], slot: number): Disassembled =>
  disassemble(insns, slot, insns[slot]?.code === ATOMIC32 ? "v4" : "generic");

/** A label for every slot that a jump goes to. */
function labelNames({ insns }: BpfProgram): ReadonlyMap<number, string> {
  const labels = new Map<number, string>();
  for (let slot = 0; slot < insns.length;) {
    const { slots, jump } = instruction(insns, slot);
    const target = slot + 1 + (jump?.by ?? 0);
    if (jump && target >= 0 && target < insns.length) labels.set(target, `L${target}`);
    slot += slots;
  }
  return labels;
}

function callText(insn: RawInsn, slot: number, program: BpfProgram, text: string): string {
  const extern = program.externs?.find((entry) => entry.slot === slot);
  if (extern) {
    if (insn.code !== LDDW) return `call ${extern.name}, a function of the kernel`;
    return `r${insn.dst} = ${extern.name}, of the kernel`;
  }
  if (insn.code === LDDW && insn.src === PSEUDO.func) {
    const target = program.functions.find((entry) => entry.slot === slot + 1 + insn.imm);
    return target ? `r${insn.dst} = function ${target.name}` : text.replace("\t", " ");
  }
  if (insn.code !== (CLASS.jmp | JMP.call.code)) return text.replace("\t", " ");
  if (insn.src === CALL.local) {
    const target = program.functions.find((entry) => entry.slot === slot + 1 + insn.imm);
    return target ? `call ${target.name}` : `call slot ${slot + 1 + insn.imm}`;
  }
  const helper = insn.src === CALL.helper ? helperName(insn.imm) : undefined;
  return helper ? `call bpf_${helper}` : text;
}

/** "param wanted", "counter+4", ".rodata+12". */
function globalText(module: BpfModule, section: string, offset: number): string {
  const variable = module.globals.find(
    (each) => each.section === section && each.offset <= offset && offset < each.offset + sizeOf(each.layout),
  );
  if (!variable) return `address of ${section}+${offset}`;
  const inside = offset - variable.offset;
  return `address of ${variable.name}${inside === 0 ? "" : `+${inside}`}`;
}
