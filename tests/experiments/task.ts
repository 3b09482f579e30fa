/** What goes into the virtual machine, and what comes out. */
import type { Environment, Measured, Options, Step } from "./experiment.ts";

/** What the inside is told, as a file in the folder that both see. */
export interface Task {
  readonly experiment: string;
  readonly steps: readonly Step[];
  readonly options: Options;
}
/** What it tells. */
export interface Finding {
  readonly step: Step;
  readonly measured: Measured;
  readonly environment: Environment;
}
export const TASK = "task.json";
