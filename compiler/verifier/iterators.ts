/**
 * Iterators of the kernel's on the stack (kernel/bpf/verifier.c: process_iter_arg, process_iter_next_call). One holds a reference from
 * `new` to `destroy`; `next` has two outcomes: an element, or null and an iterator that is drained.
 */
import { ITERATORS, type IteratorName, type Kfunc } from "../bpf/kfuncs.ts";
import { later, newId, regsOf, type Env } from "./env.ts";
import { isKnown } from "./scalar.ts";
import { slotOf } from "./stack.ts";
import {
  allBytes,
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

/** The stack slots of the iterator that an argument leads to, lowest address first. */
function slotsOf(
  env: Env,
  index: number,
  name: IteratorName,
): { readonly frame: Frame; readonly slots: readonly number[] } {
  const reg = regsOf(env)[index]!;
  if (reg.type !== "fp") return reject("iterator", `arg#${index - 1} doesn't point to an on-stack iter_${name}`, index);
  if (!isKnown(reg.value)) return reject("iterator", `R${index} invalid variable offset of iter_${name}`, index);
  const { bytes } = ITERATORS[name];
  const offset = reg.off + Number(reg.value.smin);
  if (offset % SLOT_BYTES !== 0 || offset < -MAX_STACK || offset + bytes > 0)
    return reject("iterator", `cannot pass in iter_${name} at an offset=${offset}`, index);
  const frame = env.state.frames[reg.frame]!;
  env.stackDepth[frame.subprogram] = Math.max(env.stackDepth[frame.subprogram] ?? 0, -offset);
  const slots = Array.from({ length: bytes / SLOT_BYTES }, (_, at) => slotOf(offset + at * SLOT_BYTES));
  return { frame, slots };
}

/** The iterator in these slots; undefined where they hold none, or a part of one. */
function iteratorIn(frame: Frame, slots: readonly number[], name: IteratorName): Reg | undefined {
  const parts = slots.map((index) => frame.stack[index]);
  const [first] = parts;
  if (!isSpill(first) || first.reg.type !== "iter" || first.reg.struct !== name) return undefined;
  const { ref } = first.reg;
  const whole = parts.every(
    (part, at) => isSpill(part) && part.reg.type === "iter" && part.reg.ref === ref && part.reg.off === at,
  );
  return whole ? first.reg : undefined;
}
const held = (name: IteratorName, ref: number, part: number, drained: boolean): Slot => ({
  bytes: allBytes(BYTE.spill),
  reg: pointer("iter", { struct: name, ref, off: part, size: drained ? 1 : 0 }),
});

function drain(frame: Frame, slots: readonly number[], name: IteratorName, ref: number): void {
  slots.forEach((index, part) => (frame.stack[index] = held(name, ref, part, true)));
}

/** What a call does to the iterator that its argument leads to, before its other arguments are looked at. */
export function checkIterator(env: Env, { iterates }: Kfunc, name: IteratorName, index: number): void {
  const { frame, slots } = slotsOf(env, index, name);
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
    slots.forEach((slot, part) => (frame.stack[slot] = held(name, ref, part, false)));
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
export function forkNext(env: Env, name: IteratorName, address: Reg, element: Reg): void {
  const offset = address.off + Number(address.value.smin);
  const slots = Array.from({ length: ITERATORS[name].bytes / SLOT_BYTES }, (_, at) => slotOf(offset + at * SLOT_BYTES));
  const frameOf = (state: State): Frame => state.frames[address.frame]!;
  const iterator = iteratorIn(frameOf(env.state), slots, name)!;
  const forward = env.replay?.(env.insn);
  if (iterator.size === 0) {
    const there = copyState(env.state);
    currentFrame(there).regs[0] = element;
    later(env, env.insn + 1, there, true);
    env.path = { insn: env.insn, taken: forward ?? false, before: env.path };
    if (forward) {
      env.state = there;
      return;
    }
  }
  drain(frameOf(env.state), slots, name, iterator.ref);
  regsOf(env)[0] = scalarOf(0n);
}
