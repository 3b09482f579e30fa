/**
 * Other releases' verifiers, each booted in a virtual machine (kernel/run.sh --kernel):
 *
 *   npm run test:kernels -- [--kernels 5.10,6.1,6.12] [--programs 3000] [--mutants 10000]
 *   npm run test:kernels -- --kernels here ...             this machine's kernel, without a virtual one
 *
 * Each is asked about every mainline object of programs/, of the language tests and of random programs, which must load; about mutants
 * of these and of the corpus, of which our verdict must be its own; and about every helper and every field of every program type.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import type { Version } from "../../compiler/bpf/verifier-rules.ts";
import { runningRelease } from "./kernel.ts";
import { mutants, objects, questions } from "./questions.ts";
import { mutationSeeds } from "./verifier-run.ts";

const args = process.argv.slice(2);
const option = (name: string, otherwise: string): string => {
  const at = args.indexOf(`--${name}`);
  return at < 0 ? otherwise : (args[at + 1] ?? otherwise);
};
const SECONDS = "20000";
const HERE = "here";

const folder = mkdtempSync(join(tmpdir(), "tsbpf-kernels-"));
const inside = "node_modules/.cache/tsbpf-tests/kernels-inside.mjs";
let failures = 0;
try {
  await build({
    entryPoints: ["tests/differential/kernels-inside.ts"],
    outfile: inside,
    bundle: true,
    packages: "external",
    platform: "node",
    target: "node20",
    format: "esm",
    logLevel: "warning",
  });
  const built = objects(Number(option("programs", "3000")));
  const mutated = mutants(mutationSeeds(), Number(option("mutants", "10000")));
  for (const kernel of option("kernels", "5.10,6.1,6.12").split(",")) {
    const file = join(folder, `questions-${kernel}.jsonl`);
    const asked = questions(kernel === HERE ? runningRelease() : (kernel as Version), built, mutated);
    writeFileSync(file, asked.map((one) => `${JSON.stringify(one)}\n`).join(""));
    console.log(`Linux ${kernel}: ${asked.length} programs`);
    const command = ["node", inside, file];
    const machine = kernel === HERE ? [] : ["kernel/run.sh", "--kernel", kernel, "--timeout", SECONDS, "--"];
    const [first, ...rest] = [...machine, ...command];
    const { status } = spawnSync(first!, rest, { stdio: "inherit" });
    if (status === 0) continue;
    console.log(`Linux ${kernel}: exit ${status}`);
    failures++;
  }
} finally {
  rmSync(folder, { recursive: true });
}
process.exitCode = failures === 0 ? 0 : 1;
