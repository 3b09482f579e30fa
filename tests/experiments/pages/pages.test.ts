import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { repository } from "../../runtime/repository.ts";
import { median, quantile } from "../statistics.ts";
import { generate, PAGES, PUBLISHED, toText } from "./generate.ts";

const pages = generate();

it("pages.txt is what the generator makes", () => {
  expect(readFileSync(join(repository, "tests/experiments/pages/pages.txt"), "utf8")).toBe(toText(pages));
});

it("pages are composed as the published distributions say", () => {
  expect(pages).toHaveLength(PAGES);
  const requests = pages.map((page) => page.length);
  const kilobytes = pages.map((page) => page.reduce((sum, one) => sum + one.bytes, 0) / 1024);
  // Of 170 pages drawn at random the quantiles are not exact.
  const far = PUBLISHED.parts.flatMap((part, index) =>
    [
      { part, what: "requests", here: quantile(requests, part), published: PUBLISHED.requests[index]! },
      { part, what: "kilobytes", here: quantile(kilobytes, part), published: PUBLISHED.kilobytes[index]! },
    ].filter(({ here, published }) => Math.abs(Math.log(here / published)) > Math.log(1.3)),
  );
  expect(far).toEqual([]);
  const hosts = pages.map((page) => new Set(page.map(({ host }) => host)).size);
  expect(Math.abs(median(hosts) - 10)).toBeLessThan(2);
});

it("an object is found in one before it, and the page itself in none", () => {
  const wrong = pages.flatMap((page) =>
    page.filter(({ parent, bytes }, index) => parent >= index || parent >= 0 !== index > 0 || bytes <= 0),
  );
  expect(wrong).toEqual([]);
});
