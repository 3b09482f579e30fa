/** Figure 6: the client asks for an initial window, and pages load faster or not. */
import { execFileSync } from "node:child_process";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { load } from "../../runtime/api.ts";
import { repository } from "../bench/clang.ts";
import type { Lab } from "../runtime/lab.ts";
import { emulate, serve, type Emulated } from "./emulated.ts";
import { interleaved, type Experiment, type Lines, type Options, type Rig, type Sample } from "./experiment.ts";
import { distribution, estimate, median, short } from "./statistics.ts";

const WINDOWS = [2, 4, 10, 16, 20, 32, 64] as const;
/** The window that Linux has without being asked, which the others are compared with. */
const USUAL = 10;
/** Queues: a long one, and one that large windows overflow. */
const QUEUES = { "long queue": 1000, "queue of 20 packets": 20 } as const;
type Queue = keyof typeof QUEUES;
const QUEUE_NAMES = Object.keys(QUEUES) as Queue[];
const PATH = { mbit: 40, delayMs: 40 };
/** A step loads this many pages; each repetition loads the next ones, and after the last the first again. */
const CHUNK = 10;
const QUICK_CHUNK = 2;
const PAGES = 170;
const REPEATS = 3;
const SECONDS_PER_PAGE = 2.5;

const variantOf = (queue: Queue, window: number): string => `${queue}: ${window} segments`;
function variants(quick: boolean): string[] {
  return QUEUE_NAMES.flatMap((queue) => (quick ? [2, 10, 32] : WINDOWS).map((window) => variantOf(queue, window)));
}

function open(lab: Lab, options: Options, folder: string): Rig {
  const rigs = new Map<Queue, Promise<Emulated>>();
  // One path at a time: both have the same addresses, in namespaces of their own.
  const start = async (queue: Queue): Promise<Emulated> => {
    const rig = emulate(lab, { ...PATH, packets: QUEUES[queue] });
    for (const net of [rig.client, rig.server])
      lab.inside(net, "sysctl", "-qw", "net.ipv4.tcp_congestion_control=cubic", "net.ipv4.tcp_no_metrics_save=1");
    await serve(lab, rig, join(folder, `${QUEUES[queue]}`), (root) =>
      writeFileSync(join(root, "file"), Buffer.alloc(1_600_000)),
    );
    return rig;
  };
  return {
    async measure({ variant, repetition }) {
      const queue = QUEUE_NAMES.find((one) => variant.startsWith(one))!;
      const window = Number(variant.slice(queue.length + 2).split(" ")[0]);
      const rig = await (rigs.get(queue) ?? rigs.set(queue, start(queue)).get(queue)!);
      const object = load(join(folder, "initial-window.o"), { params: { wantedWindow: window } });
      for (const group of rig.groups) object.attach(group);
      try {
        const chunk = options.quick ? QUICK_CHUNK : CHUNK;
        const first = (repetition * chunk) % PAGES;
        const command = `${folder}/replay ${rig.host} 80 ${folder}/pages.txt ${first} ${chunk}`;
        const out = execFileSync("sh", ["-c", rig.on("client", command)], { encoding: "utf8" });
        const loadMs = out.trim().split("\n").map(Number);
        return { metrics: { first, medianMs: median(loadMs) }, series: { loadMs } };
      } finally {
        object.close();
      }
    },
  };
}

/** For each page its time over that with the usual window, in the same repetition. */
function ratios(samples: readonly Sample[], queue: Queue, window: number): number[] {
  const times = (one: Sample | undefined): readonly number[] => one?.series?.["loadMs"] ?? [];
  const of = (window: number): Sample[] => samples.filter((one) => one.variant === variantOf(queue, window));
  const base = new Map(of(USUAL).map((one) => [one.repetition, times(one)]));
  return of(window).flatMap((one) =>
    times(one).flatMap((ms, index) => {
      const usual = base.get(one.repetition)?.[index];
      return usual === undefined ? [] : [ms / usual];
    }),
  );
}
/** Of fewer pages no distribution says much. */
const FEWEST_PAGES = 20;
/** Parts of the pages that load faster or slower by more than this are counted. */
const NOTABLE = 0.02;
const share = (values: readonly number[], holds: (one: number) => boolean): number =>
  (100 * values.filter(holds).length) / values.length;
/** A short queue turns large windows into harm where this part of the pages is slower by them, and so many times that of a long one. */
const HURT = { pages: 20, times: 3 };
const faster = (values: readonly number[]): number => share(values, (one) => one < 1 - NOTABLE);
const slower = (values: readonly number[]): number => share(values, (one) => one > 1 + NOTABLE);
const windowsOf = (samples: readonly Sample[], queue: Queue): number[] =>
  WINDOWS.filter((window) => window !== USUAL && ratios(samples, queue, window).length > 0);

function figure(samples: readonly Sample[], queue: Queue): Lines {
  return {
    kind: "lines",
    title: `Page load time relative to ${USUAL} segments, ${queue}`,
    x: "time over time with 10 segments",
    y: "part of the pages",
    steps: true,
    points: windowsOf(samples, queue).flatMap((window) =>
      distribution(ratios(samples, queue, window)).map((point) => ({ series: `${window} segments`, ...point })),
    ),
  };
}

export const fig6: Experiment = {
  name: "fig6",
  title: "Figure 6: initial window by option",
  about:
    `On the patched kernel in QEMU: ${PATH.mbit} Mbit/s and ${PATH.delayMs} ms each way between client and nginx. Pages are graphs generated so that their numbers of requests and their weights are distributed as HTTP Archive's Web Almanac 2019 says of desktop pages ` +
    `(pages/generate.ts says what of them is published and what is ours; pages.txt has them), loaded by a replayer that opens six connections to a host as browsers do; nothing is computed, drawn or looked up in DNS. Each page is compared with itself under ${USUAL} segments, in the same repetition; ` +
    `faster and slower mean by more than ${100 * NOTABLE} %.`,
  where: "guest",
  machine: ["--icount"],
  tools: ["ip", "nsenter", "tc", "ss", "nginx", "cc"],
  paper: [
    { what: "pages that load faster with a larger window", value: "about 70 %, a few slower", place: "Figure 6" },
  ],
  steps: ({ quick, runs }) =>
    interleaved(
      variants(quick),
      runs ?? (quick ? 1 : (PAGES / CHUNK) * REPEATS),
      () => SECONDS_PER_PAGE * (quick ? QUICK_CHUNK : CHUNK),
    ),
  async prepare(folder) {
    const { compileInto } = await import("./objects.ts");
    compileInto(folder, "initial-window", "patched");
    const pages = join(repository, "tests/experiments/pages");
    execFileSync("cc", ["-O2", "-static", "-o", join(folder, "replay"), join(pages, "replay.c")]);
    copyFileSync(join(pages, "pages.txt"), join(folder, "pages.txt"));
  },
  open,
  figures: (samples) => QUEUE_NAMES.map((queue) => figure(samples, queue)),
  table(samples) {
    const larger = windowsOf(samples, "long queue")
      .filter((window) => window > USUAL)
      .map((window) => {
        const values = ratios(samples, "long queue", window);
        return `${window} segments: ${short(faster(values))} %, ${short(slower(values))} % slower`;
      });
    return [
      { what: "pages that load faster with a larger window", ours: larger.join("; ") },
      ...QUEUE_NAMES.flatMap((queue) =>
        windowsOf(samples, queue).map((window) => {
          const values = ratios(samples, queue, window);
          const { value, low, high, count } = estimate(values);
          return {
            what: variantOf(queue, window),
            ours: `time × ${short(value)} (${short(low)} to ${short(high)}; ${count} pages); ${short(faster(values))} % faster, ${short(slower(values))} % slower`,
          };
        }),
      ),
    ];
  },
  verdict(samples) {
    const large = windowsOf(samples, "long queue").filter((window) => window > USUAL);
    const best = large.map((window) => faster(ratios(samples, "long queue", window)));
    const helps =
      Math.max(...best, 0) >= 50 && large.some((window) => estimate(ratios(samples, "long queue", window)).high < 1);
    const largest = large.at(-1) ?? USUAL;
    const gain = median(ratios(samples, "long queue", largest));
    const short20 = ratios(samples, "queue of 20 packets", largest);
    const plain = slower(ratios(samples, "long queue", largest));
    const hurts = slower(short20) >= HURT.pages && slower(short20) >= HURT.times * plain;
    const figures =
      `with a long queue up to ${short(Math.max(...best, 0))} % of the pages load faster with more than ${USUAL} segments (the paper: about 70 %); ` +
      `with a queue of 20 packets, ${largest} segments make ${short(slower(short20))} % of the pages slower, by up to × ${short(Math.max(...short20))}, where the long queue has ${short(plain)} %; ` +
      `the median takes × ${short(median(short20))} there and × ${short(gain)} here: six connections of ${USUAL} segments overflow such a queue already.`;
    if (short20.length < FEWEST_PAGES)
      return {
        reproduced: undefined,
        because: `${short20.length} pages are too few, ${FEWEST_PAGES} are needed. As far as it goes: ${figures}`,
      };
    return {
      reproduced: helps && hurts,
      because:
        helps && hurts
          ? figures
          : `${helps ? "" : "larger windows do not help most pages; "}${hurts ? "" : "a short queue does not turn the gain of many; "}${figures}`,
    };
  },
};
