/** Bundles the scenario for Node in the virtual machine, which has no time to compile TypeScript. */
import { join } from "node:path";
import { build } from "esbuild";
import { repository } from "../../runtime/repository.ts";

/** Path of the bundle of a file here; it lies under node_modules, where the virtual machine finds koffi as well. */
export async function bundleScenario(file = "scenario"): Promise<string> {
  const outfile = join(repository, `node_modules/.cache/tsbpf-tests/kernel-${file}.mjs`);
  await build({
    absWorkingDir: repository,
    entryPoints: [join(repository, `tests/kernel/runtime/${file}.ts`)],
    outfile,
    bundle: true,
    external: ["koffi"],
    platform: "node",
    target: "node20",
    format: "esm",
    logLevel: "warning",
    // ts-morph is CommonJS and asks for Node's modules at run time.
    banner: {
      js: 'import{createRequire as __cr}from"node:module";import{fileURLToPath as __fu}from"node:url";import{dirname as __dn}from"node:path";const require=__cr(import.meta.url),__filename=__fu(import.meta.url),__dirname=__dn(__filename);',
    },
  });
  return outfile;
}
