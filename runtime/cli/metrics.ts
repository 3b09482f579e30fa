/** `tsbpf metrics`: what is attached and pinned, as text that Prometheus reads. */
import { isCounting } from "../kernel/stats.ts";
import { inSight, onlyPinned } from "../kernel/in-sight.ts";
import { collectMachine } from "../metrics/machine.ts";
import { exposition } from "../metrics/text.ts";
import { err, written } from "./output.ts";

export interface MetricsOptions {
  readonly netns?: string;
  readonly openmetrics?: boolean;
  readonly pins: string;
}

export async function metrics(options: MetricsOptions): Promise<number> {
  const { pins, netns } = options;
  const collected = collectMachine({ pins, namespaces: [netns] });
  const text = await exposition(collected, options.openmetrics ? "openmetrics" : "prometheus");
  // Whose numbers are lost is told that alone.
  if (await written(text.trimEnd())) return 0;
  if (!inSight(pins).complete) err(onlyPinned(pins));
  if (!isCounting())
    err(
      "runs are not counted: the kernel counts them while kernel.bpf_stats_enabled is 1, at a small cost for each run",
    );
  return 0;
}
