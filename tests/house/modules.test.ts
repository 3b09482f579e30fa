/** The modules of the language are listed where the package is made, tested and checked; a new one is named here until it is. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { LANGUAGE_MODULES } from "../../compiler/frontend/project.ts";
import { root } from "../programs.ts";

const textOf = (file: string): string => readFileSync(join(root, file), "utf8");
const { exports } = JSON.parse(textOf("package.json")) as {
  readonly exports: Readonly<Record<string, string | { readonly types?: string; readonly default?: string }>>;
};
/** Those with declarations among the language's and JavaScript of their own: "tcp". */
const modules = Object.entries(exports).flatMap(([path, to]) =>
  typeof to === "object" && to.default?.startsWith("./dist/dsl/") ? [path.slice("./".length) || "index"] : [],
);
/** What programs may import: the project file's module is none. */
const ofPrograms = modules.filter((name) => name !== "config");

/** The names in a list of a file, as a pattern's first group. */
const listed = (file: string, pattern: RegExp): readonly string[] => {
  const found = pattern.exec(textOf(file));
  expect(found, `${file}: ${pattern}`).not.toBeNull();
  return found![1]!
    .split(/[|,]/)
    .map((one) => one.replaceAll(/["'\s]/g, ""))
    .filter(Boolean);
};
const sorted = (names: readonly string[]): readonly string[] => names.toSorted();

test("there are modules", () => expect(modules).toContain("tcp"));

describe("the modules of package.json are those of", () => {
  test("scripts/build.mjs", () => {
    const built = [...textOf("scripts/build.mjs").matchAll(/"dsl\/(\w+)": "runtime\/dsl\/(\w+)\.ts"/g)];
    expect(sorted(built.map(([, name]) => name!))).toEqual(sorted(modules));
    expect(built.filter(([, name, file]) => name !== file)).toEqual([]);
  });
  test("compiler/frontend/project.ts", () => {
    const imported = Object.entries(LANGUAGE_MODULES).map(([path, name]) => [
      path.replace(/^tsbpf\/?/, "") || "index",
      name,
    ]);
    expect(sorted(imported.map(([path]) => path!))).toEqual(sorted(ofPrograms));
    expect(imported.filter(([path, name]) => path !== name)).toEqual([]);
  });
  test("knip.json", () => {
    expect(sorted(listed("knip.json", /runtime\/dsl\/\{([^}]*)\}\.ts/))).toEqual(sorted(modules));
  });
  test("vitest.config.ts", () => {
    expect(sorted(["index", ...listed("vitest.config.ts", /\^tsbpf\\\/\(([^)]*)\)/)])).toEqual(sorted(ofPrograms));
  });
  test("scripts/embed.mjs, with the helpers' declarations", () => {
    expect(sorted(listed("scripts/embed.mjs", /const names = \[([^\]]*)\]/))).toEqual(sorted([...ofPrograms, "lib"]));
  });
  test("tests/types/tsc.test.ts", () => {
    const text = textOf("tests/types/tsc.test.ts");
    expect(ofPrograms.filter((name) => name !== "index" && !text.includes(`exported("${name}")`))).toEqual([]);
  });
});
