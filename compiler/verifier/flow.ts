/**
 * Which registers and stack slots matter behind an instruction: which are read at all (live), and of which the verdict may depend on
 * the number they hold (demanded). States that differ elsewhere only are alike, which is what lets the verifier stop early.
 *
 * Liveness of registers follows from the program. The rest depends on what instructions were seen to do: the walk notes it here, and
 * the answers are worked out anew when something was noted since. Notes only ever add reads and demands, and a state is compared with
 * an old one only when all that follows the old one was walked, so that no note is missing by then.
 */
import { ATOMIC, CLASS, JMP, LOAD_ACQUIRE, MODE, SIZE, STORE_RELEASE } from "../bpf/opcodes.ts";
import type { RawInsn } from "../bpf/raw.ts";
import { helper, helperName } from "../bpf/helpers.ts";
import {
  aluOf,
  classOf,
  isJump,
  isLddw,
  isLocalCall,
  modeOf,
  operationOf,
  successors,
  usesRegister,
} from "./decode.ts";
import type { Env } from "./env.ts";
import type { Frame } from "./state.ts";
import type { Structure } from "./structure.ts";

/** Registers as bits 0 to 10, and stack slots as two words. */
export interface Needs {
  readonly liveRegs: number;
  readonly demandedRegs: number;
  readonly isSlotLive: (slot: number) => boolean;
  readonly isSlotDemanded: (slot: number) => boolean;
}

export interface Flow {
  /** Registers that are read at or behind the instruction. */
  readonly liveRegs: (insn: number) => number;
  readonly needs: (insn: number) => Needs;
  readonly stackRead: (env: Env, frame: Frame, slot: number) => void;
  readonly stackWrite: (env: Env, frame: Frame, slot: number) => void;
  /** The number stored by this instruction matters. */
  readonly demandSource: (env: Env) => void;
  /** The number in this register matters to this instruction. */
  readonly demandRegister: (env: Env, index: number) => void;
  /** The number in this stack slot matters to this instruction. */
  readonly demandKey: (env: Env, frame: number, slot: number) => void;
  /** This arithmetic had a pointer among its operands. */
  readonly pointerMath: (env: Env) => void;
  /** The outcome of this jump followed from the operands. */
  readonly decided: (env: Env) => void;
  /** This jump taught something of linked registers. */
  readonly linked: (env: Env, members: readonly { frame: number; reg?: number; slot?: number }[]) => void;
}

const CALLER_SAVED = 0b11_1111;
const bit = (register: number): number => (register <= 10 ? 1 << register : 0);

/** Registers that an instruction reads and writes. */
function usesOf(insn: RawInsn): { readonly use: number; readonly def: number } {
  const dst = bit(insn.dst);
  const src = bit(insn.src);
  switch (classOf(insn.code)) {
    case CLASS.alu:
    case CLASS.alu64: {
      const name = aluOf(insn.code);
      if (name === "mov") return { use: usesRegister(insn.code) ? src : 0, def: dst };
      if (name === "end" || name === "neg") return { use: dst, def: dst };
      return { use: dst | (usesRegister(insn.code) ? src : 0), def: dst };
    }
    case CLASS.ldx:
      return { use: src, def: dst };
    case CLASS.st:
      return { use: dst, def: 0 };
    case CLASS.stx:
      if (modeOf(insn.code) === MODE.mem) return { use: dst | src, def: 0 };
      if (insn.imm === ATOMIC.cmpxchg) return { use: dst | src | 1, def: 1 };
      if (insn.imm === LOAD_ACQUIRE) return { use: src, def: dst };
      if (insn.imm === STORE_RELEASE) return { use: dst | src, def: 0 };
      return { use: dst | src, def: (insn.imm & ATOMIC.fetch) !== 0 ? src : 0 };
    case CLASS.ld:
      if (isLddw(insn)) return { use: 0, def: dst };
      return { use: 0x7ff, def: 0 };
    default:
      return jumpUses(insn, dst, src);
  }
}

function jumpUses(insn: RawInsn, dst: number, src: number): { readonly use: number; readonly def: number } {
  switch (operationOf(insn.code)) {
    case JMP.ja.code:
      return { use: 0, def: 0 };
    case JMP.exit.code:
      return { use: 1, def: 0 };
    case JMP.call.code: {
      const name = insn.src === 0 ? helperName(insn.imm) : undefined;
      const count = name === undefined ? 5 : helper(name).args.length;
      return { use: ((1 << count) - 1) << 1, def: CALLER_SAVED };
    }
    default:
      return { use: dst | (usesRegister(insn.code) ? src : 0), def: 0 };
  }
}

/** Sets of 64 stack slots per instruction, as two words each. */
interface SlotSets {
  readonly low: (at: number) => number;
  readonly high: (at: number) => number;
  readonly has: (at: number, slot: number) => boolean;
  /** Both say whether this was news. */
  readonly add: (at: number, slot: number) => boolean;
  readonly merge: (at: number, low: number, high: number) => boolean;
}
function slotSets(count: number): SlotSets {
  const words = new Uint32Array(count * 2);
  const put = (index: number, bits: number): boolean => {
    const before = words[index]!;
    words[index] = before | bits;
    return words[index] !== before;
  };
  return {
    low: (at) => words[at * 2]!,
    high: (at) => words[at * 2 + 1]!,
    has: (at, slot) => ((words[at * 2 + (slot >> 5)]! >>> (slot & 31)) & 1) === 1,
    add: (at, slot) => put(at * 2 + (slot >> 5), 1 << (slot & 31)),
    merge(at, low, high) {
      const lowNews = put(at * 2, low);
      return put(at * 2 + 1, high) || lowNews;
    },
  };
}

export function createFlow(insns: readonly RawInsn[], structure: Structure): Flow {
  const count = insns.length;
  const uses = insns.map(usesOf);
  const nexts = insns.map((_, at) => successors(insns, at).filter((next) => next < count));
  const liveRegs = staticLiveness(uses, nexts);

  // Notes of the walk, per instruction.
  const reads = slotSets(count);
  const mayWrite = slotSets(count);
  const mustWrite = slotSets(count);
  insns.forEach((insn, at) => {
    const slot = wholeSlotWritten(insn);
    if (slot !== undefined) mustWrite.add(at, slot);
  });
  const keys = slotSets(count);
  const linkedRegs = new Uint16Array(count);
  const linkedSlots = slotSets(count);
  const demandedBy = new Uint16Array(count);
  const wrote = new Uint8Array(count);
  const math = new Uint8Array(count);
  const certain = new Uint8Array(count);
  let everything = false;

  // Answers, valid until the next note.
  let slotsLive = slotSets(count);
  let regsDemanded = new Uint16Array(count);
  let slotsDemanded = slotSets(count);
  let stale = true;
  let needs: (Needs | undefined)[] = [];
  const note = (news: boolean): void => {
    if (news) stale = true;
  };

  /** Accesses to a caller's frame are the call's, seen from that frame. */
  const place = (env: Env, frame: Frame): number => {
    const depth = env.state.frames.indexOf(frame);
    return env.state.frames[depth + 1]?.callsite ?? env.insn;
  };
  const setFlag = (flags: Uint8Array, at: number): void => {
    if (flags[at] === 1) return;
    flags[at] = 1;
    stale = true;
  };
  const setBits = (words: Uint16Array, at: number, bits: number): void => {
    if ((words[at]! & bits) === bits) return;
    words[at] = words[at]! | bits;
    stale = true;
  };

  function recompute(): void {
    slotsLive = slotSets(count);
    slotsDemanded = slotSets(count);
    regsDemanded = new Uint16Array(count);
    // Demands of functions on their arguments, and of callers on results.
    const entryDemand = new Map<number, number>(structure.subprograms.map(({ start }) => [start, 0]));
    let resultDemanded = 0;
    let again = true;
    while (again) {
      again = false;
      for (let at = count - 1; at >= 0; at--) again = step(at, entryDemand) || again;
      for (const { start } of structure.subprograms) entryDemand.set(start, regsDemanded[start]!);
      const results = insns.reduce((sum, insn, at) => (isLocalCall(insn) ? sum | afterRegs(at) : sum), 0);
      if ((results & 1) !== resultDemanded) {
        resultDemanded = results & 1;
        again = true;
      }
      exitDemand = resultDemanded;
    }
    stale = false;
    needs = [];
  }
  let exitDemand = 0;

  const afterRegs = (at: number): number => nexts[at]!.reduce((sum, next) => sum | regsDemanded[next]!, 0);

  function step(at: number, entryDemand: ReadonlyMap<number, number>): boolean {
    const insn = insns[at]!;
    let liveLow = 0;
    let liveHigh = 0;
    let slotLow = 0;
    let slotHigh = 0;
    let regs = 0;
    for (const next of nexts[at]!) {
      liveLow |= slotsLive.low(next);
      liveHigh |= slotsLive.high(next);
      slotLow |= slotsDemanded.low(next);
      slotHigh |= slotsDemanded.high(next);
      regs |= regsDemanded[next]!;
    }
    // What a jump teaches of one of several linked registers it teaches of all.
    if (
      (regs & linkedRegs[at]!) !== 0 ||
      (slotLow & linkedSlots.low(at)) !== 0 ||
      (slotHigh & linkedSlots.high(at)) !== 0
    ) {
      regs |= linkedRegs[at]!;
      slotLow |= linkedSlots.low(at);
      slotHigh |= linkedSlots.high(at);
    }
    const { def } = uses[at]!;
    const wanted = (regs & def) !== 0;
    // Slots that are overwritten for sure are of no use before; those that are read, or changed in part, are.
    liveLow = (liveLow & ~mustWrite.low(at)) | reads.low(at);
    liveHigh = (liveHigh & ~mustWrite.high(at)) | reads.high(at);
    const wantedSlot = (slotLow & mayWrite.low(at)) !== 0 || (slotHigh & mayWrite.high(at)) !== 0;
    slotLow = (slotLow & ~mustWrite.low(at)) | keys.low(at);
    slotHigh = (slotHigh & ~mustWrite.high(at)) | keys.high(at);
    const before = demandBefore(insn, at, regs, wanted, wantedSlot, entryDemand);
    if (wanted && !isJump(insn.code)) {
      slotLow |= reads.low(at);
      slotHigh |= reads.high(at);
    }
    if (isLocalCall(insn)) {
      // What callees read of this frame is taken to matter.
      slotLow |= reads.low(at);
      slotHigh |= reads.high(at);
    }
    const demandRegs = before | demandedBy[at]!;
    let changed = slotsLive.merge(at, liveLow, liveHigh);
    changed = slotsDemanded.merge(at, slotLow, slotHigh) || changed;
    if ((regsDemanded[at]! | demandRegs) !== regsDemanded[at]!) {
      regsDemanded[at] = regsDemanded[at]! | demandRegs;
      changed = true;
    }
    return changed;
  }

  function demandBefore(
    insn: RawInsn,
    at: number,
    after: number,
    wanted: boolean,
    wantedSlot: boolean,
    entryDemand: ReadonlyMap<number, number>,
  ): number {
    const { use, def } = uses[at]!;
    const rest = after & ~def;
    const dst = bit(insn.dst);
    const src = usesRegister(insn.code) ? bit(insn.src) : 0;
    switch (classOf(insn.code)) {
      case CLASS.alu:
      case CLASS.alu64:
        if (math[at] === 1) return rest | use;
        return wanted ? rest | use : rest;
      case CLASS.ldx:
        return rest | bit(insn.src);
      case CLASS.st:
        return rest | dst;
      case CLASS.stx:
        // The pointer's variable part is a number that mattered; the stored number matters where its slot does.
        return rest | dst | (wantedSlot || wrote[at] === 1 ? bit(insn.src) : 0) | (wanted ? use : 0);
      case CLASS.ld:
        return rest;
      default:
        break;
    }
    const operation = operationOf(insn.code);
    if (operation === JMP.exit.code) return exitDemand | demandedBy[at]!;
    if (operation === JMP.ja.code) return after;
    if (operation === JMP.call.code) {
      if (!isLocalCall(insn)) return rest;
      return rest | ((entryDemand.get(at + 1 + insn.imm) ?? 0) & 0b11_1110);
    }
    const operands = dst | src;
    if (certain[at] === 1 || (after & operands) !== 0) return after | operands;
    return after;
  }

  return {
    liveRegs: (at) => liveRegs[at]!,
    needs(at) {
      if (stale) recompute();
      return (needs[at] ??= {
        liveRegs: liveRegs[at]!,
        demandedRegs: everything ? 0x7ff : regsDemanded[at]!,
        isSlotLive: (slot) => slotsLive.has(at, slot),
        isSlotDemanded: (slot) => everything || slotsDemanded.has(at, slot),
      });
    },
    stackRead: (env, frame, slot) => note(reads.add(place(env, frame), slot)),
    stackWrite(env, frame, slot) {
      const at = place(env, frame);
      const own = at === env.insn && frame === env.state.frames[env.state.frames.length - 1];
      // The callee's instruction stores into the caller's frame: from there on its number may matter.
      if (!own) setFlag(wrote, env.insn);
      note(mayWrite.add(at, slot));
    },
    demandSource: (env) => setFlag(wrote, env.insn),
    demandRegister: (env, index) => setBits(demandedBy, env.insn, 1 << index),
    demandKey(env, depth, slot) {
      const frame = env.state.frames[depth]!;
      note(keys.add(place(env, frame), slot));
    },
    pointerMath: (env) => setFlag(math, env.insn),
    decided: (env) => setFlag(certain, env.insn),
    linked(env, members) {
      const current = env.state.frames.length - 1;
      let regs = 0;
      for (const member of members) {
        if (member.frame !== current) {
          // Links across frames: nothing is taken to be without importance any more.
          if (!everything) stale = true;
          everything = true;
        } else if (member.reg !== undefined) regs |= 1 << member.reg;
        else note(linkedSlots.add(env.insn, member.slot!));
      }
      setBits(linkedRegs, env.insn, regs);
    },
  };
}

/** The slot that a store overwrites whenever it runs: eight aligned bytes at a fixed distance from the frame pointer. */
function wholeSlotWritten({ code, dst, off }: RawInsn): number | undefined {
  const stores = code === (CLASS.stx | MODE.mem | SIZE.dw) || code === (CLASS.st | MODE.mem | SIZE.dw);
  return stores && dst === 10 && off < 0 && off >= -512 && off % 8 === 0 ? -off / 8 - 1 : undefined;
}

function staticLiveness(
  uses: readonly { readonly use: number; readonly def: number }[],
  nexts: readonly (readonly number[])[],
): Uint16Array {
  const live = new Uint16Array(uses.length);
  let again = true;
  while (again) {
    again = false;
    for (let at = uses.length - 1; at >= 0; at--) {
      const { use, def } = uses[at]!;
      let after = 0;
      for (const next of nexts[at]!) after |= live[next]!;
      const before = (after & ~def) | use;
      if (before !== live[at]) {
        live[at] = before;
        again = true;
      }
    }
  }
  return live;
}
