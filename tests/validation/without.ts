/** Which passes a validation run leaves out. */
import { optionalPasses } from "../../compiler/passes/pipeline.ts";
import { randomNumbers } from "../generate/choices.ts";

/**
 * For one seed: none of the optional passes, and a random half of them or, for every other seed, all but a few: what the others tidy up
 * hides what those few do wrong.
 */
export function passSets(seed: number): readonly (readonly string[])[] {
  const all = optionalPasses();
  const next = randomNumbers(seed ^ 0x5eed);
  return [all, all.filter(() => (seed % 2 === 0 ? next() % 6 !== 0 : next() % 2 === 0))];
}
