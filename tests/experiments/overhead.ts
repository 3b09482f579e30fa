/** Figures 3 and 4: what it costs to write an option on every segment, to parse it, and to set and read a socket option for it. */
import { interleaved, ratiosOf, valuesOf, type Experiment, type Place, type Sample } from "./experiment.ts";
import {
  MAKERS,
  nameOf,
  open,
  PATH_NAMES,
  PATHS,
  prepare,
  PROGRAM_NAMES,
  PROGRAMS,
  SHARES,
  variantsOf,
  type Maker,
  type Path,
} from "./overhead-rig.ts";
import { estimate, median, quantile, short, type Estimate } from "./statistics.ts";

/** In the guest an instruction is a nanosecond, so that a part of a second and few repetitions tell as much. */
const RUNS: Readonly<Record<Place, { readonly quick: number; readonly full: number }>> = {
  here: { quick: 2, full: 20 },
  guest: { quick: 1, full: 3 },
};
const SECONDS: typeof RUNS = { here: { quick: 0.25, full: 40 }, guest: { quick: 0.02, full: 0.1 } };
/** What a step in the guest takes for each of its own seconds, on a machine with nothing else to do. */
const EMULATION = 20;

/** How a metric changes from one variant to another, in percent, from repetition to repetition. */
const change = (samples: readonly Sample[], variant: string, base: string, metric: string): Estimate =>
  estimate(ratiosOf(samples, variant, base, metric).map((ratio) => 100 * (ratio - 1)));
const percent = ({ value, low, high, count }: Estimate): string =>
  count === 0 ? "not measured" : `${value > 0 ? "+" : ""}${short(value)} % (${short(low)} to ${short(high)})`;
/** Half the distance of the quartiles, in percent of the median: what a single run says. */
function noise(values: readonly number[]): number {
  return (50 * (quantile(values, 0.75) - quantile(values, 0.25))) / median(values);
}
const measured = (samples: readonly Sample[]): Path[] =>
  PATH_NAMES.filter((path) => samples.some((one) => one.variant === nameOf(path)));
/** What must not be more than clang's, and what it is called. */
const BESIDE_CLANG = {
  gbits: "throughput",
  rttUs: "delay",
  nsPerRunBulk: "time of a run (bulk)",
  nsPerRunRr: "time of a run (exchanges)",
} as const;
/** Less than this says nothing, in percent: where code lies in memory changes as much. */
const NEGLIGIBLE = 1;
/** Of fewer runs no interval of a median says anything; where instructions are counted, each says it. */
const FEWEST: Readonly<Record<Place, number>> = { here: 5, guest: 3 };

/** The paper's relative costs over loopback (Figure 4), in percent. */
const PAPER = {
  gbits: { write: -12.7, "write-parse": -16.0 },
  rttUs: { write: 14.8, "write-parse": 20.0 },
} as const;
const CHANGES = {
  gbits: { title: "Throughput", word: "throughput", worse: -1 },
  rttUs: { title: "Round-trip time of one byte", word: "delay", worse: 1 },
} as const;
type Change = keyof typeof CHANGES;

function changes(samples: readonly Sample[], path: Path, metric: Change) {
  return {
    kind: "intervals" as const,
    title: `${CHANGES[metric].title} over ${path}, ${PATHS[path].where === "guest" ? "instructions " : ""}beside no program`,
    x: "change, %",
    neutral: 0,
    rows: PROGRAM_NAMES.flatMap((program) => [
      ...MAKERS.map((maker) => {
        const { value, low, high } = change(samples, nameOf(path, program, maker), nameOf(path), metric);
        return { name: PROGRAMS[program], series: maker, value, low, high };
      }),
      ...(path !== "veth" && program in PAPER[metric]
        ? [{ name: PROGRAMS[program], series: "the paper", value: PAPER[metric][program as "write"] }]
        : []),
    ]),
  };
}
function each(samples: readonly Sample[], path: Path, metric: string, title: string, x: string) {
  return {
    kind: "intervals" as const,
    title,
    x,
    neutral: 0,
    rows: PROGRAM_NAMES.flatMap((program) =>
      MAKERS.map((maker) => {
        const { value, low, high } = estimate(valuesOf(samples, nameOf(path, program, maker), metric));
        return { name: PROGRAMS[program], series: maker, value, low, high };
      }),
    ),
  };
}

/** eMPTCP has this figure, too: there of flows over a network, here of a path that does nothing else, where it is largest. */
const SHARE_OF_TIME = "an option on every segment: the program's part of the transmission time";

function tableOf(samples: readonly Sample[], path: Path): { what: string; ours: string }[] {
  const of = (variant: string, metric: string): number => median(valuesOf(samples, variant, metric));
  const guest = PATHS[path].where === "guest";
  const bare = nameOf(path);
  const noises = (["gbits", "rttUs"] as const).map((metric) => `±${short(noise(valuesOf(samples, bare, metric)))} %`);
  const byMaker = (say: (maker: Maker) => string): string => MAKERS.map((maker) => `${maker} ${say(maker)}`).join("; ");
  return [
    {
      what: `${path}, no program`,
      ours: guest
        ? `${short(of(bare, "nsPerPacketBulk"))} instructions a packet of 64 KB, ${short(of(bare, "nsPerPacketRr"))} of one byte; noise ${noises.join(", ")}`
        : `${short(of(bare, "gbits"))} Gbit/s, ${short(of(bare, "rttUs"))} µs; noise ${noises.join(", ")}`,
    },
    ...(path === "veth"
      ? []
      : PROGRAM_NAMES.slice(0, 1).map((program) => ({
          what: SHARE_OF_TIME,
          ours: `${path}, bulk data at full speed: ${byMaker((maker) => {
            const variant = nameOf(path, program, maker);
            return `${short((100 * of(variant, "programNsPerPacketBulk")) / of(variant, "nsPerPacketBulk"))} %`;
          })}`,
        }))),
    ...PROGRAM_NAMES.flatMap((program) => [
      ...(
        [
          ["throughput", "gbits"],
          ["delay", "rttUs"],
          ...(guest
            ? []
            : ([
                ["CPU of the sender per GB", "clientCpuPerGb"],
                ["CPU of the receiver per GB", "serverCpuPerGb"],
              ] as const)),
          ["connections per second", "connections"],
        ] as const
      ).map(([what, metric]) => ({
        what: `${path}, ${what}: ${PROGRAMS[program]}`,
        ours: byMaker((maker) => percent(change(samples, nameOf(path, program, maker), bare, metric))),
      })),
      ...(guest
        ? [
            {
              what: `${path}, instructions a packet more, of one byte: ${PROGRAMS[program]}`,
              ours: byMaker((maker) => {
                const variant = nameOf(path, program, maker);
                const more = of(variant, "nsPerPacketRr") - of(bare, "nsPerPacketRr");
                return `${short(more)} (${short(of(variant, "programNsPerPacketRr"))} of them in ${short(of(variant, "runsPerPacketRr"))} runs of the program)`;
              }),
            },
          ]
        : [
            {
              what: `${path}, a run, bulk and exchanges: ${PROGRAMS[program]}`,
              ours: byMaker(
                (maker) =>
                  `${short(of(nameOf(path, program, maker), "nsPerRunBulk"))} and ${short(of(nameOf(path, program, maker), "nsPerRunRr"))} ns`,
              ),
            },
          ]),
    ]),
  ];
}

/** Where ours costs more than the paper's did, relative to no program: `dearer` by the whole interval, `unknown` where it holds the paper's value. */
function besideThePaper(samples: readonly Sample[], path: Path): { dearer: string[]; unknown: string[] } {
  const said = { dearer: [] as string[], unknown: [] as string[] };
  for (const maker of MAKERS)
    for (const program of ["write", "write-parse"] as const)
      for (const metric of ["gbits", "rttUs"] as const) {
        if (maker === "clang's") continue;
        const { word, worse } = CHANGES[metric];
        const { value, low, high } = change(samples, nameOf(path, program, maker), nameOf(path), metric);
        const [best, worst] = worse > 0 ? [low, high] : [-high, -low];
        const theirs = worse * PAPER[metric][program];
        if (worst <= theirs) continue;
        said[best > theirs ? "dearer" : "unknown"].push(
          `${word} when ${PROGRAMS[program]} (${path}, ${maker}): ${short(value)} % beside ${PAPER[metric][program]} %`,
        );
      }
  return said;
}
/** How exactly it is known what `maker`'s changes beside clang's: half of the widest interval, in percent. */
function besideClangWithin(samples: readonly Sample[], paths: readonly Path[], maker: Maker): number {
  return Math.max(
    ...paths.flatMap((path) =>
      PROGRAM_NAMES.flatMap((program) =>
        (["gbits", "rttUs"] as const)
          .map((metric) => change(samples, nameOf(path, program, maker), nameOf(path, program, "clang's"), metric))
          .map(({ low, high }) => (high - low) / 2),
      ),
    ),
  );
}
/** Where `maker`'s costs more than clang's, by the whole interval, and by how much at most. */
function thanClang(samples: readonly Sample[], paths: readonly Path[], maker: Maker): string[] {
  return Object.entries(BESIDE_CLANG).flatMap(([metric, name]) => {
    const dearer = paths
      .flatMap((path) => PROGRAM_NAMES.map((program) => [path, program] as const))
      .map(([path, program]) => change(samples, nameOf(path, program, maker), nameOf(path, program, "clang's"), metric))
      .filter(({ low, high }) => (metric === "gbits" ? high < -NEGLIGIBLE : low > NEGLIGIBLE))
      .map(({ value }) => Math.abs(value));
    return dearer.length === 0 ? [] : [`${name}, by up to ${short(Math.max(...dearer))} %`];
  });
}

export const overhead: Experiment = {
  name: "overhead",
  title: "Figures 3 and 4: what an option on every segment costs",
  about:
    "One connection at a time between two processes on one processor each: bulk data one way, then exchanges of one byte, then a connection for " +
    "each exchange. All variants take turns within each repetition and are compared within it. Veth and loopback are by mainline's header-option callbacks on this machine. There is no network card: over veth a segment is 64 KB at most, as over loopback, and the paper's 10 Gbit/s " +
    "are no limit, so relative costs are of a path that does nothing else. Nanoseconds are the kernel's own counters (BPF_ENABLE_STATS), in a pass of their own. " +
    "“Patched loopback” is by the paper's hooks, on the patched kernel in QEMU, whose one processor's clock counts instructions (-icount): its seconds are instructions of client, server and kernel together, its ratios are of those, and cache and pipeline cost nothing there. " +
    "Ours keeps for each connection which option writes there, so that options can share it; “exclusive” is the same source with `exclusive: true`, which keeps nothing, as clang's twin in C does not. The comparison with clang is between these two; " +
    `less than ${NEGLIGIBLE} % is called nothing.`,
  where: "here",
  machine: ["--icount"],
  tools: ["ip", "nsenter", "taskset", "cc", "clang-19"],
  paper: [
    {
      what: SHARE_OF_TIME,
      value: "about 0.63 % of flows' transmission time, for changing MPTCP's options by another kind of program",
      place: "eMPTCP, ToN 2024, abstract",
    },
    {
      what: "over 10 Gbit/s, throughput: written on every segment",
      value: "9.41 → 9.38 Gbit/s, about 10 % more CPU",
      place: "Figure 3",
    },
    ...PATH_NAMES.filter((path) => path !== "veth").flatMap((path) => [
      { what: `${path}, throughput: ${PROGRAMS.write}`, value: "−12.7 %", place: "Figure 4" },
      { what: `${path}, throughput: ${PROGRAMS["write-parse"]}`, value: "a further −3.8 %", place: "Figure 4" },
      { what: `${path}, delay: ${PROGRAMS.write}`, value: "+14.8 %", place: "Figure 4" },
      { what: `${path}, delay: ${PROGRAMS["write-parse"]}`, value: "a further +4.5 %", place: "Figure 4" },
    ]),
  ],
  steps({ quick, runs, seconds }) {
    const usual = quick ? "quick" : "full";
    const of = (where: Place, runs: number, seconds: number) =>
      interleaved(
        variantsOf(where),
        runs,
        () => seconds,
        () => where,
      );
    return [
      ...of("here", runs ?? RUNS.here[usual], (seconds ?? SECONDS.here[usual]) * SHARES + 0.3),
      ...of(
        "guest",
        Math.min(runs ?? RUNS.guest.full, RUNS.guest[usual]),
        SECONDS.guest[usual] * SHARES * EMULATION + 1,
      ),
    ];
  },
  prepare,
  open: (lab, { quick, seconds }, folder) =>
    open(lab, (where) => (where === "here" ? seconds : undefined) ?? SECONDS[where][quick ? "quick" : "full"], folder),
  figures: (samples) =>
    measured(samples).flatMap((path) => [
      changes(samples, path, "gbits"),
      changes(samples, path, "rttUs"),
      ...(path === "loopback"
        ? [each(samples, path, "nsPerRunBulk", "One run of the program, bulk data over loopback", "nanoseconds")]
        : []),
      ...(path === "patched loopback"
        ? [
            each(
              samples,
              path,
              "programNsPerPacketRr",
              "Instructions that the program and what it calls take for a packet, the paper's hooks",
              "instructions",
            ),
          ]
        : []),
    ]),
  table: (samples) => measured(samples).flatMap((path) => tableOf(samples, path)),
  verdict(samples) {
    const paths = measured(samples);
    const few = paths.filter((path) => valuesOf(samples, nameOf(path), "gbits").length < FEWEST[PATHS[path].where]);
    const absent = PATH_NAMES.filter((path) => !paths.includes(path));
    const good = paths.filter((path) => !few.includes(path));
    const judged = good.length > 0 ? good : paths;
    const compared = judged.filter((path) => path !== "veth").map((path) => besideThePaper(samples, path));
    const dearer = compared.flatMap((one) => one.dearer);
    const unknown = compared.flatMap((one) => one.unknown);
    const fair = thanClang(samples, judged, "ours, exclusive");
    const here = judged.filter((path) => PATHS[path].where === "here");
    const shared = thanClang(samples, judged, "ours");
    const doubts = [
      ...absent.map((path) => `${path} was not measured`),
      ...few.map((path) => `${path} has fewer than ${FEWEST[PATHS[path].where]} runs`),
      ...(unknown.length > 0 ? [`this machine varies too much to say: ${unknown.join(", ")}`] : []),
    ];
    const figures =
      `Over ${judged.join(", ")}, ` +
      (dearer.length === 0
        ? "ours costs less than the paper's, relative to no program"
        : `ours costs more than the paper's did: ${dearer.join(", ")}`) +
      (fair.length === 0
        ? "; exclusive, nowhere more than clang's twin" +
          (here.length === 0
            ? ""
            : `, beside which throughput and delay are known to ±${short(besideClangWithin(samples, here, "ours, exclusive"))} % on this machine`)
        : `; exclusive, it costs more than clang's twin: ${fair.join(", ")}`) +
      (shared.length === 0
        ? ", nor where options may share the connection."
        : `. What options share a connection by, which the twin lacks, costs: ${shared.join(", ")}.`);
    return {
      reproduced: doubts.length > 0 ? undefined : dearer.length === 0 && fair.length === 0,
      because: doubts.length > 0 ? `${doubts.join("; ")}. ${figures}` : figures,
    };
  },
};
