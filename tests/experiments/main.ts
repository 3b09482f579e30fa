/**
 * `npm run experiments`: the paper's evaluation, measured anew. Samples, figures and one report go into a folder.
 *
 *   npm run experiments -- [NAME…] [options]     all experiments, or those named
 *   --quick          a few minutes for all: shows that they work, not what they give
 *   --resume         keeps the samples that are there, and takes what is missing
 *   --report         takes no samples, makes figures and report of those that are there
 *   --out FOLDER     where it all goes (default: build/experiments below the repository, or build/experiments-quick)
 *   --runs N         repetitions of each variant, in the place of each experiment's own
 *   --seconds N      of each measurement, likewise
 *   --seed N         (default 1)
 *   --only TEXT      variants whose names contain it
 *   --list           what there is
 */
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { cachedKernel, missingTool } from "../kernel/kernel.ts";
import { openLab, whyNot, type Lab } from "../runtime/lab.ts";
import { repository } from "../runtime/repository.ts";
import { environment } from "./environment.ts";
import {
  verdictOf,
  type Environment,
  type Experiment,
  type Options,
  type Place,
  type Sample,
  type Step,
} from "./experiment.ts";
import { runInside } from "./guest.ts";
import { toPng, toSvg } from "./plot.ts";
import { Progress } from "./progress.ts";
import { toHtml, word } from "./report.ts";
import { addSample, beginSamples, missingSteps, readSamples } from "./samples.ts";
import { EXPERIMENTS } from "./table.ts";

const say = (text: string): void => void process.stderr.write(`${text}\n`);

function refuse(why: string): never {
  say(
    `${why}; usage: npm run experiments -- [NAME…] [--quick] [--resume] [--report] [--out FOLDER] [--runs N] [--seconds N] [--seed N] [--only TEXT] [--list]`,
  );
  process.exit(2);
}
/** The number that a flag has: above 0, and whole where it says so. */
function numberOf(name: string, text: string | undefined, whole?: "whole"): number | undefined {
  if (text === undefined) return undefined;
  const number = text.trim() === "" ? NaN : Number(text);
  if (!(number > 0 && number < 1e6) || (whole && !Number.isInteger(number)))
    refuse(`--${name} takes a ${whole ? "whole " : ""}number above 0 and below a million, not '${text}'`);
  return number;
}
const FLAGS = {
  quick: { type: "boolean", default: false },
  resume: { type: "boolean", default: false },
  report: { type: "boolean", default: false },
  list: { type: "boolean", default: false },
  out: { type: "string" },
  runs: { type: "string" },
  seconds: { type: "string" },
  seed: { type: "string" },
  only: { type: "string" },
} as const;
function flagsOf() {
  try {
    return parseArgs({ allowPositionals: true, options: FLAGS });
  } catch (error) {
    // Node's words for a flag that there is none of, or that lacks its value.
    return refuse((error as Error).message.split(". ")[0]!);
  }
}
const { values: flags, positionals: names } = flagsOf();
const options: Options = {
  quick: flags.quick,
  seed: numberOf("seed", flags.seed, "whole") ?? 1,
  runs: numberOf("runs", flags.runs, "whole"),
  seconds: numberOf("seconds", flags.seconds),
};
const out = resolve(flags.out ?? join(repository, flags.quick ? "build/experiments-quick" : "build/experiments"));
const fileOf = (experiment: Experiment): string => join(out, `${experiment.name}.jsonl`);

function chosen(): readonly Experiment[] {
  for (const name of names)
    if (!EXPERIMENTS.some((one) => one.name === name))
      refuse(`no experiment is called '${name}' (there are ${EXPERIMENTS.map((one) => one.name).join(", ")})`);
  return names.length === 0 ? EXPERIMENTS : EXPERIMENTS.filter((one) => names.includes(one.name));
}

/** Why an experiment cannot run there; undefined where it can. */
function whyNotThis(experiment: Experiment, where: Place): string | undefined {
  const tool = missingTool(...experiment.tools);
  if (tool) return tool;
  if (where === "guest") return cachedKernel().missing ?? missingTool("qemu-system-x86_64");
  return experiment.tools.length === 0 ? undefined : whyNot();
}

const PLACES: readonly Place[] = ["here", "guest"];
/** What is missing of an experiment in one place. */
interface Work {
  readonly experiment: Experiment;
  readonly where: Place;
  readonly steps: readonly Step[];
}

/** What must be undone however the run ends: by a signal, an error, or a pipe that nobody reads any more. */
const open = new Set<() => void>();
function undoing(step: () => void): () => void {
  const once = (): void => {
    if (open.delete(once)) step();
  };
  open.add(once);
  return once;
}
process.on("exit", () => {
  for (const step of [...open].toReversed()) step();
});
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
] as const)
  process.on(signal, () => {
    say("interrupted; what was measured is kept: --resume goes on");
    process.exit(code);
  });

async function measure({ experiment, where, steps }: Work, progress: Progress): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "tsbpf-experiment-"));
  const clean = undoing(() => rmSync(folder, { recursive: true, force: true }));
  const here = environment();
  const keep = (step: Step, measured: Pick<Sample, "metrics" | "series">, environment: Environment): void => {
    const { variant, repetition } = step;
    const base = { experiment: experiment.name, variant, repetition, seed: options.seed, quick: options.quick };
    addSample(fileOf(experiment), { ...base, at: new Date().toISOString(), environment, ...measured });
    say(progress.add(experiment.name, step));
  };
  try {
    await experiment.prepare?.(folder);
    if (where === "guest") {
      let stopped = (): void => undefined;
      await runInside(
        { experiment: experiment.name, steps, options },
        experiment.machine ?? [],
        folder,
        (one) => keep(one.step, one.measured, { ...one.environment, versions: here.versions }),
        (stop) => (stopped = undoing(stop)),
      );
      // It has ended by itself.
      open.delete(stopped);
      return;
    }
    const lab: Lab = openLab();
    const close = undoing(() => lab.close());
    try {
      const rig = await experiment.open(lab, options, folder);
      for (const step of steps) keep(step, await rig.measure(step), here);
    } finally {
      close();
    }
  } finally {
    clean();
  }
}

/** Figures and report of everything in the folder. */
function report(): void {
  const sections = EXPERIMENTS.map((experiment) => ({ experiment, samples: readSamples(fileOf(experiment)) })).filter(
    (one) => one.samples.length > 0,
  );
  if (sections.length === 0) return say("there are no samples to report");
  for (const { experiment, samples } of sections)
    for (const [index, figure] of experiment.figures(samples).entries()) {
      const svg = toSvg(figure);
      writeFileSync(join(out, `${experiment.name}-${index + 1}.svg`), svg);
      writeFileSync(join(out, `${experiment.name}-${index + 1}.png`), toPng(svg));
    }
  writeFileSync(join(out, "report.html"), toHtml(sections));
  for (const { experiment, samples } of sections) {
    const verdict = verdictOf(experiment, samples);
    console.log(`${experiment.name.padEnd(18)} ${word(verdict)}: ${verdict.because}`);
  }
  console.log(`report: ${join(out, "report.html")}`);
}

if (flags.list) {
  for (const one of EXPERIMENTS) console.log(`${one.name.padEnd(18)} ${one.title}`);
  process.exit(0);
}
try {
  mkdirSync(out, { recursive: true });
  accessSync(out, constants.W_OK);
} catch (error) {
  refuse(`nothing can be written to ${out} (${(error as NodeJS.ErrnoException).code})`);
}
let failed = false;
if (!flags.report) {
  const work = chosen().flatMap((experiment) => {
    const kept = flags.resume ? readSamples(fileOf(experiment)).filter((one) => one.quick === options.quick) : [];
    const missing = missingSteps(experiment.steps(options), kept).filter((step) =>
      step.variant.includes(flags.only ?? ""),
    );
    const work = PLACES.flatMap((where): Work[] => {
      const steps = missing.filter((step) => (step.where ?? experiment.where) === where);
      const why = steps.length > 0 ? whyNotThis(experiment, where) : undefined;
      if (why) say(`${experiment.name} is left out ${where === "guest" ? "in QEMU" : "here"}: ${why}`);
      return steps.length === 0 || why ? [] : [{ experiment, where, steps }];
    });
    if (work.length > 0) beginSamples(fileOf(experiment), kept);
    return work;
  });
  const progress = new Progress(work.flatMap((one) => one.steps));
  for (const one of work) {
    try {
      await measure(one, progress);
    } catch (error) {
      failed = true;
      say(`${one.experiment.name} failed: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
report();
process.exit(failed ? 1 : 0);
