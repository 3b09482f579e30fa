/** Delayed ACK by option: how many ACKs there are, and what it does to retransmission timers and to short flows. */
import { execFileSync, spawn } from "node:child_process";
import { join } from "node:path";
import { load } from "../../runtime/api.ts";
import { repository } from "../bench/clang.ts";
import type { Lab } from "../runtime/lab.ts";
import {
  interleaved,
  seriesOf,
  valuesOf,
  type Experiment,
  type Figure,
  type Options,
  type Rig,
  type Sample,
} from "./experiment.ts";
import { estimate, median, short, shown } from "./statistics.ts";

/** Round trips of the two paths, in milliseconds. */
const PATHS = [0.5, 80] as const;
const SEGMENTS = [1, 2, 4, 8, 16] as const;
/** The delay is the smallest round trip divided by this, but 2 ms at least. */
const FRACTIONS = [2, 8] as const;
const DEFAULT = "Linux's default";
const FLOWS = { count: 8, bytes: 30_000 };
/** Long beside what Linux acknowledges at once at the beginning of a connection, and again for each growth of its window. */
const TRANSFER = { full: 20_000_000, quick: 2_000_000 };
/** Slower than the emulated processor, which would otherwise find several segments waiting and take them for one. */
const RATE = "200mbit";
const PORT = 9000;

interface Variant {
  readonly rtt: number;
  /** Undefined: no option. */
  readonly asked: { readonly segments: number; readonly fraction: number } | undefined;
}
const nameOf = ({ rtt, asked }: Variant): string =>
  `${rtt} ms: ${asked ? `${asked.segments} segments, RTT/${asked.fraction}` : DEFAULT}`;
function variants(quick: boolean): Variant[] {
  const segments = quick ? [2, 16] : SEGMENTS;
  const fractions = quick ? [2] : FRACTIONS;
  return PATHS.flatMap((rtt) => [
    { rtt, asked: undefined },
    ...fractions.flatMap((fraction) => segments.map((segments) => ({ rtt, asked: { segments, fraction } }))),
  ]);
}
const ALL = new Map(variants(false).map((one) => [nameOf(one), one]));

async function open(lab: Lab, { quick }: Options, folder: string): Promise<Rig> {
  const groups = [lab.cgroup("client"), lab.cgroup("server")] as const;
  const rigs = new Map<number, Awaited<ReturnType<typeof wire>>>();
  const traffic = join(folder, "traffic");
  let address = 0;
  async function wire(rtt: number) {
    const [c, r, s] = ["c", "r", "s"].map((name) => lab.netns(`${name}${address}`)) as [string, string, string];
    const net = (half: number): string => `10.96.${2 * address + half}`;
    lab.wire(c, "v0", [`${net(0)}.1/24`], r, "v1", [`${net(0)}.2/24`]);
    lab.wire(s, "v0", [`${net(1)}.1/24`], r, "v2", [`${net(1)}.2/24`]);
    lab.ip(c, "route", "add", `${net(1)}.0/24`, "via", `${net(0)}.2`);
    lab.ip(s, "route", "add", `${net(0)}.0/24`, "via", `${net(1)}.2`);
    lab.inside(r, "sysctl", "-qw", "net.ipv4.ip_forward=1");
    for (const device of ["v1", "v2"])
      lab.inside(
        r,
        "tc",
        "qdisc",
        "add",
        "dev",
        device,
        "root",
        "netem",
        "delay",
        `${(rtt * 1000) / 2}us`,
        "rate",
        RATE,
        "limit",
        "20000",
      );
    // Segments leave one by one, as from a network card; what is acknowledged is a segment then.
    for (const end of [c, s]) lab.ip(end, "link", "set", "v0", "gso_max_segs", "1");
    const host = `${net(1)}.1`;
    address++;
    const child = spawn(
      "sh",
      [
        "-c",
        `echo $$ > ${groups[1]}/cgroup.procs; exec nsenter --net=/run/netns/${s} ${traffic} server ${host} ${PORT}`,
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    lab.defer(() => void child.kill("SIGKILL"));
    await new Promise((resolve) => child.stdout.once("data", resolve));
    return { c, host };
  }

  return {
    async measure({ variant }) {
      const { rtt, asked } = ALL.get(variant)!;
      const { c, host } = rigs.get(rtt) ?? (await wire(rtt));
      rigs.set(rtt, { c, host });
      const object =
        asked &&
        load(join(folder, "delayed-ack.o"), {
          params: { rttFraction: asked.fraction, segmentsPerAck: asked.segments },
        });
      for (const group of groups) object?.attach(group);
      try {
        const run = (...words: (string | number)[]): number[][] => {
          const [kind, ...rest] = words;
          const command = `echo $$ > ${groups[0]}/cgroup.procs; exec nsenter --net=/run/netns/${c} ${traffic} ${kind} ${host} ${PORT} ${rest.join(" ")}`;
          const lines = execFileSync("sh", ["-c", command], { encoding: "utf8" }).trim().split("\n");
          return lines.map((line) => line.split(" ").map(Number));
        };
        const [segments, acks, rtoUs] = run("send", quick ? TRANSFER.quick : TRANSFER.full)[0] as [
          number,
          number,
          number,
        ];
        const flows = run("flow", FLOWS.count, FLOWS.bytes).flat();
        return {
          metrics: {
            acksPer1000: (1000 * acks) / segments,
            rtoMs: rtoUs / 1000,
            flowMs: median(flows),
          },
          series: { flowMs: flows },
        };
      } finally {
        object?.close();
      }
    },
  };
}

const groupsOf = (samples: readonly Sample[], rtt: number): Variant[] =>
  [...ALL.values()].filter((one) => one.rtt === rtt && samples.some((sample) => sample.variant === nameOf(one)));
const acks = (samples: readonly Sample[], variant: Variant): number =>
  median(valuesOf(samples, nameOf(variant), "acksPer1000"));

function figure(
  samples: readonly Sample[],
  title: string,
  x: string,
  of: (variant: string) => readonly number[],
): Figure {
  return {
    kind: "intervals",
    title,
    x,
    neutral: 0,
    rows: PATHS.flatMap((rtt) =>
      groupsOf(samples, rtt).map((variant) => {
        const { value, low, high } = estimate(of(nameOf(variant)));
        return { name: nameOf(variant), series: `round trip of ${rtt} ms`, value, low, high };
      }),
    ),
  };
}

export const delayedAck: Experiment = {
  name: "delayed-ack",
  title: "Delayed ACK by option: ACKs, retransmission timers, short flows",
  about:
    `On the patched kernel in QEMU, whose processor is emulated: times over the path of ${PATHS[0]} ms are mostly the processor's. ${TRANSFER.full / 1e6} MB are sent once, at ${RATE.replace("mbit", " Mbit/s")}, with segments of one MTU, ` +
    `and then ${FLOWS.count} short flows of ${FLOWS.bytes / 1000} KB, timed from connecting until the receiver has closed. The sender asks; the receiver delays by the smallest round trip divided by what it was asked for, and not below 2 ms. ` +
    "Quick ACKs at the beginning of a connection are Linux's own in all variants.",
  where: "guest",
  machine: ["--icount"],
  tools: ["ip", "nsenter", "tc", "cc"],
  paper: [],
  steps: ({ quick, runs }: Options) =>
    interleaved(variants(quick).map(nameOf), runs ?? (quick ? 1 : 5), (variant) =>
      quick ? (variant.startsWith("80") ? 7 : 4) : 12,
    ),
  async prepare(folder) {
    const { compileInto } = await import("./objects.ts");
    execFileSync("cc", [
      "-O2",
      "-static",
      "-o",
      join(folder, "traffic"),
      join(repository, "tests/bench/runtime/traffic.c"),
    ]);
    compileInto(folder, "delayed-ack", "patched");
  },
  open,
  figures: (samples) => [
    figure(samples, "ACKs per 1,000 segments", "ACKs", (variant) => valuesOf(samples, variant, "acksPer1000")),
    figure(samples, "Retransmission timeout of the sender after the transfer", "milliseconds", (variant) =>
      valuesOf(samples, variant, "rtoMs"),
    ),
    figure(samples, `Short flows of ${FLOWS.bytes / 1000} KB`, "milliseconds", (variant) =>
      seriesOf(samples, variant, "flowMs"),
    ),
  ],
  table: (samples) =>
    PATHS.flatMap((rtt) =>
      groupsOf(samples, rtt).map((variant) => ({
        what: nameOf(variant),
        ours: `${shown(estimate(valuesOf(samples, nameOf(variant), "acksPer1000")))} ACKs per 1,000 segments; RTO ${short(median(valuesOf(samples, nameOf(variant), "rtoMs")))} ms; short flows ${short(median(seriesOf(samples, nameOf(variant), "flowMs")))} ms`,
      })),
    ),
  verdict(samples) {
    // More segments to an ACK must never mean more ACKs, and the most must mean fewer than Linux's two.
    const rising: string[] = [];
    const saved: string[] = [];
    for (const rtt of PATHS)
      for (const fraction of FRACTIONS) {
        const row = groupsOf(samples, rtt).filter((one) => one.asked?.fraction === fraction);
        for (const [index, one] of row.entries())
          if (index > 0 && acks(samples, one) > 1.1 * acks(samples, row[index - 1]!)) rising.push(nameOf(one));
        const last = row.at(-1);
        const plain = acks(samples, { rtt, asked: undefined });
        if (last && !(acks(samples, last) < plain)) rising.push(`${nameOf(last)} beside the default`);
        else if (last) saved.push(`${short(plain / acks(samples, last))} times fewer (${nameOf(last)})`);
      }
    return {
      reproduced: rising.length === 0 && saved.length > 0,
      because:
        rising.length === 0
          ? `the more segments the sender asks for, the fewer ACKs come back: ${saved.join("; ")} than by Linux's default.`
          : `ACKs do not become fewer with the segments asked for: ${rising.join("; ")}.`,
    };
  },
};
