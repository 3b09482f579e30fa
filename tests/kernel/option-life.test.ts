// The table of docs/guides/option.md on the patched kernel, over both families, read from a capture there: a test per cell.
import { beforeAll, describe, expect, it } from "vitest";
import { FAMILIES, type Family } from "../runtime/dropping.ts";
import { CELLS } from "../runtime/option-life/cells.ts";
import type { Lives, Place } from "../runtime/option-life/scenario.ts";
import { cachedKernel, missingTool, runInVm } from "./kernel.ts";
import { bundleScenario } from "./runtime/bundle.ts";

const kernel = cachedKernel();
const skip = kernel.missing ?? missingTool("qemu-system-x86_64", "ip", "nsenter", "tc");

/** Programs on a cgroup, and programs on a network namespace: the same cells. */
const PLACES = { cgroup: "life", "network namespace": "life-netns" } as const satisfies Record<Place, string>;

describe.skipIf(skip).each(Object.entries(PLACES))(
  `the life of an option on the patched kernel, of a program on a %s${skip ? ` (skipped: ${skip})` : ""}`,
  (_, part) => {
    const seen = new Map<string, Lives>();
    beforeAll(async () => {
      const { code, stdout, stderr } = runInVm(["node", await bundleScenario(), part]);
      for (const line of stdout.split("\n"))
        if (line.startsWith('{"')) {
          const { name, ...lives } = JSON.parse(line) as Lives & { readonly name: string };
          seen.set(name, lives);
        }
      expect(code, `${stdout}\n${stderr}`).toBe(0);
    });
    describe.each(FAMILIES)("over %s", (family: Family) => {
      it.each(Object.entries(CELLS))("%s, where it leaves", (_, { leaves }) => leaves(seen.get(family)!, "patched"));
      it.each(Object.entries(CELLS))("%s, where it arrives", (_, { arrives }) => arrives(seen.get(family)!, "patched"));
    });
  },
);
