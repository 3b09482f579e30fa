/**
 * Stopping early: a state that is covered by one from which everything was explored needs no exploring of its own;
 * a state that is the same as an earlier one of its own path will never end.
 */
import { MAY_GOTO } from "./decode.ts";
import type { Needs } from "./flow.ts";
import { same, within } from "./scalar.ts";
import {
  allBytes,
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
import { isActive, turnsDiffer } from "./iterators.ts";
import { rejectAt } from "./verdict.ts";
import { hasFlag, type Env, type Explored } from "./env.ts";

/** Old ids to new ones: equal numbers before must be equal numbers now. */
type Ids = Map<number, number>;

/** Says whether the current path may end here, and remembers the state where that may help later. */
export function seenBefore(env: Env): boolean {
  const known = env.explored.get(env.insn);
  const asks = env.structure.asksIterator.has(env.insn);
  const counts = env.program.insns[env.insn]!.code === MAY_GOTO;
  const often = hasFlag(env, "testStateFrequency") || asks || counts;
  let remember = often || (env.jumps - env.jumpsAtState >= 2 && env.processed - env.processedAtState >= 8);
  if (known !== undefined) {
    for (let index = 0; index < known.length; index++) {
      const old = known[index]!;
      if (old.branches > 0) {
        if (counts && old.state.turns !== env.state.turns && equalStates(env, old.state, "range")) {
          comesBackTo(env.parent, old);
          old.hits++;
          return true;
        }
        if (asks) {
          // The iterator comes to its end at last: nothing new will be met on the way round, if all that may matter is covered.
          if (isActive(env) && equalStates(env, old.state, "range")) {
            comesBackTo(env.parent, old);
            old.hits++;
            return true;
          }
        } else if (
          mayLoop(old.state, env.state) &&
          equalStates(env, old.state, env.rules.exactLoops ? "exact" : "needed") &&
          old.state.turns === env.state.turns &&
          !turnsDiffer(old.state, env.state)
        )
          // The kernel's log ends with the instruction that went back.
          rejectAt("infinite-loop", env.previous, `infinite loop detected at insn ${env.insn}`);
        // On the way round a loop states are only remembered now and then.
        if (!often && env.jumps - env.jumpsAtState < 20 && env.processed - env.processedAtState < 100) remember = false;
      } else {
        // Of a loop that is not finished, nobody knows yet what matters.
        const open = openEntry(old);
        if (equalStates(env, old.state, open ? "range" : "needed")) {
          if (open) comesBackTo(env.parent, open);
          old.hits++;
          return true;
        }
      }
      if (remember) old.misses++;
      const patience = (asks || counts) && old.branches > 0 ? 64 : 3;
      if (old.misses > old.hits * patience + patience) known.splice(index--, 1);
    }
  }
  if (remember) rememberState(env, known);
  return false;
}

function rememberState(env: Env, known: Explored[] | undefined): void {
  const state: Explored = {
    insn: env.insn,
    state: copyState(env.state),
    parent: env.parent,
    branches: 1,
    depth: (env.parent?.depth ?? 0) + 1,
    entry: undefined,
    hits: 0,
    misses: 0,
  };
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
    const open = openEntry(state);
    if (open) comesBackTo(state.parent, open);
  }
}

/** A path from this state leads back to an earlier one. */
function comesBackTo(state: Explored | undefined, entry: Explored): void {
  if (!state || state === entry) return;
  const known = openEntry(state);
  if (!known || entry.depth < known.depth) state.entry = entry;
}
/** The first state that paths from here lead back to, if something is still to be explored from it. */
function openEntry(state: Explored): Explored | undefined {
  let entry = state.entry;
  while (entry?.entry && entry.entry.depth < entry.depth) entry = entry.entry;
  return entry && entry.branches > 0 ? entry : undefined;
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

/**
 * How like two states must be: in what is needed behind them; in everything, a range within another; or to the last detail.
 */
type Likeness = "needed" | "range" | "exact";

/** Where two states were told apart the last time: a frame, and a register of it or, from 10 on, a slot of its stack. */
interface Difference {
  depth: number;
  at: number;
}

/** A cheap look first, where they differed the last time before all: other types, and numbers that are not within, make the rest superfluous. */
function areApart(env: Env, old: State, now: State, likeness: Likeness): boolean {
  const last = differences.get(old);
  if (last && differAt(env, old, now, last.depth, last.at, likeness)) return true;
  for (let depth = now.frames.length - 1; depth >= 0; depth--) {
    const end = 10 + old.frames[depth]!.stack.length;
    for (let at = 0; at < end; at++) {
      if (!differAt(env, old, now, depth, at, likeness)) continue;
      if (last) {
        last.depth = depth;
        last.at = at;
      } else differences.set(old, { depth, at });
      return true;
    }
  }
  return false;
}
const differences = new WeakMap<State, Difference>();

function differAt(env: Env, old: State, now: State, depth: number, at: number, likeness: Likeness): boolean {
  const insn = now.frames[depth + 1]?.callsite ?? env.insn;
  const needs = likeness === "needed" ? env.flow.needs(insn) : undefined;
  let was: Reg;
  let is: Reg;
  if (at < 10) {
    if (((env.flow.liveRegs(insn) >> at) & 1) === 0) return false;
    was = old.frames[depth]!.regs[at]!;
    is = now.frames[depth]!.regs[at]!;
    if (was === is || was.type === "?") return false;
    if (was.type !== is.type) return true;
    if (needs && ((needs.demandedRegs >> at) & 1) === 0) return false;
  } else {
    const before = old.frames[depth]!.stack[at - 10];
    const slot = now.frames[depth]!.stack[at - 10];
    if (before === slot || before?.bytes !== WHOLE_SPILL || slot?.bytes !== WHOLE_SPILL) return false;
    if (needs && !(needs.isSlotLive(at - 10) && needs.isSlotDemanded(at - 10))) return false;
    was = before.reg!;
    is = slot.reg!;
  }
  return was.type === "scalar" && is.type === "scalar" && !within(was.value, is.value);
}
const WHOLE_SPILL = allBytes(BYTE.spill);

function equalStates(env: Env, old: State, likeness: Likeness): boolean {
  const exact = likeness === "exact";
  const now = env.state;
  if (old.frames.length !== now.frames.length || old.inRcu !== now.inRcu || old.preempt !== now.preempt) return false;
  for (let depth = 0; depth < now.frames.length - 1; depth++) {
    if (old.frames[depth + 1]!.callsite !== now.frames[depth + 1]!.callsite) return false;
  }
  if (areApart(env, old, now, likeness)) return false;
  const ids: Ids = new Map();
  if (!equalReferences(old, now, ids)) return false;
  for (let depth = 0; depth < now.frames.length; depth++) {
    const at = now.frames[depth + 1]?.callsite ?? env.insn;
    const before = old.frames[depth]!;
    const frame = now.frames[depth]!;
    const liveRegs = env.flow.liveRegs(at);
    const needs = likeness === "needed" ? env.flow.needs(at) : undefined;
    for (let index = 0; index < 10; index++) {
      if (((liveRegs >> index) & 1) === 0) continue;
      const demanded = needs === undefined || ((needs.demandedRegs >> index) & 1) === 1;
      if (!covers(before.regs[index]!, frame.regs[index]!, ids, exact, demanded)) return false;
    }
    if (!coversStack(before, frame, ids, needs, exact)) return false;
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

function coversStack(old: Frame, now: Frame, ids: Ids, needs: Needs | undefined, exact: boolean): boolean {
  const count = Math.max(old.stack.length, exact ? now.stack.length : 0);
  for (let index = 0; index < count; index++) {
    if (needs !== undefined && !needs.isSlotLive(index)) continue;
    const demanded = needs === undefined || needs.isSlotDemanded(index);
    if (!coversSlot(old.stack[index], now.stack[index], ids, exact, demanded)) return false;
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
