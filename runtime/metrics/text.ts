/** Numbers as text that Prometheus reads. */
import { Counter, Gauge, Registry } from "prom-client";
import { familiesOf, type Declared } from "./declared.ts";
import { METRICS, sample, type MetricName, type Sample } from "./table.ts";

export interface Collected {
  readonly samples: readonly Sample[];
  readonly declared: readonly Declared[];
}
export type Format = "prometheus" | "openmetrics";
const CONTENT_TYPES = {
  prometheus: Registry.PROMETHEUS_CONTENT_TYPE,
  openmetrics: Registry.OPENMETRICS_CONTENT_TYPE,
} as const satisfies Readonly<Record<Format, string>>;
export const contentType = (format: Format): string => CONTENT_TYPES[format];

interface Put {
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  readonly labels: readonly string[];
  readonly rows: readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[];
}

/** The exposition: each metric once, in the order of the table, those that programs declare behind it. */
export async function exposition({ samples, declared }: Collected, format: Format): Promise<string> {
  const { families, conflicts } = familiesOf(declared);
  const all = conflicts > 0 ? [...samples, sample("tsbpf_metric_conflicts", {}, conflicts)] : samples;
  const own = (Object.keys(METRICS) as MetricName[]).flatMap((name): Put[] => {
    const rows = all.filter((one) => one.name === name);
    return rows.length > 0 ? [{ name, ...METRICS[name], rows }] : [];
  });
  const registry = new Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE | typeof Registry.PROMETHEUS_CONTENT_TYPE>();
  registry.setContentType(CONTENT_TYPES[format]);
  for (const { name, type, help, labels, rows } of [...own, ...families]) {
    const metric = { name, help, labelNames: [...labels], registers: [registry] };
    if (type === "gauge") {
      const gauge = new Gauge(metric);
      for (const row of rows) gauge.set(row.labels, row.value);
    } else {
      const counter = new Counter(metric);
      for (const row of rows) counter.inc(row.labels, row.value);
    }
  }
  return registry.metrics();
}
