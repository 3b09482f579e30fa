/** Translation validation of the bundled programs: the same events through optimized and unoptimized code. */
import fc from "fast-check";
import { randomEvents, type SockOpsEvent, typicalEvents } from "../bench/events.ts";
import { replay } from "../bench/replay.ts";
import { ours, type Variant } from "../bench/variants.ts";
import type { Twin } from "../bench/twins.ts";
import type { TargetName } from "../../compiler/bpf/kernels.ts";

export interface Validated {
  readonly events: number;
  /** Absent: alike. */
  readonly problem?: string;
}

/** Compares the program as it is compiled with each set of passes switched off, over `sequences` random event sequences. */
export function validateBundled(
  twin: Twin,
  target: TargetName,
  sets: readonly (readonly string[])[],
  sequences: number,
  seed: number,
): Validated {
  const optimized = ours(twin, target);
  const plain = sets.map((without) => ({ without, variant: ours(twin, target, without) }));
  const all = [typicalEvents(twin, target), ...fc.sample(randomEvents(twin, target), { numRuns: sequences, seed })];
  let events = 0;
  for (const sequence of all) {
    const expected = seen(optimized, sequence);
    for (const { without, variant } of plain) {
      events += sequence.length;
      const got = seen(variant, sequence);
      if (got !== expected) {
        return { events, problem: `without ${without.join(", ")}:\n${got}\nwith all passes:\n${expected}` };
      }
    }
  }
  return { events };
}

function seen(variant: Variant, events: readonly SockOpsEvent[]): string {
  const { trace, maps } = replay(variant.module, variant.twin, events);
  return [...trace, ...maps].join("\n");
}
