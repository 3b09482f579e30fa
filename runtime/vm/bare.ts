/** Runs a bare program (no object, no maps) on a piece of memory, as conformance suites do. */
import { decodeSlots, type RawInsn } from "../../compiler/bpf/raw.ts";
import { HELPERS } from "../../compiler/bpf/helpers.ts";
import { MAX_FRAMES } from "../../compiler/bpf/limits.ts";
import { STACK_BYTES, type CallHelper, type Finished, type Surroundings, type Watch } from "./engine.ts";
import { VmFault } from "./fault.ts";
import { interpret } from "./interpret.ts";
import { createMemory, type Memory } from "./memory.ts";
import { jumpTarget, prepare } from "./program.ts";
import { translateAndRun } from "./wasm/translate.ts";

export type EngineName = "interpreter" | "translator";
export const ENGINES = { interpreter: interpret, translator: translateAndRun } as const;

export interface BareOptions {
  /** r1 points to it, r2 is its length. */
  readonly memory?: Uint8Array;
  /** Absent: the translator for programs with loops, the interpreter for others (they end before a translation would). */
  readonly engine?: EngineName;
  readonly stepLimit?: number;
  readonly watch?: Watch;
}

/** What a bare program may call: functions of time and chance only. */
const callBare: CallHelper = (id) => {
  if (id === HELPERS.ktime_get_ns.id || id === HELPERS.ktime_get_boot_ns.id)
    return BigInt(Math.round(performance.now() * 1e6));
  if (id === HELPERS.get_prandom_u32.id) return BigInt(Math.floor(Math.random() * 2 ** 32));
  if (id === HELPERS.get_smp_processor_id.id) return 0n;
  throw new VmFault("helper", `helper ${id} is not available to a bare program`);
};

export const stackFrames = (memory: Memory): Surroundings["frames"] =>
  Array.from({ length: MAX_FRAMES }, (_, depth) => {
    const frame = memory.allocate({ name: `the stack of frame ${depth}`, size: STACK_BYTES });
    memory.setLive(frame, false);
    return frame;
  });

export const DEFAULT_STEP_LIMIT = 100_000_000;

/** Throws VmFault. */
export function runBare(insns: readonly RawInsn[], options: BareOptions = {}): Finished {
  const program = prepare("program", insns);
  const loops = insns.some((insn, slot) => (jumpTarget(insn, slot) ?? slot + 1) <= slot);
  const name = options.engine ?? (loops ? "translator" : "interpreter");
  const data = options.memory ?? new Uint8Array();
  const memory = createMemory(data.length * 2 + 16384, name === "translator");
  const frames = stackFrames(memory);
  let r1 = 0n;
  if (data.length > 0) {
    const region = memory.allocate({ name: "the memory given", size: data.length });
    memory.slice(region).set(data);
    r1 = memory.address(region);
  }
  const around: Surroundings = { memory, frames, call: callBare, stepLimit: options.stepLimit ?? DEFAULT_STEP_LIMIT };
  return ENGINES[name](program, around, { r1, r2: BigInt(data.length) }, options.watch);
}

/** "b7 01 00…" or "b701…", white space anywhere, to bytes; a RangeError says what is wrong. */
export function parseHex(text: string): Uint8Array {
  const digits = text.replace(/0x|\s+/gi, "");
  if (!/^[0-9a-f]*$/i.test(digits)) throw new RangeError("not hexadecimal");
  if (digits.length % 2 !== 0) throw new RangeError("an odd number of hexadecimal digits");
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** Instructions from hexadecimal text. */
export const parseProgram = (text: string): RawInsn[] => decodeSlots(parseHex(text));
