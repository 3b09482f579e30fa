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

const bundled = (await import(pathToFileURL(join(root, "dist/compiler.js")).href)) as { compile: typeof compile };

const said = (result: ReturnType<typeof compile>) => ({
  object: result.object && Buffer.from(result.object).toString("hex"),
  diagnostics: renderDiagnostics(result.diagnostics, result.sources, { colour: false }),
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
    expect(said(bundled.compile(file))).toEqual(said(compile(file)));
  });
});
