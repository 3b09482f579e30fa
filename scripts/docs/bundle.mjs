// The facts of facts.ts, in this process.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

/** Bundles a file beside the installed packages, and imports it. */
export async function factsOf(root) {
  const folder = join(root, "node_modules", ".cache", "tsbpf-docs");
  mkdirSync(folder, { recursive: true });
  const outfile = join(folder, "facts.mjs");
  await build({
    absWorkingDir: root,
    entryPoints: ["scripts/docs/facts.ts"],
    outfile,
    bundle: true,
    packages: "external",
    platform: "node",
    target: "node20",
    format: "esm",
    logLevel: "warning",
    // The command shares a CommonJS file with its launchers (bin/own.cjs), which asks for Node's modules.
    banner: {
      js: 'import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);',
    },
    // The command asks for what lies beside its bundle.
    define: { __dirname: JSON.stringify(join(root, "dist")) },
  });
  return import(`${pathToFileURL(outfile).href}?${Date.now()}`);
}
