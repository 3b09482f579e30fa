/**
 * The bundles have TypeScript with everything left out that a compilation does not use (scripts/typescript-module.mjs).
 * What they say and write must be what the sources say and write.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import { compile } from "../../compiler/compile.ts";
import { renderDiagnostics } from "../../compiler/diagnostics/render.ts";
import { root } from "../programs.ts";

const bundled = (await import(pathToFileURL(join(root, "dist/compiler.js")).href)) as {
  readonly compile: typeof compile;
  readonly prepare: () => () => boolean;
};

const said = (result: ReturnType<typeof compile>) => ({
  object: result.object && Buffer.from(result.object).toString("hex"),
  diagnostics: renderDiagnostics(result.diagnostics, result.sources, { colour: false }),
});

test("a checker that was made before is taken once, and not by a file that declares something for all", () => {
  const text = readFileSync(join(root, "programs/user-timeout.ts"), "utf8");
  const taken = (source: string): boolean => {
    const wasTaken = bundled.prepare();
    const file = { path: "some.ts", text: source };
    expect(said(bundled.compile(file))).toEqual(said(compile(file)));
    expect(said(bundled.compile(file))).toEqual(said(compile(file)));
    return wasTaken();
  };
  expect(taken(text)).toBe(true);
  expect(taken(`${text}declare global { interface Added { readonly a: number } }\n`)).toBe(false);
});

describe.each([
  "programs",
  "tests/errors/cases",
  "tests/types/mistakes",
  "tests/types/left-to-compiler",
  "tests/types/accepted",
])("%s", (folder) => {
  const names = readdirSync(join(root, folder)).filter((name) => name.endsWith(".ts"));
  test.each(names)("%s", (name) => {
    const file = { path: name, text: readFileSync(join(root, folder, name), "utf8") };
    // With a checker that was made before, as the command has one when it starts.
    bundled.prepare();
    expect(said(bundled.compile(file))).toEqual(said(compile(file)));
  });
});
