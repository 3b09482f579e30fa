// Follows every link of a built site: to pages, to places in them, and to nothing outside that a page would load by itself.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, posix } from "node:path";

/** What is wrong, a line each. `base`: the path that the site is built for. */
export function brokenLinks(folder, base) {
  const pages = readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(".html") && !name.startsWith("playground/"));
  const places = new Map();
  const placesOf = (page) => {
    if (!places.has(page))
      places.set(
        page,
        new Set([...readFileSync(join(folder, page), "utf8").matchAll(/\sid="([^"]+)"/g)].map((m) => m[1])),
      );
    return places.get(page);
  };
  const fileOf = (path) =>
    [path, `${path}.html`, posix.join(path, "index.html")].find((one) => {
      const file = join(folder, one);
      return existsSync(file) && statSync(file).isFile();
    });
  const wrong = [];
  for (const page of pages) {
    const html = readFileSync(join(folder, page), "utf8");
    for (const [, tag, attribute, target] of html.matchAll(
      /<(a|img|script|link|iframe)\b[^>]*?\s(href|src)="([^"]*)"/g,
    )) {
      const url = target.replaceAll("&amp;", "&");
      if (/^(https?:)?\/\//.test(url)) {
        if (tag !== "a") wrong.push(`${page}: loads ${url}`);
        continue;
      }
      if (/^(mailto|data):/.test(url)) continue;
      const [path, place] = url.split("#");
      const whole = path.startsWith("/") ? path : posix.join(base, posix.dirname(page), path);
      if (path !== "" && !whole.startsWith(base)) {
        wrong.push(`${page}: ${attribute} ${url} is outside of the site`);
        continue;
      }
      const found = path === "" ? page : fileOf(decodeURI(whole.slice(base.length)) || "index.html");
      if (found === undefined) wrong.push(`${page}: no ${url}`);
      else if (place && found.endsWith(".html") && !placesOf(found).has(decodeURIComponent(place)))
        wrong.push(`${page}: no place ${url}`);
    }
  }
  return [...new Set(wrong)];
}
