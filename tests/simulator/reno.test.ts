/** NewReno in the simulator against what follows from pencil and paper. */
import { expect, test } from "vitest";
import { CaState } from "tsbpf/cc";
import { bundled, mean, PACKETS_PER_SECOND, simulate } from "./fixture.ts";

const reno = await bundled("reno");

test("the sawtooth: from half of what path and queue hold up to it, a segment in each round trip", () => {
  const run = simulate({ duration: "60s", flows: [{ congestionControl: reno }] }).during("5s");
  // What is under way, what waits, and the packet that is being sent.
  const most = 0.04 * PACKETS_PER_SECOND + 27 + 1;
  const [flow] = run.flows;
  expect(Math.max(...flow!.cwnd)).toBeGreaterThanOrEqual(Math.floor(most));
  expect(Math.max(...flow!.cwnd)).toBeLessThanOrEqual(Math.ceil(most) + 1);
  // Over time, as a round trip is as long as the window is large: the integrals of w² and w from half of it.
  expect(Math.abs(mean(flow!.cwnd) / ((7 / 9) * most) - 1)).toBeLessThan(0.02);
  // The link is always busy, so a window of w takes w packets' time: 3/8 of the square of the highest; then two round trips until the loss is repaired.
  const period = ((3 / 8) * most ** 2 + 2 * most) / PACKETS_PER_SECOND;
  const losses = flow!.states.filter(({ state }) => state === CaState.Recovery).map(({ time }) => time);
  expect(losses.length).toBeGreaterThan(20);
  expect(Math.abs((losses.at(-1)! - losses[0]!) / (losses.length - 1) / period - 1)).toBeLessThan(0.03);
  // One segment is lost in each period.
  expect(run.dropped).toBe(flow!.retransmissions);
  expect(run.utilization).toBeGreaterThan(0.995);
});

test("a queue much smaller than the path leaves the link idle after each loss", () => {
  const run = simulate({ duration: "60s", path: { queue: 4 }, flows: [{ congestionControl: reno }] }).during("5s");
  expect(run.utilization).toBeGreaterThan(0.75);
  expect(run.utilization).toBeLessThan(0.9);
});

test("random losses: the window is that of the square root of their probability", () => {
  const loss = 0.002;
  const run = simulate({
    duration: "300s",
    path: { rate: "100mbit", queue: 1000, loss },
    flows: [{ congestionControl: reno }],
  }).during("10s");
  // Mathis et al. 1997: the mean window is sqrt(3/2p) where each segment is acknowledged.
  expect(Math.abs(mean(run.flows[0]!.cwnd) / Math.sqrt(3 / (2 * loss)) - 1)).toBeLessThan(0.1);
});

test("two flows share the link in the end, whoever came first", () => {
  const flows = [{ congestionControl: reno }, { congestionControl: reno, start: "10s" }] as const;
  const run = simulate({ duration: "120s", path: { loss: 0.0005 }, flows });
  expect(run.during("0s", "12s").fairness()).toBeLessThan(0.75);
  expect(run.during("40s").fairness()).toBeGreaterThan(0.95);
  expect(run.during("40s").utilization).toBeGreaterThan(0.97);
});

test("the longer way gets less", () => {
  const flows = [{ congestionControl: reno }, { congestionControl: reno, delay: "60ms" }] as const;
  const [near, far] = simulate({ duration: "120s", path: { loss: 0.0005 }, flows }).flows;
  expect(far!.goodput).toBeLessThan(near!.goodput * 0.6);
  expect(Math.min(...far!.rttMs.filter((one) => one > 0))).toBeGreaterThanOrEqual(160);
});

test("the bytecode does what the model's own does, to the last bit", () => {
  const runs = [reno, "reno" as const].map((congestionControl) =>
    simulate({
      seed: 5,
      path: { loss: 0.005, ecn: 20 },
      flows: [
        { congestionControl, ecn: true },
        { congestionControl, start: "3s", bytes: 2_000_000 },
      ],
    }),
  );
  const [ours, model] = runs.map(({ queue, flows }) => ({
    queue,
    flows: flows.map(({ cwnd, ssthresh, rttMs, delivered, states, finished }) => [
      cwnd,
      ssthresh,
      rttMs,
      delivered,
      states,
      finished,
    ]),
  }));
  expect(ours).toEqual(model);
  expect(runs[0]!.flows[0]!.calls.congAvoid).toBeGreaterThan(1000);
});
