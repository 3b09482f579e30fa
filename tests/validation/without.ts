/** Which passes a validation run leaves out. */
import { optionalPasses } from "../../compiler/passes/pipeline.ts";
import { randomNumbers } from "../generate/choices.ts";

/** For one seed: none of the optional passes, and a random half of them. */
export function passSets(seed: number): readonly (readonly string[])[] {
  const all = optionalPasses();
  const next = randomNumbers(seed ^ 0x5eed);
  return [all, all.filter(() => next() % 2 === 0)];
}
