/** How often the kernel's clock ticks, where it does not tell how it was built. */
import { syscalls } from "./syscalls.ts";

/** CLOCK_MONOTONIC_COARSE: it moves once in a tick, and its resolution is a tick's length (kernel/time/posix-timers.c). */
const COARSE_CLOCK = 6;

/** CONFIG_HZ: ticks in a second; undefined where the kernel says nothing of its clock. */
export function ticksPerSecond(): number | undefined {
  const resolution = syscalls().clockResolution(COARSE_CLOCK);
  return resolution > 0 ? Math.round(1e9 / resolution) : undefined;
}
