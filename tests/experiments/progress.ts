/** What is done, and how long the rest will take: by what the steps so far took beside what was thought of them. */
import type { Step } from "./experiment.ts";

export const span = (seconds: number): string =>
  seconds < 90
    ? `${Math.round(seconds)} s`
    : seconds < 5400
      ? `${Math.round(seconds / 60)} min`
      : `${(seconds / 3600).toFixed(1)} h`;

export class Progress {
  private readonly total: number;
  private done = 0;
  private count = 0;
  private readonly steps: number;
  private readonly begin: number;
  private readonly now: () => number;

  /** `now` in milliseconds. */
  constructor(steps: readonly Step[], now: () => number = Date.now) {
    this.total = steps.reduce((sum, step) => sum + step.seconds, 0);
    this.steps = steps.length;
    this.now = now;
    this.begin = now();
  }
  /** What is left, in seconds; before anything is done, what was thought. */
  left(): number {
    const took = (this.now() - this.begin) / 1000;
    return this.done === 0 ? this.total : ((this.total - this.done) * took) / this.done;
  }
  /** Counts a step, and gives the line that says so. */
  add(experiment: string, step: Step): string {
    this.done += step.seconds;
    this.count++;
    return `${this.count}/${this.steps}  ${experiment}: ${step.variant} #${step.repetition + 1}  ${span(this.left())} left`;
  }
}
