/** Instruction selection: IR to machine instructions on virtual registers. The walk over the blocks; select-*.ts has the instructions. */
import { edges, type Block, type End, type Func, type Inst, type Value } from "../ir/ir.ts";
import { operands } from "../ir/walk.ts";
import type { GlobalVar } from "../module.ts";
import type { Span } from "../span.ts";
import type { Isa } from "../bpf/isa.ts";
import type { Finish, MachineBlock, MachineFunc, Virtual } from "./insn.ts";
import { into, zeroUpper } from "./operands.ts";
import { binary, unary } from "./select-arithmetic.ts";
import { branch, fusedMasks, passArguments } from "./select-branches.ts";
import { atomic, call, load, parameters, pointerAdd, store } from "./select-memory.ts";
import {
  constant,
  enterBlock,
  registerOf,
  restoreContext,
  saveContext,
  startSelection,
  type Selection,
} from "./selection.ts";

/** Selects instructions for a function without loops, switches and comparisons as values. */
export function select(func: Func, globals: readonly GlobalVar[], isa: Isa): MachineFunc<Virtual> {
  const s = startSelection(func, globals, isa);
  const fused = fusedMasks(s);
  const blocks: MachineBlock<Virtual>[] = [];
  // Predecessors come first in the order, so what is passed to a block is known when it is reached.
  const passed = new Map<number, (readonly Value[])[]>();
  for (const block of s.graph.order) {
    enterBlock(s, block.id);
    if (block === s.graph.order[0]) parameters(s, func.params, func.span);
    knowParameters(s, block, passed.get(block.id) ?? []);
    for (const edge of edges(block.end)) {
      if (edge.args.length === 0) continue;
      const lists = passed.get(edge.block);
      if (lists) lists.push(edge.args);
      else passed.set(edge.block, [edge.args]);
    }
    instructions(s, block, fused);
    saveContext(s, block.end.span);
    restoreContext(s, block.end.span);
    const end = finish(s, block.end, fused);
    blocks.push({ id: block.id, insns: s.out, end }, ...s.edgeBlocks);
  }
  return { name: func.name, blocks, frame: s.frame, registers: s.nextRegister };
}

/** A parameter's register is clean when all that is passed to it is, and blurred when anything is. */
function knowParameters(s: Selection, block: Block, passed: readonly (readonly Value[])[]): void {
  const zeroed = (value: Value): boolean => {
    const number = constant(s, value);
    return s.clean.has(value.id) || (number !== undefined && (s.isa.alu32 || number >= 0n));
  };
  block.params.forEach((param, at) => {
    const args = passed.map((list) => list[at]!);
    if (param.type === "w32" && args.every(zeroed)) s.clean.add(param.id);
    if (args.some((arg) => s.blurred.has(arg.id))) s.blurred.add(param.id);
  });
}

/** The instructions of a block, and the addresses that it keeps: each before its first reader, at the latest at the end. */
function instructions(s: Selection, block: Block, fused: ReadonlySet<number>): void {
  const toKeep = s.kept.get(block.id) ?? [];
  const keep = (value: Value, span: Span): void => {
    into(s, registerOf(s, value), value, span);
    s.keptHere.add(value.id);
  };
  for (const inst of block.insts) {
    const read = operands(inst);
    for (const value of toKeep)
      if (!s.keptHere.has(value.id) && read.some((one) => one.id === value.id)) keep(value, inst.span);
    if (!(inst.kind === "binary" && fused.has(inst.result.id))) instruction(s, inst);
  }
  for (const value of toKeep) if (!s.keptHere.has(value.id)) keep(value, block.end.span);
}

function instruction(s: Selection, inst: Inst): void {
  switch (inst.kind) {
    case "const":
    case "core":
    case "slot":
    case "global":
    case "map":
      return;
    case "binary":
      return binary(s, inst);
    case "unary":
      return unary(s, inst);
    case "assume-fits":
    case "assume-index":
      into(s, registerOf(s, inst.result), inst.value, inst.span);
      if (s.clean.has(inst.value.id)) s.clean.add(inst.result.id);
      if (s.blurred.has(inst.value.id)) s.blurred.add(inst.result.id);
      return;
    case "ptradd":
      return pointerAdd(s, inst);
    case "load":
      return load(s, inst);
    case "store":
      return store(s, inst);
    case "atomic":
      return atomic(s, inst);
    case "call":
      return call(s, inst);
    case "compare":
    case "zero":
    case "copy":
      throw new Error(`${inst.kind} must be lowered before selection`);
  }
}

function finish(s: Selection, end: End, fused: ReadonlySet<number>): Finish<Virtual> {
  const { span } = end;
  switch (end.kind) {
    case "jump":
      passArguments(s, end.to, span);
      return { kind: "jump", to: end.to.block, span };
    case "branch":
      return branch(s, end, fused);
    case "return":
      if (!end.value) return { kind: "exit", nothing: true, span };
      if (s.blurred.has(end.value.id)) zeroUpper(s, 0, registerOf(s, end.value), span);
      else into(s, 0, end.value, span, true);
      return { kind: "exit", span };
    case "unreachable":
      // Never runs, but the verifier may walk here; returning 0 is always allowed.
      s.out.push({ kind: "mov", wide: true, dst: 0 as Virtual, src: { imm: 0 }, span });
      return { kind: "exit", span };
    case "switch":
      throw new Error("switch must be lowered before selection");
  }
}
