/** The mistakes that the first hour has one make in the new project's program, and what it promises to be said of each. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { compile } from "../../compiler/compile.ts";
import { root } from "../programs.ts";

const page = readFileSync(join(root, "docs/first-hour.md"), "utf8");
const program = readFileSync(join(root, "templates/project/programs/hello-option.ts"), "utf8");
const rows = [...page.matchAll(/^\| `([^`]+;|for [^`]+)` +\| (.+?) +\|$/gm)].map((row) => [row[1]!, row[2]!] as const);

/** The program with a line of the page in the place of the one that is like it. */
function withLine(line: string): string {
  const [like] = /^\w+\.\w+/.exec(line) ?? [];
  if (like === undefined)
    return program
      .replace(", param, ", ", param, range, ")
      .replace(/^( *)option\.value = .*$/m, (all, indent: string) => `${all}\n${indent}${line}`);
  return program.replace(new RegExp(`^( *)${like.replace(".", "\\.")}\\b.*$`, "m"), (_, indent) => `${indent}${line}`);
}

describe("the first hour's mistakes", () => {
  test("there are three", () => {
    expect(rows).toHaveLength(3);
    expect(compile({ path: "hello-option.ts", text: program }).diagnostics).toEqual([]);
  });

  test.each(rows)("%s", (line, promised) => {
    const { diagnostics } = compile({ path: "hello-option.ts", text: withLine(line) });
    expect(diagnostics).toHaveLength(1);
    const quoted = [...promised.matchAll(/`([^`]+)`/g)].map((one) => one[1]!);
    expect(quoted.length).toBeGreaterThan(0);
    const said = `${diagnostics[0]!.message}\n${diagnostics[0]!.help}`;
    for (const part of quoted) expect(said).toContain(part);
  });

  test("the key that it has explained is the third one's", () => {
    const key = /tsbpf explain ([\w-]+)/.exec(page)?.[1];
    expect(compile({ path: "hello-option.ts", text: withLine(rows[2]![0]) }).diagnostics[0]!.key).toBe(key);
  });
});
