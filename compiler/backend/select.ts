/** Instruction selection: IR to machine instructions on virtual registers. */
import { HELPERS } from "../bpf/helpers.ts";
import type { Condition } from "../bpf/opcodes.ts";
import { SOCK_OPS_FIELDS, type ContextField } from "../bpf/sock-ops.ts";
import { SWAPPED } from "../ir/evaluate.ts";
import { dominance, graphOf, type Graph } from "../ir/graph.ts";
import { edges, type BinaryOp, type CompareOp, type Edge, type Func, type Inst, type Value } from "../ir/ir.ts";
import { definitions, operands, useCounts, visitUses } from "../ir/walk.ts";
import { slotLives } from "../ir/slot-lives.ts";
import type { GlobalVar } from "../module.ts";
import { slotAlignment } from "../passes/pointers.ts";
import type { Span } from "../span.ts";
import {
  FIRST_VIRTUAL,
  type Arithmetic,
  type Base,
  type Finish,
  type FrameVariable,
  type Insn,
  type MachineBlock,
  type MachineFunc,
  type Operand,
  type Virtual,
} from "./insn.ts";
import { meet, planContext } from "./context-register.ts";
import { EXCHANGED, type Isa } from "./isa.ts";

const ALU = {
  add: "add",
  sub: "sub",
  mul: "mul",
  udiv: "div",
  umod: "mod",
  sdiv: "div",
  smod: "mod",
  and: "and",
  or: "or",
  xor: "xor",
  shl: "lsh",
  lshr: "rsh",
  ashr: "arsh",
} as const satisfies Record<BinaryOp, Arithmetic>;

const CONDITION = {
  eq: "jeq",
  ne: "jne",
  ult: "jlt",
  ule: "jle",
  ugt: "jgt",
  uge: "jge",
  slt: "jslt",
  sle: "jsle",
  sgt: "jsgt",
  sge: "jsge",
} as const satisfies Record<CompareOp, Condition>;

const COMMUTATIVE: ReadonlySet<BinaryOp> = new Set<BinaryOp>(["add", "mul", "and", "or", "xor"]);
const DIVISIONS: ReadonlySet<BinaryOp> = new Set<BinaryOp>(["udiv", "umod", "sdiv", "smod"]);
const SHIFTS: ReadonlySet<BinaryOp> = new Set<BinaryOp>(["shl", "lshr", "ashr"]);
const fitsImm = (value: bigint): boolean => value >= -0x8000_0000n && value < 0x8000_0000n;
const asImm = (value: bigint): number => Number(BigInt.asIntN(32, value));

/** Offsets that may be loaded again instead of spilled. Not a pointer: a second load is not null-checked to the verifier. */
const STABLE: ReadonlySet<number> = new Set(
  Object.values(SOCK_OPS_FIELDS as Record<string, ContextField>).flatMap((field) =>
    field.stable && field.pointer === undefined
      ? Array.from({ length: field.count ?? 1 }, (_, at) => field.offset + at * field.bytes)
      : [],
  ),
);

/** The register in which a program is given its context. */
const CONTEXT_ARRIVES = 1 as Virtual;

/** Selects instructions for a function without loops, calls of functions, switches and comparisons as values. */
export function select(func: Func, globals: readonly GlobalVar[], isa: Isa): MachineFunc<Virtual> {
  const graph = graphOf(func);
  const made = definitions(func);
  const uses = useCounts(func);
  const frame: FrameVariable[] = [];
  const lives = slotLives(graph.order);
  const slots = new Map<number, number>();
  const registers = new Map<number, Virtual>();
  /** Values of 32 bits whose register has zeros above. */
  const clean = new Set<number>();
  /**
   * Clean values of which the kernel's verifier does not know it: after 32-bit division, shifts by a variable, negation and byte swaps it forgets
   * the whole register (check_alu_op and is_safe_to_compute_dst_reg_range in kernel/bpf/verifier.c). Where the 64-bit value
   * counts, as in an address, a 32-bit move says it again.
   */
  const blurred = new Set<number>();
  let nextRegister = FIRST_VIRTUAL;
  let nextBlock = func.blocks.reduce((most, b) => Math.max(most, b.id + 1), 0);
  const context = func.params[0];
  const contextPlan = context ? planContext(graph, context) : undefined;
  const blocks: MachineBlock<Virtual>[] = [];
  let out: Insn<Virtual>[] = [];

  const fresh = (): Virtual => nextRegister++ as Virtual;
  const contextCopy = fresh();
  /** Where the context is for certain: r1 until the first call, then the copy. */
  let contextRegister = CONTEXT_ARRIVES;
  let contextToSave = false;
  const registerOf = (value: Value): Virtual => {
    if (value.id === context?.id) return contextRegister;
    let found = registers.get(value.id);
    if (found === undefined) {
      found = fresh();
      registers.set(value.id, found);
    }
    return found;
  };
  const constant = (value: Value): bigint | undefined => {
    const inst = made.get(value.id);
    if (inst?.kind !== "const") return undefined;
    return BigInt.asIntN(value.type === "w32" ? 32 : 64, inst.value);
  };
  const slotOf = (value: Value): number | undefined => {
    const inst = made.get(value.id);
    if (inst?.kind !== "slot") return undefined;
    let found = slots.get(value.id);
    if (found === undefined) {
      found = frame.length;
      frame.push({
        kind: "variable",
        size: inst.size,
        align: slotAlignment(inst.size, inst.align),
        name: inst.name,
        span: inst.span,
        life: lives.get(value.id) ?? { from: 0, to: Infinity },
      });
      slots.set(value.id, found);
    }
    return found;
  };

  const kept = keptAddresses(graph, made);
  const keptIn = new Map<number, number[]>();
  for (const [block, list] of kept)
    for (const value of list) keptIn.set(value.id, [...(keptIn.get(value.id) ?? []), block]);
  const dominates = dominance(graph);
  let here = func.blocks[0]!.id;
  /** Kept in the block being selected, so far. */
  const keptHere = new Set<number>();
  const isKept = (value: Value): boolean =>
    keptHere.has(value.id) ||
    (keptIn.get(value.id)?.some((block) => block !== here && dominates(block, here)) ?? false);

  /** Puts a value into a register of choice. */
  function into(dst: Virtual, value: Value, span: Span, zeroExtend = false): void {
    const inst = isKept(value) ? undefined : made.get(value.id);
    if (inst?.kind === "const") {
      const number = constant(value)!;
      // A 32-bit move clears what is above; without it a negative number needs the long form to be zero-extended.
      if (value.type === "w32" && isa.alu32)
        out.push({ kind: "mov", wide: false, dst, src: { imm: asImm(number) }, span, again: true });
      else if (value.type === "w32" && !isa.alu32 && number < 0n && zeroExtend)
        out.push({ kind: "lddw", dst, value: { kind: "number", value: inst.value }, span, again: true });
      else if (fitsImm(number))
        out.push({ kind: "mov", wide: true, dst, src: { imm: Number(number) }, span, again: true });
      else if (inst.value <= 0xffff_ffffn && isa.alu32)
        out.push({ kind: "mov", wide: false, dst, src: { imm: asImm(inst.value) }, span, again: true });
      else out.push({ kind: "lddw", dst, value: { kind: "number", value: inst.value }, span, again: true });
      return;
    }
    if (inst?.kind === "slot") {
      out.push({ kind: "address", dst, base: { frame: slotOf(value)! }, offset: 0, span, again: true });
      return;
    }
    if (inst?.kind === "map") {
      out.push({ kind: "lddw", dst, value: { kind: "map", map: inst.name }, span, again: true });
      return;
    }
    if (inst?.kind === "global") {
      const found = globals.find((g) => g.name === inst.name)!;
      out.push({
        kind: "lddw",
        dst,
        value: { kind: "global", section: found.section, offset: found.offset },
        span,
        again: true,
      });
      return;
    }
    const src = registerOf(value);
    if (zeroExtend && value.type === "w32" && !clean.has(value.id)) zeroUpper(dst, src, span);
    else out.push({ kind: "mov", wide: true, dst, src: { reg: src }, span });
  }

  function zeroUpper(dst: Virtual, src: Virtual, span: Span): void {
    if (isa.alu32) {
      out.push({ kind: "mov", wide: false, dst, src: { reg: src }, span });
      return;
    }
    out.push({ kind: "mov", wide: true, dst, src: { reg: src }, span });
    out.push({ kind: "alu", op: "lsh", wide: true, dst, src: { imm: 32 }, span });
    out.push({ kind: "alu", op: "rsh", wide: true, dst, src: { imm: 32 }, span });
  }

  /** A register that holds the value. */
  function inRegister(value: Value, span: Span): Virtual {
    const inst = isKept(value) ? undefined : made.get(value.id);
    if (inst && (inst.kind === "const" || inst.kind === "slot" || inst.kind === "map" || inst.kind === "global")) {
      const dst = fresh();
      into(dst, value, span);
      return dst;
    }
    return registerOf(value);
  }

  /** The value as an immediate where it fits, else in a register. */
  function operand(value: Value, span: Span): Operand<Virtual> {
    const number = constant(value);
    return number !== undefined && fitsImm(number) ? { imm: Number(number) } : { reg: inRegister(value, span) };
  }

  /** A register with the 32-bit value extended to 64 bits, for levels without 32-bit instructions. */
  function extended(value: Value, signExtend: boolean, span: Span): Virtual {
    const number = constant(value);
    const dst = fresh();
    if (number !== undefined) {
      into(dst, value, span, !signExtend);
      return dst;
    }
    const src = registerOf(value);
    if (!signExtend && clean.has(value.id)) return src;
    out.push({ kind: "mov", wide: true, dst, src: { reg: src }, span });
    out.push({ kind: "alu", op: "lsh", wide: true, dst, src: { imm: 32 }, span });
    out.push({ kind: "alu", op: signExtend ? "arsh" : "rsh", wide: true, dst, src: { imm: 32 }, span });
    return dst;
  }

  function address(base: Value, offset: number, span: Span): { base: Base<Virtual>; offset: number } {
    const slot = slotOf(base);
    if (slot !== undefined) return { base: { frame: slot }, offset };
    return { base: { reg: inRegister(base, span) }, offset };
  }

  function binary(inst: Extract<Inst, { kind: "binary" }>): void {
    const { span, result } = inst;
    let { left, right } = inst;
    const narrow = result.type === "w32";
    if (
      COMMUTATIVE.has(inst.op) &&
      constant(right) === undefined &&
      (constant(left) !== undefined || ((uses.get(left.id) ?? 0) > 1 && uses.get(right.id) === 1))
    )
      [left, right] = [right, left];
    const dst = registerOf(result);
    if (narrow && !isa.alu32) {
      binaryWide(inst.op, dst, left, right, result, span);
      return;
    }
    into(dst, left, span);
    const signed = inst.op === "sdiv" || inst.op === "smod";
    if (signed && !isa.signed) throw new Error("signed division must be lowered before selection");
    out.push({
      kind: "alu",
      op: ALU[inst.op],
      wide: !narrow,
      dst,
      src: operand(right, span),
      ...(signed ? { signed } : {}),
      span,
    });
    if (narrow) clean.add(result.id);
    if (narrow && (DIVISIONS.has(inst.op) || (SHIFTS.has(inst.op) && constant(right) === undefined)))
      blurred.add(result.id);
  }

  /** 32-bit arithmetic in 64-bit registers: what is above the low half is left as it comes, except where it would matter. */
  function binaryWide(op: BinaryOp, dst: Virtual, left: Value, right: Value, result: Value, span: Span): void {
    const count = constant(right);
    switch (op) {
      case "lshr":
      case "udiv":
      case "umod": {
        out.push({ kind: "mov", wide: true, dst, src: { reg: extended(left, false, span) }, span });
        const src: Operand<Virtual> =
          count !== undefined && count >= 0n ? { imm: Number(count) } : { reg: shiftCount(op, right, span) };
        out.push({ kind: "alu", op: ALU[op], wide: true, dst, src, span });
        clean.add(result.id);
        return;
      }
      case "ashr": {
        out.push({ kind: "mov", wide: true, dst, src: { reg: extended(left, true, span) }, span });
        out.push({
          kind: "alu",
          op: "arsh",
          wide: true,
          dst,
          src: count !== undefined ? { imm: Number(count) } : { reg: shiftCount(op, right, span) },
          span,
        });
        return;
      }
      default: {
        into(dst, left, span);
        const src: Operand<Virtual> =
          op === "shl" && count === undefined ? { reg: shiftCount(op, right, span) } : operand(right, span);
        out.push({ kind: "alu", op: ALU[op], wide: true, dst, src, span });
        const bothClean = (v: Value): boolean => clean.has(v.id) || (constant(v) ?? -1n) >= 0n;
        if (
          op === "and"
            ? bothClean(left) || bothClean(right)
            : (op === "or" || op === "xor") && bothClean(left) && bothClean(right)
        )
          clean.add(result.id);
      }
    }
  }

  /** The right operand: shift counts of 32-bit values are modulo 32, which a 64-bit shift does not do. */
  function shiftCount(op: BinaryOp, value: Value, span: Span): Virtual {
    if (op === "udiv" || op === "umod") return extended(value, false, span);
    const dst = fresh();
    into(dst, value, span);
    out.push({ kind: "alu", op: "and", wide: true, dst, src: { imm: 31 }, span });
    return dst;
  }

  function unary(inst: Extract<Inst, { kind: "unary" }>): void {
    const { span, result, value } = inst;
    const dst = registerOf(result);
    const narrow = result.type === "w32";
    switch (inst.op) {
      case "zext":
        if (blurred.has(value.id)) zeroUpper(dst, registerOf(value), span);
        else into(dst, value, span, true);
        return;
      case "trunc":
        into(dst, value, span);
        return;
      case "sext":
        if (isa.signed) {
          out.push({ kind: "movsx", dst, src: inRegister(value, span), span });
          return;
        }
        into(dst, value, span);
        out.push({ kind: "alu", op: "lsh", wide: true, dst, src: { imm: 32 }, span });
        out.push({ kind: "alu", op: "arsh", wide: true, dst, src: { imm: 32 }, span });
        return;
      case "neg":
        into(dst, value, span);
        out.push({ kind: "neg", wide: !narrow || !isa.alu32, dst, span });
        if (narrow && isa.alu32) clean.add(result.id);
        if (narrow) blurred.add(result.id);
        return;
      case "bswap16":
      case "bswap32":
      case "bswap64":
        into(dst, value, span);
        out.push({ kind: "swap", dst, bits: Number(inst.op.slice(5)) as 16 | 32 | 64, span });
        if (narrow) clean.add(result.id);
        if (narrow) blurred.add(result.id);
    }
  }

  function saveContext(span: Span): void {
    if (!contextToSave) return;
    contextToSave = false;
    out.push({ kind: "mov", wide: true, dst: contextCopy, src: { reg: CONTEXT_ARRIVES }, span });
  }

  function call(inst: Extract<Inst, { kind: "call" }>): void {
    const { span } = inst;
    saveContext(span);
    const helper = HELPERS[inst.helper as keyof typeof HELPERS];
    // Values that lie in registers go first: what is made on the spot then never has to wait in one.
    const inOrder = inst.args.map((value, at) => ({ value, at }));
    const onTheSpot = (value: Value): boolean =>
      !isKept(value) && ["const", "slot", "map", "global"].includes(made.get(value.id)?.kind ?? "");
    for (const { value, at } of inOrder) if (!onTheSpot(value)) into((at + 1) as Virtual, value, span, true);
    for (const { value, at } of inOrder) if (onTheSpot(value)) into((at + 1) as Virtual, value, span, true);
    out.push({ kind: "call", helper: helper.id, args: inst.args.length, span });
    contextRegister = contextCopy;
    if (inst.result) out.push({ kind: "mov", wide: true, dst: registerOf(inst.result), src: { reg: 0 }, span });
  }

  function instruction(inst: Inst): void {
    const { span } = inst;
    switch (inst.kind) {
      case "const":
      case "slot":
      case "global":
      case "map":
        return;
      case "binary":
        return binary(inst);
      case "unary":
        return unary(inst);
      case "assume-fits":
      case "assume-index":
        into(registerOf(inst.result), inst.value, span);
        if (clean.has(inst.value.id)) clean.add(inst.result.id);
        if (blurred.has(inst.value.id)) blurred.add(inst.result.id);
        return;
      case "ptradd": {
        const dst = registerOf(inst.result);
        into(dst, inst.base, span);
        if (constant(inst.offset) === 0n) return;
        out.push({ kind: "alu", op: "add", wide: true, dst, src: operand(inst.offset, span), span });
        return;
      }
      case "load": {
        // Behind a call the copy is still there to load from again; r1 is not.
        const again = inst.base.id === context?.id && contextRegister === contextCopy && STABLE.has(inst.offset);
        out.push({
          kind: "load",
          dst: registerOf(inst.result),
          bytes: inst.bytes,
          ...address(inst.base, inst.offset, span),
          span,
          ...(again ? { again } : {}),
        });
        if (inst.bytes < 8) clean.add(inst.result.id);
        return;
      }
      case "store": {
        const toContext = inst.base.id === context?.id;
        const number = constant(inst.value);
        const direct =
          number !== undefined && (fitsImm(number) || inst.bytes < 8) && !(toContext && !isa.contextImmediates);
        const src: Operand<Virtual> = direct ? { imm: asImm(number) } : { reg: inRegister(inst.value, span) };
        out.push({ kind: "store", bytes: inst.bytes, ...address(inst.base, inst.offset, span), src, span });
        return;
      }
      case "atomic": {
        const { base, offset } = address(inst.base, inst.offset, span);
        const common = { kind: "atomic", op: inst.op, bytes: inst.bytes, base, offset, span } as const;
        if (inst.op === "cmpxchg") {
          into(0 as Virtual, inst.expected!, span);
          out.push({ ...common, fetch: true, src: inRegister(inst.value, span) });
          if (inst.result) out.push({ kind: "mov", wide: true, dst: registerOf(inst.result), src: { reg: 0 }, span });
          return;
        }
        if (!inst.result && inst.op !== "xchg") {
          out.push({ ...common, fetch: false, src: inRegister(inst.value, span) });
          return;
        }
        const src = inst.result ? registerOf(inst.result) : fresh();
        into(src, inst.value, span);
        out.push({ ...common, fetch: true, src });
        return;
      }
      case "call":
        return call(inst);
      case "compare":
      case "zero":
      case "copy":
      case "invoke":
        throw new Error(`${inst.kind} must be lowered before selection`);
    }
  }

  function passArguments(edge: Edge, span: Span): void {
    const to = graph.block.get(edge.block)!;
    // Without loops no parameter of the target is read on the way there, so the moves can be made one after another.
    edge.args.forEach((arg, at) => into(registerOf(to.params[at]!), arg, span));
  }

  /** An edge of a branch: moves need a block of their own. */
  function edgeTarget(edge: Edge, span: Span, pendingBlocks: MachineBlock<Virtual>[]): number {
    if (edge.args.length === 0) return edge.block;
    const saved = out;
    out = [];
    passArguments(edge, span);
    const id = nextBlock++;
    pendingBlocks.push({ id, insns: out, end: { kind: "jump", to: edge.block, span } });
    out = saved;
    return id;
  }

  function branch(
    end: Extract<Func["blocks"][number]["end"], { kind: "branch" }>,
    pendingBlocks: MachineBlock<Virtual>[],
  ): Finish<Virtual> {
    const { span } = end;
    let { left, right, op } = end;
    if (constant(left) !== undefined && constant(right) === undefined) {
      [left, right] = [right, left];
      op = SWAPPED[op];
    }
    const narrow = left.type === "w32";
    const then = edgeTarget(end.then, span, pendingBlocks);
    const otherwise = edgeTarget(end.else, span, pendingBlocks);
    const mask = made.get(left.id);
    // x & mask compared with 0 is one instruction, when the masked value is not needed otherwise.
    if (
      (op === "eq" || op === "ne") &&
      constant(right) === 0n &&
      mask?.kind === "binary" &&
      mask.op === "and" &&
      fused.has(left.id)
    ) {
      const bits = constant(mask.right);
      const wide = !narrow || !isa.alu32;
      const from = mask.left;
      const src: Operand<Virtual> =
        bits !== undefined && fitsImm(bits) && !(wide && narrow && bits < 0n)
          ? { imm: Number(bits) }
          : { reg: narrow && !isa.alu32 ? extended(mask.right, false, span) : inRegister(mask.right, span) };
      const reg = inRegister(from, span);
      return {
        kind: "branch",
        op: "jset",
        wide,
        left: reg,
        right: src,
        then: op === "ne" ? then : otherwise,
        else: op === "ne" ? otherwise : then,
        span,
      };
    }
    let condition: Condition = CONDITION[op];
    let a: Virtual;
    let b: Operand<Virtual>;
    if (narrow && !isa.alu32) {
      const signExtend = op[0] === "s";
      a = extended(left, signExtend, span);
      const number = constant(right);
      const imm = number === undefined ? undefined : signExtend ? number : BigInt.asUintN(32, number);
      b = imm !== undefined && fitsImm(imm) ? { imm: Number(imm) } : { reg: extended(right, signExtend, span) };
    } else {
      a = inRegister(left, span);
      b = operand(right, span);
    }
    if (!isa.lessThan && (condition === "jlt" || condition === "jle" || condition === "jslt" || condition === "jsle")) {
      // Older levels have only "greater"; negating the condition exchanges the targets instead of the operands.
      const negated = ({ jlt: "jge", jle: "jgt", jslt: "jsge", jsle: "jsgt" } as const)[condition];
      if ("imm" in b)
        return { kind: "branch", op: negated, wide: true, left: a, right: b, then: otherwise, else: then, span };
      condition = EXCHANGED[condition];
      return { kind: "branch", op: condition, wide: true, left: b.reg, right: { reg: a }, then, else: otherwise, span };
    }
    return {
      kind: "branch",
      op: condition,
      wide: !narrow || !isa.alu32,
      left: a,
      right: b,
      then,
      else: otherwise,
      span,
    };
  }

  // An `and` that only a following comparison with zero reads is part of that comparison.
  const fused = new Set<number>();
  for (const block of graph.order) {
    if (block.end.kind !== "branch" || (block.end.op !== "eq" && block.end.op !== "ne")) continue;
    const mask = made.get(block.end.left.id);
    if (
      mask?.kind === "binary" &&
      mask.op === "and" &&
      constant(block.end.right) === 0n &&
      uses.get(block.end.left.id) === 1
    )
      fused.add(block.end.left.id);
  }

  // Parameters are clean when all that is passed to them is; predecessors come first in the order.
  const argumentsOf = new Map<number, Value[][]>();
  for (const block of graph.order) {
    out = [];
    here = block.id;
    keptHere.clear();
    contextRegister = contextPlan?.arrives.has(block.id) ? CONTEXT_ARRIVES : contextCopy;
    contextToSave = contextPlan?.saves.has(block.id) ?? false;
    block.params.forEach((param, at) => {
      const args = (argumentsOf.get(block.id) ?? []).map((list) => list[at]!);
      const zeroed = (v: Value): boolean =>
        clean.has(v.id) || (constant(v) !== undefined && (isa.alu32 || constant(v)! >= 0n));
      if (param.type === "w32" && args.every(zeroed)) clean.add(param.id);
      if (args.some((arg) => blurred.has(arg.id))) blurred.add(param.id);
    });
    for (const edge of edges(block.end)) {
      if (edge.args.length === 0) continue;
      const list = argumentsOf.get(edge.block) ?? [];
      list.push([...edge.args]);
      argumentsOf.set(edge.block, list);
    }
    const toKeep = kept.get(block.id) ?? [];
    const keep = (value: Value, span: Span): void => {
      into(registerOf(value), value, span);
      keptHere.add(value.id);
    };
    for (const inst of block.insts) {
      for (const value of toKeep)
        if (!keptHere.has(value.id) && readIds(inst).includes(value.id)) keep(value, inst.span);
      if (!(inst.kind === "binary" && fused.has(inst.result.id))) instruction(inst);
    }
    for (const value of toKeep) if (!keptHere.has(value.id)) keep(value, block.end.span);
    const { end } = block;
    saveContext(end.span);
    if (contextPlan?.restores.has(block.id))
      out.push({ kind: "mov", wide: true, dst: CONTEXT_ARRIVES, src: { reg: contextCopy }, span: end.span });
    const extra: MachineBlock<Virtual>[] = [];
    let finish: Finish<Virtual>;
    switch (end.kind) {
      case "jump":
        passArguments(end.to, end.span);
        finish = { kind: "jump", to: end.to.block, span: end.span };
        break;
      case "branch":
        finish = branch(end, extra);
        break;
      case "return":
        if (end.value) into(0 as Virtual, end.value, end.span, true);
        finish = { kind: "exit", span: end.span };
        break;
      case "unreachable":
        // Never runs, but the verifier may walk here; returning 0 is always allowed.
        out.push({ kind: "mov", wide: true, dst: 0 as Virtual, src: { imm: 0 }, span: end.span });
        finish = { kind: "exit", span: end.span };
        break;
      case "switch":
        throw new Error("switch must be lowered before selection");
    }
    blocks.push({ id: block.id, insns: out, end: finish }, ...extra);
  }
  return { name: func.name, blocks, frame, registers: nextRegister };
}

/** Ids of the values that an instruction reads. */
function readIds(inst: Inst): readonly number[] {
  return operands(inst).map((value) => value.id);
}

/** Fewer uses than this do not pay for the two slots that the address takes once, and for the register. */
const WORTH_KEEPING = 4;

/**
 * Addresses of stack variables, maps and globals that are worth a register, by the block where they are put into it: the
 * nearest one that dominates all uses. The allocator makes them again at each use when it runs out of registers.
 */
function keptAddresses(graph: Graph, made: ReadonlyMap<number, Inst>): Map<number, Value[]> {
  const uses = new Map<number, { value: Value; blocks: number[] }>();
  const see = (value: Value, block: number): void => {
    const inst = made.get(value.id);
    if (inst?.kind !== "slot" && inst?.kind !== "map" && inst?.kind !== "global") return;
    const found = uses.get(value.id);
    if (found) found.blocks.push(block);
    else uses.set(value.id, { value, blocks: [block] });
  };
  for (const block of graph.order) {
    for (const inst of block.insts) {
      for (const value of operands(inst)) {
        const access =
          (inst.kind === "load" || inst.kind === "store" || inst.kind === "atomic") && inst.base.id === value.id;
        if (access && made.get(value.id)?.kind === "slot") continue;
        see(value, block.id);
      }
    }
    visitUses({ ...block, insts: [] }, (value) => see(value, block.id));
  }
  const at = new Map<number, Value[]>();
  // Events that exclude each other get their own copies: other events then do not pay.
  const place = (value: Value, blocks: readonly number[]): void => {
    if (blocks.length < WORTH_KEEPING) return;
    const top = blocks.reduce((a, b) => meet(graph, a, b));
    const parts = new Map<number, number[]>();
    for (const block of blocks) {
      let child = block;
      while (child !== top && graph.dominator.get(child) !== top) child = graph.dominator.get(child)!;
      const part = parts.get(child);
      if (part) part.push(block);
      else parts.set(child, [block]);
    }
    const large = [...parts.values()].filter((part) => part.length >= WORTH_KEEPING);
    if (parts.size > 1 && large.length > 1) {
      for (const part of large) place(value, part);
      return;
    }
    const list = at.get(top);
    if (list) list.push(value);
    else at.set(top, [value]);
  };
  for (const { value, blocks } of uses.values()) place(value, blocks);
  return at;
}
