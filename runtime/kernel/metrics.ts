/** The metrics that programs declare, as the kernel has them: by the BTF of their maps, whoever has loaded them. */
import type { Metric } from "../../compiler/module.ts";
import { decodeBtf } from "../../compiler/object/btf.ts";
import { readMetrics } from "../../compiler/object/metrics.ts";
import { BPF } from "./abi.ts";
import { fdById } from "./bpf.ts";
import { RuntimeError } from "./errors.ts";
import { closeFd } from "./fd.ts";
import { kernelBtf, type MapInfo } from "./info.ts";
import { mapHandle } from "./maps.ts";
import { objectName } from "./names.ts";

/** A number, by the value of its metric's label where it has one. */
export interface MetricSample {
  readonly label?: string;
  readonly value: bigint;
}
export interface CountedMetric extends Metric {
  readonly mapId: number;
  readonly samples: readonly MetricSample[];
}

/** The metrics among these maps, with what was counted, over all CPUs. What may not be read is left out. */
export function metricsOf(maps: readonly MapInfo[]): readonly CountedMetric[] {
  const known = new Map<number, ReadonlyMap<string, Metric>>();
  return maps.flatMap((map) => {
    if (map.type !== "percpu_array" || map.btfId === 0 || map.valueSize !== 8) return [];
    let declared = known.get(map.btfId);
    if (!declared) {
      declared = declaredIn(map.btfId);
      known.set(map.btfId, declared);
    }
    // The kernel keeps the beginning of a map's name alone.
    const all = [...declared].filter(([name]) => objectName(name) === map.name);
    const metric = all.length === 1 ? all[0]![1] : undefined;
    if (!metric || (metric.label?.values.length ?? 1) !== map.maxEntries) return [];
    const samples = samplesOf(map, metric);
    return samples ? [{ ...metric, mapId: map.id, samples }] : [];
  });
}

function declaredIn(btfId: number): ReadonlyMap<string, Metric> {
  try {
    const decoded = decodeBtf(kernelBtf(btfId));
    return "value" in decoded ? readMetrics(decoded.value) : new Map();
  } catch (error) {
    // Opening BTF takes CAP_SYS_ADMIN; and it may have gone since.
    if (error instanceof RuntimeError) return new Map();
    throw error;
  }
}

function samplesOf(map: MapInfo, metric: Metric): readonly MetricSample[] | undefined {
  const fd = fdById(BPF.mapFdById, map.id);
  if (fd < 0) return undefined;
  try {
    const handle = mapHandle(fd, {
      name: map.name,
      type: map.type,
      key: { kind: "int", bits: 32, signed: false },
      value: { kind: "int", bits: 64, signed: metric.type === "gauge" },
      maxEntries: map.maxEntries,
    });
    return Array.from({ length: map.maxEntries }, (_, slot) => {
      const label = metric.label?.values[slot];
      const value = ((handle.get(slot) ?? []) as readonly bigint[]).reduce((sum, one) => sum + one, 0n);
      return { value, ...(label === undefined ? {} : { label }) };
    });
  } catch (error) {
    if (error instanceof RuntimeError) return undefined;
    throw error;
  } finally {
    closeFd(fd);
  }
}
