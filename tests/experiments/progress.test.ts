import { describe, expect, it } from "vitest";
import { Progress, span } from "./progress.ts";

describe("progress of the experiments", () => {
  it("tells the time left by what the steps so far took", () => {
    let now = 0;
    const step = { variant: "a", repetition: 0, seconds: 10 };
    const progress = new Progress([step, step, step], () => now);
    expect(progress.left()).toBe(30);
    now = 20_000;
    expect(progress.add("e", step)).toBe("1/3  e: a #1  40 s left");
    now = 40_000;
    progress.add("e", step);
    expect(progress.left()).toBe(20);
    now = 60_000;
    expect(progress.add("e", { ...step, repetition: 2 })).toBe("3/3  e: a #3  0 s left");
  });
  it("writes spans as people say them", () => {
    expect([5, 89, 600, 7200].map(span)).toEqual(["5 s", "89 s", "10 min", "2.0 h"]);
  });
});
