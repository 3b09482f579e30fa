/**
 * The virtual machine against the running kernel: seeded random programs run in both engines and through
 * BPF_PROG_TEST_RUN must leave the same registers.
 *
 *   npm run test:differential -- vm --count 1000000 --seed 1
 */
import { encodeSlots } from "../../compiler/bpf/raw.ts";
import { createBench } from "./vm-machine.ts";
import { createKernelBench } from "./vm-kernel.ts";
import { randomBatch, resultsOf, valueBytes, type Batch } from "./vm-programs.ts";
import { createRandom } from "./random.ts";

export interface DifferentialOptions {
  readonly count: number;
  readonly seed: number;
  readonly piecesPerLoad?: number;
  /** Run the translator on every n-th batch (it costs more than it saves on programs that run once). */
  readonly translateEvery?: number;
  readonly progress?: (line: string) => void;
}
export interface DifferentialResult {
  readonly programs: number;
  readonly steps: number;
  readonly translated: number;
  /** Programs of batches that the kernel refused (none of them counts as a program). */
  readonly refused: number;
  readonly mismatches: readonly Mismatch[];
}
export interface Mismatch {
  readonly seed: number;
  readonly piece: number;
  readonly engine: string;
  readonly kernel: string;
  readonly vm: string;
  readonly insns: string;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Every batch has its own seed, `seed * 2^16 + index`, so that one can be run again alone. */
export function differential(options: DifferentialOptions): DifferentialResult | { readonly unavailable: string } {
  const pieces = options.piecesPerLoad ?? 80;
  const bytes = valueBytes(pieces);
  const kernel = createKernelBench(bytes);
  if ("unavailable" in kernel) return kernel;
  const bench = createBench(bytes);
  const mismatches: Mismatch[] = [];
  let programs = 0;
  let steps = 0;
  let translated = 0;
  let refused = 0;
  const compare = (batch: Batch, seed: number, engine: string, expected: Uint8Array, got: Uint8Array): void => {
    for (let piece = 0; piece < pieces; piece++) {
      const a = hex(resultsOf(expected, piece));
      const b = hex(resultsOf(got, piece));
      if (a === b) continue;
      const slots = batch.insns.slice(batch.starts[piece], batch.starts[piece + 1] ?? batch.insns.length);
      mismatches.push({ seed, piece, engine, kernel: a, vm: b, insns: hex(encodeSlots(slots)) });
      return; // Later pieces work on memory that differs already.
    }
  };
  try {
    for (let index = 0; programs < options.count && mismatches.length < 10; index++) {
      const seed = (Math.imul(options.seed, 65537) + index) >>> 0;
      const batch = randomBatch(createRandom(seed), pieces);
      const expected = kernel.run(batch);
      if ("refused" in expected) {
        refused += pieces;
        options.progress?.(`batch ${seed} refused: ${expected.refused}`);
        if (refused > options.count / 10 + pieces)
          return { unavailable: `the kernel refuses the programs: ${expected.refused}` };
        continue;
      }
      const plain = bench.run(batch, "interpreter");
      compare(batch, seed, "interpreter", expected.value, plain.value);
      steps += plain.steps;
      if (index % (options.translateEvery ?? 1) === 0) {
        compare(batch, seed, "translator", expected.value, bench.run(batch, "translator").value);
        translated += pieces;
      }
      programs += pieces;
      if (index % 250 === 249) options.progress?.(`${programs} programs, ${mismatches.length} mismatches`);
    }
  } finally {
    kernel.close();
  }
  return { programs, steps, translated, refused, mismatches };
}

/** The command: prints a table, gives the exit code. */
export function vmMain(args: readonly string[]): number {
  const option = (name: string, fallback: number): number => {
    const at = args.indexOf(`--${name}`);
    return at < 0 ? fallback : Number(args[at + 1]);
  };
  const started = process.hrtime.bigint();
  const result = differential({
    count: option("count", 4000),
    seed: option("seed", 1),
    translateEvery: option("translate-every", 1),
    progress: (line) => process.stderr.write(`${line}\n`),
  });
  if ("unavailable" in result) {
    console.log(`skipped: ${result.unavailable}`);
    return 0;
  }
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  console.log(
    `programs identical in kernel and VM   ${result.programs - result.mismatches.length} of ${result.programs}`,
  );
  console.log(`  of these through the translator too  ${result.translated}`);
  console.log(`instructions executed by the VM        ${result.steps}`);
  console.log(`programs the kernel would not load     ${result.refused}`);
  console.log(`seconds                                ${seconds.toFixed(1)}`);
  for (const one of result.mismatches)
    console.log(
      `MISMATCH seed ${one.seed} piece ${one.piece} (${one.engine})\n  kernel ${one.kernel}\n  vm     ${one.vm}\n  insns  ${one.insns}`,
    );
  return result.mismatches.length === 0 ? 0 : 1;
}
