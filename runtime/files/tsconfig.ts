/** What the user's tsconfig.json says of unused names: the one thing in it that the compiler leaves to the user. */
import { dirname, join, resolve } from "node:path";
import type { Key } from "../../compiler/diagnostics.ts";
import { parseTsConfig, type TsConfig } from "./config-text.ts";
import { exists } from "./disk.ts";
import { MAX_SOURCE_BYTES, readBounded } from "./files.ts";

/** The option of TypeScript that makes an error of each. */
const OPTIONS = {
  unused: "noUnusedLocals",
  "unused-parameter": "noUnusedParameters",
} as const satisfies Partial<Record<Key, string>>;

/** Keys that the nearest tsconfig.json above a source makes errors. A file that cannot be read says nothing. */
export function strictKeys(source: string): Key[] {
  for (let folder = dirname(resolve(source)); ; folder = dirname(folder)) {
    const path = join(folder, "tsconfig.json");
    if (exists(path)) {
      const options = optionsOf(path, new Set());
      return (Object.keys(OPTIONS) as (keyof typeof OPTIONS)[]).filter((key) => options[OPTIONS[key]] === true);
    }
    if (folder === dirname(folder)) return [];
  }
}

/** `compilerOptions`, those of the files that it extends below its own. */
function optionsOf(path: string, seen: Set<string>): Record<string, unknown> {
  if (seen.has(path)) return {};
  seen.add(path);
  let config: TsConfig;
  try {
    config = parseTsConfig(readBounded(path, MAX_SOURCE_BYTES, "a tsconfig.json").toString("utf8"));
  } catch {
    return {};
  }
  const extended = [config.extends ?? []].flat().flatMap((name) => located(name, path) ?? []);
  return Object.assign({}, ...extended.map((one) => optionsOf(one, seen)), config.compilerOptions);
}

/** A file that a tsconfig extends: by path, or in a package. */
function located(name: string, from: string): string | undefined {
  const named = (path: string): string | undefined =>
    [path, `${path}.json`, join(path, "tsconfig.json")].find((one) => one.endsWith(".json") && exists(one));
  if (/^\.{0,2}\//.test(name)) return named(resolve(dirname(from), name));
  for (let folder = dirname(from); ; folder = dirname(folder)) {
    const found = named(join(folder, "node_modules", name));
    if (found || folder === dirname(folder)) return found;
  }
}
