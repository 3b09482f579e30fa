/** The backend: optimized IR to a BPF object's programs. */
import { isaOf } from "../bpf/isa.ts";
import type { Kernel } from "../bpf/kernels.ts";
import { report, type Diagnostic } from "../diagnostics.ts";
import type { Func, IrModule, IrProgram } from "../ir/ir.ts";
import { notLowered } from "../ir/lowered.ts";
import type { BpfModule, BpfProgram, Signature } from "../module.ts";
import { callersFirst } from "../ir/calls.ts";
import { allocate } from "./allocate.ts";
import { blameInstructions, stackTooLarge } from "./blame.ts";
import { encode } from "./encode.ts";
import { guardOffsets, isBoundedOffset, type BoundedOffset, type Guards } from "./guard.ts";
import { layOutFrame } from "./frame.ts";
import { orderBlocks } from "./layout.ts";
import type { MachineFunc, Reg } from "./insn.ts";
import { deepestStack } from "./stack-depth.ts";
import { inLoadOrder, joinFunctions } from "./join.ts";
import { scrubRanges } from "./scrub.ts";
import { select } from "./select.ts";
import { tidy } from "./tidy.ts";

export interface BackendOptions {
  /** Most instruction slots of one program; absent: the kernel's limit. */
  readonly maxInsns?: number;
  /** By program: what the verifier needs before bounded offsets. */
  readonly guards?: ReadonlyMap<string, Guards>;
  /** Programs whose ranges of the stack are made plain before they are stored into (scrub.ts). */
  readonly scrubbed?: ReadonlySet<string>;
}
export interface Emitted {
  readonly module?: BpfModule;
  /** By program: where bounded offsets are added to addresses; their position is their number. */
  readonly offsets: ReadonlyMap<string, readonly BoundedOffset[]>;
  /** By program whose stack is too large: the functions on its deepest chain of calls, with the bytes of their frames. */
  readonly overflows: ReadonlyMap<string, readonly { readonly name: string; readonly bytes: number }[]>;
  readonly diagnostics: Diagnostic[];
}

/** Emits every program of the module, or says which limits they break. */
export function backend(module: IrModule, kernel: Kernel, options: BackendOptions = {}): Emitted {
  const diagnostics: Diagnostic[] = [];
  const offsets = new Map<string, readonly BoundedOffset[]>();
  const overflows = new Map<string, readonly { readonly name: string; readonly bytes: number }[]>();
  const found = { diagnostics, offsets, overflows };
  const programs = module.programs.map((program) => emitProgram(program, module, kernel, options, found));
  if (diagnostics.some((d) => d.severity === "error")) return found;
  const { license, target, needs, maps, globals, structOps, sources } = module;
  const ops = structOps ? { structOps } : {};
  return { module: { license, target, needs, maps, globals, programs, ...ops, sources }, ...found };
}

interface Found {
  readonly diagnostics: Diagnostic[];
  readonly offsets: Map<string, readonly BoundedOffset[]>;
  readonly overflows: Map<string, readonly { readonly name: string; readonly bytes: number }[]>;
}

function emitProgram(
  program: IrProgram,
  module: IrModule,
  kernel: Kernel,
  options: BackendOptions,
  { diagnostics, offsets, overflows }: Found,
): BpfProgram {
  const { name, span } = program.func;
  const functions = callersFirst({ ...module, programs: [program] });
  const ready = (func: Func): Func => (options.scrubbed?.has(name) ? scrubRanges(func) : func);
  const machines = inLoadOrder(
    machineCode(ready(program.func), module, kernel),
    functions.map((func) => machineCode(ready(func), module, kernel)),
  );
  const guarded = guardFunctions(machines, options.guards?.get(name) ?? new Map());
  const frames = guarded.map(layOutFrame);
  const linked = joinFunctions(
    guarded.map((machine, at) => ({ name: machine.name, code: encode(machine.blocks, frames[at]!) })),
  );
  offsets.set(name, linked.offsets);

  const maxInsns = options.maxInsns ?? kernel.maxInsns;
  if (linked.insns.length > maxInsns) {
    const blame = blameInstructions(linked.lines.map((line) => line.span));
    diagnostics.push(
      report("too-many-instructions", blame?.span ?? span, {
        program: name,
        count: linked.insns.length,
        limit: maxInsns,
        blame: blame?.text,
      }),
    );
  }
  const { chain, bytes } = deepestStack(guarded, frames);
  if (bytes > kernel.maxStack) {
    overflows.set(
      name,
      chain.slice(1).map((machine) => ({ name: machine.name, bytes: frames[guarded.indexOf(machine)]!.size })),
    );
    diagnostics.push(stackTooLarge(chain, span, bytes, kernel.maxStack));
  }
  const { insns, relocations, lines, externs, core } = linked;
  return {
    name,
    section: program.section,
    type: program.type,
    attachType: program.attachType,
    insns,
    relocations,
    lines,
    functions: linked.functions.map((entry) => ({ ...entry, ...signatureOf(functions, entry.name) })),
    ...(externs.length > 0 ? { externs } : {}),
    ...(core.length > 0 ? { core } : {}),
    ...(program.implements ? { implements: program.implements } : {}),
    stack: bytes,
    span,
  };
}

function signatureOf(functions: readonly Func[], name: string): { readonly signature?: Signature } {
  const func = functions.find((one) => one.name === name);
  if (!func) return {};
  const params = func.params.map((param, at) => ({ name: param.name ?? `a${at}`, type: param.type }));
  return { signature: { params, ...(func.returns === undefined ? {} : { returns: func.returns }) } };
}

/** One function's instructions in their registers, in the order in which they will lie. */
function machineCode(func: Func, module: IrModule, kernel: Kernel): MachineFunc<Reg> {
  const isa = isaOf(kernel);
  const missing = notLowered(func, isa.signed);
  if (missing !== undefined) throw new Error(missing);
  const tidied = tidy(allocate(select(func, module.globals, isa)));
  return { ...tidied, blocks: orderBlocks(tidied.blocks) };
}

/** The guards are numbered through all functions of a program. */
function guardFunctions(machines: readonly MachineFunc<Reg>[], guards: Guards): MachineFunc<Reg>[] {
  let first = 0;
  return machines.map((machine) => {
    const count = machine.blocks.reduce((sum, { insns }) => sum + insns.filter(isBoundedOffset).length, 0);
    const own = new Map([...guards].map(([number, wanted]) => [number - first, wanted] as const));
    first += count;
    return { ...machine, blocks: guardOffsets(machine.blocks, own) };
  });
}
