/**
 * Iterators of the kernel's on the stack (kernel/bpf/verifier.c: process_iter_arg, process_iter_next_call). One holds a reference from
 * `new` to `destroy`; `next` has two outcomes: an element, or null and an iterator that is drained.
 */
import { later, newId, regsOf, type Env } from "./env.ts";
import { isKnown, same } from "./scalar.ts";
import { slotOf } from "./stack.ts";
import {
  allBytes,
  ANY_SCALAR,
  BYTE,
  copyState,
  currentFrame,
  isSpill,
  MAX_STACK,
  pointer,
  scalarOf,
  type Frame,
  type Reg,
  type Slot,
  type State,
} from "./state.ts";
import { reject } from "./verdict.ts";

const SLOT_BYTES = 8;

/** What a call does to an iterator. */
export type Iterates = "new" | "next" | "destroy";
/** struct bpf_iter_NAME, and how many bytes it takes. */
export interface IteratorShape {
  readonly name: string;
  readonly bytes: number;
}

/** The stack slots of the iterator that an argument leads to, lowest address first. */
function slotsOf(
  env: Env,
  index: number,
  { name, bytes }: IteratorShape,
): { readonly frame: Frame; readonly slots: readonly number[] } {
  const reg = regsOf(env)[index]!;
  if (reg.type !== "fp") return reject("iterator", `arg#${index - 1} doesn't point to an on-stack iter_${name}`, index);
  if (!isKnown(reg.value)) return reject("iterator", `R${index} invalid variable offset of iter_${name}`, index);
  const offset = reg.off + Number(reg.value.smin);
  if (offset % SLOT_BYTES !== 0 || offset < -MAX_STACK || offset + bytes > 0)
    return reject("iterator", `cannot pass in iter_${name} at an offset=${offset}`, index);
  const frame = env.state.frames[reg.frame]!;
  env.stackDepth[frame.subprogram] = Math.max(env.stackDepth[frame.subprogram] ?? 0, -offset);
  const slots = Array.from({ length: bytes / SLOT_BYTES }, (_, at) => slotOf(offset + at * SLOT_BYTES));
  return { frame, slots };
}

/** The iterator in these slots; undefined where they hold none, or a part of one. */
function iteratorIn(frame: Frame, slots: readonly number[], name: string): Reg | undefined {
  const parts = slots.map((index) => frame.stack[index]);
  const [first] = parts;
  if (!isSpill(first) || first.reg.type !== "iter" || first.reg.struct !== name) return undefined;
  const { ref } = first.reg;
  const whole = parts.every(
    (part, at) => isSpill(part) && part.reg.type === "iter" && part.reg.ref === ref && part.reg.off === at,
  );
  return whole ? first.reg : undefined;
}
/** Slots of an iterator, each with what changes. */
function hold(frame: Frame, slots: readonly number[], first: Reg): void {
  slots.forEach((index, off): Slot => (frame.stack[index] = { bytes: allBytes(BYTE.spill), reg: { ...first, off } }));
}

/**
 * What a call does to the iterator that its argument leads to, before its other arguments are looked at. `rcu`: what it gives is kept alive by an
 * RCU section alone.
 */
export function checkIterator(env: Env, iterates: Iterates, shape: IteratorShape, index: number, rcu = false): void {
  const { name } = shape;
  const { frame, slots } = slotsOf(env, index, shape);
  const found = iteratorIn(frame, slots, name);
  if (iterates === "new") {
    const taken = slots.some((slot) => {
      const there = frame.stack[slot];
      return isSpill(there) && there.reg.type === "iter";
    });
    if (taken) reject("iterator", `expected uninitialized iter_${name} as arg #${index - 1}`, index);
  } else if (!found) reject("iterator", `expected an initialized iter_${name} as arg #${index - 1}`, index);
  for (const slot of slots) {
    if (iterates !== "new") env.flow.stackRead(env, frame, slot);
    env.flow.stackWrite(env, frame, slot);
  }
  if (iterates === "new") {
    const ref = newId(env);
    env.state.references = [...env.state.references, { id: ref, insn: env.insn }];
    hold(frame, slots, pointer("iter", { struct: name, ref, range: rcu ? 1 : 0 }));
  }
  if (iterates === "destroy") {
    env.state.references = env.state.references.filter(({ id }) => id !== found!.ref);
    for (const slot of slots) frame.stack[slot] = undefined;
  }
}

/**
 * The two ways on from `next`: with an element in r0 later, with null now; a drained iterator has the second alone. `element` is what r0 may
 * hold, as it is known not to be null.
 */
export function forkNext(env: Env, { name, bytes }: IteratorShape, address: Reg, element: Reg): void {
  const offset = address.off + Number(address.value.smin);
  const slots = Array.from({ length: bytes / SLOT_BYTES }, (_, at) => slotOf(offset + at * SLOT_BYTES));
  const frameOf = (state: State): Frame => state.frames[address.frame]!;
  const iterator = iteratorIn(frameOf(env.state), slots, name)!;
  const forward = env.replay?.(env.insn);
  if (iterator.size === 0) {
    const there = copyState(env.state);
    currentFrame(there).regs[0] = element;
    hold(frameOf(there), slots, { ...iterator, turns: (iterator.turns ?? 0) + 1 });
    widen(env, there);
    later(env, env.insn + 1, there, true);
    env.path = { insn: env.insn, taken: forward ?? false, before: env.path };
    if (forward) {
      env.state = there;
      return;
    }
  }
  hold(frameOf(env.state), slots, { ...iterator, size: 1 });
  regsOf(env)[0] = scalarOf(0n);
}

/**
 * Numbers that nothing was demanded of yet, and that differ from what they were when the iterator was asked here before: from here on they may be
 * anything, so that a loop comes to an end (widen_imprecise_scalars).
 */
export function widen(env: Env, there: State): void {
  // The state before this very call is the last that was remembered; the one before it at the same place counts.
  let before = env.parent?.parent;
  while (before && !(before.insn === env.insn && sameCalls(before.state, there))) before = before.parent;
  if (!before) return;
  const { state: old } = before;
  there.frames.forEach((frame, depth) => {
    const was = old.frames[depth]!;
    const at = there.frames[depth + 1]?.callsite ?? env.insn;
    const needs = env.flow.needs(at);
    frame.regs.forEach((reg, index) => {
      if (((needs.demandedRegs >> index) & 1) === 0) frame.regs[index] = wider(was.regs[index]!, reg);
    });
    frame.stack.forEach((slot, index) => {
      const earlier = was.stack[index];
      if (!isSpill(slot) || !isSpill(earlier) || needs.isSlotDemanded(index)) return;
      const reg = wider(earlier.reg, slot.reg);
      if (reg !== slot.reg) frame.stack[index] = { ...slot, reg };
    });
  });
}
const sameCalls = (a: State, b: State): boolean =>
  a.frames.length === b.frames.length && a.frames.every(({ callsite }, at) => callsite === b.frames[at]!.callsite);
const wider = (was: Reg, now: Reg): Reg =>
  was.type === "scalar" && now.type === "scalar" && !same(was.value, now.value) ? ANY_SCALAR : now;

/** Iterators that were asked at different times on the way to two states: a loop that they end. */
export function turnsDiffer(a: State, b: State): boolean {
  return a.frames.some((frame, depth) =>
    frame.stack.some((slot, index) => {
      const other = b.frames[depth]?.stack[index];
      if (!isSpill(slot) || slot.reg.type !== "iter" || slot.reg.size !== 0) return false;
      return isSpill(other) && other.reg.type === "iter" && (other.reg.turns ?? 0) !== (slot.reg.turns ?? 0);
    }),
  );
}

/** Whether the iterator that r1 leads to may still give something. */
export function isActive({ state }: Env): boolean {
  const reg = currentFrame(state).regs[1]!;
  if (reg.type !== "fp" || !isKnown(reg.value)) return false;
  const slot = state.frames[reg.frame]!.stack[slotOf(reg.off + Number(reg.value.smin))];
  return isSpill(slot) && slot.reg.type === "iter" && slot.reg.size === 0;
}
