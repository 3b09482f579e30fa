import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";
import { expect, test } from "vitest";
import { PLANTED_FAULTS, type PlantedFault } from "./planted-faults.ts";
import type { Part } from "./suite.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Bundles the suite with one source file changed, and runs it. */
async function suiteWith(fault: PlantedFault | undefined): Promise<Partial<Record<Part, readonly string[]>>> {
  const plant: Plugin = {
    name: "plant",
    setup(bundle) {
      if (!fault) return;
      const path = join(root, fault.file);
      bundle.onLoad({ filter: /\.ts$/ }, ({ path: loaded }) => {
        if (loaded !== path) return undefined;
        // Line breaks and indentation are Prettier's business.
        const loosely = new RegExp(
          fault.find
            .split(/\s+/)
            .filter(Boolean)
            .map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
            .join("\\s*"),
        );
        const text = readFileSync(path, "utf8");
        if (!loosely.test(text)) throw new Error(`${fault.area}: ${fault.file} has no such text any more`);
        return { contents: text.replace(loosely, () => fault.replace), loader: "ts" };
      });
    },
  };
  const result = await build({
    entryPoints: [join(root, "tests/vm/suite.ts")],
    bundle: true,
    write: false,
    format: "esm",
    platform: "node",
    external: ["koffi"],
    plugins: [plant],
    logLevel: "silent",
  });
  const url = `data:text/javascript;base64,${Buffer.from(result.outputFiles[0]!.contents).toString("base64")}`;
  const { runSuite, ALL_PARTS } = (await import(/* @vite-ignore */ url)) as typeof import("./suite.ts");
  return runSuite(fault?.by ?? ALL_PARTS);
}

test("without a fault nothing is found", async () => {
  const found = await suiteWith(undefined);
  expect(Object.entries(found).filter(([, list]) => list.length > 0)).toEqual([]);
});

test.each(PLANTED_FAULTS.map((fault) => [fault.area, fault] as const))(
  "planted fault is found: %s",
  async (_, fault) => {
    const found = await suiteWith(fault);
    for (const part of fault.by) expect(found[part], `${part} finds it`).not.toEqual([]);
  },
);
