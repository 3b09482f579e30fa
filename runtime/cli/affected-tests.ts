/** Which tests of a project are affected by a change: those that name a program, which took part of a file that has changed. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

const isTest = (name: string): boolean => /\.(?:test|spec)\.[mc]?[jt]s$/.test(name);
/** `import("../programs/x.ts")`, `new URL("../programs/x.ts", import.meta.url)`, `from "./helpers.ts"`. */
const NAMED = /["'`](\.{1,2}\/[^"'`\n]+)["'`]/g;

/** All tests below a folder, by absolute path. */
export function testsBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return /^(?:node_modules|dist|\..*)$/.test(entry.name) ? [] : testsBelow(path);
    return entry.isFile() && isTest(entry.name) ? [path] : [];
  });
}

/**
 * Of these tests, those that are affected. `parts`: by program, the files that took part in it; all paths are absolute.
 */
export function affectedBy(
  changed: readonly string[],
  tests: readonly string[],
  parts: ReadonlyMap<string, ReadonlySet<string>>,
): string[] {
  const touched = new Set(changed);
  const isTouched = (path: string): boolean =>
    touched.has(path) || [...(parts.get(path) ?? [])].some((part) => touched.has(part));
  return tests.filter((test) => reach(test).some(isTouched));
}

/** A test, what it names, and what helpers of tests name. */
function reach(test: string): string[] {
  const found = new Set<string>([test]);
  for (const file of found) {
    if (!existsSync(file) || !/\.[mc]?[jt]s$/.test(file)) continue;
    for (const [, path] of readFileSync(file, "utf8").matchAll(NAMED)) found.add(resolve(dirname(file), path!));
  }
  return [...found];
}
