/**
 * `npm run bench:runtime`: what handlers cost on this machine's kernel, ours beside clang's twin of the same program, and
 * how fast maps and ring buffers are read, beside libbpf in C. Ratios count; absolute figures are the machine's.
 *
 *   --rounds N   one-second rounds of each variant (default 15)
 *   --programs   nothing but nanoseconds of the bundled programs beside their twins
 *   --json       the figures as one JSON document
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile } from "../../../compiler/compile.ts";
import type { BpfModule } from "../../../compiler/module.ts";
import { load, parseObject, pinObject, removeObject, type LoadedObject } from "../../../runtime/api.ts";
import { enableStats } from "../../../runtime/kernel/bpf.ts";
import { closeFd } from "../../../runtime/kernel/fd.ts";
import { openLab, whyNot, type Lab } from "../../runtime/lab.ts";
import { repository } from "../clang.ts";
import { mapAndRing } from "./maps.ts";
import { besideTwins, type Beside } from "./programs.ts";
import { median, spread } from "./statistics.ts";

const here = join(repository, "tests/bench/runtime");
const args = process.argv.slice(2);
const rounds = args.includes("--rounds") ? Number(args[args.indexOf("--rounds") + 1]) : 15;
const onlyPrograms = args.includes("--programs");
const asJson = args.includes("--json");
const say = (text: string): void => void (asJson ? process.stderr : process.stdout).write(`${text}\n`);

const PROGRAMS = ["write", "write-parse"] as const;
const TRAFFIC = ["rr", "crr"] as const;
const VARIANTS = ["none", "ours", "clang"] as const;
type Variant = (typeof VARIANTS)[number];

const skip = whyNot();
if (skip) {
  say(`bench:runtime cannot run here: ${skip}`);
  process.exit(0);
}

const folder = mkdtempSync(join(tmpdir(), "tsbpf-bench-"));
const traffic = join(folder, "traffic");
execFileSync("cc", ["-O2", "-o", traffic, join(here, "traffic.c")]);
const clang = ["clang-19", "clang-16", "clang"].find((name) => {
  try {
    execFileSync(name, ["--version"]);
    return true;
  } catch {
    return false;
  }
});
if (!clang) {
  say("bench:runtime needs clang for the twins: apt-get install clang");
  process.exit(0);
}

function ours(name: string): BpfModule {
  const path = join(here, `${name}.ts`);
  const { module, diagnostics } = compile({ path, text: readFileSync(path, "utf8") }, { target: "mainline" });
  if (!module) throw new Error(diagnostics.map((one) => one.message).join("\n"));
  return module;
}
function twin(name: string): BpfModule {
  const object = join(folder, `${name}.o`);
  execFileSync(clang!, [
    "-O2",
    "-g",
    "-target",
    "bpf",
    "-mcpu=v3",
    "-I/usr/include/x86_64-linux-gnu",
    "-c",
    join(here, `${name}.c`),
    "-o",
    object,
  ]);
  return parseObject(readFileSync(object), name).module;
}

/** One program under one kind of traffic. Ratios and costs are medians of what each round gives by itself. */
interface Row {
  readonly program: string;
  readonly traffic: string;
  readonly rates: Readonly<Record<Variant, number>>;
  readonly spreadPercent: Readonly<Record<Variant, number>>;
  readonly costPercent: Readonly<Record<"ours" | "clang", number>>;
  /** Rate with ours over rate with clang's, and its spread. */
  readonly ratioOfRates: number;
  readonly ratioSpreadPercent: number;
  readonly nsPerRun: Readonly<Record<"ours" | "clang", number>>;
  /** Nanoseconds per run of ours over those of clang's, and its spread. */
  readonly ratioOfNs: number;
  readonly nsSpreadPercent: number;
}
const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));
const paired = (a: readonly number[], b: readonly number[]): number[] => a.map((one, round) => one / b[round]!);

function row(
  program: string,
  traffic: string,
  rates: Readonly<Record<Variant, readonly number[]>>,
  ns: Readonly<Record<"ours" | "clang", readonly number[]>>,
): Row {
  const each = (of: (variant: Variant) => number): Record<Variant, number> =>
    Object.fromEntries(VARIANTS.map((variant) => [variant, of(variant)])) as Record<Variant, number>;
  const cost = (variant: "ours" | "clang"): number =>
    rounded(100 * (1 - median(paired(rates[variant], rates.none))), 2);
  const [byRate, byNs] = [paired(rates.ours, rates.clang), paired(ns.ours, ns.clang)];
  return {
    program,
    traffic,
    rates: each((variant) => Math.round(median(rates[variant]))),
    spreadPercent: each((variant) => rounded(spread(rates[variant]), 1)),
    costPercent: { ours: cost("ours"), clang: cost("clang") },
    ratioOfRates: rounded(median(byRate), 3),
    ratioSpreadPercent: rounded(spread(byRate), 1),
    nsPerRun: { ours: rounded(median(ns.ours), 1), clang: rounded(median(ns.clang), 1) },
    ratioOfNs: rounded(median(byNs), 3),
    nsSpreadPercent: rounded(spread(byNs), 1),
  };
}

function sayRow(row: Row): void {
  const rates = VARIANTS.map((variant) => `${variant} ${row.rates[variant]}/s ±${row.spreadPercent[variant]} %`);
  say(`${row.program.padEnd(12)} ${row.traffic.padEnd(4)} ${rates.join("   ")}`);
  say(
    `${" ".repeat(18)}cost ours ${row.costPercent.ours} %, clang ${row.costPercent.clang} %; rate ours/clang ${row.ratioOfRates} ±${row.ratioSpreadPercent} %; ` +
      `ns per run ours ${row.nsPerRun.ours}, clang ${row.nsPerRun.clang}, ratio ${row.ratioOfNs} ±${row.nsSpreadPercent} %`,
  );
}

/** A quiet machine spreads by 2 to 3 % from round to round; beyond this a cost of a few percent cannot be told. */
const NOISY_PERCENT = 5;

/** What the figures allow to say: whether ours costs more than clang's twin, or that the machine was too noisy to tell. */
function judge(rows: readonly Row[]): string[] {
  return rows.map((row) => {
    const name = `${row.program} ${row.traffic}`;
    const noisy = VARIANTS.filter((variant) => row.spreadPercent[variant] > NOISY_PERCENT);
    if (noisy.length > 0 || row.ratioSpreadPercent > NOISY_PERCENT)
      return `${name}: too noisy to tell (${noisy.map((variant) => `${variant} ±${row.spreadPercent[variant]} %`).join(", ") || `ratio ±${row.ratioSpreadPercent} %`}): run it on a quiet machine`;
    // The median of N rounds is known to about spread / √N.
    const [rateError, nsError] = [row.ratioSpreadPercent, row.nsSpreadPercent].map(
      (percent) => (2 * percent) / 100 / Math.sqrt(rounds),
    );
    const dearer = row.ratioOfRates < 1 - rateError! || row.ratioOfNs > 1 + nsError!;
    return `${name}: ours costs ${dearer ? "MORE than" : "no more than"} clang's twin (rate ${row.ratioOfRates}, ns per run ${row.ratioOfNs})`;
  });
}

async function main(lab: Lab): Promise<void> {
  const c = lab.netns("c");
  const s = lab.netns("s");
  lab.wire(c, "v0", ["10.95.0.1/24"], s, "v1", ["10.95.0.2/24"]);
  for (const net of [c, s]) lab.inside(net, "sysctl", "-qw", "net.ipv4.tcp_congestion_control=reno");
  const groups = [lab.cgroup("client"), lab.cgroup("server")] as const;
  const inside = (net: string, group: string, ...command: string[]): string[] => [
    "-c",
    `echo $$ > ${group}/cgroup.procs; exec nsenter --net=/run/netns/${net} ${command.join(" ")}`,
  ];
  const server = spawn("sh", inside(s, groups[1], traffic, "server", "10.95.0.2", "9000"), {
    stdio: ["ignore", "pipe", "inherit"],
  });
  lab.defer(() => void server.kill());
  await new Promise((resolve) => server.stdout.once("data", resolve));
  const measure = (kind: string, seconds: number, storage?: string): number =>
    Number(
      execFileSync("sh", inside(c, groups[0], traffic, kind, "10.95.0.2", "9000", String(seconds)), {
        encoding: "utf8",
        env: { ...process.env, ...(storage === undefined ? {} : { STORAGE: storage }) },
      }),
    );
  const beside: Beside[] = [];
  besideTwins(
    groups,
    (storage) => void measure("rr", 0.5, storage),
    rounds,
    (row) => {
      beside.push(row);
      say(
        `${row.program.padEnd(20)} ns per run ours ${row.ours.toFixed(1)}, clang ${row.clang.toFixed(1)}, ratio ${row.ratio.toFixed(3)} ±${row.spreadPercent.toFixed(1)} %`,
      );
    },
  );
  if (onlyPrograms) {
    if (asJson) process.stdout.write(`${JSON.stringify({ rounds, beside }, undefined, 2)}\n`);
    return;
  }

  const figures: Row[] = [];
  for (const name of PROGRAMS) {
    const modules: Record<Variant, BpfModule | undefined> = { none: undefined, ours: ours(name), clang: twin(name) };
    const attach = (variant: Variant): LoadedObject | undefined => {
      const module = modules[variant];
      if (!module) return undefined;
      const object = load(module);
      for (const group of groups) object.attach(group);
      return object;
    };
    for (const kind of TRAFFIC) {
      const rates: Record<Variant, number[]> = { none: [], ours: [], clang: [] };
      measure(kind, 0.3);
      for (let round = 0; round < rounds; round++) {
        // The order turns, so that no variant always follows the same one.
        for (let index = 0; index < VARIANTS.length; index++) {
          const variant = VARIANTS[(index + round) % VARIANTS.length]!;
          const object = attach(variant);
          rates[variant].push(measure(kind, 1));
          object?.close();
        }
      }
      const ns: Record<"ours" | "clang", number[]> = { ours: [], clang: [] };
      const stats = enableStats();
      for (let turn = 0; turn < rounds; turn++) {
        for (const variant of turn % 2 === 0 ? (["ours", "clang"] as const) : (["clang", "ours"] as const)) {
          const object = attach(variant)!;
          const program = Object.values(object.programs)[0]!;
          measure(kind, 0.5);
          const { runCount, runTimeNs } = program.info();
          ns[variant].push(Number(runTimeNs) / Number(runCount));
          object.close();
        }
      }
      closeFd(stats);
      figures.push(row(name, kind, rates, ns));
      sayRow(figures.at(-1)!);
    }
  }
  const maps = await mapAndRing(folder, here, lab, { pin: pinObject, remove: removeObject }, rounds);
  for (const [what, row] of Object.entries(maps))
    say(
      `${what.padEnd(34)} ours ${Math.round(row.ours).toLocaleString("en")}/s   C with libbpf ${Math.round(row.libbpf).toLocaleString("en")}/s   ours/libbpf ${row.ratio.toFixed(2)} ±${row.spreadPercent.toFixed(0)} %`,
    );
  const verdicts = judge(figures);
  for (const verdict of verdicts) say(verdict);
  if (asJson)
    process.stdout.write(`${JSON.stringify({ rounds, beside, traffic: figures, maps, verdicts }, undefined, 2)}\n`);
}

const lab = openLab();
const stop = (): void => {
  lab.close();
  rmSync(folder, { recursive: true, force: true });
};
process.on("SIGINT", () => {
  stop();
  process.exit(130);
});
try {
  await main(lab);
} finally {
  stop();
}
