// The table of docs/guides/option.md on this machine's kernel, over both families, read from a capture: a test per cell.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FAMILIES, noLosses, type Family } from "./dropping.ts";
import { openLab, whyNot, type Lab } from "./lab.ts";
import { CELLS } from "./option-life/cells.ts";
import { life, NOTHING, type Lives } from "./option-life/scenario.ts";
import { repository } from "./repository.ts";

it("each row of the table has its cells here", () => {
  const page = readFileSync(join(repository, "docs/guides/option.md"), "utf8");
  const table = page.split("## Which handler runs on which segment")[1]!.split("\n## ")[0]!;
  const rows = table.split("\n").flatMap((line) => /^\| (.*?) +\|/.exec(line)?.[1] ?? []);
  expect(rows.filter((row) => row !== "segment" && !row.startsWith("-"))).toEqual(Object.keys(CELLS));
});

const skip = whyNot() ?? noLosses();

describe.skipIf(skip)(skip ? `the life of an option (skipped: ${skip})` : "the life of an option", () => {
  let lab: Lab;
  let seen: Readonly<Record<Family, Lives>>;
  beforeAll(async () => {
    lab = openLab();
    const [IPv4, IPv6] = await Promise.all(FAMILIES.map((family) => life(lab, "mainline", "cgroup", family)));
    seen = { IPv4: IPv4!, IPv6: IPv6! };
  }, 120_000);
  afterAll(() => lab?.close());

  describe.each(FAMILIES)("over %s", (family) => {
    it.each(Object.entries(CELLS))("%s, where it leaves", (_, { leaves }) => leaves(seen[family], "mainline"));
    it.each(Object.entries(CELLS))("%s, where it arrives", (_, { arrives }) => arrives(seen[family], "mainline"));
  });
  it.each(Object.entries(CELLS))("%s: its checks object where nothing was seen", (_, { leaves, arrives }) => {
    for (const check of [leaves, arrives]) expect(() => check(NOTHING, "mainline")).toThrow();
  });
});
