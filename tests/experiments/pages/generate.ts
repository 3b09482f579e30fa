/**
 * Makes pages.txt: web pages as graphs of what they load, drawn from published distributions of how pages are composed.
 * usage: node tests/bench/run.mjs tests/experiments/pages/generate.ts > tests/experiments/pages/pages.txt
 *
 * After HTTP Archive's reports of 2019 (desktop): a median of 74 requests, a tenth of the pages above 179; a median weight of about 2 MB,
 * a tenth above about 7 MB. Log-normal distributions through these points; sizes of objects have a heavy tail. Hosts: a
 * median of 10, log-normal, half of the objects from the first. Depth: most of what a page loads stands in its HTML.
 */
import { random } from "../statistics.ts";

export interface PageObject {
  /** Number of the host. */
  readonly host: number;
  readonly bytes: number;
  /** The object in which it is found; -1 for the page itself, which is the first. */
  readonly parent: number;
}
export const PAGES = 170;
const SEED = 2019;
const REQUESTS = { median: 74, sigma: 0.69, most: 250 };
const HOSTS = { median: 10, sigma: 0.6, most: 30 };
const BYTES = { median: 8_000, sigma: 1.5, least: 200, most: 1_500_000 };
const HTML = { median: 30_000, sigma: 0.8 };
/** Parts of the objects that stand in the HTML, and in what that loads; the rest lies deeper. */
const IN_HTML = 0.7;
const OWN_HOST = 0.5;

/** Pages, always the same for a seed. */
export function generate(count = PAGES, seed = SEED): PageObject[][] {
  const next = random(seed);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  const logNormal = ({ median, sigma }: { readonly median: number; readonly sigma: number }): number =>
    median * Math.exp(sigma * normal());
  const whole = (value: number, least: number, most: number): number =>
    Math.round(Math.min(most, Math.max(least, value)));
  return Array.from({ length: count }, () => {
    const requests = whole(logNormal(REQUESTS), 4, REQUESTS.most);
    const hosts = whole(logNormal(HOSTS), 1, HOSTS.most);
    const page: PageObject[] = [{ host: 0, bytes: whole(logNormal(HTML), 2_000, 400_000), parent: -1 }];
    while (page.length < requests) {
      const parent = next() < IN_HTML ? 0 : Math.floor(next() * page.length);
      const host = next() < OWN_HOST ? 0 : Math.floor(next() * hosts);
      page.push({ host, bytes: whole(logNormal(BYTES), BYTES.least, BYTES.most), parent });
    }
    return page;
  });
}

/** A page a line; an object a word: host, bytes, parent. */
export const toText = (pages: readonly (readonly PageObject[])[]): string =>
  pages.map((page) => `${page.map(({ host, bytes, parent }) => `${host},${bytes},${parent}`).join(" ")}\n`).join("");

if (process.argv[1]?.endsWith("generate.ts")) process.stdout.write(toText(generate()));
