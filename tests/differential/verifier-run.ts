/**
 * The verifier against the running kernel, from the command line.
 *
 *   npm run test:differential -- verifier --count 30000 --seed 1     mutants of the corpus and of our own objects
 *   npm run test:differential -- verifier --of cgroup_sockopt        of programs of one type
 *   npm run test:differential -- verifier --objects DIR              of other compilers' objects, made whole for this kernel
 *   npm run test:differential -- states --count 20000 --seed 1       register states on random programs of numbers
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { kernels } from "../../compiler/bpf/kernels.ts";
import { corpusProgram, type CorpusProgram } from "../../compiler/verifier/corpus.ts";
import type { Program } from "../../compiler/verifier/verify.ts";
import { verifierProgram } from "../../compiler/verifier/program.ts";
import { EXTRACTED } from "../../compiler/bpf/kernel-types.ts";
import { complete } from "../../compiler/object/complete.ts";
import { extractTypes } from "../../compiler/object/extract-types.ts";
import { readObject } from "../../compiler/object/read.ts";
import { wholeKernel } from "../../compiler/object/whole-kernel.ts";
import { runningSetting } from "../../runtime/kernel/running-config.ts";
import { runningTypes } from "../../runtime/kernel/running-types.ts";
import { isFunctionAddress } from "../../compiler/verifier/decode.ts";
import { compile } from "../../compiler/compile.ts";
import { withNumberedCalls } from "../verifier/corpus/entry.ts";
import { numberProgram } from "./generate.ts";
import { kernelUnavailable, runningRelease } from "./kernel.ts";
import { random } from "./mutate.ts";
import { compareStates } from "./states.ts";
import { askKernel, compare, table, type Seed } from "./verifier.ts";

/** Longer ones say little more and take long. */
const LONGEST = 3000;

function option(args: readonly string[], name: string, otherwise: number): number {
  const at = args.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(args[at + 1]);
}

/** As the kernel would see it without BTF and with parameters at their initial values, which are constants by then. */
export function asLoaded(program: Program): Program {
  const maps = [...program.maps].map(([fd, map]) => [fd, { ...map, varying: [] }] as const);
  return withNumberedCalls({ ...program, maps: new Map(maps), typed: false });
}

/** Programs to mutate, found from the repository's root: the corpus where it is at hand, and our own for the mainline kernel, each several times over. */
export function mutationSeeds(): Seed[] {
  const folder = `${process.cwd()}/programs`;
  const own = readdirSync(folder)
    .filter((file) => file.endsWith(".ts"))
    .flatMap((file): Seed[] => {
      const { module } = compile(
        { path: file, text: readFileSync(`${folder}/${file}`, "utf8") },
        { target: "mainline" },
      );
      return (module?.programs ?? []).map((program) => ({
        name: `${file} (${program.name})`,
        program: asLoaded(verifierProgram(module!, program, "mainline", runningRelease())),
      }));
    });
  const file = `${process.cwd()}/../shared/data/verifier-corpus.json`;
  if (!existsSync(file)) return own;
  const corpus = (JSON.parse(readFileSync(file, "utf8")) as CorpusProgram[])
    .map((program): Seed => ({ name: program.name, program: corpusProgram(program, runningRelease()) }))
    .filter(({ program }) => program.insns.length < LONGEST);
  const repeated = Math.ceil(corpus.length / 4 / Math.max(own.length, 1));
  return [...corpus, ...new Array<Seed[]>(repeated).fill(own).flat()];
}

/** Maps that are made here have no types, and so no parts that the kernel keeps to itself; nor are there callbacks without types. */
const plain = ({ maps, insns }: Program): boolean =>
  [...maps.values()].every(({ kept, type }) => !kept && type !== "user_ringbuf") && !insns.some(isFunctionAddress);

/** Programs of objects in a folder, whoever compiled them, made whole for the running kernel; those that it takes, and nothing else. */
export function objectSeeds(folder: string): Seed[] {
  const { btf } = runningTypes();
  const types = extractTypes(btf, EXTRACTED, "the running kernel");
  const kernel = wholeKernel(btf);
  return readdirSync(folder)
    .filter((file) => file.endsWith(".o"))
    .flatMap((file): Seed[] => {
      const read = readObject(new Uint8Array(readFileSync(`${folder}/${file}`)));
      if (!read.module) return [];
      const { module } = complete({ ...read, module: read.module }, { btf, setting: runningSetting });
      return module.programs
        .map((program) => verifierProgram(module, program, "mainline", runningRelease(), types, kernel))
        .map((program, at) => ({ name: `${file} (${module.programs[at]!.name})`, program: asLoaded(program) }))
        .filter(({ program }) => program.unknown === undefined && plain(program) && askKernel(program).accepted);
    });
}

/** Exit code 0 if no mutant was accepted that the kernel rejects, and the count was reached; 3 where the kernel cannot be asked. */
export function verifierMain(args: readonly string[]): number {
  const reason = kernelUnavailable();
  if (reason !== undefined) {
    console.log(`skipped: ${reason}`);
    return 3;
  }
  const only = args.includes("--of") ? args[args.indexOf("--of") + 1] : undefined;
  const folder = args.includes("--objects") ? args[args.indexOf("--objects") + 1] : undefined;
  const seeds = (folder === undefined ? mutationSeeds() : objectSeeds(folder)).filter(
    ({ program }) => only === undefined || program.type === only,
  );
  const result = compare(seeds, {
    seed: option(args, "seed", 1),
    rejected: option(args, "count", 30_000),
    share: 0.05,
    progress: (rejected, mutants) => console.error(`${rejected} rejects that count, of ${mutants} mutants`),
  });
  console.log(table(result));
  for (const { kind, name, edits, message } of [...result.falseAccepts, ...result.falseRejects].slice(0, 50))
    console.log(`${kind}: ${name} [${edits.join(", ")}] ${message}`);
  return result.falseAccepts.length === 0 ? 0 : 1;
}

/** Exit code 0 if every register compared is what the kernel says. */
export function statesMain(args: readonly string[]): number {
  const reason = kernelUnavailable();
  if (reason !== undefined) {
    console.log(`skipped: ${reason}`);
    return 3;
  }
  const rng = random(option(args, "seed", 1));
  let compared = 0;
  let different = 0;
  let diverged = 0;
  const count = option(args, "count", 20_000);
  for (let index = 0; index < count; index++) {
    const insns = numberProgram(rng, 5 + rng.below(30));
    const result = compareStates({
      insns,
      type: "socket_filter",
      attach: 0,
      flags: 0,
      maps: new Map(),
      typed: false,
      gpl: true,
      release: runningRelease(),
      features: kernels.mainline.features,
    });
    compared += result.compared;
    // Once the two stop at different places, what follows are different paths.
    if (result.diverged !== undefined) diverged++;
    else if (result.differences.length > 0) {
      different += result.differences.length;
      const { insn, register, ours, kernel } = result.differences[0]!;
      console.log(`program ${index}, instruction ${insn}, r${register}\n  ours   ${ours}\n  kernel ${kernel}`);
    }
  }
  console.log(
    `${count} programs, ${compared} registers compared, ${different} different; ${diverged} walks took another order`,
  );
  return different === 0 ? 0 : 1;
}
