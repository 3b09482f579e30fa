/** Where a service tells its numbers, as others are told of it: units, pods, files. */
import type { ListenAt, ServiceSettings } from "../project/service-file.ts";

/** Where nothing else is said. */
export const METRICS_AT: ListenAt = { host: "127.0.0.1", port: 9961 };

/** For a unit of systemd's. */
export function metricsFacts({ metrics }: Pick<ServiceSettings, "metrics">): {
  readonly metricsHost?: string;
  readonly metricsSocket?: string;
} {
  const listen = metrics && (metrics.listen ?? METRICS_AT);
  if (!listen) return {};
  return "path" in listen ? { metricsSocket: listen.path } : { metricsHost: listen.host };
}

/** The port where others than this machine can ask. */
export function metricsPort({ metrics }: Pick<ServiceSettings, "metrics">): number | undefined {
  const { listen } = metrics ?? {};
  return !listen || "path" in listen || /^(?:127\.|::1$)/.test(listen.host) ? undefined : listen.port;
}

/** The setting as it stands in a service's file. */
export function metricsText({ metrics }: Pick<ServiceSettings, "metrics">): object {
  if (!metrics) return {};
  const { listen, ...rest } = metrics;
  if (!listen) return { metrics: rest };
  const host = "host" in listen && listen.host.includes(":") ? `[${listen.host}]` : "host" in listen ? listen.host : "";
  return { metrics: { ...rest, listen: "path" in listen ? listen.path : `${host}:${listen.port}` } };
}
