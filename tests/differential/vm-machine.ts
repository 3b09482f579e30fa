/** Runs a batch in the virtual machine, with either engine. */
import { LDDW } from "../../compiler/bpf/opcodes.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import { ENGINES, stackFrames, type EngineName } from "../../runtime/vm/bare.ts";
import type { Watch } from "../../runtime/vm/engine.ts";
import { VmFault } from "../../runtime/vm/fault.ts";
import { createMemory, type Memory, type Region } from "../../runtime/vm/memory.ts";
import { prepare } from "../../runtime/vm/program.ts";

/** Every reference is one to the map's value. */
function addressed(insns: readonly RawInsn[], value: bigint): RawInsn[] {
  const made = [...insns];
  for (let slot = 0; slot + 1 < made.length; slot++) {
    const low = made[slot]!;
    if (low.code !== LDDW) continue;
    if (low.src !== 0) {
      const high = made[slot + 1]!;
      const address = value + BigInt(high.imm);
      made[slot] = { ...low, src: 0, imm: Number(BigInt.asIntN(32, address)) };
      made[slot + 1] = { ...high, imm: Number(BigInt.asIntN(32, address >> 32n)) };
    }
    slot++;
  }
  return made;
}

export interface Bench {
  /** The map's value after the run, and the instructions executed. Throws VmFault. */
  run(
    batch: { readonly insns: readonly RawInsn[]; readonly value: Uint8Array },
    engine: EngineName,
    watch?: Watch,
  ): {
    readonly value: Uint8Array;
    readonly steps: number;
    /** Of the value, for the program. */ readonly address: bigint;
  };
}

/** Memory is made once and used for every batch; only the map value's size changes. */
export function createBench(largestValue: number): Bench {
  const made = new Map<
    EngineName,
    { readonly memory: Memory; readonly frames: readonly Region[]; readonly value: Region }
  >();
  const place = (engine: EngineName) => {
    const known = made.get(engine);
    if (known) return known;
    const memory = createMemory(largestValue + 65536, engine === "translator");
    const fresh = {
      memory,
      frames: stackFrames(memory),
      value: memory.allocate({ name: "the map's value", size: largestValue }),
    };
    made.set(engine, fresh);
    return fresh;
  };
  return {
    run(batch, engine, watch) {
      const { memory, frames, value } = place(engine);
      memory.resize(value, batch.value.length);
      memory.slice(value).set(batch.value);
      const program = prepare("batch", addressed(batch.insns, memory.address(value)));
      const call = (): never => {
        throw new VmFault("helper", "no helpers here");
      };
      const { steps } = ENGINES[engine](program, { memory, frames, call, stepLimit: 10_000_000 }, { r1: 0n }, watch);
      return { value: memory.slice(value).slice(), steps, address: memory.address(value) };
    },
  };
}
