/** Everything that can be checked without a kernel, as one list of what is wrong: for the planted faults. */
import { OWN_VECTORS } from "../conformance/own-vectors.ts";
import { containRandom } from "../differential/containment-run.ts";
import { runBare } from "../../runtime/vm/bare.ts";
import { agreement } from "./agreement.ts";
import { checkMachine } from "./machine-checks.ts";
import { checkMaps } from "./map-checks.ts";
import { checkSafety } from "./safety-cases.ts";

export type Part = "vectors" | "agreement" | "containment" | "safety" | "maps" | "machine";

const PARTS: Record<Part, () => string[]> = {
  vectors: () =>
    (["interpreter", "translator"] as const).flatMap((engine) =>
      OWN_VECTORS.flatMap(({ name, insns, memory, result }) =>
        runBare(insns, { engine, stepLimit: 10_000, ...(memory ? { memory } : {}) }).r0 === result
          ? []
          : [`${engine}: ${name}`],
      ),
    ),
  agreement: () => agreement(4, 20, 3),
  containment: () => [...containRandom(60, 9).violations],
  safety: () => [...checkSafety("interpreter"), ...checkSafety("translator")],
  maps: checkMaps,
  machine: checkMachine,
};

export const ALL_PARTS = Object.keys(PARTS) as Part[];

/** What each of these parts finds; a part that throws has found something too. */
export function runSuite(parts: readonly Part[]): Partial<Record<Part, readonly string[]>> {
  const found = parts.map((name) => {
    try {
      return [name, PARTS[name]()] as const;
    } catch (error) {
      return [name, [String(error)]] as const;
    }
  });
  return Object.fromEntries(found) as Partial<Record<Part, readonly string[]>>;
}
