/** Rows about metrics: their names, their words and what is added to them. */
import { nearestFew } from "./nearest.ts";
import { row } from "./row.ts";

export const metrics = {
  "metric-name": row<{ name: string; wrong: string; instead: string }>(
    "error",
    (f) => `${JSON.stringify(f.name)} cannot be the name of a metric: ${f.wrong}`,
    (f) => `write ${JSON.stringify(f.instead)}`,
  ),
  "metric-twice": row<{ name: string }>(
    "error",
    (f) => `two metrics are called ${f.name}`,
    () => 'give one of them another name, or make them one with a label: label: "result", values: ["ok", "failed"]',
  ),
  "metric-map-name": row<{ name: string; other: string; letters: number }>(
    "error",
    (f) => `the metrics ${f.other} and ${f.name} begin alike: the kernel keeps ${f.letters} letters of a name`,
    (f) => `give one of the variables a name that differs in its first ${f.letters} letters`,
  ),
  "metric-help": row<{ name: string; wrong: string }>(
    "error",
    (f) => `the metric ${f.name} has ${f.wrong}`,
    () => 'say what it counts: help: "Options that were answered."',
  ),
  "metric-label": row<{ wrong: string }>(
    "error",
    (f) => `a metric's label: ${f.wrong}`,
    () => 'a label has a name and its values: label: "result", values: ["ok", "failed"]',
  ),
  "metric-property": row<{ name: string; known: readonly string[] }>(
    "error",
    (f) => `a metric has no ${f.name}`,
    (f) => `it has ${nearestFew(f.name, f.known)}`,
  ),
  "metric-value": row<{ metric: string; value: string; known: readonly string[] }>(
    "error",
    (f) => `the label of ${f.metric} has no value ${JSON.stringify(f.value)}`,
    (f) => `it has ${nearestFew(f.value, f.known)}`,
  ),
  "metric-method": row<{ metric: string; name: string }>(
    "error",
    (f) => `a metric has no ${f.name}: a program adds to it and reads nothing`,
    (f) => `write ${f.metric}.add(1n); what a program reads again lies in a map`,
  ),
};
