/** Each bundled program has a row in the guide, and a test of its own. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { programNames, programsFolder, root } from "../programs.ts";

test("each program has a row in docs/guides/programs.md", () => {
  const guide = readFileSync(join(root, "docs/guides/programs.md"), "utf8");
  expect(programNames.filter((name) => !guide.includes(`\n| [${name}](../programs/${name}.md)`))).toEqual([]);
});

test.each(programNames)("%s has a test in programs/test", (name) => {
  const path = join(programsFolder, "test", `${name}.test.ts`);
  expect(existsSync(path), path).toBe(true);
  expect(readFileSync(path, "utf8")).toContain(`${name}.ts"`);
});
