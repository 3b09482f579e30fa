/**
 * What a program declares of its metrics, in the strings of its BTF: no type refers to them, so that every kernel takes them, and whoever
 * has the object or a map of it, pinned or found by its number, can read them.
 */
import type { MapSpec, Metric, MetricLabel } from "../module.ts";
import { LONGEST_STRING, stringAt } from "./bytes.ts";
import type { Btf, BtfBuilder } from "./btf.ts";

/** What such a string begins with; JSON follows. */
const MARK = "tsbpf.metric ";
const MARK_BYTES = new TextEncoder().encode(MARK);
/** Of one object: a hostile one may have any number. */
const MOST_METRICS = 1024;

/** Puts the metric of a map, if it is one, among the strings. `symbol`: what the map is called there. */
export function writeMetric(btf: BtfBuilder, symbol: string, { metric }: MapSpec): void {
  if (metric) btf.strings.offset(`${MARK}${JSON.stringify({ map: symbol, ...metric })}`);
}

/** The metrics by the names of their maps. What is misshapen is left out: it comes with the file. */
export function readMetrics({ strings }: Pick<Btf, "strings">): ReadonlyMap<string, Metric> {
  const found = new Map<string, Metric>();
  for (let at = 0; at >= 0 && at < strings.length && found.size < MOST_METRICS; at = after(strings, at)) {
    if (!MARK_BYTES.every((byte, index) => strings[at + index] === byte)) continue;
    const read = metricOf(stringAt(strings, at)?.slice(MARK.length) ?? "");
    if (read && !found.has(read.map)) found.set(read.map, read.metric);
  }
  return found;
}

/** Where the next string begins; -1 behind the last. */
function after(strings: Uint8Array, at: number): number {
  const end = strings.indexOf(0, at);
  return end < 0 ? -1 : end + 1;
}

/** A name as Prometheus takes it, of a metric or a label. */
export const METRIC_NAME = /^[a-zA-Z_][a-zA-Z0-9_]{0,127}$/;
const isText = (value: unknown): value is string => typeof value === "string" && value.length < LONGEST_STRING;

function metricOf(json: string): { readonly map: string; readonly metric: Metric } | undefined {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { map, name, help, type, label } = value as Readonly<Record<string, unknown>>;
  if (!isText(map) || !isText(name) || !METRIC_NAME.test(name) || !isText(help)) return undefined;
  if (type !== "counter" && type !== "gauge") return undefined;
  if (label === undefined) return { map, metric: { name, help, type } };
  const read = labelOf(label);
  return read && { map, metric: { name, help, type, label: read } };
}

function labelOf(value: unknown): MetricLabel | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { name, values } = value as Readonly<Record<string, unknown>>;
  if (!isText(name) || !METRIC_NAME.test(name) || !Array.isArray(values) || !values.every(isText)) return undefined;
  return new Set(values).size === values.length && values.length > 0 ? { name, values } : undefined;
}
