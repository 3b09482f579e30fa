/** Conditional jumps: which ways to go, and what each way tells of registers, linked registers, pointers and the packet. */
import { CLASS, type Condition } from "../bpf/opcodes.ts";
import type { RawInsn } from "../bpf/raw.ts";
import type { Rules } from "../bpf/verifier-rules.ts";
import { addDifference } from "./alu.ts";
import { constantOf, decided, EXCHANGED, refine } from "./branch.ts";
import { classOf, usesRegister } from "./decode.ts";
import { checkInvariants, goOn, later, regsOf, source, type Env } from "./env.ts";
import { recall } from "./recall.ts";
import { known, ZERO, type Scalar } from "./scalar.ts";
import { MAX_OFFSET, unlinked } from "./stack.ts";
import {
  AT_PACKET_END,
  BEYOND_PACKET_END,
  copyState,
  currentFrame,
  isNull,
  isPacket,
  isPointer,
  isSpill,
  replaceRegs,
  scalar,
  scalarOf,
  spillBytes,
  type Reg,
  type RegType,
  type State,
} from "./state.ts";
import { reject } from "./verdict.ts";

const isPacketOrEnd = (reg: Reg): boolean => !reg.nullable && (isPacket(reg.type) || reg.type === "pkt_end");

/** Follows a conditional jump: sets `env.insn` for the current path, and leaves the other way for later. */
export function conditionalJump(env: Env, insn: RawInsn, condition: Condition): void {
  const wide = classOf(insn.code) === CLASS.jmp;
  const a = source(env, insn.dst);
  let b: Reg;
  if (usesRegister(insn.code)) {
    if (insn.imm !== 0) reject("encoding", "BPF_JMP/JMP32 uses reserved fields");
    b = source(env, insn.src);
  } else {
    if (insn.src !== 0) reject("encoding", "BPF_JMP/JMP32 uses reserved fields");
    b = scalarOf(BigInt(insn.imm));
  }
  const target = env.insn + 1 + insn.off;
  const outcome = certain(env, condition, a, b, wide);
  if (outcome !== undefined) {
    env.flow.decided(env);
    env.insn = outcome ? target : env.insn + 1;
    return;
  }
  branch(env, insn, condition, wide, target);
}

/** The outcome, where it is certain. */
function certain(env: Env, condition: Condition, a: Reg, b: Reg, wide: boolean): boolean | undefined {
  const { rules } = env;
  if (isPacketOrEnd(a) && isPacketOrEnd(b) && wide) return packetOutcome(condition, a, b);
  if (isPointer(a) || isPointer(b)) {
    if (!wide && !rules.narrowNullChecks) return undefined;
    const exchanged = constantOf2(b, wide) === undefined;
    if (exchanged && !rules.exchangedNullChecks) return undefined;
    const [ptr, number] = exchanged ? [b, a] : [a, b];
    if (constantOf2(number, wide) !== 0n || !neverNull(ptr, rules)) return undefined;
    return condition === "jeq" ? false : condition === "jne" ? true : undefined;
  }
  return recall(env.decisions, env.insn, a.value, b.value, () => decided(condition, a.value, b.value, wide, rules));
}
const constantOf2 = (reg: Reg, wide: boolean): bigint | undefined =>
  reg.type === "scalar" ? constantOf(reg.value, wide) : undefined;

const NEVER_NULL: ReadonlySet<RegType> = new Set<RegType>([
  "sock",
  "tcp_sock",
  "xdp_sock",
  "map_value",
  "sock_common",
  "mem",
  "ringbuf_mem",
  "map_ptr",
  "trusted_ptr_",
]);
/** Before trusted pointers, the list was shorter, and an offset did not matter. */
const NEVER_NULL_BEFORE: ReadonlySet<RegType> = new Set<RegType>(["sock", "tcp_sock", "map_value", "sock_common"]);
function neverNull(reg: Reg, rules: Rules): boolean {
  if (reg.nullable) return false;
  if (!rules.nullByEquality) return NEVER_NULL_BEFORE.has(reg.type);
  if (reg.value.smin <= BigInt(-MAX_OFFSET) || reg.value.smax >= BigInt(MAX_OFFSET)) return false;
  return NEVER_NULL.has(reg.type) || (reg.type === "ptr_" && reg.ref !== 0);
}

function packetOutcome(condition: Condition, a: Reg, b: Reg): boolean | undefined {
  const exchanged = b.type !== "pkt_end";
  if (exchanged && a.type !== "pkt_end") return undefined;
  const { range } = exchanged ? b : a;
  if (range >= 0) return undefined;
  switch (exchanged ? EXCHANGED[condition] : condition) {
    case "jgt":
      return range === BEYOND_PACKET_END ? true : undefined;
    case "jle":
      return range === BEYOND_PACKET_END ? false : undefined;
    case "jge":
      return true;
    case "jlt":
      return false;
    default:
      return undefined;
  }
}

function branch(env: Env, insn: RawInsn, condition: Condition, wide: boolean, target: number): void {
  const withRegister = usesRegister(insn.code);
  const here = env.state;
  const before = regsOf(env);
  const operands = withRegister ? [before[insn.src]!, before[insn.dst]!] : [before[insn.dst]!];
  const members = linkedWith(env, operands);
  const there = copyState(here);
  const forward = env.replay?.(env.insn);
  later(env, target, there, true);
  goOn(env, forward ?? false);
  const regs = currentFrame(here).regs;
  const otherRegs = currentFrame(there).regs;
  const a = regs[insn.dst]!;
  const b = withRegister ? regs[insn.src]! : scalarOf(BigInt(insn.imm));
  if (a.type === "scalar" && b.type === "scalar") {
    const sameReg = withRegister && insn.src === insn.dst;
    const { falls, jumps } = recall(env.lessons, env.insn, a.value, b.value, () => {
      const learned = (holds: boolean): readonly [Scalar, Scalar] => {
        const [left, right] = refine(condition, holds, a.value, sameReg ? "itself" : b.value, wide, env.rules);
        return [checkInvariants(env, left), checkInvariants(env, right)];
      };
      // The kernel looks at what the jump tells first.
      const jumps = learned(true);
      return { falls: learned(false), jumps };
    });
    otherRegs[insn.dst] = { ...a, value: jumps[0] };
    regs[insn.dst] = { ...a, value: falls[0] };
    if (withRegister && !sameReg) {
      otherRegs[insn.src] = { ...b, value: jumps[1] };
      regs[insn.src] = { ...b, value: falls[1] };
    }
  }
  if (withRegister) {
    spreadToLinks(env.rules, here, members, insn.src);
    spreadToLinks(env.rules, there, members, insn.src);
  }
  spreadToLinks(env.rules, here, members, insn.dst);
  spreadToLinks(env.rules, there, members, insn.dst);
  learnOfPointers(env, insn, condition, wide, here, there);
  if (forward === true) {
    env.state = there;
    env.insn = target;
  } else {
    env.insn++;
  }
}

/**
 * What a program makes sure of: a register is at most a number (as unsigned), or is linked with no other; or this way ends here, where
 * nothing comes by.
 */
export interface Assumption {
  readonly reg: number;
  readonly most?: number;
  readonly unlinked?: boolean;
  readonly dead?: boolean;
}
/** Knows what a comparison, or an operation that keeps the value, would have told. */
export function assumeOf(env: Env, { reg, most, unlinked: alone, dead }: Assumption): void {
  const regs = regsOf(env);
  if (regs[reg]!.type !== "scalar") return;
  // The walk goes on: any value will do that raises nothing.
  if (dead) {
    regs[reg] = { ...unlinked(regs[reg]!), value: known(0n) };
    return;
  }
  if (alone) regs[reg] = unlinked(regs[reg]!);
  if (most === undefined) return;
  const before = regs[reg]!;
  const members = linkedWith(env, [before]);
  const limit = known(BigInt(most));
  const value = recall(env.assumptions, env.insn, before.value, limit, () =>
    checkInvariants(env, refine("jgt", false, before.value, limit, true, env.rules)[0]),
  );
  regs[reg] = { ...before, value };
  spreadToLinks(env.rules, env.state, members, reg);
}

/** A register, or a spilled one, that holds a linked value. */
interface Member {
  readonly frame: number;
  readonly reg?: number;
  readonly slot?: number;
}

const MOST_LINKS = 6;
const ALL_LIVE = 0x3ff;
/**
 * The live registers and the spilled ones that are linked with the operands. The kernel follows a handful at most (both operands'
 * links count) and breaks the links of the rest.
 */
function linkedWith(env: Env, operands: readonly Reg[]): readonly Member[] {
  const members: Member[] = [];
  const { frames } = env.state;
  for (const { type, id } of operands) {
    if (type !== "scalar" || id === 0) continue;
    for (let depth = frames.length - 1; depth >= 0; depth--) {
      const { regs, stack } = frames[depth]!;
      const live = env.rules.fewLinks ? env.flow.liveRegs(frames[depth + 1]?.callsite ?? env.insn) : ALL_LIVE;
      const most = env.rules.fewLinks ? MOST_LINKS : Infinity;
      for (let reg = 0; reg < 10; reg++) {
        if (((live >> reg) & 1) === 0 || regs[reg]!.type !== "scalar" || regs[reg]!.id !== id) continue;
        if (members.length < most) members.push({ frame: depth, reg });
        else regs[reg] = unlinked(regs[reg]!);
      }
      stack.forEach((slot, index) => {
        if (!env.rules.narrowSpillLinks && isSpill(slot) && spillBytes(slot) < 8) return;
        if (!isSpill(slot) || slot.reg.type !== "scalar" || slot.reg.id !== id) return;
        if (members.length < most) members.push({ frame: depth, slot: index });
        else stack[index] = { ...slot, reg: unlinked(slot.reg) };
      });
    }
  }
  if (members.length > 1) env.flow.linked(env, members);
  return members;
}

/** What was learned of the register at `from` holds for those that are the same value, or the same plus a constant. */
function spreadToLinks(rules: Rules, state: State, members: readonly Member[], from: number): void {
  const depth = state.frames.length - 1;
  const source = state.frames[depth]!.regs[from]!;
  if (source.type !== "scalar" || source.id === 0) return;
  for (const { frame, reg, slot } of members) {
    const { regs, stack } = state.frames[frame]!;
    if (reg !== undefined) {
      if (frame !== depth || reg !== from) regs[reg] = adjusted(rules, regs[reg]!, source);
    } else if (slot !== undefined) {
      const spilled = stack[slot];
      if (isSpill(spilled)) stack[slot] = { ...spilled, reg: adjusted(rules, spilled.reg, source) };
    }
  }
}

function adjusted(rules: Rules, reg: Reg, source: Reg): Reg {
  if (reg.type !== "scalar" || reg.id !== source.id) return reg;
  // Differences made by 32-bit arithmetic say nothing of those made by 64-bit arithmetic.
  if (reg.delta !== 0 && source.delta !== 0 && reg.delta !== source.delta) return reg;
  if ((reg.delta === 0 && source.delta === 0) || reg.off === source.off)
    return { ...reg, value: source.value, off: source.off, delta: source.delta };
  const difference = known(BigInt(reg.off - source.off));
  return { ...reg, value: addDifference(source.value, difference, reg.delta === 32 || source.delta === 32, rules) };
}

function learnOfPointers(
  env: Env,
  insn: RawInsn,
  condition: Condition,
  wide: boolean,
  falls: State,
  jumps: State,
): void {
  if (!wide) return;
  const equality = condition === "jeq" || condition === "jne";
  const equal = condition === "jeq" ? jumps : falls;
  const regs = currentFrame(falls).regs;
  const a = regs[insn.dst]!;
  if (usesRegister(insn.code)) {
    const b = regs[insn.src]!;
    if (
      env.rules.nullByEquality &&
      equality &&
      isPointer(a) &&
      isPointer(b) &&
      a.type !== "ptr_" &&
      b.type !== "ptr_"
    ) {
      // Equal to a pointer that is not null: not null either.
      const equalRegs = currentFrame(equal).regs;
      if (neverNull(a, env.rules) && b.nullable) equalRegs[insn.src] = notNull(b);
      if (neverNull(b, env.rules) && a.nullable) equalRegs[insn.dst] = notNull(a);
    }
    comparePackets(env, condition, insn, a, b, falls, jumps);
    return;
  }
  if (insn.imm === 0 && equality && a.nullable) {
    settleNull(equal, a, true);
    settleNull(condition === "jeq" ? falls : jumps, a, false);
  }
}

/** The type that a pointer has once it is known not to be null. */
function notNull(reg: Reg): Reg {
  if (reg.type === "map_value") {
    if (reg.map?.type === "xskmap") return { ...reg, type: "xdp_sock", nullable: false, map: undefined };
    if (reg.map?.type === "sockmap" || reg.map?.type === "sockhash")
      return { ...reg, type: "sock", nullable: false, map: undefined };
  }
  return { ...reg, nullable: false };
}

/** Every copy of the pointer is null, or none is. */
function settleNull(state: State, of: Reg, isNullHere: boolean): void {
  if (isNullHere && of.ref !== 0 && of.ref === of.id)
    state.references = state.references.filter((reference) => reference.id !== of.id);
  replaceRegs(state, (reg) => {
    if (!reg.nullable || reg.id !== of.id) return reg;
    return isNullHere ? scalar(ZERO) : { ...notNull(reg), id: 0 };
  });
}

const START_OF_PACKET = (reg: Reg): boolean =>
  reg.type === "pkt" && !reg.nullable && reg.off === 0 && reg.id === 0 && isNull({ ...reg, type: "scalar" });

/** pkt against pkt_end, or pkt_meta against the packet's start. */
function comparePackets(
  env: Env,
  condition: Condition,
  insn: RawInsn,
  a: Reg,
  b: Reg,
  falls: State,
  jumps: State,
): void {
  void env;
  const isLimit = (limit: Reg, of: Reg): boolean =>
    of.type === "pkt" ? limit.type === "pkt_end" : of.type === "pkt_meta" && START_OF_PACKET(limit);
  let pkt: Reg;
  let at: number;
  let relation: Condition;
  if (isLimit(b, a)) [pkt, at, relation] = [a, insn.dst, condition];
  else if (isLimit(a, b)) [pkt, at, relation] = [b, insn.src, EXCHANGED[condition]];
  else return;
  switch (relation) {
    case "jgt": // Falls through where pkt <= end.
      widen(falls, pkt, false);
      markEnd(jumps, at, BEYOND_PACKET_END);
      return;
    case "jge":
      widen(falls, pkt, true);
      markEnd(jumps, at, AT_PACKET_END);
      return;
    case "jlt":
      widen(jumps, pkt, true);
      markEnd(falls, at, AT_PACKET_END);
      return;
    case "jle":
      widen(jumps, pkt, false);
      markEnd(falls, at, BEYOND_PACKET_END);
      return;
    default:
  }
}

const MAX_PACKET = 0xffff;
/** Every pointer with the same base may reach as far as this one was compared; one byte more where it is strictly before the end. */
function widen(state: State, pkt: Reg, strictly: boolean): void {
  if (pkt.off < 0 || (pkt.off === 0 && strictly)) return;
  if (pkt.value.umax > BigInt(MAX_PACKET) || pkt.value.umax + BigInt(pkt.off) > BigInt(MAX_PACKET)) return;
  const range = strictly ? pkt.off + 1 : pkt.off;
  replaceRegs(state, (reg) =>
    reg.type === pkt.type && reg.id === pkt.id && reg.range < range ? { ...reg, range } : reg,
  );
}

function markEnd(state: State, index: number, range: number): void {
  const { regs } = currentFrame(state);
  const reg = regs[index]!;
  if (reg.type === "pkt") regs[index] = { ...reg, range };
}
