/** Which tests of a project are affected by a change: those that name a program, which took part of a file that has changed. */
import { readdirSync, type Dirent } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, join, resolve } from "node:path";
import { status } from "../files/disk.ts";
import { MAX_SOURCE_BYTES, readBounded } from "../files/files.ts";
import { candidates } from "../files/imports.ts";
import { moduleNames } from "../files/module-names.ts";

const isTest = (name: string): boolean => /\.(?:test|spec)\.[mc]?[jt]s$/.test(name);
/** `import("../programs/x.ts")`, `new URL("../programs/x.ts", import.meta.url)`, `from "./helpers.ts"`. */
const PATH = /["'`](\.{1,2}(?:\/[^"'`\n]*)?)["'`]/g;
/** `from "#programs/x"`, `import("@here/programs")`. */
const NAME = /\b(?:from|import)\s*\(?\s*["'`]([^."'`\n/][^"'`\n]*)["'`]/g;
/** Packages that every test names, and that name no program of the project. */
const NO_PROGRAMS = /^(?:vitest|tsbpf)(?:\/|$)/;

/** All tests below a folder, by absolute path; a folder that cannot be read has none. */
export function testsBelow(folder: string): string[] {
  return entriesOf(folder).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return /^(?:node_modules|dist|\..*)$/.test(entry.name) ? [] : testsBelow(path);
    return entry.isFile() && isTest(entry.name) ? [path] : [];
  });
}
function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

/** By program, the files that took part in it; all paths are absolute. */
type Parts = ReadonlyMap<string, ReadonlySet<string>>;
/** What a test reads, as far as its text says. */
interface Reach {
  /** The test, what it names, and what helpers of tests name. */
  readonly files: ReadonlySet<string>;
  /** Whether it may read more: it names what is not found, or a folder, or no program at all. */
  readonly isOpen: boolean;
}

/** Of these tests, by path, those that are affected: what may read more than is known is, by every change. */
export function affectedBy(changed: readonly string[], tests: ReadonlyMap<string, Reach>, parts: Parts): string[] {
  const touched = new Set(changed);
  const isTouched = (path: string): boolean =>
    touched.has(path) || [...(parts.get(path) ?? [])].some((part) => touched.has(part));
  return [...tests].filter(([, { files, isOpen }]) => isOpen || [...files].some(isTouched)).map(([test]) => test);
}

/** The reach of each of these tests. */
export function reaches(tests: readonly string[], parts: Parts): ReadonlyMap<string, Reach> {
  const byName = moduleNames();
  return new Map(tests.map((test) => [test, reach(test, parts, byName)]));
}

function reach(test: string, parts: Parts, byName: ReturnType<typeof moduleNames>): Reach {
  const files = new Set<string>([test]);
  let isOpen = false;
  for (const file of files) {
    // What a program imports is known from compiling it.
    if (parts.has(file) || !/\.[mc]?[jt]s$/.test(file)) continue;
    const text = textOf(file);
    if (text === undefined) continue;
    for (const [, path] of text.matchAll(PATH)) {
      const found = filesAt(resolve(dirname(file), path!.replace(/[?#].*$/, "")), parts);
      if (found.length === 0) isOpen = true;
      for (const one of found) files.add(one);
    }
    for (const [, name] of text.matchAll(NAME)) {
      if (isBuiltin(name!) || NO_PROGRAMS.test(name!)) continue;
      const found = byName(name!, file);
      if (found === undefined) isOpen = true;
      else if (!/\.d\.[mc]?ts$|\/node_modules\//.test(found)) files.add(found);
    }
  }
  return { files, isOpen: isOpen || ![...files].some((file) => parts.has(file)) };
}

/** As tests' own loaders look for a path: as it stands, with an ending, TypeScript for JavaScript, a folder's index. */
function filesAt(path: string, parts: Parts): readonly string[] {
  const endings = [".mts", ".js", ".mjs", ".json", "/index.ts", "/index.js"].map((ending) => path + ending);
  const named = new Set([path, ...candidates(path), ...endings]);
  return [...named].filter((one) => parts.has(one) || status(one)?.kind === "file");
}

/** Undefined for what cannot be read, or is none. */
function textOf(path: string): string | undefined {
  try {
    return readBounded(path, MAX_SOURCE_BYTES, "a test").toString("utf8");
  } catch {
    return undefined;
  }
}
