/**
 * Stopping early: a state that is covered by one from which everything was explored needs no exploring of its own;
 * a state that is the same as an earlier one of its own path will never end.
 */
import type { Needs } from "./flow.ts";
import { same, within } from "./scalar.ts";
import {
  ANY_SCALAR,
  BYTE,
  byteAt,
  copyState,
  currentFrame,
  isSpill,
  spillBytes,
  type Frame,
  type Reg,
  type Slot,
  type State,
} from "./state.ts";
import { rejectAt } from "./verdict.ts";
import { hasFlag, type Env, type Explored } from "./env.ts";

/** Old ids to new ones: equal numbers before must be equal numbers now. */
type Ids = Map<number, number>;

/** Says whether the current path may end here, and remembers the state where that may help later. */
export function seenBefore(env: Env): boolean {
  const known = env.explored.get(env.insn);
  const often = hasFlag(env, "testStateFrequency");
  let remember = often || (env.jumps - env.jumpsAtState >= 2 && env.processed - env.processedAtState >= 8);
  if (known !== undefined) {
    for (let index = 0; index < known.length; index++) {
      const old = known[index]!;
      if (old.branches > 0) {
        if (mayLoop(old.state, env.state) && equalStates(env, old.state, env.rules.exactLoops))
          // The kernel's log ends with the instruction that went back.
          rejectAt("infinite-loop", env.previous, `infinite loop detected at insn ${env.insn}`);
        // On the way round a loop states are only remembered now and then.
        if (!often && env.jumps - env.jumpsAtState < 20 && env.processed - env.processedAtState < 100) remember = false;
      } else if (equalStates(env, old.state, false)) {
        old.hits++;
        return true;
      }
      if (remember) old.misses++;
      if (old.misses > old.hits * 3 + 3) known.splice(index--, 1);
    }
  }
  if (remember) rememberState(env, known);
  return false;
}

function rememberState(env: Env, known: Explored[] | undefined): void {
  const state: Explored = { state: copyState(env.state), parent: env.parent, branches: 1, hits: 0, misses: 0 };
  if (known === undefined) env.explored.set(env.insn, [state]);
  else known.push(state);
  env.parent = state;
  env.jumpsAtState = env.jumps;
  env.processedAtState = env.processed;
  env.peakStates++;
}

/** The current path has ended: states from which no path goes on any more are fully explored. */
export function endPath(env: Env): void {
  for (let state = env.parent; state !== undefined; state = state.parent) {
    if (--state.branches > 0) return;
  }
}

/** The innermost registers are the same to the last detail; only then is a loop looked for. */
function mayLoop(old: State, now: State): boolean {
  if (old.frames.length !== now.frames.length) return false;
  const before = currentFrame(old).regs;
  const regs = currentFrame(now).regs;
  return regs.every((reg, index) => {
    const was = before[index]!;
    return (
      was === reg || (sameKind(was, reg) && was.id === reg.id && was.ref === reg.ref && same(was.value, reg.value))
    );
  });
}

function sameKind(a: Reg, b: Reg): boolean {
  return (
    a.type === b.type &&
    a.nullable === b.nullable &&
    a.off === b.off &&
    a.delta === b.delta &&
    a.map === b.map &&
    a.range === b.range &&
    a.frame === b.frame &&
    a.size === b.size &&
    a.struct === b.struct
  );
}

function equalStates(env: Env, old: State, exact: boolean): boolean {
  const now = env.state;
  if (old.frames.length !== now.frames.length) return false;
  for (let depth = 0; depth < now.frames.length - 1; depth++) {
    if (old.frames[depth + 1]!.callsite !== now.frames[depth + 1]!.callsite) return false;
  }
  const ids: Ids = new Map();
  if (!equalReferences(old, now, ids)) return false;
  for (let depth = 0; depth < now.frames.length; depth++) {
    const at = now.frames[depth + 1]?.callsite ?? env.insn;
    const before = old.frames[depth]!;
    const frame = now.frames[depth]!;
    const liveRegs = env.flow.liveRegs(at);
    // A cheap look first: registers of other types make the rest superfluous.
    for (let index = 0; index < 10; index++) {
      if (
        (liveRegs >> index) & 1 &&
        before.regs[index]!.type !== "?" &&
        before.regs[index]!.type !== frame.regs[index]!.type
      )
        return false;
    }
    const needs = exact ? undefined : env.flow.needs(at);
    for (let index = 0; index < 10; index++) {
      if (((liveRegs >> index) & 1) === 0) continue;
      const demanded = needs === undefined || ((needs.demandedRegs >> index) & 1) === 1;
      if (!covers(before.regs[index]!, frame.regs[index]!, ids, exact, demanded)) return false;
    }
    if (!coversStack(before, frame, ids, needs)) return false;
  }
  return true;
}

function equalReferences(old: State, now: State, ids: Ids): boolean {
  return (
    old.references.length === now.references.length &&
    old.references.every((reference, index) => sameId(reference.id, now.references[index]!.id, ids))
  );
}

function sameId(old: number, now: number, ids: Ids): boolean {
  if ((old === 0) !== (now === 0)) return false;
  if (old === 0) return true;
  const mapped = ids.get(old);
  if (mapped !== undefined) return mapped === now;
  // Two different old numbers must not stand for one new one.
  for (const other of ids.values()) if (other === now) return false;
  ids.set(old, now);
  return true;
}

/** A number without links in the old state covers one with links; the reverse does not hold. */
function sameScalarId(old: Reg, now: Reg, ids: Ids): boolean {
  if (old.id === 0) return true;
  if (now.id === 0) return sameId(old.id, -1 - ids.size, ids);
  return sameId(old.id, now.id, ids);
}

/** Whether whatever may follow with `now` was explored with `old`. */
function covers(old: Reg, now: Reg, ids: Ids, exact: boolean, demanded: boolean): boolean {
  if (exact)
    return (
      sameKind(old, now) && same(old.value, now.value) && sameId(old.id, now.id, ids) && sameId(old.ref, now.ref, ids)
    );
  if (old.type === "?") return true;
  if (old.type !== now.type || old.nullable !== now.nullable) return false;
  switch (old.type) {
    case "scalar":
      if (!demanded) return true;
      if (old.delta !== now.delta && old.id !== 0) return false;
      if (old.delta !== 0 && old.off !== now.off) return false;
      return within(old.value, now.value) && sameScalarId(old, now, ids);
    case "map_value":
    case "mem":
    case "ringbuf_mem":
      return (
        old.off === now.off &&
        old.map === now.map &&
        old.size === now.size &&
        within(old.value, now.value) &&
        sameId(old.id, now.id, ids) &&
        sameId(old.ref, now.ref, ids)
      );
    case "pkt":
    case "pkt_meta":
      // Negative ranges are facts about the packet's end, which may only be forgotten as a whole.
      if (
        old.range > now.range ||
        (old.range < 0 && old.range !== now.range) ||
        (now.range < 0 && old.range !== now.range)
      )
        return false;
      return old.off === now.off && sameId(old.id, now.id, ids) && within(old.value, now.value);
    default:
      return (
        sameKind(old, now) && same(old.value, now.value) && sameId(old.id, now.id, ids) && sameId(old.ref, now.ref, ids)
      );
  }
}

function coversStack(old: Frame, now: Frame, ids: Ids, needs: Needs | undefined): boolean {
  const count = Math.max(old.stack.length, needs === undefined ? now.stack.length : 0);
  for (let index = 0; index < count; index++) {
    if (needs !== undefined && !needs.isSlotLive(index)) continue;
    const demanded = needs === undefined || needs.isSlotDemanded(index);
    if (!coversSlot(old.stack[index], now.stack[index], ids, needs === undefined, demanded)) return false;
  }
  return true;
}

function coversSlot(
  old: Slot | undefined,
  now: Slot | undefined,
  ids: Ids,
  exact: boolean,
  demanded: boolean,
): boolean {
  if (exact) {
    if ((old?.bytes ?? 0) !== (now?.bytes ?? 0)) return false;
    return !isSpill(old) || !isSpill(now) || covers(old.reg, now.reg, ids, true, true);
  }
  if (old === undefined || old.bytes === 0) return true;
  const number = numberIn(old);
  const numberNow = numberIn(now);
  if (number !== undefined && numberNow !== undefined) return covers(number, numberNow, ids, false, demanded);
  for (let at = 0; at < 8; at++) {
    const was = byteAt(old, at);
    const is = byteAt(now, at);
    if (was === BYTE.invalid || was === is) continue;
    // Unknown bytes were explored: any byte that is not part of a pointer will do. Zeroes were not told apart unless they mattered.
    if (was === BYTE.misc && (is === BYTE.zero || is === BYTE.invalid)) continue;
    if (was === BYTE.misc && is === BYTE.spill && isSpill(now) && now.reg.type === "scalar") continue;
    if (was === BYTE.zero && is === BYTE.misc && !demanded) continue;
    return false;
  }
  if (!isSpill(old)) return true;
  if (!isSpill(now)) return false;
  if (spillBytes(old) !== spillBytes(now)) return false;
  return covers(old.reg, now.reg, ids, false, demanded);
}

/** What eight bytes hold, if that is one number. */
function numberIn(slot: Slot | undefined): Reg | undefined {
  if (slot === undefined) return ANY_SCALAR;
  if (isSpill(slot)) return spillBytes(slot) === 8 && slot.reg.type === "scalar" ? slot.reg : undefined;
  for (let at = 0; at < 8; at++) if (byteAt(slot, at) === BYTE.zero) return undefined;
  return ANY_SCALAR;
}
