import { expect, test } from "vitest";
import { load, simulate } from "tsbpf/testing";

const { reno } = await load<typeof import("../reno.ts")>(new URL("../reno.ts", import.meta.url));

test("below the threshold the window doubles in each round trip", () => {
  const sk = reno.socket({ isCwndLimited: true });
  for (const window of [20, 40, 80]) {
    reno.congAvoid(sk, 0, sk.sndCwnd);
    expect(sk.sndCwnd).toBe(window);
  }
});

test("slow start ends at the threshold, and what is left over counts towards the next segment", () => {
  const sk = reno.socket({ isCwndLimited: true, sndCwnd: 10, sndSsthresh: 12 });
  reno.congAvoid(sk, 0, 5);
  expect([sk.sndCwnd, sk.sndCwndCnt]).toEqual([12, 3]);
});

test("above the threshold it grows by one for each whole window", () => {
  const sk = reno.socket({ isCwndLimited: true, sndCwnd: 20, sndSsthresh: 20 });
  for (let round = 1; round <= 3; round++) {
    for (let left = sk.sndCwnd; left > 0; left -= 2) reno.congAvoid(sk, 0, 2);
    expect(sk.sndCwnd).toBe(20 + round);
  }
});

test("a window that the application does not fill stays as it is", () => {
  const sk = reno.socket({ sndCwnd: 20, sndSsthresh: 10, maxPacketsOut: 3 });
  reno.congAvoid(sk, 0, 5);
  expect([sk.sndCwnd, sk.sndCwndCnt]).toEqual([20, 0]);
  // In slow start it may grow to twice what was in flight.
  const slow = reno.socket({ sndCwnd: 10, maxPacketsOut: 6 });
  reno.congAvoid(slow, 0, 2);
  expect(slow.sndCwnd).toBe(12);
});

test("a loss halves the window, down to two segments; a false one takes it back", () => {
  expect(reno.ssthresh(reno.socket({ sndCwnd: 21 }))).toBe(10);
  expect(reno.ssthresh(reno.socket({ sndCwnd: 3 }))).toBe(2);
  expect(reno.undoCwnd(reno.socket({ sndCwnd: 10, priorCwnd: 21 }))).toBe(21);
  expect(reno.undoCwnd(reno.socket({ sndCwnd: 30, priorCwnd: 21 }))).toBe(30);
});

test("two connections come to share a link, and keep it busy", () => {
  const run = simulate({
    duration: "60s",
    path: { rate: "8mbit", delay: "20ms", queue: 27, loss: 0.0005 },
    flows: [{ congestionControl: reno }, { congestionControl: reno, start: "5s" }],
  }).during("20s");
  expect(run.fairness()).toBeGreaterThan(0.9);
  expect(run.utilization).toBeGreaterThan(0.95);
});
