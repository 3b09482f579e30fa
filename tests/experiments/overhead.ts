/** Figures 3 and 4: what it costs to write an option on every segment, to parse it, and to set and read a socket option for it. */
import { execFileSync, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { load, type LoadedObject } from "../../runtime/api.ts";
import { enableStats } from "../../runtime/kernel/bpf.ts";
import { closeFd } from "../../runtime/kernel/fd.ts";
import { compileC, repository } from "../bench/clang.ts";
import type { Lab } from "../runtime/lab.ts";
import { interleaved, ratiosOf, valuesOf, type Experiment, type Rig, type Sample } from "./experiment.ts";
import { estimate, median, quantile, short, type Estimate } from "./statistics.ts";

const SOURCES = join(repository, "tests/bench/runtime");
const PATHS = ["veth", "loopback"] as const;
/** The programs, and what each adds to the one before. */
const PROGRAMS = {
  write: "written on every segment",
  "write-parse": "written and parsed",
  "write-parse-options": "parsed, then set and read",
} as const;
type Program = keyof typeof PROGRAMS;
const NAMES = Object.keys(PROGRAMS) as Program[];
const MAKERS = ["ours", "clang's"] as const;
const NONE = "nothing";
/** `veth: ours write`, `loopback: nothing`. */
const variantOf = (path: string, program?: Program, maker?: string): string =>
  `${path}: ${program ? `${maker} ${program}` : NONE}`;
const VARIANTS = PATHS.flatMap((path) => [
  variantOf(path),
  ...NAMES.flatMap((program) => MAKERS.map((maker) => variantOf(path, program, maker))),
]);

/** Parts of a step: a kind of traffic, for how much of the seconds. */
const TRAFFIC = { bulk: 1, rr: 1, crr: 0.5 } as const;
const STATS_SHARE = 0.25;
const QUICK = { runs: 2, seconds: 0.25 };
const FULL = { runs: 20, seconds: 40 };

const objectOf = (folder: string, program: Program, maker: string): string =>
  join(folder, `${program}${maker === "ours" ? "" : ".clang"}.o`);

async function open(lab: Lab, seconds: number, folder: string): Promise<Rig> {
  const c = lab.netns("c");
  const s = lab.netns("s");
  lab.wire(c, "v0", ["10.95.0.1/24"], s, "v1", ["10.95.0.2/24"]);
  for (const net of [c, s]) lab.inside(net, "sysctl", "-qw", "net.ipv4.tcp_congestion_control=reno");
  const [client, server] = [lab.cgroup("client"), lab.cgroup("server")];
  const traffic = join(folder, "traffic");
  // One processor each: where the scheduler moves them about, throughput has two modes.
  const pinned = availableParallelism() > 1;
  const inside = (net: string, group: string, cpu: number, ...command: string[]): [string, string[]] => [
    "sh",
    [
      "-c",
      `echo $$ > ${group}/cgroup.procs; exec nsenter --net=/run/netns/${net} ${pinned ? `taskset -c ${cpu} ` : ""}${command.join(" ")}`,
    ],
  ];
  const places = { veth: ["10.95.0.2", "9000", s], loopback: ["127.0.0.1", "9000", c] } as const;
  for (const [address, port, net] of Object.values(places)) {
    const [file, args] = inside(net, server, 1, traffic, "server", address, port);
    const child = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
    lab.defer(() => void child.kill("SIGKILL"));
    await new Promise((resolve) => child.stdout.once("data", resolve));
  }
  const send = (path: (typeof PATHS)[number], kind: string, seconds: number): Promise<number> => {
    const [address, port] = places[path];
    const [file, args] = inside(c, client, 0, traffic, kind, address, port, String(seconds));
    const child = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
    let out = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
    return new Promise((resolve, reject) =>
      child.once("close", (code) =>
        code === 0 ? resolve(Number(out)) : reject(new Error(`traffic ${kind} over ${path} ended with ${code}`)),
      ),
    );
  };
  const cpuSeconds = (group: string): number =>
    Number(/usage_usec (\d+)/.exec(readFileSync(join(group, "cpu.stat"), "utf8"))![1]) / 1e6;

  return {
    async measure({ variant }) {
      const path = PATHS.find((one) => variant.startsWith(one))!;
      const [maker, program] = variant.slice(path.length + 2).split(" ") as [string, Program | undefined];
      const object: LoadedObject | undefined = program && load(objectOf(folder, program, maker));
      try {
        for (const group of [client, server]) object?.attach(group);
        const before = [cpuSeconds(client), cpuSeconds(server)] as const;
        const bits = await send(path, "bulk", seconds * TRAFFIC.bulk);
        const gigabytes = (bits * seconds * TRAFFIC.bulk) / 8e9;
        const metrics: Record<string, number> = {
          gbits: bits / 1e9,
          clientCpuPerGb: (cpuSeconds(client) - before[0]) / gigabytes,
          serverCpuPerGb: (cpuSeconds(server) - before[1]) / gigabytes,
        };
        metrics["exchanges"] = await send(path, "rr", seconds * TRAFFIC.rr);
        metrics["rttUs"] = 1e6 / metrics["exchanges"];
        metrics["connections"] = await send(path, "crr", seconds * TRAFFIC.crr);
        if (object) {
          // Apart from the rest, because counting costs as well.
          const stats = enableStats();
          const handle = Object.values(object.programs)[0]!;
          for (const [name, kind] of [
            ["nsPerRunBulk", "bulk"],
            ["nsPerRunRr", "rr"],
          ] as const) {
            const start = handle.info();
            await send(path, kind, seconds * STATS_SHARE);
            const end = handle.info();
            metrics[name] = Number(end.runTimeNs - start.runTimeNs) / Number(end.runCount - start.runCount);
          }
          closeFd(stats);
        }
        return { metrics };
      } finally {
        object?.close();
      }
    },
  };
}

/** How a metric changes from one variant to another, in percent, from repetition to repetition. */
const change = (samples: readonly Sample[], variant: string, base: string, metric: string): Estimate =>
  estimate(ratiosOf(samples, variant, base, metric).map((ratio) => 100 * (ratio - 1)));
const percent = ({ value, low, high, count }: Estimate): string =>
  count === 0 ? "not measured" : `${value > 0 ? "+" : ""}${short(value)} % (${short(low)} to ${short(high)})`;
/** Half the distance of the quartiles, in percent of the median. */
function noise(values: readonly number[]): number {
  return (50 * (quantile(values, 0.75) - quantile(values, 0.25))) / median(values);
}
const NOISY_PERCENT = 5;
/** What must not be more than clang's. */
const BESIDE_CLANG = {
  gbits: "throughput",
  rttUs: "delay",
  nsPerRunBulk: "time of a run (bulk)",
  nsPerRunRr: "time of a run (exchanges)",
} as const;
/** Of fewer runs no interval of a median says anything. */
const FEWEST = 5;

/** The paper's relative costs over loopback (Figure 4), and over 10 Gbit/s (Figure 3), in percent. */
const PAPER = { throughput: { write: -12.7, "write-parse": -16.0 }, delay: { write: 14.8, "write-parse": 20.0 } };
const CHANGES = {
  throughput: { metric: "gbits", title: "Throughput", paper: PAPER.throughput },
  delay: { metric: "rttUs", title: "Round-trip time of one byte", paper: PAPER.delay },
} as const;

function changes(samples: readonly Sample[], path: string, what: keyof typeof CHANGES) {
  const { metric, title, paper } = CHANGES[what];
  return {
    kind: "intervals" as const,
    title: `${title} over ${path}, beside no program at all`,
    x: "change, %",
    neutral: 0,
    rows: NAMES.flatMap((program) => [
      ...MAKERS.map((maker) => {
        const { value, low, high } = change(samples, variantOf(path, program, maker), variantOf(path), metric);
        return { name: PROGRAMS[program], series: maker, value, low, high };
      }),
      ...(path === "loopback" && program in paper
        ? [{ name: PROGRAMS[program], series: "the paper", value: paper[program as keyof typeof paper] }]
        : []),
    ]),
  };
}

export const overhead: Experiment = {
  name: "overhead",
  title: "Figures 3 and 4: what an option on every segment costs",
  about:
    "One connection at a time between two processes on one processor each, by mainline's header-option callbacks: bulk data one way, then exchanges of one byte, then a connection for " +
    "each exchange. All variants take turns within each repetition and are compared within it. There is no network card: over veth a segment is 64 KB at most, as over loopback, and the paper's 10 Gbit/s " +
    "are no limit, so relative costs are of a path that does nothing else. Nanoseconds are the kernel's own counters (BPF_ENABLE_STATS), in a pass of their own. " +
    "Ours keeps for each connection which option writes there, so that options can share it; clang's twin does not.",
  where: "here",
  tools: ["ip", "nsenter", "taskset", "cc", "clang-19"],
  paper: [
    {
      what: "over 10 Gbit/s, throughput: written on every segment",
      value: "9.41 → 9.38 Gbit/s, about 10 % more CPU",
      place: "Figure 3",
    },
    { what: `loopback, throughput: ${PROGRAMS.write}`, value: "−12.7 %", place: "Figure 4" },
    { what: `loopback, throughput: ${PROGRAMS["write-parse"]}`, value: "a further −3.8 %", place: "Figure 4" },
    { what: `loopback, delay: ${PROGRAMS.write}`, value: "+14.8 %", place: "Figure 4" },
    { what: `loopback, delay: ${PROGRAMS["write-parse"]}`, value: "a further +4.5 %", place: "Figure 4" },
  ],
  steps({ quick, runs, seconds }) {
    const usual = quick ? QUICK : FULL;
    const share = Object.values(TRAFFIC).reduce((sum, one) => sum + one, 2 * STATS_SHARE);
    return interleaved(VARIANTS, runs ?? usual.runs, () => (seconds ?? usual.seconds) * share + 0.3);
  },
  async prepare(folder) {
    const { compileInto } = await import("./objects.ts");
    execFileSync("cc", ["-O2", "-o", join(folder, "traffic"), join(SOURCES, "traffic.c")]);
    for (const program of NAMES) {
      compileInto(folder, program, "mainline", join(SOURCES, `${program}.ts`));
      writeFileSync(
        objectOf(folder, program, "clang's"),
        compileC(join(SOURCES, `${program}.c`), "clang-19", "v3", "mainline"),
      );
    }
  },
  open: (lab, { quick, seconds }, folder) => open(lab, seconds ?? (quick ? QUICK : FULL).seconds, folder),
  figures: (samples) => [
    changes(samples, "loopback", "throughput"),
    changes(samples, "loopback", "delay"),
    changes(samples, "veth", "throughput"),
    changes(samples, "veth", "delay"),
    {
      kind: "intervals",
      title: "One run of the program, bulk data over loopback",
      x: "nanoseconds",
      neutral: 0,
      rows: NAMES.flatMap((program) =>
        MAKERS.map((maker) => {
          const { value, low, high } = estimate(
            valuesOf(samples, variantOf("loopback", program, maker), "nsPerRunBulk"),
          );
          return { name: PROGRAMS[program], series: maker, value, low, high };
        }),
      ),
    },
  ],
  table: (samples) =>
    PATHS.flatMap((path) => [
      {
        what: `${path}, no program`,
        ours: `${short(median(valuesOf(samples, variantOf(path), "gbits")))} Gbit/s, ${short(median(valuesOf(samples, variantOf(path), "rttUs")))} µs; noise ±${short(noise(valuesOf(samples, variantOf(path), "gbits")))} %, ±${short(noise(valuesOf(samples, variantOf(path), "rttUs")))} %`,
      },
      ...NAMES.flatMap((program) =>
        (
          [
            ["throughput", "gbits"],
            ["delay", "rttUs"],
            ["CPU of the sender per GB", "clientCpuPerGb"],
            ["CPU of the receiver per GB", "serverCpuPerGb"],
            ["connections per second", "connections"],
          ] as const
        ).map(([what, metric]) => ({
          what: `${path}, ${what}: ${PROGRAMS[program]}`,
          ours: MAKERS.map(
            (maker) => `${maker} ${percent(change(samples, variantOf(path, program, maker), variantOf(path), metric))}`,
          ).join("; "),
        })),
      ),
    ]),
  verdict(samples) {
    const runs = valuesOf(samples, variantOf("loopback"), "gbits").length;
    if (runs < FEWEST)
      return {
        reproduced: undefined,
        because: `${runs} runs of each variant are too few to tell; ${FEWEST} are needed.`,
      };
    const cost = (path: string, program: Program, metric: string, sign: number): number =>
      sign * change(samples, variantOf(path, program, "ours"), variantOf(path), metric).value;
    const paper = { gbits: PAPER.throughput, rttUs: PAPER.delay };
    const dearer = (["write", "write-parse"] as const).flatMap((program) =>
      (["gbits", "rttUs"] as const)
        .filter((metric) => {
          const sign = metric === "gbits" ? -1 : 1;
          return !(cost("loopback", program, metric, sign) <= sign * paper[metric][program]);
        })
        .map((metric) => `${metric === "gbits" ? "throughput" : "delay"} when ${PROGRAMS[program]}`),
    );
    // Dearer than clang's where the whole interval says so; told with the largest of them.
    const thanClang = Object.entries(BESIDE_CLANG).flatMap(([metric, name]) => {
      const dearer = PATHS.flatMap((path) => NAMES.map((program) => [path, program] as const))
        .map(([path, program]) =>
          change(samples, variantOf(path, program, "ours"), variantOf(path, program, "clang's"), metric),
        )
        .filter(({ low, high }) => (metric === "gbits" ? high < 0 : low > 0))
        .map(({ value }) => Math.abs(value));
      return dearer.length === 0 ? [] : [`${name}, by up to ${short(Math.max(...dearer))} %`];
    });
    const worst = Math.max(...PATHS.map((path) => noise(valuesOf(samples, variantOf(path), "gbits"))));
    const figures =
      (dearer.length === 0
        ? "over loopback ours costs less than the paper's, relative to no program"
        : `over loopback ours costs more than the paper's did: ${dearer.join(", ")}`) +
      (thanClang.length === 0
        ? ", and nowhere measurably more than clang's twin."
        : `; it costs more than clang's twin, which keeps no state for each connection: ${thanClang.join(", ")}.`);
    return worst > NOISY_PERCENT
      ? {
          reproduced: undefined,
          because: `the machine was too noisy: without any program the throughput varies by ±${short(worst)} % from run to run, where ±${NOISY_PERCENT} % is the most. As far as it goes, ${figures}`,
        }
      : { reproduced: dearer.length === 0 && thanClang.length === 0, because: figures };
  },
};
