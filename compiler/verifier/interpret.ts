/** One instruction at a time: what it demands of the state, and what state it leaves. */
import { hasPacketLoads, returnRange } from "../bpf/kinds/index.ts";
import {
  ALU,
  ATOMIC,
  CLASS,
  type Condition,
  JMP,
  LOAD_ACQUIRE,
  MODE,
  PSEUDO,
  SIZE,
  STORE_RELEASE,
} from "../bpf/opcodes.ts";
import type { RawInsn } from "../bpf/raw.ts";
import { alu, move } from "./arithmetic.ts";
import { callHelper, callLocal, checkReferences, clobberArguments, returnLocal } from "./calls.ts";
import {
  aluOf,
  classOf,
  isKfuncCall,
  isLddw,
  jmpOf,
  MAY_GOTO,
  modeOf,
  operationOf,
  sizeOf,
  usesRegister,
} from "./decode.ts";
import { checkTarget, goOn, insnAt, later, regsOf, source, type Env } from "./env.ts";
import { conditionalJump } from "./jumps.ts";
import { widen } from "./iterators.ts";
import { callKfunc } from "./kfuncs.ts";
import { checkAccess, checkUnmodified, noteAccessType } from "./memory.ts";
import { anyOfBytes } from "./scalar.ts";
import {
  accessCategory,
  ANY_SCALAR,
  copyState,
  isSocket,
  isPacket,
  pointer,
  scalar,
  scalarOf,
  typeName,
  type Reg,
} from "./state.ts";
import * as tnum from "./tnum.ts";
import { reject, unsupported } from "./verdict.ts";

/** Executes the instruction at `env.insn` and moves on. Returns true where the path ends well. */
export function step(env: Env): boolean {
  const insn = insnAt(env);
  switch (classOf(insn.code)) {
    case CLASS.alu:
    case CLASS.alu64:
      arithmetic(env, insn);
      break;
    case CLASS.ldx:
      load(env, insn, modeOf(insn.code) === MODE.memsx, false);
      break;
    case CLASS.st:
      storeImmediate(env, insn);
      break;
    case CLASS.stx:
      if (modeOf(insn.code) === MODE.atomic) atomic(env, insn);
      else {
        if (modeOf(insn.code) !== MODE.mem || insn.imm !== 0) reject("encoding", "BPF_STX uses reserved fields");
        storeRegister(env, insn, false);
      }
      break;
    case CLASS.ld:
      if (isLddw(insn)) return wideLoad(env, insn);
      return packetLoad(env, insn);
    default:
      return jump(env, insn);
  }
  env.insn++;
  return false;
}

function arithmetic(env: Env, insn: RawInsn): void {
  const name = aluOf(insn.code);
  if (name === undefined) return reject("other", `invalid BPF_ALU opcode ${operationOf(insn.code).toString(16)}`);
  const wide = classOf(insn.code) === CLASS.alu64;
  if (name === "mov") {
    move(env, insn, wide);
    return;
  }
  if (name === "neg" && (usesRegister(insn.code) || insn.src !== 0 || insn.off !== 0 || insn.imm !== 0))
    reject("encoding", "BPF_NEG uses reserved fields");
  if (name === "end") {
    const widths = insn.imm === 16 || insn.imm === 32 || insn.imm === 64;
    const swap = insn.code === (CLASS.alu64 | ALU.end.code);
    if (insn.src !== 0 || insn.off !== 0 || !widths || (wide && !swap))
      reject("encoding", "BPF_END uses reserved fields");
  }
  alu(env, insn, name, wide);
}

function load(env: Env, insn: RawInsn, signExtends: boolean, strict: boolean): void {
  const base = source(env, insn.src);
  checkTarget(insn.dst);
  const size = sizeOf(insn.code);
  const access = { base: insn.src, off: insn.off, size, kind: "read", wanted: true, signExtends, strict } as const;
  const loaded = checkAccess(env, access);
  noteAccessType(env, base);
  regsOf(env)[insn.dst] = loaded!;
}

function storeRegister(env: Env, insn: RawInsn, strict: boolean): void {
  source(env, insn.src);
  const base = source(env, insn.dst);
  const size = sizeOf(insn.code);
  checkAccess(env, { base: insn.dst, off: insn.off, size, kind: "write", source: insn.src, strict });
  noteAccessType(env, base);
}

function storeImmediate(env: Env, insn: RawInsn): void {
  if (modeOf(insn.code) !== MODE.mem || insn.src !== 0) reject("encoding", "BPF_ST uses reserved fields");
  const base = source(env, insn.dst);
  if (base.type === "ctx" && !env.rules.storesImmediates)
    reject("ctx-access", `BPF_ST stores into R${insn.dst} ctx is not allowed`, insn.dst);
  const size = sizeOf(insn.code);
  checkAccess(env, { base: insn.dst, off: insn.off, size, kind: "write", immediate: BigInt(insn.imm) });
  noteAccessType(env, base);
}

const READ_MODIFY_WRITE: ReadonlySet<number> = new Set([
  ATOMIC.add,
  ATOMIC.and,
  ATOMIC.or,
  ATOMIC.xor,
  ATOMIC.add | ATOMIC.fetch,
  ATOMIC.and | ATOMIC.fetch,
  ATOMIC.or | ATOMIC.fetch,
  ATOMIC.xor | ATOMIC.fetch,
  ATOMIC.xchg,
  ATOMIC.cmpxchg,
]);

const atomicAllowed = (reg: Reg): boolean =>
  reg.type !== "ctx" && !isPacket(reg.type) && reg.type !== "flow_keys" && !(isSocket(reg.type) && !reg.nullable);

function atomic(env: Env, insn: RawInsn): void {
  if (env.rules.acquireRelease && insn.imm === LOAD_ACQUIRE) {
    const base = source(env, insn.src);
    load(env, insn, false, true);
    if (!atomicAllowed(base))
      reject(accessCategory(base), `BPF_ATOMIC loads from R${insn.src} ${typeName(base)} is not allowed`, insn.src);
    return;
  }
  if (env.rules.acquireRelease && insn.imm === STORE_RELEASE) {
    const base = source(env, insn.dst);
    storeRegister(env, insn, true);
    if (!atomicAllowed(base))
      reject(accessCategory(base), `BPF_ATOMIC stores into R${insn.dst} ${typeName(base)} is not allowed`, insn.dst);
    return;
  }
  if (!env.rules.atomics && insn.imm !== ATOMIC.add) reject("encoding", "BPF_XADD uses reserved fields");
  if (!READ_MODIFY_WRITE.has(insn.imm))
    reject("other", `BPF_ATOMIC uses invalid atomic opcode ${(insn.imm >>> 0).toString(16).padStart(2, "0")}`);
  const size = sizeOf(insn.code);
  if (size < 4) reject("other", "invalid atomic operand size");
  source(env, insn.src);
  const base = source(env, insn.dst);
  if (insn.imm === ATOMIC.cmpxchg) source(env, 0);
  if (!atomicAllowed(base))
    reject(accessCategory(base), `BPF_ATOMIC stores into R${insn.dst} ${typeName(base)} is not allowed`, insn.dst);
  const fetches = (insn.imm & ATOMIC.fetch) !== 0;
  const into = insn.imm === ATOMIC.cmpxchg ? 0 : insn.src;
  const regs = regsOf(env);
  if (fetches) {
    checkTarget(into);
    regs[into] = ANY_SCALAR;
  }
  const access = { base: insn.dst, off: insn.off, size, strict: true } as const;
  checkAccess(env, { ...access, kind: "read" });
  if (fetches) {
    const old = checkAccess(env, { ...access, kind: "read", wanted: true });
    regs[into] = old!;
  }
  noteAccessType(env, regs[insn.dst]!);
  checkAccess(env, { ...access, kind: "write" });
}

function wideLoad(env: Env, insn: RawInsn): boolean {
  if (insn.off !== 0) reject("encoding", "BPF_LD_IMM64 uses reserved fields");
  checkTarget(insn.dst);
  const high = env.program.insns[env.insn + 1]!.imm;
  const regs = regsOf(env);
  switch (insn.src) {
    case 0:
      regs[insn.dst] = scalarOf((BigInt(high) << 32n) | BigInt(insn.imm >>> 0));
      break;
    case PSEUDO.mapFd:
      regs[insn.dst] = pointer("map_ptr", { map: env.program.maps.get(insn.imm) });
      break;
    case PSEUDO.mapValue:
      regs[insn.dst] = pointer("map_value", { map: env.program.maps.get(insn.imm), off: high });
      break;
    default:
      // Addresses of functions are for callbacks, which need type information that plain instructions do not have.
      unsupported("addresses of functions");
  }
  env.insn += 2;
  return false;
}

/** ld_abs and ld_ind: packet bytes through the context in r6; the program ends with 0 where the packet is too short. */
function packetLoad(env: Env, insn: RawInsn): boolean {
  const mode = modeOf(insn.code);
  if (mode !== MODE.abs && mode !== MODE.ind) reject("other", "invalid BPF_LD mode");
  if (!hasPacketLoads(env.program.type))
    reject("other", "BPF_LD_[ABS|IND] instructions not allowed for this program type");
  const wide = (insn.code & 0x18) === SIZE.dw;
  if (insn.dst !== 0 || insn.off !== 0 || wide || (mode === MODE.abs && insn.src !== 0))
    reject("encoding", "BPF_LD_[ABS|IND] uses reserved fields");
  const context = source(env, 6);
  checkReferences(env, "BPF_LD_[ABS|IND] would lead to reference leak");
  if (context.type !== "ctx") reject("other", "at the time of BPF_LD_ABS|IND R6 != pointer to skb", 6);
  if (mode === MODE.ind) source(env, insn.src);
  checkUnmodified(context, 6);
  const regs = regsOf(env);
  clobberArguments(regs);
  regs[0] = scalar(anyOfBytes(8));
  if (env.state.frames.length > 1) {
    const forward = env.replay?.(env.insn);
    if (forward !== true) {
      later(env, env.insn + 1, copyState(env.state), true);
      goOn(env, false);
      regs[0] = scalarOf(0n);
      returnLocal(env);
      return false;
    }
    goOn(env, true);
  }
  env.insn++;
  return false;
}

function jump(env: Env, insn: RawInsn): boolean {
  env.jumps++;
  const narrow = classOf(insn.code) === CLASS.jmp32;
  switch (operationOf(insn.code)) {
    case JMP.call.code:
      if (insn.off !== 0 || insn.src > 2 || insn.dst !== 0 || narrow || usesRegister(insn.code))
        reject("encoding", "BPF_CALL uses reserved fields");
      if (insn.src === 1) callLocal(env);
      else if (isKfuncCall(insn)) {
        callKfunc(env);
        env.insn++;
      } else {
        callHelper(env);
        env.insn++;
      }
      return false;
    case JMP.ja.code: {
      const unused = narrow ? insn.off : insn.imm;
      if (usesRegister(insn.code) || insn.src !== 0 || insn.dst !== 0 || unused !== 0)
        reject("encoding", "BPF_JA uses reserved fields");
      env.insn += 1 + (narrow ? insn.imm : insn.off);
      return false;
    }
    case JMP.exit.code:
      if (usesRegister(insn.code) || insn.imm !== 0 || insn.src !== 0 || insn.dst !== 0 || narrow)
        reject("encoding", "BPF_EXIT uses reserved fields");
      return exit(env);
    default: {
      if (insn.code === MAY_GOTO) {
        mayGoto(env, insn);
        return false;
      }
      const condition = jmpOf(insn.code);
      if (condition === undefined)
        return reject("other", `invalid BPF_JMP/JMP32 opcode ${operationOf(insn.code).toString(16)}`);
      conditionalJump(env, insn, condition as Condition);
      return false;
    }
  }
}

/** The kernel takes it when a hidden counter has run out: both ways, and the way on as often as it brings something new. */
function mayGoto(env: Env, insn: RawInsn): void {
  if (insn.src !== 0 || insn.dst !== 0 || insn.imm !== 0) reject("encoding", `invalid may_goto imm ${insn.imm}`);
  const forward = env.replay?.(env.insn);
  const on = copyState(env.state);
  on.turns++;
  widen(env, on);
  later(env, env.insn + 1, on, false);
  goOn(env, forward ?? true);
  if (forward === false) {
    env.state = on;
    env.insn++;
  } else env.insn += 1 + insn.off;
}

function exit(env: Env): boolean {
  if (env.state.frames.length > 1) {
    returnLocal(env);
    return false;
  }
  checkReferences(env, "BPF_EXIT instruction in main prog would lead to reference leak");
  const { entry, traced } = env.program;
  if (traced) {
    source(env, 0);
    return true;
  }
  // A function that returns nothing may leave anything in r0.
  if (entry && !entry.member.returns) return true;
  const result = source(env, 0);
  if (entry && result.type !== "scalar") unsupported("pointers that are given back");
  const range = returnRange(env.program.type, env.program.attach);
  if (range === undefined) return true;
  if (result.type !== "scalar")
    reject("other", `At program exit the register R0 is not a known value (${typeName(result)})`, 0);
  env.flow.demandRegister(env, 0);
  const [low, high] = range;
  const inside = env.rules.returnsByRange
    ? result.value.smin >= BigInt(low) && result.value.smax <= BigInt(high)
    : tnum.contains(tnum.range(BigInt(low), BigInt(high)), result.value.bits);
  if (!inside)
    reject(
      "other",
      `At program exit the register R0 has smin=${result.value.smin} smax=${result.value.smax} should have been in [${low}, ${high}]`,
      0,
    );
  return true;
}
