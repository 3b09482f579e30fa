import { describe, expect, it } from "vitest";
import { distribution, estimate, median, quantile, random, short, shown } from "./statistics.ts";

describe("statistics of the experiments", () => {
  it("has the known median of odd and even numbers of values, in any order", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([10, 9, 100])).toBe(10);
    expect(median([])).toBeNaN();
  });

  it("has R's default quantiles", () => {
    // quantile(c(1, 2, 4, 8, 16), c(.1, .25, .9)) in R gives 1.4, 2 and 12.8.
    const values = [16, 8, 4, 2, 1];
    expect(quantile(values, 0.1)).toBeCloseTo(1.4, 10);
    expect(quantile(values, 0.25)).toBe(2);
    expect(quantile(values, 0.9)).toBeCloseTo(12.8, 10);
  });

  it("has mulberry32's known numbers", () => {
    const next = random(1);
    expect([next(), next(), next()].map((one) => one.toFixed(10))).toEqual([
      "0.6270739406",
      "0.0027357212",
      "0.5274470400",
    ]);
  });

  it("has the interval of a median of nine that the binomial distribution gives", () => {
    // Of 9 values the 2nd to the 8th hold the median with 96.1 %; the percentile bootstrap may be one value narrower.
    const { value, low, high, count } = estimate([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect({ value, count }).toEqual({ value: 5, count: 9 });
    expect([2, 3]).toContain(Math.round(low));
    expect([7, 8]).toContain(Math.round(high));
  });

  it("covers the true median in about 95 % of trials", () => {
    const next = random(7);
    const trials = 200;
    let inside = 0;
    for (let trial = 0; trial < trials; trial++) {
      const { low, high } = estimate(
        Array.from({ length: 25 }, () => next()),
        trial,
      );
      if (low <= 0.5 && high >= 0.5) inside++;
    }
    expect(inside / trials).toBeGreaterThan(0.88);
    expect(inside / trials).toBeLessThan(0.995);
  });

  it("is the same for the same seed, and knows nothing of a single value", () => {
    expect(estimate([3, 1, 2, 8, 5], 4)).toEqual(estimate([3, 1, 2, 8, 5], 4));
    expect(estimate([3])).toEqual({ value: 3, low: 3, high: 3, count: 1 });
    expect(shown(estimate([]))).toBe("not measured");
  });

  it("has a distribution from none at the smallest value to all at the largest", () => {
    const points = distribution([5, 1, 3], 3);
    expect(points.map(({ x }) => x)).toEqual([1, 1, 3, 5]);
    expect(points.map(({ y }) => y)).toEqual([0, 1 / 3, 2 / 3, 1]);
    expect(distribution([])).toEqual([]);
    expect(distribution(Array.from({ length: 1000 }, (_, index) => index))).toHaveLength(201);
  });

  it("writes numbers with three digits that count", () => {
    expect([0.01234, 12.34, 1234.5, NaN].map(short)).toEqual(["0.0123", "12.3", "1,235", "–"]);
  });
});
