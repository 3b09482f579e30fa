/** All experiments, in the paper's order. */
import type { Experiment } from "./experiment.ts";
import { overhead } from "./overhead.ts";
import { tables } from "./tables.ts";

export const EXPERIMENTS: readonly Experiment[] = [overhead, tables];
