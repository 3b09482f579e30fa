/** Metrics that programs declare, of all programs together: one name has one type and one help. */
import type { MapSpec, Metric } from "../../compiler/module.ts";
import type { MetricSample } from "../kernel/metrics.ts";

export interface Declared {
  readonly metric: Metric;
  readonly samples: readonly MetricSample[];
  /** Whose it is. */
  readonly labels: { readonly object: string; readonly program: string; readonly place: string };
}
export interface Family {
  readonly name: string;
  readonly type: Metric["type"];
  readonly help: string;
  readonly labels: readonly string[];
  readonly rows: readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[];
}

/** The metrics by name. The first of a name says type and help; those of another type are left out, and counted. */
export function familiesOf(all: readonly Declared[]): {
  readonly families: readonly Family[];
  readonly conflicts: number;
} {
  const byName = new Map<string, Declared[]>();
  let conflicts = 0;
  for (const one of all) {
    const others = byName.get(one.metric.name);
    if (!others) byName.set(one.metric.name, [one]);
    else if (others[0]!.metric.type === one.metric.type) others.push(one);
    else conflicts++;
  }
  const families = [...byName.values()].map((ones): Family => {
    const { name, type, help } = ones[0]!.metric;
    const rows = new Map<string, { labels: Record<string, string>; value: number }>();
    for (const { metric, samples, labels } of ones)
      for (const { label, value } of samples) {
        const whole = { ...labels, ...(metric.label && label !== undefined ? { [metric.label.name]: label } : {}) };
        // Two programs of one name at one place are one to who looks.
        const key = JSON.stringify(whole);
        rows.set(key, { labels: whole, value: (rows.get(key)?.value ?? 0) + Number(value) });
      }
    const own = ones.flatMap(({ metric }) => (metric.label ? [metric.label.name] : []));
    return { name, type, help, labels: ["object", "program", "place", ...new Set(own)], rows: [...rows.values()] };
  });
  return { families, conflicts };
}

/** What a program has counted in the virtual machine: by its maps there, a copy for each CPU. */
export function countedIn(
  specs: readonly MapSpec[],
  maps: ReadonlyMap<string, { read(key: Uint8Array): readonly Uint8Array[] | undefined }>,
): readonly Pick<Declared, "metric" | "samples">[] {
  return specs.flatMap(({ name, metric, maxEntries }) => {
    const map = maps.get(name);
    if (!metric || !map) return [];
    const samples = Array.from({ length: maxEntries }, (_, slot): MetricSample => {
      const copies = map.read(new Uint8Array(Uint32Array.of(slot).buffer)) ?? [];
      const value = copies.reduce((sum, bytes) => {
        const view = new DataView(bytes.buffer, bytes.byteOffset);
        return sum + (metric.type === "gauge" ? view.getBigInt64(0, true) : view.getBigUint64(0, true));
      }, 0n);
      const label = metric.label?.values[slot];
      return { value, ...(label === undefined ? {} : { label }) };
    });
    return [{ metric, samples }];
  });
}
