/**
 * Builds a function in SSA form from structured code.
 *
 * Source variables are `Variable`s with one current value per path. Where paths meet, a variable whose values differ becomes
 * a block parameter; a loop header takes a parameter for every variable, and `finish()` removes those that never change.
 * (Braun et al., "Simple and Efficient Construction of Static Single Assignment Form", specialised to structured code.)
 *
 * Every stack slot is made in the entry block, so that unrolling a loop does not multiply it.
 */
import { HELPERS, type HelperName } from "../bpf/helpers.ts";
import { kfunc, type KfuncName } from "../bpf/kfuncs.ts";
import type { AccessBytes } from "../bpf/opcodes.ts";
import type { CoreFact } from "../module.ts";
import type { Span } from "../span.ts";
import { bitsOf, evaluateBinary, evaluateCompare, evaluateUnary, unsigned } from "./evaluate.ts";
import type { AtomicOp, BinaryOp, Block, CompareOp, Edge, End, Func, Inst, Type, UnaryOp, Value } from "./ir.ts";
import { ANY_POINTER, kfuncResult, RESULT_POINTERS, type Pointer } from "./types.ts";
import { mapEnd, mapOperands } from "./walk.ts";

/** A variable of the source; its value per path is the builder's business. */
export interface Variable {
  readonly type: Type;
  readonly name?: string;
}
type Environment = Map<Variable, Value>;

/** A place that code can jump to: forward (placed once, after all jumps to it) or a loop header (placed at once). */
export interface Label {
  readonly id: number;
  readonly params: Value[];
  readonly insts: Inst[];
  readonly entries: { readonly env: Environment; readonly args: Value[] }[];
  /** The variables behind the parameters, in order. */
  order: Variable[];
  end?: End;
  loop?: Span;
  placed: boolean;
}

export type FuncBuilder = ReturnType<typeof functionBuilder>;

/**
 * Starts a function; the entry block is current. Parameters are given as types and names. `firstValue`: where ids begin, so
 * that what belongs to another function is never taken for a value of this one.
 */
export function functionBuilder(
  name: string,
  parameters: readonly { readonly type: Type; readonly name?: string }[],
  returns: Type | undefined,
  span: Span,
  firstValue = 0,
) {
  let nextValue = firstValue;
  let nextLabel = 0;
  const constants = new Map<number, bigint>();
  const slots: Inst[] = [];
  const placed: Label[] = [];
  const value = (type: Type, valueName?: string): Value =>
    valueName === undefined ? { id: nextValue++, type } : { id: nextValue++, type, name: valueName };
  const params = parameters.map((p) => value(p.type, p.name));

  const label = (): Label => ({ id: nextLabel++, params: [], insts: [], entries: [], order: [], placed: false });
  let env: Environment = new Map();
  const entry = label();
  entry.placed = true;
  placed.push(entry);
  let current: Label | undefined = entry;
  let returnType = returns;

  const emit = (inst: Inst): void => {
    current?.insts.push(inst);
  };
  const end = (made: End): void => {
    if (current) current.end = made;
    current = undefined;
  };
  const edgeTo = (target: Label): Edge => {
    const args: Value[] = [];
    if (target.placed)
      for (const variable of target.order) args.push(env.get(variable) ?? undefinedValue(variable.type));
    target.entries.push({ env, args });
    return { block: target.id, args };
  };
  /** For a path on which a variable was never set; type checking makes its use impossible. */
  const undefinedValue = (type: Type): Value => {
    const made = value(type);
    constants.set(made.id, 0n);
    entry.insts.unshift({ kind: "const", result: made, value: 0n, span });
    return made;
  };

  const constant = (type: Type, bits: bigint, at: Span, valueName?: string): Value => {
    const result = value(type, valueName);
    const masked = unsigned(bits, bitsOf(type));
    constants.set(result.id, masked);
    emit({ kind: "const", result, value: masked, span: at });
    return result;
  };

  const builder = {
    name,
    params,
    span,
    constant,
    /** The null pointer of a pointer's type. */
    null: (like: Value, at: Span): Value => constant(like.type, 0n, at),
    /** The value of a constant, unsigned; undefined when not known. */
    constantOf: (of: Value): bigint | undefined => constants.get(of.id),
    /** Is code still reachable here? */
    reachable: (): boolean => current !== undefined,

    binary(op: BinaryOp, left: Value, right: Value, at: Span): Value {
      const a = constants.get(left.id);
      const b = constants.get(right.id);
      if (a !== undefined && b !== undefined)
        return constant(left.type, evaluateBinary(op, a, b, bitsOf(left.type)), at);
      const result = value(left.type);
      emit({ kind: "binary", result, op, left, right, span: at });
      return result;
    },
    unary(op: UnaryOp, operand: Value, at: Span): Value {
      const type: Type = op === "zext" || op === "sext" ? "w64" : op === "trunc" ? "w32" : operand.type;
      const known = constants.get(operand.id);
      if (known !== undefined) return constant(type, evaluateUnary(op, known, bitsOf(operand.type), bitsOf(type)), at);
      const result = value(type);
      emit({ kind: "unary", result, op, value: operand, span: at });
      return result;
    },
    compare(op: CompareOp, left: Value, right: Value, at: Span): Value {
      const a = constants.get(left.id);
      const b = constants.get(right.id);
      if (a !== undefined && b !== undefined)
        return constant("w32", evaluateCompare(op, a, b, bitsOf(left.type)) ? 1n : 0n, at);
      const result = value("w32");
      emit({ kind: "compare", result, op, left, right, span: at });
      return result;
    },
    slot(size: number, align: number, slotName: string, at: Span): Value {
      const result = value("ptr slot", slotName);
      slots.push({ kind: "slot", result, size, align, name: slotName, span: at });
      return result;
    },
    global(globalName: string, at: Span): Value {
      const result = value("ptr global", globalName);
      emit({ kind: "global", result, name: globalName, span: at });
      return result;
    },
    map(mapName: string, at: Span): Value {
      const result = value("ptr map", mapName);
      emit({ kind: "map", result, name: mapName, span: at });
      return result;
    },
    ptradd(base: Value, offset: Value, at: Span, most?: number): Value {
      if (constants.get(offset.id) === 0n) return base;
      const result = value(base.type);
      emit({ kind: "ptradd", result, base, offset, ...(most === undefined ? {} : { most }), span: at });
      return result;
    },
    load(type: Type, bytes: AccessBytes, base: Value, offset: number, at: Span, valueName?: string): Value {
      const result = value(type, valueName);
      emit({ kind: "load", result, bytes, base, offset, span: at });
      return result;
    },
    store(bytes: AccessBytes, base: Value, offset: number, stored: Value, at: Span): void {
      emit({ kind: "store", bytes, base, offset, value: stored, span: at });
    },
    zero(base: Value, offset: number, bytes: number, align: number, at: Span): void {
      if (bytes > 0) emit({ kind: "zero", base, offset, bytes, align, span: at });
    },
    copy(to: Value, toOffset: number, from: Value, fromOffset: number, bytes: number, align: number, at: Span): void {
      if (bytes > 0) emit({ kind: "copy", to, toOffset, from, fromOffset, bytes, align, span: at });
    },
    atomic(op: AtomicOp, bytes: 4 | 8, base: Value, offset: number, operand: Value, at: Span): void {
      emit({ kind: "atomic", op, bytes, base, offset, value: operand, span: at });
    },
    atomicFetch(op: AtomicOp, bytes: 4 | 8, base: Value, offset: number, operand: Value, at: Span): Value {
      const result = value(operand.type);
      emit({ kind: "atomic", result, op, bytes, base, offset, value: operand, span: at });
      return result;
    },
    /** Calls a kernel helper. `result`: the width of a number; where a pointer leads to is known. */
    call(helper: HelperName, args: readonly Value[], result: "w32" | "w64" | "pointer", at: Span): Value {
      const made = value(result === "pointer" ? (RESULT_POINTERS[HELPERS[helper].returns] ?? ANY_POINTER) : result);
      emit({ kind: "call", result: made, target: { kind: "helper", name: helper }, args, span: at });
      return made;
    },
    /** A helper that gives a pointer as one to another struct of the kernel's, or 0. */
    cast(helper: HelperName, from: Value, to: Pointer, at: Span): Value {
      const made = value(to);
      emit({ kind: "call", result: made, target: { kind: "helper", name: helper }, args: [from], span: at });
      return made;
    },
    /** Calls a function of the kernel; gives its result if it has one. */
    kfunc(name: KfuncName, args: readonly Value[], at: Span): Value | undefined {
      const type = kfuncResult(kfunc(name));
      const made = type && value(type);
      emit({ kind: "call", ...(made ? { result: made } : {}), target: { kind: "kfunc", name }, args, span: at });
      return made;
    },
    /** A fact of the kernel that runs. */
    core(fact: CoreFact, known: bigint, at: Span): Value {
      const result = value("w64");
      emit({ kind: "core", result, fact, value: known, span: at });
      return result;
    },
    /** Calls a function of the module; gives its result if it has one. */
    invoke(name: string, args: readonly Value[], result: Type | undefined, at: Span): Value | undefined {
      const made = result && value(result);
      emit({ kind: "call", ...(made ? { result: made } : {}), target: { kind: "function", name }, args, span: at });
      return made;
    },
    assumeFits(of: Value, signed: boolean, min: bigint, max: bigint, what: string, at: Span): Value {
      const result = value(of.type);
      emit({ kind: "assume-fits", result, value: of, signed, min, max, what, span: at });
      return result;
    },
    assumeIndex(of: Value, length: number, what: string, at: Span): Value {
      const result = value(of.type);
      emit({ kind: "assume-index", result, value: of, length, what, span: at });
      return result;
    },

    // --- variables ---------------------------------------------------------------------------------------------

    set(variable: Variable, to: Value): void {
      env.set(variable, to);
    },
    get: (variable: Variable): Value => env.get(variable) ?? undefinedValue(variable.type),
    /** Ends a variable's life, which keeps joins small. */
    forget(variable: Variable): void {
      env.delete(variable);
    },

    // --- control flow ------------------------------------------------------------------------------------------

    label,
    jump(target: Label, at: Span): void {
      if (current) end({ kind: "jump", to: edgeTo(target), span: at });
    },
    branch(op: CompareOp, left: Value, right: Value, then: Label, otherwise: Label, at: Span): void {
      if (!current) return;
      const a = constants.get(left.id);
      const b = constants.get(right.id);
      if (a !== undefined && b !== undefined)
        return builder.jump(evaluateCompare(op, a, b, bitsOf(left.type)) ? then : otherwise, at);
      const edge = edgeTo(then);
      end({ kind: "branch", op, left, right, then: edge, else: edgeTo(otherwise), span: at });
    },
    switch(on: Value, cases: readonly { readonly value: bigint; readonly to: Label }[], other: Label, at: Span): void {
      if (!current) return;
      const targets = cases.map((c) => ({ value: c.value, to: edgeTo(c.to) }));
      end({ kind: "switch", value: on, cases: targets, default: edgeTo(other), span: at });
    },
    /** Code continues at a forward label, if anything jumps there. */
    place(target: Label): void {
      const [first, ...rest] = target.entries;
      if (!first) {
        current = undefined;
        env = new Map();
        return;
      }
      const merged: Environment = new Map(first.env);
      if (rest.length > 0)
        for (const [variable, held] of first.env) {
          if (rest.every((other) => other.env.get(variable) === held)) continue;
          if (rest.some((other) => !other.env.has(variable))) {
            merged.delete(variable);
            continue;
          }
          const param = value(variable.type, variable.name);
          target.params.push(param);
          target.order.push(variable);
          for (const one of target.entries) one.args.push(one.env.get(variable)!);
          merged.set(variable, param);
        }
      target.placed = true;
      placed.push(target);
      current = target;
      env = merged;
    },
    /** Starts a loop: jumps to a new header, which every later `jump(header)` re-enters. */
    loop(statement: Span): Label {
      const header = label();
      header.loop = statement;
      header.placed = true;
      if (!current) return header;
      for (const [variable, held] of env) {
        header.order.push(variable);
        header.params.push(value(variable.type, variable.name ?? held.name));
      }
      const edge = edgeTo(header);
      end({ kind: "jump", to: edge, span: statement });
      placed.push(header);
      current = header;
      env = new Map(header.order.map((variable, index) => [variable, header.params[index]!]));
      return header;
    },
    return(result: Value | undefined, at: Span): void {
      if (result) returnType ??= result.type;
      end(result ? { kind: "return", value: result, span: at } : { kind: "return", span: at });
    },
    unreachable(at: Span): void {
      end({ kind: "unreachable", span: at });
    },

    /** The finished function. What no path reaches is left out, and so are parameters that have one value only. */
    finish(): Func {
      if (current) builder.return(undefined, span);
      entry.insts.unshift(...slots);
      const same = withoutTrivialParams(placed);
      const byId = new Map(placed.map((block) => [block.id, block]));
      const blocks = placed.map((block) => finished(block, byId, same));
      return { name, params, ...(returnType === undefined ? {} : { returns: returnType }), blocks, span };
    },
  };
  return builder;
}

/** Finds parameters whose arguments are all one value (or the parameter itself); gives what stands for each. */
function withoutTrivialParams(blocks: readonly Label[]): (value: Value) => Value {
  const standsFor = new Map<number, Value>();
  const same = (value: Value): Value => {
    let found = value;
    for (let next = standsFor.get(found.id); next; next = standsFor.get(found.id)) found = next;
    return found;
  };
  for (let changed = true; changed;) {
    changed = false;
    for (const block of blocks)
      block.params.forEach((param, index) => {
        if (standsFor.has(param.id)) return;
        let only: Value | undefined;
        for (const entry of block.entries) {
          const arg = same(entry.args[index]!);
          if (arg === param || arg === only) continue;
          if (only) return;
          only = arg;
        }
        if (!only) return;
        standsFor.set(param.id, only);
        changed = true;
      });
  }
  return same;
}

function finished(block: Label, blocks: ReadonlyMap<number, Label>, same: (value: Value) => Value): Block {
  const isKept = (param: Value): boolean => same(param) === param;
  const edge = (to: Edge): Edge => {
    const { params } = blocks.get(to.block)!;
    return { block: to.block, args: to.args.filter((_, index) => isKept(params[index]!)).map(same) };
  };
  const made: Block = {
    id: block.id,
    params: block.params.filter(isKept),
    insts: block.insts.map((inst) => mapOperands(inst, same)),
    end: mapEnd(block.end!, same, edge),
  };
  return block.loop ? { ...made, loop: block.loop } : made;
}
