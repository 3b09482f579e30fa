import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { repository } from "../../runtime/repository.ts";
import { median, quantile } from "../statistics.ts";
import { generate, PAGES, toText } from "./generate.ts";

const pages = generate();

it("pages.txt is what the generator makes", () => {
  expect(readFileSync(join(repository, "tests/experiments/pages/pages.txt"), "utf8")).toBe(toText(pages));
});

it("pages are composed as the published distributions say", () => {
  expect(pages).toHaveLength(PAGES);
  const requests = pages.map((page) => page.length);
  const weights = pages.map((page) => page.reduce((sum, one) => sum + one.bytes, 0) / 1e6);
  expect(median(requests)).toBeGreaterThan(60);
  expect(median(requests)).toBeLessThan(90);
  expect(quantile(requests, 0.9)).toBeGreaterThan(140);
  expect(quantile(requests, 0.9)).toBeLessThan(220);
  expect(median(weights)).toBeGreaterThan(1.4);
  expect(median(weights)).toBeLessThan(2.6);
});

it("an object is found in one before it, and the page itself in none", () => {
  const wrong = pages.flatMap((page) =>
    page.filter(({ parent, bytes }, index) => parent >= index || parent >= 0 !== index > 0 || bytes <= 0),
  );
  expect(wrong).toEqual([]);
});
