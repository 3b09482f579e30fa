/**
 * Our code beside clang's, program by program and target by target: `npm run bench:code [-- --json] [-- --no-vm]`.
 * Prints the figures, geometric means of ours to the best clang at the same instruction-set level, and the bars.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isRange, kernels, type TargetName } from "../../compiler/bpf/kernels.ts";
import { compile } from "../../compiler/compile.ts";
import { NEWEST } from "../../compiler/bpf/verifier-rules.ts";
import { verifyProgram } from "../../compiler/verifier/module.ts";
import { repository } from "./clang.ts";
import { AUTHORS, type Yardstick } from "./equal-work.ts";
import { typicalEvents } from "./events.ts";
import { measureOnKernel, type Measured } from "./kernels.ts";
import { dynamicFigures, staticFigures, type Dynamic, type Static } from "./measure.ts";
import { builds, clangs, label, ours, programOf, type Variant } from "./variants.ts";

interface Row extends Static, Dynamic {
  readonly program: string;
  readonly target: TargetName;
  readonly compiler: string;
  readonly isa: string;
  readonly events: number;
  readonly processed: number | undefined;
  /** Whose count "processed" is: a kernel's, or our verifier's where no kernel that loads the program was at hand. */
  readonly counted: "kernel" | "own";
  readonly jited: number | undefined;
}
type Figure = "slots" | "processed" | "jited" | "worst" | "total";

const json = process.argv.includes("--json");
const withVm = !process.argv.includes("--no-vm");

const variants: Variant[] = [];
for (const { twin, target } of builds) variants.push(ours(twin, target), ...clangs(twin, target));
if (variants.every((variant) => variant.compiler === "tsbpf")) {
  console.error("no clang-16 or clang-19 with BPF here: apt-get install clang-16 clang-19 libbpf-dev linux-libc-dev");
  process.exit(2);
}
const keyOf = (variant: Variant): string => `${variant.twin.program} ${variant.target} ${label(variant)}`;

interface EqualWork extends Yardstick {
  readonly ours: {
    readonly slots: number;
    readonly processed: number | undefined;
    readonly counted: "kernel" | "own";
    readonly stack: number;
  };
}
/** Our compilations for the patched kernel of what the authors' C does. */
const equalWorkBuilds = AUTHORS.map((yardstick) => {
  const path = join(repository, "tests/bench/equal-work", `${yardstick.file}.ts`);
  const { module, object, diagnostics } = compile({ path, text: readFileSync(path, "utf8") }, { target: "patched" });
  const program = module?.programs[0];
  if (!module || !object || !program) throw new Error(`${path}: ${diagnostics.map((d) => d.message).join("; ")}`);
  return { yardstick, module, object, program, key: `equal work ${yardstick.file}` };
});

const measured: Record<TargetName, Measured> = {
  mainline: await kernelFigures("mainline"),
  patched: await kernelFigures("patched"),
};

async function kernelFigures(target: TargetName): Promise<Measured> {
  const loads = variants
    .filter((variant) => variant.target === target)
    .map((variant) => ({ key: keyOf(variant), object: variant.object, program: variant.twin.program }));
  if (isRange(kernels[target])) return measureOnKernel("here", loads);
  loads.push(...equalWorkBuilds.map(({ key, object, program }) => ({ key, object, program: program.name })));
  if (!withVm || !existsSync(join(repository, "kernel/run.sh"))) {
    return { figures: new Map(), problems: ["the patched kernel was not asked"] };
  }
  return measureOnKernel("patched", loads);
}

function ownCount(variant: Variant): number | undefined {
  const { result } = verifyProgram(variant.module, programOf(variant), variant.target, NEWEST);
  return result.verdict === "accept" ? result.processed : undefined;
}

const rows: Row[] = variants.map((variant) => {
  const { twin, target } = variant;
  const events = typicalEvents(twin, target);
  const reference = variants.find((v) => v.twin === twin && v.target === target && v.compiler === "tsbpf")!;
  const figures = measured[target].figures.get(keyOf(variant));
  return {
    program: twin.program,
    target,
    compiler: variant.compiler,
    isa: variant.isa,
    ...staticFigures(programOf(variant)),
    ...dynamicFigures(variant.module, twin, events, reference.module),
    events: events.length,
    processed: figures?.processed ?? ownCount(variant),
    counted: figures ? "kernel" : "own",
    jited: figures?.jited,
  };
});

interface Comparison {
  readonly program: string;
  readonly target: TargetName;
  readonly ratios: Readonly<Partial<Record<Figure, number>>>;
}
const FIGURES: readonly Figure[] = ["slots", "processed", "jited", "worst", "total"];

/** Ours to the best clang at our instruction-set level. */
const comparisons: Comparison[] = rows
  .filter((row) => row.compiler === "tsbpf")
  .map((row) => {
    const rivals = rows.filter(
      (other) =>
        other.program === row.program &&
        other.target === row.target &&
        other.compiler !== "tsbpf" &&
        other.isa === row.isa,
    );
    const ratios: Partial<Record<Figure, number>> = {};
    for (const figure of FIGURES) {
      const own = row[figure];
      const theirs = rivals.map((rival) => rival[figure]).filter((n) => n !== undefined);
      if (own !== undefined && theirs.length > 0) ratios[figure] = own / Math.min(...theirs);
    }
    return { program: row.program, target: row.target, ratios };
  });

const equalWork: EqualWork[] = equalWorkBuilds.map(({ yardstick, module, program, key }) => {
  const inKernel = measured.patched.figures.get(key)?.processed;
  const { result } = verifyProgram(module, program, "patched", NEWEST);
  const own = result.verdict === "accept" ? result.processed : undefined;
  const { slots, stack } = staticFigures(program);
  const counted = inKernel === undefined ? "own" : "kernel";
  return { ...yardstick, ours: { slots, processed: inKernel ?? own, counted, stack } };
});

const geometricMean = (numbers: readonly number[]): number =>
  Math.exp(numbers.reduce((sum, n) => sum + Math.log(n), 0) / numbers.length);
const means: Partial<Record<Figure, number>> = {};
for (const figure of FIGURES) {
  const all = comparisons.map((c) => c.ratios[figure]).filter((n) => n !== undefined);
  if (all.length > 0) means[figure] = geometricMean(all);
}

interface Bar {
  readonly name: string;
  readonly limit: number;
  readonly value: number | undefined;
  readonly met: boolean;
  readonly note?: string;
}
const bar = (name: string, limit: number, value: number | undefined, note?: string): Bar => ({
  name,
  limit,
  value,
  met: value !== undefined && value <= limit + 1e-9,
  ...(note === undefined ? {} : { note }),
});
const largest = comparisons.reduce((worst, c) => ((c.ratios.slots ?? 0) > (worst.ratios.slots ?? 0) ? c : worst));
const counted = (figure: Figure): string =>
  `${comparisons.filter((c) => c.ratios[figure] !== undefined).length} of ${comparisons.length} programs`;
const bars: Bar[] = [
  bar("slots, every program", 1, largest.ratios.slots, `largest: ${largest.program} (${largest.target})`),
  bar("slots, geometric mean", 0.88, means.slots),
  bar("verifier work, geometric mean", 0.9, means.processed, counted("processed")),
  bar("JITed bytes, geometric mean", 1, means.jited, counted("jited")),
  bar("executed per event (worst), geometric mean", 1, means.worst),
  bar("executed per event (typical), geometric mean", 1, means.total),
  bar("slots beside the authors' C (v3), largest ratio", 1, Math.max(...equalWork.map((e) => e.ours.slots / e.v3))),
  bar(
    "verifier work beside the authors' C, largest ratio",
    1,
    Math.max(...equalWork.map((e) => (e.ours.processed ?? Infinity) / e.processed)),
  ),
];

const problems = Object.entries(measured).flatMap(([target, m]) => m.problems.map((text) => `${target}: ${text}`));
if (json) console.log(JSON.stringify({ rows, comparisons, means, equalWork, bars, problems }, undefined, 1));
else print();

function print(): void {
  const show = (n: number | undefined): string => (n === undefined ? "–" : String(n));
  const typical = (row: Row): string => (row.total / row.events).toFixed(1);
  const header = [
    "program",
    "target",
    "compiler",
    "slots",
    "processed",
    "JITed",
    "stack",
    "map calls",
    "worst",
    "typical",
  ];
  const table = rows.map((row) => [
    row.program,
    row.target,
    row.compiler === "tsbpf" ? `tsbpf ${row.isa}` : `${row.compiler} ${row.isa}`,
    `${row.slots}${row.forward ? "" : "*"}`,
    `${show(row.processed)}${row.counted === "own" && row.processed !== undefined ? "+" : ""}`,
    show(row.jited),
    show(row.stack),
    `${row.worstMapCalls}`,
    `${row.worst}`,
    typical(row),
  ]);
  printTable([header, ...table], (line) => line[2]!.startsWith("tsbpf"));
  console.log("* jumps backward, which the paper's kernel refuses");
  if (rows.some((row) => row.counted === "own")) {
    console.log("+ counted by our verifier: no kernel at hand that loads the program");
  }
  console.log(
    "slots of 8 bytes; processed: by the kernel's verifier; map calls, worst and typical: per event, in the VM\n",
  );
  console.log("tsbpf / best clang, same instruction set");
  const ratio = (n: number | undefined): string => (n === undefined ? "–" : n.toFixed(2));
  printTable([
    ["program", "target", "slots", "processed", "JITed", "worst", "typical"],
    ...comparisons.map((c) => [c.program, c.target, ...FIGURES.map((figure) => ratio(c.ratios[figure]))]),
    ["geometric mean", "", ...FIGURES.map((figure) => ratio(means[figure]))],
  ]);
  console.log("\nequal work beside the authors' C as measured with clang (slots v1 / v3)");
  printTable([
    ["program", "authors v1 / v3", "tsbpf", "processed", "tsbpf", "stack", "tsbpf"],
    ...equalWork.map((e) => [
      e.file,
      `${e.v1} / ${e.v3}`,
      `${e.ours.slots}`,
      `${e.processed}`,
      `${show(e.ours.processed)}${e.ours.counted === "own" ? "+" : ""}`,
      `${e.stack}`,
      `${e.ours.stack}`,
    ]),
  ]);
  console.log();
  for (const { name, limit, value, met, note } of bars) {
    console.log(
      `${met ? "met    " : "NOT MET"} ${name}: ${ratio(value)} (bar ${limit.toFixed(2)})${note ? `, ${note}` : ""}`,
    );
  }
  for (const text of problems) console.log(`note: ${text}`);
}

function printTable(
  lines: readonly (readonly string[])[],
  gapBefore: (line: readonly string[]) => boolean = () => false,
): void {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  for (const line of lines) {
    if (gapBefore(line)) console.log();
    console.log(
      line
        .map((cell, i) => (i < 3 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
        .join("  ")
        .trimEnd(),
    );
  }
}
