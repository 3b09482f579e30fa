/** The stack: what is written, spilled, read and filled, byte by byte. */
import { ANYTHING, anyOfBytes, isKnown, isZero, known, same, width, ZERO } from "./scalar.ts";
import * as tnum from "./tnum.ts";
import { newId, regsOf, type Env } from "./env.ts";
import {
  allBytes,
  BYTE,
  byteAt,
  isNull,
  isPointer,
  isSpill,
  MAX_STACK,
  scalar,
  spillBytes,
  UNINITIALISED,
  withByte,
  type Byte,
  type Frame,
  type Reg,
  type Slot,
} from "./state.ts";
import { reject } from "./verdict.ts";

export const MAX_OFFSET = 1 << 29;
const BIG_MAX_OFFSET = BigInt(MAX_OFFSET);

/** Slot that holds the byte at a (negative) offset from the frame pointer. */
export const slotOf = (offset: number): number => (-offset - 1) >> 3;
/** Place of that byte in its slot, 0 to 7. */
const placeOf = (offset: number): number => offset & 7;

export interface StackRange {
  readonly low: number;
  /** Start of the highest access. */
  readonly high: number;
  readonly fixed: boolean;
}

/** Checks that an access through a stack pointer stays inside the frame; says which bytes it may touch. */
export function stackRange(env: Env, index: number, off: number, size: number, what: string): StackRange {
  const reg = regsOf(env)[index]!;
  const { value } = reg;
  const fixed = isKnown(value);
  if (!fixed && (value.smax >= BIG_MAX_OFFSET || value.smin <= -BIG_MAX_OFFSET))
    reject("stack-oob", `invalid unbounded variable-offset${what} stack R${index}`, index);
  const low = Number(fixed ? BigInt.asIntN(64, value.bits.value) : value.smin) + off;
  const high = Number(fixed ? BigInt.asIntN(64, value.bits.value) : value.smax) + off;
  if (low < -MAX_STACK || low > -1 || high + size > 0) {
    if (fixed) reject("stack-oob", `invalid${what} stack R${index} off=${off} size=${size}`, index);
    reject(
      "stack-oob",
      `invalid variable-offset${what} stack R${index} var_off=${tnum.show(value.bits)} off=${off} size=${size}`,
      index,
    );
  }
  const frame = env.state.frames[reg.frame]!;
  const depth = -(low & ~7);
  env.stackDepth[frame.subprogram] = Math.max(env.stackDepth[frame.subprogram] ?? 0, depth);
  return { low, high, fixed };
}

/** Spilled registers become bytes about which nothing is known; what was never written stays so. */
function scrub(slot: Slot | undefined): number {
  let bytes = slot?.bytes ?? 0;
  if (!isSpill(slot)) return bytes;
  for (let at = 0; at < 8; at++) if (byteAt(slot, at) !== BYTE.invalid) bytes = withByte(bytes, at, BYTE.misc);
  return bytes;
}

/** Gives a number an identity, so that what is learned of one copy holds for the others. */
export function identify(env: Env, reg: Reg): Reg {
  if (reg.type !== "scalar") return reg;
  let { id, delta, off } = reg;
  if (delta !== 0) {
    id = 0;
    delta = 0;
    off = 0;
  }
  if (id === 0 && !isKnown(reg.value)) id = newId(env);
  return id === reg.id && delta === reg.delta ? reg : { ...reg, id, delta, off };
}
export const unlinked = (reg: Reg): Reg => (reg.id === 0 ? reg : { ...reg, id: 0, delta: 0, off: 0 });

/** Writes at a known offset. `source` is the register written, absent for an immediate. */
export function writeFixed(
  env: Env,
  frame: Frame,
  offset: number,
  size: number,
  source: number | undefined,
  immediate: bigint,
  stored: boolean,
): void {
  const index = slotOf(offset);
  const place = placeOf(offset);
  const slot = frame.stack[index];
  const regs = regsOf(env);
  let reg = source === undefined ? undefined : regs[source]!;
  env.flow.stackWrite(env, frame, index);
  const anything = env.rules.spillsAnything;
  if (reg !== undefined && place === 0 && reg.type === "scalar" && (anything || isWorthSpilling(reg))) {
    const fits = width(reg.value) <= size * 8;
    if (fits && anything) regs[source!] = reg = identify(env, reg);
    frame.stack[index] = spill(slot, fits ? reg : unlinkedSpill(reg), size, anything);
    return;
  }
  if (reg === undefined && stored && place === 0 && (anything || immediate !== 0n)) {
    frame.stack[index] = spill(slot, scalar(known(immediate)), size, anything);
    return;
  }
  if (reg !== undefined && isPointer(reg)) {
    if (size !== 8) reject("other", "invalid size of register spill", source);
    if (frame !== env.state.frames[env.state.frames.length - 1] && reg.type === "fp")
      reject("other", "cannot spill pointers to stack into stack frame of the caller", source);
    frame.stack[index] = spill(slot, reg, size, anything);
    return;
  }
  let bytes = scrub(slot);
  const zero = (reg !== undefined && isNull(reg)) || (reg === undefined && stored && immediate === 0n);
  if (zero && source !== undefined) env.flow.demandSource(env);
  for (let at = 0; at < size; at++) bytes = withByte(bytes, place + at, zero ? BYTE.zero : BYTE.misc);
  frame.stack[index] = { bytes, reg: undefined };
}

/** A narrowing spill keeps the value but not its links. */
const unlinkedSpill = (reg: Reg): Reg => ({ ...reg, id: 0, delta: 0, off: 0 });

/** Before everything was spilled: a number that is not 0 and of which something is known. */
const isWorthSpilling = (reg: Reg): boolean => !isZero(reg.value) && !same(reg.value, ANYTHING);

/** `keepsZeroes`: what lies beside a narrow spill stays what it was; else zeroes become anything. */
function spill(slot: Slot | undefined, reg: Reg, size: number, keepsZeroes: boolean): Slot {
  let bytes = slot?.bytes ?? 0;
  for (let at = 0; at < 8; at++) {
    if (at < size) bytes = withByte(bytes, at, BYTE.spill);
    else if (byteAt(slot, at) === BYTE.spill || (!keepsZeroes && byteAt(slot, at) === BYTE.zero))
      bytes = withByte(bytes, at, BYTE.misc);
  }
  return { bytes, reg };
}

/** What is left of a spilled register in part of its slot: to be overwritten, not to be read. */
const LOST = UNINITIALISED;

/** Writes somewhere in a range: whatever lies there may be gone. */
export function writeVariable(env: Env, frame: Frame, range: StackRange, size: number, zero: boolean): void {
  let zeroUsed = false;
  for (let offset = range.low; offset < range.high + size; offset++) {
    const index = slotOf(offset);
    const place = placeOf(offset);
    const slot = frame.stack[index];
    env.flow.stackWrite(env, frame, index);
    const kind = byteAt(slot, place);
    if (
      env.rules.spillsAnything &&
      zero &&
      kind === BYTE.spill &&
      isSpill(slot) &&
      slot.reg.type === "scalar" &&
      isZero(slot.reg.value)
    ) {
      zeroUsed = true;
      continue;
    }
    // Where only the touched bytes are changed, the rest of a spilled register is of no use any more.
    const scrubs = env.rules.scrubsWholeSlots;
    let bytes = scrubs ? scrub(slot) : (slot?.bytes ?? 0);
    const keepsZero = zero && kind === BYTE.zero;
    zeroUsed ||= keepsZero;
    bytes = withByte(bytes, place, keepsZero ? BYTE.zero : BYTE.misc);
    frame.stack[index] = { bytes, reg: scrubs ? undefined : isSpill({ bytes, reg: undefined }) ? LOST : undefined };
  }
  if (zeroUsed) env.flow.demandSource(env);
}

/** Reads at a known offset into a register; `undefined` where no register takes the value. */
export function readFixed(env: Env, frame: Frame, offset: number, size: number, wanted: boolean): Reg | undefined {
  const index = slotOf(offset);
  const place = placeOf(offset);
  const slot = frame.stack[index];
  env.flow.stackRead(env, frame, index);
  checkDeepRead(env, frame, offset, offset, size);
  if (!isSpill(slot)) return wanted ? bytesRead(slot, place, size) : undefined;
  const filled = spillBytes(slot);
  const { reg } = slot;
  if (reg.type === "iter") reject("stack-oob", `invalid read from stack off ${offset}+0 size ${size}`);
  if (size === 8 && filled === 8) return wanted ? reg : undefined;
  if (reg.type !== "scalar") reject("other", "invalid size of register fill");
  if (!wanted) return undefined;
  const whole = env.rules.partialFills ? size <= filled : size === filled;
  if (place === 0 && whole) return width(reg.value) > size * 8 ? unlinked(reg) : reg;
  if (!env.rules.partialFills) return scalar(anyOfBytes(8));
  let spills = 0;
  let zeros = 0;
  for (let at = place; at < place + size; at++) {
    const kind = byteAt(slot, at);
    if (kind === BYTE.spill) spills++;
    if (kind === BYTE.zero) zeros++;
  }
  if ((spills === size && isZero(reg.value)) || zeros === size) return scalar(ZERO);
  return scalar(anyOfBytes(8));
}

/** Bytes of a spilled register whose lowest byte was overwritten: they are neither a register nor data. */
function checkBytes(slot: Slot | undefined, place: number, size: number): void {
  if (isSpill(slot)) return;
  for (let at = place; at < place + size; at++)
    if (byteAt(slot, at) === BYTE.spill) reject("stack-oob", `invalid read from stack off ${at} size ${size}`);
}

function bytesRead(slot: Slot | undefined, place: number, size: number): Reg {
  checkBytes(slot, place, size);
  for (let at = place; at < place + size; at++) if (byteAt(slot, at) !== BYTE.zero) return scalar(anyOfBytes(8));
  return scalar(ZERO);
}

/** Where the stack has only as many bytes as were written so far, what lies below them cannot be read. */
function checkDeepRead(env: Env, frame: Frame, low: number, high: number, size: number): void {
  if (env.rules.readsDeepStack || slotOf(low) < frame.stack.length) return;
  reject("stack-oob", `invalid read from stack off ${low}+${high - low} size ${size}`);
}

/** Reads somewhere in a range, by a load. */
export function readVariable(env: Env, frame: Frame, range: StackRange, size: number): Reg {
  checkDeepRead(env, frame, range.low, range.high, size);
  scan(env, frame, range.low, range.high + size, false);
  for (let offset = range.low; offset < range.high + size; offset++) {
    if (byteAt(frame.stack[slotOf(offset)], placeOf(offset)) !== BYTE.zero) return scalar(anyOfBytes(8));
  }
  return scalar(ZERO);
}

/** A helper reads the bytes [low, end), and may write them if `clobber` says so. */
export function helperReads(env: Env, frame: Frame, low: number, end: number, clobber: boolean): void {
  if (end > low) checkDeepRead(env, frame, low, low, end - low);
  scan(env, frame, low, end, clobber);
}

function scan(env: Env, frame: Frame, low: number, end: number, clobber: boolean): void {
  for (let offset = low; offset < end; offset++) {
    const index = slotOf(offset);
    const slot = frame.stack[index];
    env.flow.stackRead(env, frame, index);
    const place = placeOf(offset);
    checkBytes(slot, place, 1);
    if (isSpill(slot) && slot.reg.type === "iter")
      reject("stack-oob", `invalid read from stack off ${offset}+0 size 1`);
    if (!clobber) continue;
    const kind: Byte = byteAt(slot, place);
    if (isSpill(slot)) frame.stack[index] = { bytes: scrub(slot), reg: undefined };
    else if (kind !== BYTE.misc)
      frame.stack[index] = { bytes: withByte(slot?.bytes ?? 0, place, BYTE.misc), reg: undefined };
  }
}

/** A helper writes the bytes [low, end) without reading them. */
export function helperWrites(env: Env, frame: Frame, low: number, end: number): void {
  for (let offset = low; offset < end; offset++) {
    const index = slotOf(offset);
    const whole = offset % 8 === 0 && offset + 8 <= end;
    env.flow.stackWrite(env, frame, index);
    frame.stack[index] = {
      bytes: whole ? allBytes(BYTE.misc) : withByte(scrub(frame.stack[index]), placeOf(offset), BYTE.misc),
      reg: undefined,
    };
    if (whole) offset += 7;
  }
}
