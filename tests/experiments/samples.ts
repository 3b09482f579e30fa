/** Files of samples: a line of JSON each, written as soon as it is there, so that an interrupted run keeps what it has. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { gunzipSync } from "node:zlib";
import type { Sample, Step } from "./experiment.ts";

/** The whole lines of a file (or of FILE.gz); an end that was cut off is left out. */
export function readSamples(file: string): Sample[] {
  const text = existsSync(file)
    ? readFileSync(file, "utf8")
    : existsSync(`${file}.gz`)
      ? gunzipSync(readFileSync(`${file}.gz`)).toString()
      : "";
  return text.split("\n").flatMap((line) => {
    try {
      return [JSON.parse(line) as Sample];
    } catch {
      return [];
    }
  });
}

/** Begins a file anew, or with what it keeps. */
export function beginSamples(file: string, kept: readonly Sample[]): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, kept.map((one) => `${JSON.stringify(one)}\n`).join(""));
}
export const addSample = (file: string, sample: Sample): void => appendFileSync(file, `${JSON.stringify(sample)}\n`);

/** Which steps are still to be done. Quick samples do not count for a full run. */
export function missingSteps(steps: readonly Step[], samples: readonly Sample[]): Step[] {
  const key = (one: { readonly variant: string; readonly repetition: number }): string =>
    `${one.repetition} ${one.variant}`;
  const done = new Set(samples.map(key));
  return steps.filter((step) => !done.has(key(step)));
}
