/** The measure by which the simulator is held against kernels. */
import { expect, test } from "vitest";
import { distance } from "../runtime/fidelity/distance.ts";
import { disturbed, type Sample } from "../runtime/fidelity/rig.ts";

/** A sawtooth from half of `most` up to it, sampled every 10 ms; `shift`: seconds by which it is late. */
function sawtooth(most: number, period: number, shift = 0) {
  const time = Float64Array.from({ length: 2000 }, (_, index) => index / 100);
  return { time, cwnd: time.map((at) => (most / 2) * (1 + (((at + period - shift) / period) % 1))) };
}

test("the same trace, early or late, is at no distance", () => {
  const found = distance(sawtooth(60, 2, 0.7), sawtooth(60, 2), 0);
  expect(found.shape).toBeLessThan(0.01);
  expect(found).toMatchObject({ period: expect.closeTo(0, 2) as number, mean: expect.closeTo(0, 2) as number });
  expect(found.epochs[1]).toBe(8);
});
test("a window that is a tenth larger, and a period that is a tenth longer", () => {
  expect(distance(sawtooth(66, 2), sawtooth(60, 2), 0).shape).toBeCloseTo(0.1, 2);
  expect(distance(sawtooth(66, 2), sawtooth(60, 2), 0).mean).toBeCloseTo(0.1, 2);
  expect(distance(sawtooth(60, 2.2), sawtooth(60, 2), 0)).toMatchObject({ period: expect.closeTo(0.1, 2) as number });
});
test("another shape with the same mean", () => {
  const kernel = sawtooth(60, 2);
  const flat = {
    time: kernel.time,
    cwnd: kernel.cwnd.map((window, at) => (at % 200 < 10 ? 30 : at % 200 > 190 ? window : 45)),
  };
  const found = distance(flat, kernel, 0);
  expect(found.mean).toBeLessThan(0.03);
  expect(found.shape).toBeGreaterThan(0.12);
});
test("the beginning is left out, and what is too short is said", () => {
  expect(distance(sawtooth(60, 2), sawtooth(60, 2), 9).epochs).toEqual([4, 4]);
  expect(() => distance(sawtooth(60, 2), sawtooth(60, 30), 0)).toThrow("too short to compare: 8 and 0 epochs");
});

test("a machine that is too busy is told from a good one", () => {
  const path = { mbit: 8, delayMs: 0, packets: 60, seconds: 10, settle: 1 };
  const samples = (rttMs: number, wait: (index: number) => number): Sample[] => {
    let time = 0;
    return Array.from({ length: 1000 }, (_, index) => ({
      time: (time += wait(index)),
      rttMs,
      state: 0,
      cwnd: 40,
      ssthresh: 30,
      retransmissions: 0,
      delivered: 0,
    }));
  };
  expect(
    disturbed(
      path,
      samples(90, () => 0.005),
    ),
  ).toBeUndefined();
  expect(
    disturbed(
      path,
      samples(120, () => 0.005),
    ),
  ).toMatch(/100 % of the time the round trip was longer than the path's 94 ms/);
  expect(
    disturbed(
      path,
      samples(90, (index) => (index % 100 === 0 ? 0.1 : 0.005)),
    ),
  ).toMatch(/15 % of the time nobody could look/);
});
