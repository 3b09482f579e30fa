/**
 * Other releases' verifiers, each booted in a virtual machine (kernel/run.sh --kernel):
 *
 *   npm run test:kernels -- [--kernels 5.10,6.1,6.12] [--programs 3000] [--mutants 10000]
 *
 * In each: every mainline object of programs/, random programs, and our verdict beside the kernel's on mutants.
 * Without `--in` it starts the machines; with it, it is what runs in one.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { compile } from "../../compiler/compile.ts";
import { verify } from "../../compiler/verifier/verify.ts";
import { verifierProgram } from "../../compiler/verifier/program.ts";
import { fromSeed } from "../generate/choices.ts";
import { generate } from "../generate/compiled.ts";
import { indexProgram } from "../generate/indexes.ts";
import { generateProgram } from "../generate/program.ts";
import { kernelUnavailable, runningRelease } from "./kernel.ts";
import { askKernel, compare, table } from "./verifier.ts";
import { asLoaded, mutationSeeds } from "./verifier-run.ts";

const args = process.argv.slice(2);
const option = (name: string, otherwise: string): string => {
  const at = args.indexOf(`--${name}`);
  return at < 0 ? otherwise : (args[at + 1] ?? otherwise);
};

function machines(): number {
  let failures = 0;
  for (const kernel of option("kernels", "5.10,6.1,6.12").split(",")) {
    console.log(`Linux ${kernel}`);
    const inside = ["--in", "--programs", option("programs", "3000"), "--mutants", option("mutants", "10000")];
    const { status } = spawnSync(
      "kernel/run.sh",
      [
        "--kernel",
        kernel,
        "--timeout",
        "20000",
        "--",
        "node",
        "tests/bench/run.mjs",
        "tests/differential/kernels.ts",
        ...inside,
      ],
      { stdio: "inherit" },
    );
    if (status !== 0) {
      console.log(`Linux ${kernel}: exit ${status}`);
      failures++;
    }
  }
  return failures === 0 ? 0 : 1;
}

/** Sources with names: the bundled programs for mainline, then random ones of both generators. */
function* sources(count: number): Generator<{ readonly name: string; readonly text: string }> {
  for (const file of readdirSync("programs").filter((name) => name.endsWith(".ts")))
    yield { name: `programs/${file}`, text: readFileSync(`programs/${file}`, "utf8") };
  for (let seed = 1; seed <= count; seed++) {
    if (seed % 2 === 0) yield { name: `indexes ${seed}`, text: indexProgram(fromSeed(seed)) };
    else {
      const choices = fromSeed(seed);
      generateProgram(choices);
      yield { name: `random ${seed}`, text: generate(choices.taken).text };
    }
  }
}

function inside(): number {
  const reason = kernelUnavailable();
  if (reason !== undefined) {
    console.log(`skipped: ${reason}`);
    return 3;
  }
  let loaded = 0;
  const refused: string[] = [];
  for (const { name, text } of sources(Number(option("programs", "3000")))) {
    const { module, object } = compile({ path: name, text }, { target: "mainline" });
    if (!module || !object) continue;
    for (const program of module.programs) {
      const input = asLoaded(verifierProgram(module, program, "mainline", runningRelease()));
      const verdict = askKernel(input);
      if (verdict.accepted) loaded++;
      else refused.push(`${name}: ${verdict.insn}: ${verdict.message} (ours: ${verify(input).verdict})`);
    }
  }
  console.log(`Linux ${release()}: ${loaded} programs load, ${refused.length} are refused`);
  for (const line of refused.slice(0, 20)) console.log(`  ${line}`);
  const result = compare(mutationSeeds(), {
    seed: 1,
    rejected: Number(option("mutants", "10000")),
    share: 0.2,
    most: 3 * Number(option("mutants", "10000")),
  });
  console.log(table(result));
  for (const { kind, name, edits, message } of [...result.falseAccepts, ...result.falseRejects].slice(0, 30))
    console.log(`${kind}: ${name} [${edits.join(", ")}] ${message}`);
  return refused.length === 0 && result.falseAccepts.length === 0 ? 0 : 1;
}

process.exitCode = args.includes("--in") ? inside() : machines();
