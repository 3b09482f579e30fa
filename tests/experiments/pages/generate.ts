/**
 * Makes pages.txt: web pages as graphs of what they load, drawn from published distributions of how pages are composed.
 * usage: node tests/bench/run.mjs tests/experiments/pages/generate.ts > tests/experiments/pages/pages.txt
 *
 * Published are, by HTTP Archive's Web Almanac 2019: how many requests desktop pages make and how much they weigh (chapter 18, “Page
 * Weight”, figures 4 and 8; `PUBLISHED`), how much of that is HTML, that the median page has nine domains of others, and that 51 %
 * of requests go to the page's own (chapter 5, “Third Parties”). Log-normal distributions are laid through these points.
 * Not published there, and ours: how much hosts, sizes of objects and pages vary, that sizes do not depend on the type
 * or the host, and the depth: most of what a page loads stands in its HTML.
 */
import { random } from "../statistics.ts";

export interface PageObject {
  /** Number of the host. */
  readonly host: number;
  readonly bytes: number;
  /** The object in which it is found; -1 for the page itself, which is the first. */
  readonly parent: number;
}
/** Of desktop pages, the 10th, 25th, 50th, 75th and 90th percentile. */
export const PUBLISHED = {
  parts: [0.1, 0.25, 0.5, 0.75, 0.9],
  requests: [24, 44, 74, 118, 179],
  kilobytes: [397, 924, 1934, 3774, 6945],
} as const;
export const PAGES = 170;
const SEED = 2019;
/** Few requests are rarer than a log-normal distribution has them that fits the many. */
const REQUESTS = { median: 74, sigma: { below: 0.85, above: 0.69 }, most: 350 };
const HOSTS = { median: 10, sigma: 0.6, most: 30 };
/** Sizes of objects within a page, and how pages differ in that. */
const BYTES = { median: 8_500, sigma: 1.6, ofPage: 0.7, least: 100, most: 1_500_000 };
const HTML = { median: 27_000, sigma: 1.1 };
/** Parts of the objects that stand in the HTML, and in what that loads; the rest lies deeper. */
const IN_HTML = 0.7;
const OWN_HOST = 0.5;

/** Pages, always the same for a seed. */
export function generate(count = PAGES, seed = SEED): PageObject[][] {
  const next = random(seed);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  const logNormal = ({ median, sigma }: { readonly median: number; readonly sigma: number }): number =>
    median * Math.exp(sigma * normal());
  const twoSided = ({ median, sigma }: typeof REQUESTS): number => {
    const off = normal();
    return median * Math.exp((off < 0 ? sigma.below : sigma.above) * off);
  };
  const whole = (value: number, least: number, most: number): number =>
    Math.round(Math.min(most, Math.max(least, value)));
  return Array.from({ length: count }, () => {
    const requests = whole(twoSided(REQUESTS), 4, REQUESTS.most);
    const hosts = whole(logNormal(HOSTS), 1, HOSTS.most);
    const page: PageObject[] = [{ host: 0, bytes: whole(logNormal(HTML), 2_000, 400_000), parent: -1 }];
    const heavy = Math.exp(BYTES.ofPage * normal());
    while (page.length < requests) {
      const parent = next() < IN_HTML ? 0 : Math.floor(next() * page.length);
      const host = next() < OWN_HOST ? 0 : Math.floor(next() * hosts);
      page.push({ host, bytes: whole(heavy * logNormal(BYTES), BYTES.least, BYTES.most), parent });
    }
    return page;
  });
}

/** A page a line; an object a word: host, bytes, parent. */
export const toText = (pages: readonly (readonly PageObject[])[]): string =>
  pages.map((page) => `${page.map(({ host, bytes, parent }) => `${host},${bytes},${parent}`).join(" ")}\n`).join("");

if (process.argv[1]?.endsWith("generate.ts")) process.stdout.write(toText(generate()));
