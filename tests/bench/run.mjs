// Runs a TypeScript file of the tests outside vitest: bundles it next to the installed packages and imports it.
// usage: node tests/bench/run.mjs FILE.ts [arguments]
import { mkdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const [file, ...rest] = process.argv.slice(2);
if (!file) {
  console.error("usage: node tests/bench/run.mjs FILE.ts [arguments]");
  process.exit(2);
}
const folder = join(root, "node_modules", ".cache", "tsbpf-tests");
mkdirSync(folder, { recursive: true });
const out = join(folder, `${file.replaceAll(/[^\w]+/g, "-")}.mjs`);
await build({
  absWorkingDir: root,
  entryPoints: [resolve(file)],
  outfile: out,
  bundle: true,
  packages: "external",
  platform: "node",
  target: "node20",
  format: "esm",
  logLevel: "warning",
});
process.argv = [process.argv[0], resolve(file), ...rest];
await import(pathToFileURL(out).href);
