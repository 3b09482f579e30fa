/** Selection of what reaches memory and the kernel: addresses, loads, stores, atomics and helper calls. */
import { HELPERS } from "../bpf/helpers.ts";
import { contextFieldAt } from "../bpf/kinds/index.ts";
import type { Call, Inst, Value } from "../ir/ir.ts";
import { contextOf } from "../ir/types.ts";
import type { Span } from "../span.ts";
import type { Callee, Operand, Virtual } from "./insn.ts";
import { address, asImm, fitsImm, inRegister, into, madeOnTheSpot, operand, zeroUpper } from "./operands.ts";
import { constant, fresh, registerOf, saveContext, type Selection } from "./selection.ts";

/** Whether a word of the context may be loaded again instead of spilled. Not a pointer: a second load is not null-checked to the verifier. */
function mayLoadAgain(context: string, offset: number): boolean {
  const field = contextFieldAt(context, offset);
  return field?.stable === true && field.pointer === undefined;
}

/** A pointer and an offset in bytes. */
export function pointerAdd(s: Selection, inst: Extract<Inst, { kind: "ptradd" }>): void {
  const { span } = inst;
  if (s.members.has(inst.result.id)) return;
  const dst = registerOf(s, inst.result);
  into(s, dst, inst.base, span);
  if (constant(s, inst.offset) === 0n) return;
  const bound = inst.most === undefined || constant(s, inst.offset) !== undefined ? {} : { most: inst.most };
  s.out.push({ kind: "alu", op: "add", wide: true, dst, src: operand(s, inst.offset, span), ...bound, span });
}

/** A load; zeros come above what is narrower than the register. */
export function load(s: Selection, inst: Extract<Inst, { kind: "load" }>): void {
  const { span } = inst;
  // Behind a call the copy is still there to load from again; r1 is not.
  const context = contextOf(inst.base.type);
  const there = inst.base.id === s.context?.id && s.contextRegister === s.contextCopy;
  const again = there && context !== undefined && mayLoadAgain(context, inst.offset);
  s.out.push({
    kind: "load",
    dst: registerOf(s, inst.result),
    bytes: inst.bytes,
    ...address(s, inst.base, inst.offset, span),
    span,
    ...(again ? { again } : {}),
  });
  if (inst.bytes < 8) s.clean.add(inst.result.id);
}

/** A store, of an immediate where the instruction set has one. */
export function store(s: Selection, inst: Extract<Inst, { kind: "store" }>): void {
  const { span } = inst;
  const toContext = contextOf(inst.base.type) !== undefined;
  const number = constant(s, inst.value);
  const direct =
    number !== undefined && (fitsImm(number) || inst.bytes < 8) && !(toContext && !s.isa.contextImmediates);
  const src: Operand<Virtual> = direct ? { imm: asImm(number) } : { reg: inRegister(s, inst.value, span) };
  s.out.push({ kind: "store", bytes: inst.bytes, ...address(s, inst.base, inst.offset, span), src, span });
}

/** An atomic operation; one that fetches replaces its own operand, cmpxchg goes through r0. */
export function atomic(s: Selection, inst: Extract<Inst, { kind: "atomic" }>): void {
  const { span } = inst;
  const common = {
    kind: "atomic",
    op: inst.op,
    bytes: inst.bytes,
    ...address(s, inst.base, inst.offset, span),
    span,
  } as const;
  if (inst.op === "cmpxchg") {
    into(s, 0, inst.expected!, span);
    s.out.push({ ...common, fetch: true, src: inRegister(s, inst.value, span) });
    if (inst.result) s.out.push({ kind: "mov", wide: true, dst: registerOf(s, inst.result), src: { reg: 0 }, span });
    return;
  }
  if (!inst.result && inst.op !== "xchg") {
    s.out.push({ ...common, fetch: false, src: inRegister(s, inst.value, span) });
    return;
  }
  const src = inst.result ? registerOf(s, inst.result) : fresh(s);
  into(s, src, inst.value, span);
  s.out.push({ ...common, fetch: true, src });
}

/** A call: arguments into r1 to r5, the result out of r0. */
export function call(s: Selection, inst: Call): void {
  const { span, target } = inst;
  saveContext(s, span);
  // What a function of ours is given and gives has zeros above 32 bits, for the verifier too: the other side relies on it.
  const ours = target.kind === "function";
  // Values that lie in registers go first: what is made on the spot then never has to wait in one. Before all the context, which may
  // be where the first argument goes.
  const isContext = ({ value }: { value: Value }): boolean => value.id === s.context?.id;
  const all = inst.args.map((value, at) => ({ value, at }));
  const inOrder = [...all.filter(isContext), ...all.filter((one) => !isContext(one))];
  const onTheSpot = (value: Value): boolean => madeOnTheSpot(s, value) !== undefined;
  for (const { value, at } of inOrder)
    if (!onTheSpot(value)) {
      if (ours && s.blurred.has(value.id)) zeroUpper(s, (at + 1) as Virtual, registerOf(s, value), span);
      else into(s, (at + 1) as Virtual, value, span, true);
    }
  for (const { value, at } of inOrder) if (onTheSpot(value)) into(s, (at + 1) as Virtual, value, span, true);
  const callee: Callee = target.kind === "helper" ? { kind: "helper", id: HELPERS[target.name].id } : target;
  s.out.push({ kind: "call", callee, args: inst.args.length, span });
  s.contextRegister = s.contextCopy;
  if (!inst.result) return;
  s.out.push({ kind: "mov", wide: true, dst: registerOf(s, inst.result), src: { reg: 0 }, span });
  if (ours && inst.result.type === "w32") s.clean.add(inst.result.id);
}

/** At a function's beginning: its parameters out of r1 to r5. The context, where it comes first, stays until a call. */
export function parameters(s: Selection, params: readonly Value[], span: Span): void {
  params.forEach((param, at) => {
    if (param.type === "w32") s.clean.add(param.id);
    if (param.id === s.context?.id || !s.uses.has(param.id)) return;
    s.out.push({ kind: "mov", wide: true, dst: registerOf(s, param), src: { reg: (at + 1) as Virtual }, span });
  });
}
