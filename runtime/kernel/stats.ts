/** Whether the kernel counts runs of programs and the time in them. */
import { readFileSync } from "node:fs";

/** Whether runs are counted all the time (kernel.bpf_stats_enabled). */
export function isCounting(): boolean {
  try {
    return readFileSync("/proc/sys/kernel/bpf_stats_enabled", "latin1").trim() === "1";
  } catch {
    return false;
  }
}
