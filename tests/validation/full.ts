/**
 * Translation validation in full: `npm run test:validation [-- --programs N] [-- --runs N] [-- --first SEED] [-- --kernel-every N] [-- --bundled 0]`.
 * Random programs and the bundled ones, compiled with all passes, with none of the optional ones and with a random half of
 * them, must do the same over at least 100,000 inputs, as the evaluator says; our verifier accepts all of them (compile()
 * would refuse otherwise) and so does the kernel, where there is one.
 */
import { builds } from "../bench/variants.ts";
import { checkSeed } from "../generate/check.ts";
import { canLoad, kernelRunner } from "../generate/kernel-runner.ts";
import { sizeOfSeed } from "../generate/program.ts";
import { validateBundled } from "./bundled.ts";
import { passSets } from "./without.ts";

const option = (name: string, otherwise: number): number => {
  const at = process.argv.indexOf(`--${name}`);
  if (at < 0) return otherwise;
  const value = Number(process.argv[at + 1]);
  if (!Number.isInteger(value) || value < 0) {
    console.error(`--${name} takes a number`);
    process.exit(2);
  }
  return value;
};
const programs = option("programs", 1000);
const runs = option("runs", 100);
const first = option("first", 1);
const bundled = option("bundled", 1) !== 0;
const kernelEvery = option("kernel-every", 10);

const denied = canLoad();
if (denied !== undefined) console.log(`the kernel is not asked: ${denied}`);
let failures = 0;
let events = 0;
for (const { twin, target } of bundled ? builds : []) {
  const { events: checked, problem } = validateBundled(twin, target, passSets(first), 200, first);
  events += checked;
  if (problem === undefined) continue;
  failures++;
  console.log(`${twin.file} for ${target} ${problem}`);
}
console.log(`bundled programs: ${events} events`);

let inKernel = 0;
let withFunctions = 0;
const refused = new Map<string, number>();
const started = Date.now();
for (let seed = first; seed < first + programs; seed++) {
  const kernel = denied === undefined && kernelEvery > 0 && seed % kernelEvery === 0;
  if (kernel) inKernel++;
  const problem = checkSeed(seed, {
    runs,
    semantics: true,
    refused,
    functionsKept: () => void withFunctions++,
    without: passSets(seed),
    size: sizeOfSeed(seed),
    ...(kernel ? { kernel: kernelRunner } : {}),
  });
  if (problem !== undefined) {
    failures++;
    console.log(`\n${problem}`);
  }
  const done = seed - first + 1;
  if (done % 100 === 0) {
    console.log(
      `${done} programs, ${done * runs} inputs, ${failures} failures, ${Math.round((Date.now() - started) / 1000)} s`,
    );
  }
}
console.log(
  `${programs} random programs × ${runs} inputs = ${programs * runs} inputs, each in three compilations; ` +
    `${withFunctions} with functions kept too; ${inKernel} programs in the kernel too; ${failures} failures`,
);
for (const [key, count] of refused) console.log(`${count} programs were refused: ${key}`);
process.exit(failures === 0 ? 0 : 1);
