/** Containment over the public vectors and over seeded random programs. */
import type { VerifierMap } from "../../compiler/verifier/state.ts";
import { runBare } from "../../runtime/vm/bare.ts";
import { VmFault } from "../../runtime/vm/fault.ts";
import { GUEST_BASE } from "../../runtime/vm/memory.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import { contains, type TracePoint } from "./containment.ts";
import { createRandom } from "./random.ts";
import { createBench } from "./vm-machine.ts";
import { randomBatch, valueBytes } from "./vm-programs.ts";

export interface ContainmentResult {
  readonly traces: number;
  readonly steps: number;
  readonly registers: number;
  readonly violations: readonly string[];
  /** Traces that the verifier did not follow to the end, and why. */
  readonly stopped: readonly string[];
}

function collect() {
  const trace: TracePoint[] = [];
  return {
    trace,
    step(slot: number, registers: BigUint64Array, frame: number): void {
      trace.push({ slot, registers: [...registers], frame });
    },
  };
}

/** One trace per program: `count` programs of one piece each. */
export function containRandom(count: number, seed: number, progress?: (line: string) => void): ContainmentResult {
  const bytes = valueBytes(1);
  const bench = createBench(bytes);
  const map: VerifierMap = { type: "array", key: 4, value: bytes, max: 1, flags: 0 };
  const violations: string[] = [];
  const stopped: string[] = [];
  let steps = 0;
  let registers = 0;
  let traces = 0;
  for (; traces < count && violations.length < 10; traces++) {
    const batch = randomBatch(createRandom((Math.imul(seed, 7919) + traces) >>> 0), 1);
    const { trace, step } = collect();
    const { address } = bench.run(batch, "interpreter", { step });
    const checked = contains({ insns: batch.insns, trace, map, valueAddress: address });
    steps += checked.steps;
    registers += checked.registers;
    if (checked.violation) violations.push(`program ${traces}: ${checked.violation}`);
    if (checked.stopped) stopped.push(`program ${traces}: ${checked.stopped}`);
    if (traces % 10_000 === 9999) progress?.(`${traces + 1} traces, ${violations.length} violations`);
  }
  return { traces, steps, registers, violations, stopped };
}

export interface Vector {
  readonly name: string;
  readonly insns: readonly RawInsn[];
  readonly memory: Uint8Array;
}

export function containVectors(vectors: readonly Vector[]): ContainmentResult {
  const violations: string[] = [];
  const stopped: string[] = [];
  let steps = 0;
  let registers = 0;
  let traces = 0;
  for (const { name, insns, memory } of vectors) {
    const { trace, step } = collect();
    try {
      runBare(insns, { memory, engine: "interpreter", watch: { step } });
    } catch (error) {
      if (!(error instanceof VmFault)) throw error;
      continue;
    }
    traces++;
    const valueAddress = trace[0]?.registers[1] ?? GUEST_BASE;
    const checked = contains({ insns, trace, memory: memory.length, valueAddress });
    steps += checked.steps;
    registers += checked.registers;
    if (checked.violation) violations.push(`${name}: ${checked.violation}`);
    if (checked.stopped) stopped.push(`${name}: ${checked.stopped}`);
  }
  return { traces, steps, registers, violations, stopped };
}

/** The command: `npm run test:differential -- containment --count 100000`. Prints a table, gives the exit code. */
export function containmentMain(args: readonly string[]): number {
  const option = (name: string, fallback: number): number => {
    const at = args.indexOf(`--${name}`);
    return at < 0 ? fallback : Number(args[at + 1]);
  };
  const result = containRandom(option("count", 5000), option("seed", 1), (line) => process.stderr.write(`${line}\n`));
  console.log(`traces                                   ${result.traces}`);
  console.log(`instructions followed                    ${result.steps}`);
  console.log(
    `registers inside the abstract state      ${result.registers - result.violations.length} of ${result.registers}`,
  );
  console.log(`traces the verifier did not follow       ${result.stopped.length}`);
  for (const one of [...result.violations, ...result.stopped.slice(0, 10)]) console.log(one);
  return result.violations.length === 0 && result.stopped.length === 0 ? 0 : 1;
}
