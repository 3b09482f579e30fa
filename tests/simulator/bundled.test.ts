/** The bundled congestion controls on simulated paths: what each promises. */
import { expect, test } from "vitest";
import { bundled, mean, simulate } from "./fixture.ts";

const reno = await bundled("reno");
const cubic = await bundled("cubic");
const dctcp = await bundled("dctcp");

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
