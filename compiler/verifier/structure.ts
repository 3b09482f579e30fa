/**
 * What the kernel checks of a program's shape before it looks at any value: opcodes, two-slot loads, maps, functions,
 * jumps, and that every instruction can be reached. In the kernel's order, so that the first complaint is the same.
 */
import { CLASS, JMP, MODE, PSEUDO } from "../bpf/opcodes.ts";
import { helper } from "../bpf/helpers.ts";
import type { RawInsn } from "../bpf/raw.ts";
import type { Rules } from "../bpf/verifier-rules.ts";
import {
  CALL_CODE,
  classOf,
  EXIT_CODE,
  isFunctionAddress,
  isJump,
  isKnownOpcode,
  isLddw,
  isLocalCall,
  jumpDistance,
  modeOf,
  operationOf,
  successors,
} from "./decode.ts";
import type { VerifierMap } from "./state.ts";
import { rejectAt, unsupported } from "./verdict.ts";

export interface Subprogram {
  readonly start: number;
  /** One past the last slot. */
  readonly end: number;
}
export interface Structure {
  /** In order of their first slot; the main program is the first. */
  readonly subprograms: readonly Subprogram[];
  /** Slots where the kernel compares the state with earlier ones. */
  readonly prunePoints: ReadonlySet<number>;
  /** Calls that ask an iterator for more: states there are always kept. */
  readonly asksIterator: ReadonlySet<number>;
}

const MAX_DIRECT_OFFSET = 1 << 29;

/**
 * Checks the shape; ends the verification where the kernel would. `typed`: the object has BTF for its functions.
 */
export function checkStructure(
  insns: readonly RawInsn[],
  maps: ReadonlyMap<number, VerifierMap>,
  typed: boolean,
  rules: Rules,
  asksIterator: ReadonlySet<number> = new Set(),
): Structure {
  const subprograms = findSubprograms(insns);
  checkJumps(insns, subprograms);
  if (!typed) checkEarlyEnds(insns, subprograms.slice(1));
  checkWords(insns, maps, rules);
  if (!rules.entersLoopsAnywhere) checkBackEdges(insns);
  const prunePoints = new Set([...checkReachability(insns, subprograms), ...asksIterator]);
  return { subprograms, prunePoints, asksIterator };
}

function findSubprograms(insns: readonly RawInsn[]): Subprogram[] {
  const starts = new Set([0]);
  insns.forEach((insn, at) => {
    if (!isLocalCall(insn) && !isFunctionAddress(insn)) return;
    const target = at + insn.imm + 1;
    if (target < 0 || target >= insns.length) rejectAt("unreachable/cfg", "none", "call to invalid destination");
    starts.add(target);
  });
  const ordered = [...starts].sort((a, b) => a - b);
  return ordered.map((start, index) => ({ start, end: ordered[index + 1] ?? insns.length }));
}

function checkJumps(insns: readonly RawInsn[], subprograms: readonly Subprogram[]): void {
  for (const { start, end } of subprograms) {
    for (let at = start; at < end; at++) {
      const insn = insns[at]!;
      const operation = operationOf(insn.code);
      if (isJump(insn.code) && operation !== JMP.call.code && operation !== JMP.exit.code) {
        const target = at + jumpDistance(insn) + 1;
        if (target < start || target >= end)
          rejectAt("unreachable/cfg", at, `jump out of range from insn ${at} to ${target}`);
      }
    }
    const { code } = insns[end - 1]!;
    if (code !== EXIT_CODE && code !== (CLASS.jmp | JMP.ja.code) && code !== (CLASS.jmp32 | JMP.ja.code))
      rejectAt("unreachable/cfg", "none", "last insn is not an exit or jmp");
  }
}

/** Packet loads and tail calls may end a function early, which its caller can only bear if types say that it returns a number. */
function checkEarlyEnds(insns: readonly RawInsn[], subprograms: readonly Subprogram[]): void {
  const tailCall = helper("tail_call").id;
  for (const { start, end } of subprograms) {
    const body = insns.slice(start, end);
    const loads = body.some(
      ({ code }) => classOf(code) === CLASS.ld && (modeOf(code) === MODE.abs || modeOf(code) === MODE.ind),
    );
    if (loads) rejectAt("other", "none", "LD_ABS is not allowed in subprogs without BTF");
    if (body.some((insn) => insn.code === CALL_CODE && insn.src === 0 && insn.imm === tailCall))
      rejectAt("other", "none", "tail_call is not allowed in subprogs without BTF");
  }
}

function checkWords(insns: readonly RawInsn[], maps: ReadonlyMap<number, VerifierMap>, rules: Rules): void {
  for (let at = 0; at < insns.length; at++) {
    const insn = insns[at]!;
    const mode = modeOf(insn.code);
    if (
      classOf(insn.code) === CLASS.ldx &&
      ((mode !== MODE.mem && (mode !== MODE.memsx || !rules.isaV4)) || insn.imm !== 0)
    )
      rejectAt("encoding", "none", "BPF_LDX uses reserved fields");
    // While addition was the only atomic operation, the field that names it was looked at before the walk, wherever it stands.
    if (!rules.atomics && classOf(insn.code) === CLASS.stx && insn.imm !== 0)
      rejectAt("encoding", "none", "BPF_STX uses reserved fields");
    if (isLddw(insn)) {
      checkWideLoad(insn, insns[at + 1], maps, rules);
      at++;
    } else if (!isKnownOpcode(insn.code, rules)) {
      rejectAt("encoding", "none", `unknown opcode ${insn.code.toString(16).padStart(2, "0")}`);
    }
  }
}

const DIRECT_VALUE_MAPS: ReadonlySet<string> = new Set(["array", "arena", "percpu_array"]);

function checkWideLoad(
  insn: RawInsn,
  second: RawInsn | undefined,
  maps: ReadonlyMap<number, VerifierMap>,
  rules: Rules,
): void {
  if (second === undefined || second.code !== 0 || second.dst !== 0 || second.src !== 0 || second.off !== 0)
    rejectAt("other", "none", "invalid bpf_ld_imm64 insn");
  switch (insn.src) {
    case 0:
      return;
    case PSEUDO.func:
      if (!rules.functionAddresses) rejectAt("other", "none", "unrecognized bpf_ld_imm64 insn");
      return;
    case PSEUDO.btfId:
      return unsupported("addresses of kernel variables (BTF ids)");
    case PSEUDO.mapFd:
      if (second.imm !== 0) rejectAt("other", "none", "unrecognized bpf_ld_imm64 insn");
      break;
    case PSEUDO.mapValue:
      break;
    case PSEUDO.mapIdx:
      if (second.imm !== 0) rejectAt("other", "none", "unrecognized bpf_ld_imm64 insn");
      return rejectAt("encoding", "none", "fd_idx without fd_array is invalid");
    case PSEUDO.mapIdxValue:
      return rejectAt("encoding", "none", "fd_idx without fd_array is invalid");
    default:
      return rejectAt("other", "none", "unrecognized bpf_ld_imm64 insn");
  }
  const map = maps.get(insn.imm);
  if (map === undefined) return rejectAt("fd", "none", `fd ${insn.imm} is not pointing to valid bpf_map`);
  if (insn.src !== PSEUDO.mapValue) return;
  const offset = second.imm >>> 0;
  if (offset >= MAX_DIRECT_OFFSET) rejectAt("other", "none", `direct value offset of ${offset} is not allowed`);
  if (!DIRECT_VALUE_MAPS.has(map.type)) rejectAt("other", "none", "no direct value access support for this map type");
  if (map.type !== "array") unsupported(`addresses of values in ${map.type} maps`);
  if (map.max !== 1 || offset >= map.value)
    rejectAt("map-bounds", "none", `invalid access to map value pointer, value_size=${map.value} off=${offset}`);
}

/** Where loops may only be entered by a jump: no instruction runs, or returns from a call, into one that is on the way to it. */
function checkBackEdges(insns: readonly RawInsn[]): void {
  const NEW = 0;
  const ON_THE_WAY = 1;
  const DONE = 2;
  const state = new Uint8Array(insns.length);
  const stack: { readonly at: number; readonly ways: readonly number[]; next: number; readonly mayLoop: boolean }[] =
    [];
  const enter = (at: number): void => {
    const insn = insns[at]!;
    const calls = isLocalCall(insn) ? [at + 1 + insn.imm] : [];
    const ways = isLddw(insn) ? [at + 2] : successors(insns, at);
    state[at] = ON_THE_WAY;
    const mayLoop = isJump(insn.code) && insn.code !== CALL_CODE;
    stack.push({ at, ways: [...ways, ...calls], next: 0, mayLoop });
  };
  enter(0);
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const to = top.ways[top.next++];
    if (to === undefined) {
      state[top.at] = DONE;
      stack.pop();
    } else if (to < 0 || to >= insns.length) continue;
    else if (state[to] === NEW) enter(to);
    else if (state[to] === ON_THE_WAY && !top.mayLoop)
      rejectAt("other", "none", `back-edge from insn ${top.at} to ${to}`);
  }
}

/** Every slot must be reachable; collects the prune points on the way. */
function checkReachability(insns: readonly RawInsn[], subprograms: readonly Subprogram[]): ReadonlySet<number> {
  const seen = new Uint8Array(insns.length);
  const prune = new Set<number>();
  // The explicit stack keeps the kernel's depth-first order: the fall-through edge first.
  const stack: number[] = [];
  const visit = (from: number, to: number): void => {
    if (to < 0 || to >= insns.length) rejectAt("unreachable/cfg", from, `jump out of range from insn ${from} to ${to}`);
    if (seen[to] === 0) {
      seen[to] = 1;
      stack.push(to);
    }
  };
  const walk = (start: number): void => {
    if (seen[start] !== 0) return;
    seen[start] = 1;
    stack.push(start);
    while (stack.length > 0) {
      const at = stack.pop()!;
      const insn = insns[at]!;
      if (isLddw(insn)) {
        if (isFunctionAddress(insn)) {
          prune.add(at).add(at + 2);
          visit(at, at + 1 + insn.imm);
        }
        visit(at, at + 2);
        continue;
      }
      if (!isJump(insn.code)) {
        visit(at, at + 1);
        continue;
      }
      switch (operationOf(insn.code)) {
        case JMP.exit.code:
          break;
        case JMP.call.code:
          prune.add(at + 1);
          if (isLocalCall(insn)) {
            prune.add(at);
            visit(at, at + 1 + insn.imm);
          }
          visit(at, at + 1);
          break;
        case JMP.ja.code: {
          const target = at + 1 + jumpDistance(insn);
          prune.add(target);
          visit(at, target);
          break;
        }
        default:
          prune.add(at).add(at + 1 + insn.off);
          visit(at, at + 1 + insn.off);
          visit(at, at + 1);
      }
    }
  };
  walk(0);
  void subprograms;
  for (let at = 0; at < insns.length; at++) {
    if (seen[at] === 0) rejectAt("unreachable/cfg", at, `unreachable insn ${at}`);
    if (isLddw(insns[at]!)) {
      if (seen[at + 1] !== 0) rejectAt("other", "none", `jump into the middle of ldimm64 insn ${at}`);
      at++;
    }
  }
  return prune;
}
