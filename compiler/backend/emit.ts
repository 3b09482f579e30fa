/** The backend: optimized IR to a BPF object's programs. */
import type { Kernel } from "../bpf/kernels.ts";
import { report, type Diagnostic, type Note } from "../diagnostics.ts";
import type { IrModule, IrProgram } from "../ir/ir.ts";
import { notLowered } from "../ir/lowered.ts";
import type { BpfModule, BpfProgram } from "../module.ts";
import type { Span } from "../span.ts";
import { isaOf } from "../bpf/isa.ts";
import { allocate } from "./allocate.ts";
import { encode } from "./encode.ts";
import { guardOffsets, type BoundedOffset, type Guards } from "./guard.ts";
import { layOutFrame } from "./frame.ts";
import { orderBlocks } from "./layout.ts";
import type { MachineFunc, Reg } from "./insn.ts";
import { select } from "./select.ts";
import { tidy } from "./tidy.ts";

export interface BackendOptions {
  /** Most instruction slots of one program; absent: the kernel's limit. */
  readonly maxInsns?: number;
  /** By program: what the verifier needs before bounded offsets. */
  readonly guards?: ReadonlyMap<string, Guards>;
}
export interface Emitted {
  readonly module?: BpfModule;
  /** By program: where bounded offsets are added to addresses; their position is their number. */
  readonly offsets: ReadonlyMap<string, readonly BoundedOffset[]>;
  readonly diagnostics: Diagnostic[];
}

/** Emits every program of the module, or says which limits they break. */
export function backend(module: IrModule, kernel: Kernel, options: BackendOptions = {}): Emitted {
  const diagnostics: Diagnostic[] = [];
  const offsets = new Map<string, readonly BoundedOffset[]>();
  const programs = module.programs.map((program) =>
    emitProgram(program, module, kernel, options, diagnostics, offsets),
  );
  if (diagnostics.some((d) => d.severity === "error")) return { diagnostics, offsets };
  const { license, target, needs, maps, globals, sources } = module;
  return { module: { license, target, needs, maps, globals, programs, sources }, diagnostics, offsets };
}

function emitProgram(
  program: IrProgram,
  module: IrModule,
  kernel: Kernel,
  options: BackendOptions,
  diagnostics: Diagnostic[],
  bounded: Map<string, readonly BoundedOffset[]>,
): BpfProgram {
  const isa = isaOf(kernel);
  const missing = notLowered(program.func, isa.signed);
  if (missing !== undefined) throw new Error(missing);
  const tidied = tidy(allocate(select(program.func, module.globals, isa)));
  const guards = options.guards?.get(program.func.name) ?? new Map();
  const machine = { ...tidied, blocks: guardOffsets(orderBlocks(tidied.blocks), guards) };
  const frame = layOutFrame(machine);
  const { insns, relocations, lines, offsets } = encode(machine.blocks, frame);
  bounded.set(program.func.name, offsets);

  const maxInsns = options.maxInsns ?? kernel.maxInsns;
  if (insns.length > maxInsns) {
    const blame = blameInstructions(lines.map((line) => line.span));
    diagnostics.push(
      report("too-many-instructions", blame?.span ?? program.func.span, {
        program: program.func.name,
        count: insns.length,
        limit: maxInsns,
        blame: blame?.text,
      }),
    );
  }
  if (frame.size > kernel.maxStack) diagnostics.push(stackTooLarge(program, machine, frame.size, kernel.maxStack));
  return {
    name: program.func.name,
    section: program.section,
    type: program.type,
    attachType: program.attachType,
    insns,
    relocations,
    lines,
    functions: [{ name: program.func.name, slot: 0 }],
    stack: frame.size,
    span: program.func.span,
  };
}

/** The loop or call that most instructions were expanded from, innermost where several are equal. */
function blameInstructions(spans: readonly Span[]): { span: Span; text: string } | undefined {
  const counts = new Map<
    string,
    { span: Span; kind: string; what: string | number; count: number; turns: Set<number | string>; depth: number }
  >();
  for (const span of spans) {
    let depth = 0;
    const seen = new Set<string>();
    for (let via = span.via; via; via = via.at.via) {
      depth--;
      const key = `${via.kind} ${via.at.file}:${via.at.start}-${via.at.end}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const { via: _outer, ...place } = via.at;
      const found = counts.get(key) ?? {
        span: place,
        kind: via.kind,
        what: via.what,
        count: 0,
        turns: new Set(),
        depth,
      };
      found.count++;
      found.turns.add(via.what);
      counts.set(key, found);
    }
  }
  const largest = [...counts.values()].sort((a, b) => b.count - a.count || b.depth - a.depth)[0];
  if (!largest || largest.count * 2 < spans.length) return undefined;
  const text =
    largest.kind === "loop"
      ? `this loop unrolls to ${largest.count} of them in ${largest.turns.size} turns`
      : `the code of ${largest.what}, put in here, takes ${largest.count} of them`;
  return { span: largest.span, text };
}

function stackTooLarge(program: IrProgram, machine: MachineFunc<Reg>, bytes: number, limit: number): Diagnostic {
  const variables = machine.frame.filter((variable) => variable.kind === "variable").sort((a, b) => b.size - a.size);
  const [largest] = variables;
  const notes: Note[] = variables.slice(0, 4).map((variable) => ({
    ...(variable.span ? { span: variable.span } : {}),
    text: `${variable.name ?? "a temporary"} takes ${variable.size} bytes`,
  }));
  const spilled = machine.frame.length - variables.length;
  if (spilled > 0) notes.push({ text: `${spilled} values that found no register take 8 bytes each` });
  return report(
    "stack-too-large",
    largest?.span ?? program.func.span,
    {
      program: program.func.name,
      bytes,
      limit,
      largest: largest ? `${largest.name ?? "a temporary"} takes ${largest.size}` : undefined,
    },
    notes,
  );
}
