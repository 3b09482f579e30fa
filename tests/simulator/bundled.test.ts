/** The bundled congestion controls on simulated paths: what each promises. */
import { expect, test } from "vitest";
import { bundled, mean, simulate } from "./fixture.ts";

const reno = await bundled("reno");
const cubic = await bundled("cubic");
const dctcp = await bundled("dctcp");
const vegas = await bundled("vegas");
const ledbat = await bundled("ledbat");

/** Where NewReno takes minutes to come back after a loss: 20 Mbit/s over 200 ms with a short queue. */
const LONG = { rate: "20mbit", delay: "100ms", queue: 80 } as const;

test("cubic uses a long fat path better than NewReno", () => {
  const [c, r] = [cubic, reno].map((congestionControl) =>
    simulate({ duration: "60s", path: LONG, flows: [{ congestionControl }] }).during("10s"),
  );
  expect(c!.utilization).toBeGreaterThan(0.9);
  expect(c!.utilization).toBeGreaterThan(r!.utilization);
});

test("dctcp keeps the queue near the mark, and the link full", () => {
  const run = simulate({
    duration: "8s",
    path: { rate: "50mbit", delay: "1ms", queue: 400, ecn: 20 },
    flows: [{ congestionControl: dctcp }],
  }).during("2s");
  expect(run.utilization).toBeGreaterThan(0.97);
  expect(mean(run.flows[0]!.cwnd)).toBeLessThan(60);
});

test("vegas keeps a few segments in the queue, and the link full", () => {
  const run = simulate({ duration: "20s", path: { queue: 200 }, flows: [{ congestionControl: vegas }] }).during("5s");
  expect(run.utilization).toBeGreaterThan(0.95);
  // 40 ms of path, and 1.5 ms for each segment in the queue.
  expect(mean(run.flows[0]!.rttMs)).toBeLessThan(40 + 1.5 * 6);
});

test("ledbat has an idle line to itself, adds no more than its target, and withdraws for others", () => {
  const alone = simulate({ duration: "30s", path: { queue: 200 }, flows: [{ congestionControl: ledbat }] }).during(
    "10s",
  );
  expect(alone.utilization).toBeGreaterThan(0.95);
  expect(mean(alone.flows[0]!.rttMs)).toBeLessThan(40 + 25 + 5);
  const flows = [{ congestionControl: ledbat }, { congestionControl: reno, start: "5s" }] as const;
  const [own, other] = simulate({ duration: "40s", path: { queue: 100 }, flows }).during("15s").flows;
  expect(own!.goodput / other!.goodput).toBeLessThan(0.15);
});
