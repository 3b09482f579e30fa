// The patches as files: none of this needs a kernel.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { repository } from "./kernel.ts";

const patches = join(repository, "kernel/patches");
const series = readFileSync(join(patches, "series"), "utf8").trim().split("\n");

describe("the series", () => {
  test("names each patch there is, once, in the order of their numbers", () => {
    const files = readdirSync(patches).filter((name) => name.endsWith(".patch"));
    expect(series).toEqual([...files].sort());
  });

  test.each(series)("%s says why, and who signed it off", (name) => {
    const patch = readFileSync(join(patches, name), "utf8");
    const message = patch.slice(patch.indexOf("\n\n") + 2, patch.indexOf("\ndiff --git"));
    expect(message.length).toBeGreaterThan(150);
    expect(message).toMatch(/^Signed-off-by: .+ <.+>$/m);
  });

  test("the sizes in kernel/README.md are those that kernel/sizes.sh counts", () => {
    const counted = new Map<string, readonly [number, number]>();
    for (const line of execFileSync(join(repository, "kernel/sizes.sh"), { encoding: "utf8" }).trim().split("\n")) {
      const [number = "", lines, code] = line.split(" ");
      counted.set(number, [Number(lines), Number(code)]);
    }
    const sum = (from: number, to: number) =>
      [...counted]
        .filter(([number]) => Number(number) >= from && Number(number) <= to)
        .reduce<readonly [number, number]>(([lines, code], [, size]) => [lines + size[0], code + size[1]], [0, 0]);
    const readme = readFileSync(join(repository, "kernel/README.md"), "utf8");
    const rows = [...readme.matchAll(/^\|.*\((\d{4})(?: to (\d{4}))?\) *\| *(\d+) *\| *(\d+) *\|/gm)].map(
      ([, from, to, lines, code]) => ({
        from: Number(from),
        to: Number(to ?? from),
        size: [Number(lines), Number(code)],
      }),
    );
    expect(rows.map(({ size }) => size)).toEqual(rows.map(({ from, to }) => sum(from, to)));
    // Every patch is in one row, but for the copy for tools/ that the text leaves out.
    const covered = rows.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, i) => from + i));
    expect(covered).toEqual(series.slice(0, -1).map((name) => Number(name.slice(0, 4))));
  });
});
