/** The two engines against each other, on random programs. */
import { createRandom } from "../differential/random.ts";
import { createBench } from "../differential/vm-machine.ts";
import { randomBatch, valueBytes } from "../differential/vm-programs.ts";

/** Batches in which the map's memory, the steps or the instructions that ran differ. */
export function agreement(batches: number, pieces: number, seed: number): string[] {
  const bench = createBench(valueBytes(pieces));
  const wrong: string[] = [];
  for (let index = 0; index < batches; index++) {
    const batch = randomBatch(createRandom(seed * 100_003 + index), pieces);
    const counted = [new Uint32Array(batch.insns.length), new Uint32Array(batch.insns.length)] as const;
    const plain = bench.run(batch, "interpreter", { hits: counted[0] });
    const fast = bench.run(batch, "translator", { hits: counted[1] });
    if (Buffer.compare(plain.value, fast.value) !== 0) wrong.push(`batch ${index}: memory`);
    if (plain.steps !== fast.steps) wrong.push(`batch ${index}: ${plain.steps} steps and ${fast.steps}`);
    if (counted[0].some((count, slot) => count !== counted[1][slot]))
      wrong.push(`batch ${index}: counts of instructions`);
  }
  return wrong;
}
