/** Paths on which the simulator is held against a kernel, and the same path for both. */
import type { SimulationRun } from "tsbpf/testing";
import { simulate } from "../../../runtime/testing/simulator/simulate.ts";
import type { Emulated, Sample } from "./rig.ts";

/** All waiting is in the bottleneck: what a kernel without netem can do. */
export const NEAR: Emulated = { mbit: 8, delayMs: 0, packets: 60, seconds: 15, settle: 1.5 };
/** As much under way as may wait; so slow that a virtual machine keeps up. */
export const FAR: Emulated = { mbit: 2, delayMs: 200, packets: 34, seconds: 60, settle: 5 };

/** How far the simulator may be from a kernel, in parts of the kernel's figures. */
export const WITHIN = { shape: 0.03, period: 0.04, mean: 0.02 } as const;
/** IPv4, TCP with timestamps, Ethernet. */
const OVERHEAD = 66;
/** What two virtual wires and three hosts take, in microseconds one way. */
const LEAST_DELAY = 50;

export function simulated(congestionControl: unknown, { mbit, delayMs, packets, seconds }: Emulated): SimulationRun {
  return simulate({
    duration: `${seconds}s`,
    every: "1ms",
    path: {
      rate: `${mbit}mbit`,
      delay: `${(delayMs * 1000) / 2 + LEAST_DELAY}us`,
      // The kernel's queue holds the packet that is being sent, too.
      queue: packets - 1,
      overhead: OVERHEAD,
    },
    flows: [{ congestionControl }],
  });
}

export const traceOfRun = ({ time, flows }: SimulationRun) => ({ time, cwnd: flows[0]!.cwnd });
export const traceOfSamples = (samples: readonly Sample[]) => ({
  time: samples.map((one) => one.time),
  cwnd: samples.map((one) => one.cwnd),
});
