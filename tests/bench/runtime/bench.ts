/**
 * `npm run bench:runtime`: what handlers cost on this machine's kernel, ours beside clang's twin of the same program, and
 * how fast maps and ring buffers are read, beside libbpf in C. Ratios count; absolute figures are the machine's.
 *
 *   --rounds N   one-second rounds of each variant (default 15)
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

const here = join(repository, "tests/bench/runtime");
const args = process.argv.slice(2);
const rounds = args.includes("--rounds") ? Number(args[args.indexOf("--rounds") + 1]) : 15;
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

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
/** Half the distance between the quartiles, in percent of the median. */
const spread = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return (
    (50 * (sorted[Math.floor(sorted.length * 0.75)]! - sorted[Math.floor(sorted.length * 0.25)]!)) / median(sorted)
  );
};

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
  await new Promise((resolve) => server.stdout!.once("data", resolve));
  const measure = (kind: string, seconds: number): number =>
    Number(
      execFileSync("sh", inside(c, groups[0], traffic, kind, "10.95.0.2", "9000", String(seconds)), {
        encoding: "utf8",
      }),
    );

  const figures: Record<string, unknown>[] = [];
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
      const cost: Record<string, number> = {};
      const ns: Record<string, number[]> = { ours: [], clang: [] };
      const stats = enableStats();
      for (let turn = 0; turn < 5; turn++) {
        for (const variant of ["ours", "clang"] as const) {
          const object = attach(variant)!;
          const program = Object.values(object.programs)[0]!;
          measure(kind, 0.5);
          const { runCount, runTimeNs } = program.info();
          ns[variant]!.push(Number(runTimeNs) / Number(runCount));
          object.close();
        }
      }
      closeFd(stats);
      for (const variant of VARIANTS) cost[variant] = 100 * (1 - median(rates[variant]) / median(rates.none));
      figures.push({
        program: name,
        traffic: kind,
        rates: Object.fromEntries(VARIANTS.map((variant) => [variant, Math.round(median(rates[variant]))])),
        spreadPercent: Object.fromEntries(
          VARIANTS.map((variant) => [variant, Number(spread(rates[variant]).toFixed(1))]),
        ),
        costPercent: { ours: Number(cost["ours"]!.toFixed(2)), clang: Number(cost["clang"]!.toFixed(2)) },
        nsPerRun: { ours: Number(median(ns["ours"]!).toFixed(1)), clang: Number(median(ns["clang"]!).toFixed(1)) },
        slots: { ours: modules.ours!.programs[0]!.insns.length, clang: modules.clang!.programs[0]!.insns.length },
        // Of each round by itself: what else the machine does weighs on neighbours alike.
        ratioOfRates: Number(median(rates.ours.map((rate, round) => rate / rates.clang[round]!)).toFixed(3)),
      });
      const row = figures.at(-1) as {
        rates: Record<Variant, number>;
        nsPerRun: Record<string, number>;
        costPercent: Record<string, number>;
        spreadPercent: Record<string, number>;
        ratioOfRates: number;
      };
      say(
        `${name.padEnd(12)} ${kind.padEnd(4)} ${VARIANTS.map((variant) => `${variant} ${row.rates[variant]}/s ±${row.spreadPercent[variant]} %`).join("   ")}   ` +
          `cost ours ${row.costPercent["ours"]} %, clang ${row.costPercent["clang"]} %   ours/clang ${row.ratioOfRates}   ns per run ours ${row.nsPerRun["ours"]}, clang ${row.nsPerRun["clang"]}`,
      );
    }
  }
  const maps = mapAndRing(folder, here, lab, { pin: pinObject, remove: removeObject });
  for (const [what, row] of Object.entries(maps))
    say(
      `${what.padEnd(34)} ours ${Math.round(row.ours).toLocaleString("en")}/s   C with libbpf ${Math.round(row.libbpf).toLocaleString("en")}/s`,
    );
  if (asJson) process.stdout.write(`${JSON.stringify({ rounds, traffic: figures, maps }, undefined, 2)}\n`);
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
