/** The workspace that a package is part of: packages in one folder that import one another by name (npm, yarn and pnpm). */
import { dirname, join, relative } from "node:path";
import { exists } from "./disk.ts";
import { MAX_SOURCE_BYTES, readBounded } from "./files.ts";
import { isOthers } from "./others.ts";

/** The folder of the workspace that lists this package's folder; undefined where it is part of none. */
export function workspaceOf(folder: string): string | undefined {
  for (let at = dirname(folder); ; at = dirname(at)) {
    const part = relative(at, folder);
    if (patternsOf(at).some((pattern) => matches(pattern, part))) return at;
    if (dirname(at) === at) return undefined;
  }
}

/** What a folder's package.json, or pnpm's file, says of where packages lie. What cannot be read says nothing. */
function patternsOf(folder: string): readonly string[] {
  const [npm, pnpm] = [join(folder, "package.json"), join(folder, "pnpm-workspace.yaml")];
  return [...(textOf(npm, fromPackage) ?? []), ...(textOf(pnpm, fromPnpm) ?? [])];
}
function textOf<T>(path: string, read: (text: string) => T): T | undefined {
  if (!exists(path) || isOthers(path)) return undefined;
  try {
    return read(readBounded(path, MAX_SOURCE_BYTES, "a file about packages").toString("utf8"));
  } catch {
    return undefined;
  }
}
const strings = (given: unknown): string[] =>
  Array.isArray(given) ? given.filter((one): one is string => typeof one === "string") : [];
/** `workspaces` is a list, or of yarn's older form. */
function fromPackage(text: string): string[] {
  const { workspaces } = JSON.parse(text) as { workspaces?: unknown };
  return Array.isArray(workspaces)
    ? strings(workspaces)
    : strings((workspaces as { packages?: unknown } | undefined)?.packages);
}
/** The items of the list `packages`, which is all that this file of YAML is about. */
function fromPnpm(text: string): string[] {
  const list = /^packages:[ \t]*\r?\n((?:[ \t]*(?:-.*|#.*)?(?:\r?\n|$))*)/m.exec(text)?.[1] ?? "";
  return [...list.matchAll(/^[ \t]*-[ \t]*(["']?)([^"'#\r\n]+?)\1[ \t]*(?:#.*)?$/gm)].map((item) => item[2]!);
}

/** Whether a folder is named by a pattern: `*` stands for one name, `**` for any number of them. */
function matches(pattern: string, folder: string): boolean {
  const clean = pattern.replace(/^\.\//, "").replace(/\/$/, "");
  const expression = clean
    .split("/")
    .map((part) => (part === "**" ? ".*" : part.replace(/[.+^${}()|[\]\\?]/g, "\\$&").replaceAll("*", "[^/]*")))
    .join("/");
  return new RegExp(`^${expression}$`).test(folder);
}
