/** The textual form of the IR. `read.ts` reads exactly what this prints. */
import { hexOf } from "../hex.ts";
import type { GlobalVar, MapSpec, StructOps } from "../module.ts";
import type { Span } from "../span.ts";
import type { Block, Edge, End, Func, Inst, IrModule, IrProgram, Value } from "./ir.ts";

export interface PrintOptions {
  /** Print where each instruction comes from, and the sources. Without it the text reads better and spans read back as 0:0-0. */
  readonly spans?: boolean;
}

/** A line of the text, and the TypeScript that it came from. */
export interface PrintedLine {
  readonly text: string;
  readonly span?: Span;
}

/** The whole module as text. */
export function printModule(module: IrModule, options: PrintOptions = {}): string {
  return moduleLines(module, options).map(withPlace(options)).join("\n") + "\n";
}

/** The lines of a module's text, without what `spans` adds to each. */
export function moduleLines(module: IrModule, options: PrintOptions = {}): readonly PrintedLine[] {
  const plain = (text: string): PrintedLine => ({ text });
  return [
    ...headLines(module, options).map(plain),
    ...module.functions.flatMap((func) => [plain(""), ...funcLines(func)]),
    ...module.programs.flatMap((program) => {
      const [head, ...rest] = funcLines(program.func);
      return [plain(""), { ...head!, text: `${programWords(program)}${head!.text}` }, ...rest];
    }),
  ];
}

const withPlace =
  (options: PrintOptions) =>
  ({ text, span }: PrintedLine): string =>
    span && options.spans ? `${text}${place(span)}` : text;

function headLines(module: IrModule, options: PrintOptions): string[] {
  return [
    `target ${module.target}`,
    `license ${JSON.stringify(module.license)}`,
    ...module.needs.map((need) => `needs ${need}`),
    ...(options.spans ? module.sources.map((s) => `source ${JSON.stringify(s.path)} ${JSON.stringify(s.text)}`) : []),
    ...module.maps.map((map) => `map ${map.name} ${mapJson(map, options)}`),
    ...module.globals.map((g) => `global ${g.name} ${globalJson(g, options)}`),
    ...(module.structOps ?? []).map((one) => `structops ${structOpsJson(one, options)}`),
  ];
}

const mapJson = ({ name: _name, initial, span, ...rest }: MapSpec, options: PrintOptions): string =>
  JSON.stringify({
    ...rest,
    initial: initial.map((entry) => ({ key: hexOf(entry.key), value: hexOf(entry.value) })),
    ...(options.spans && span ? { span } : {}),
  });

const globalJson = ({ name: _name, init, span, ...rest }: GlobalVar, options: PrintOptions): string =>
  JSON.stringify({ ...rest, init: hexOf(init), ...(options.spans && span ? { span } : {}) });

const structOpsJson = ({ values, span, ...rest }: StructOps, options: PrintOptions): string =>
  JSON.stringify({
    ...rest,
    values: Object.fromEntries(Object.entries(values).map(([name, bytes]) => [name, hexOf(bytes)])),
    ...(options.spans && span ? { span } : {}),
  });

function programWords(program: IrProgram): string {
  const member = program.implements ? `${program.implements.struct}.${program.implements.member} ` : "";
  return `program ${program.section} ${program.type} ${program.attachType} ${member}`;
}

function funcLines(func: Func): readonly PrintedLine[] {
  const returns = func.returns ? ` -> ${func.returns}` : "";
  const params = func.params.map(definition).join(", ");
  return [
    { text: `func ${func.name}(${params})${returns} {`, span: func.span },
    ...func.blocks.flatMap(blockLines),
    { text: "}" },
  ];
}

function blockLines(block: Block): PrintedLine[] {
  const params = block.params.length > 0 ? `(${block.params.map(definition).join(", ")})` : "";
  const head = `b${block.id}${params}:`;
  return [
    block.loop ? { text: `${head} loop`, span: block.loop } : { text: head },
    ...block.insts.map((inst) => ({ text: `  ${printInst(inst)}`, span: inst.span })),
    { text: `  ${printEnd(block.end)}`, span: block.end.span },
  ];
}

function place(span: Span): string {
  let text = ` @${span.file}:${span.start}-${span.end}`;
  for (let via = span.via; via; via = via.at.via)
    text += ` ${via.kind} ${JSON.stringify(via.what)} @${via.at.file}:${via.at.start}-${via.at.end}`;
  return text;
}

const use = (value: Value): string => `%${value.id}`;
const definition = (value: Value): string => `%${value.id}${value.name ? `.${value.name}` : ""}: ${value.type}`;
const memory = (base: Value, offset: number): string => `${use(base)}${offset < 0 ? " - " : " + "}${Math.abs(offset)}`;
const list = (values: readonly Value[]): string => `(${values.map(use).join(", ")})`;

/** One instruction as text. */
export function printInst(inst: Inst): string {
  const made = "result" in inst && inst.result ? `${definition(inst.result)} = ` : "";
  return made + body(inst);
}

function body(inst: Inst): string {
  switch (inst.kind) {
    case "const":
      return `const ${inst.value}`;
    case "core":
      return `core ${inst.fact.kind} ${inst.fact.struct} ${inst.fact.member} ${inst.value}`;
    case "binary":
    case "compare":
      return `${inst.op} ${use(inst.left)}, ${use(inst.right)}`;
    case "unary":
      return `${inst.op} ${use(inst.value)}`;
    case "slot":
      return `slot ${inst.size} align ${inst.align} ${JSON.stringify(inst.name)}`;
    case "global":
    case "map":
      return `${inst.kind} ${inst.name}`;
    case "ptradd":
      return `ptradd ${use(inst.base)}, ${use(inst.offset)}${inst.most === undefined ? "" : ` most ${inst.most}`}`;
    case "load":
      return `load${inst.bytes} ${memory(inst.base, inst.offset)}`;
    case "store":
      return `store${inst.bytes} ${memory(inst.base, inst.offset)}, ${use(inst.value)}`;
    case "zero":
      return `zero ${memory(inst.base, inst.offset)}, ${inst.bytes} align ${inst.align}`;
    case "copy":
      return `copy ${memory(inst.to, inst.toOffset)}, ${memory(inst.from, inst.fromOffset)}, ${inst.bytes} align ${inst.align}`;
    case "atomic": {
      const expected = inst.expected ? `, ${use(inst.expected)}` : "";
      return `atomic${inst.bytes} ${inst.op} ${memory(inst.base, inst.offset)}, ${use(inst.value)}${expected}`;
    }
    case "call":
      return `call ${inst.target.kind} ${inst.target.name}${list(inst.args)}`;
    case "assume-fits":
      return `assume-fits ${inst.signed ? "signed" : "unsigned"} ${use(inst.value)}, ${inst.min}, ${inst.max} ${JSON.stringify(inst.what)}`;
    case "assume-index":
      return `assume-index ${use(inst.value)}, ${inst.length} ${JSON.stringify(inst.what)}`;
  }
}

const target = (edge: Edge): string => `b${edge.block}${edge.args.length > 0 ? list(edge.args) : ""}`;

/** A block's end as text. */
export function printEnd(end: End): string {
  switch (end.kind) {
    case "jump":
      return `jump ${target(end.to)}`;
    case "branch":
      return `branch ${end.op} ${use(end.left)}, ${use(end.right)}, ${target(end.then)}, ${target(end.else)}`;
    case "switch":
      return `switch ${use(end.value)}, ${end.cases.map((c) => `${c.value}: ${target(c.to)}, `).join("")}default: ${target(end.default)}`;
    case "return":
      return end.value ? `return ${use(end.value)}` : "return";
    case "unreachable":
      return "unreachable";
  }
}
