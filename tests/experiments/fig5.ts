/** Figure 5: the client asks, on its third ACK, by which congestion control the server shall send. */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { load } from "../../runtime/api.ts";
import { pause, type Lab } from "../runtime/lab.ts";
import { emulate, serve } from "./emulated.ts";
import { interleaved, seriesOf, valuesOf, type Experiment, type Options, type Rig, type Sample } from "./experiment.ts";
import { estimate, median, quantile, short, shown } from "./statistics.ts";

/** What is asked for, and the name of it: the kernel's own, then those of `programs/` in TypeScript. */
const SCHEMES = {
  NewReno: { name: "reno" },
  CUBIC: { name: "cubic" },
  Vegas: { name: "vegas" },
  BBR: { name: "bbr" },
  "CUBIC in TypeScript": { name: "ts_cubic", program: "cubic" },
  "Vegas in TypeScript": { name: "ts_vegas", program: "vegas" },
} as const;
type Scheme = keyof typeof SCHEMES;
const NAMES = Object.keys(SCHEMES) as Scheme[];
const PATH = { mbit: 8, delayMs: 40, packets: 1000 };
const ROUND_TRIP = 2 * PATH.delayMs;
const FULL = { runs: 5, seconds: 25 };
const QUICK = { runs: 1, seconds: 4 };
const BYTES_PER_SECOND = (PATH.mbit * 1e6) / 8;
/** Every download has the same time, and a file that takes longer. */
const CURL_TIME_IS_UP = 28;
/** What a scheme must have for its round-trip times to say something. */
const FEWEST_LOOKS = 20;
const LEAST_SHARE = 0.6;
/** Number of the scheme that is asked for: the place of the map where the server finds its name. */
const WANTED = 0;

async function open(lab: Lab, options: Options, folder: string): Promise<Rig> {
  const seconds = options.seconds ?? (options.quick ? QUICK : FULL).seconds;
  const rig = emulate(lab, PATH);
  lab.inside(rig.server, "sysctl", "-qw", "net.ipv4.tcp_no_metrics_save=1");
  await serve(lab, rig, folder, (root) =>
    writeFileSync(join(root, "file"), Buffer.alloc(Math.round(BYTES_PER_SECOND * seconds * 1.1))),
  );
  for (const scheme of Object.values(SCHEMES))
    if ("program" in scheme) {
      const object = load(join(folder, `${scheme.program}.o`));
      object.register();
      lab.defer(() => object.close());
    }

  return {
    async measure({ variant }) {
      const { name } = SCHEMES[variant as Scheme];
      const object = load(join(folder, "congestion-control.o"), { params: { wanted: WANTED } });
      object.maps["ccNames"]!.set(WANTED, name);
      for (const group of rig.groups) object.attach(group);
      try {
        const begin = performance.now();
        const out = "-s -o /dev/null -w %{http_code}_%{size_download}_%{time_total}";
        const curl = spawn(
          "sh",
          ["-c", rig.on("client", `curl --max-time ${seconds} ${out} http://${rig.host}/file`)],
          {
            stdio: ["ignore", "pipe", "inherit"],
          },
        );
        let said = "";
        curl.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
        let running = true;
        const done = new Promise<number | null>((resolve) =>
          curl.once("close", (code) => {
            running = false;
            resolve(code);
          }),
        );
        const [at, rtt]: [number[], number[]] = [[], []];
        let [asked, looked] = [0, 0];
        while (running) {
          const text = lab.inside(rig.server, "ss", "-tinH", "state", "established", "sport", "=", ":80");
          const found = /\brtt:([\d.]+)/.exec(text);
          if (found) {
            looked++;
            if (new RegExp(`\\b${name}\\b`).test(text)) asked++;
            at.push((performance.now() - begin) / 1000);
            rtt.push(Number(found[1]));
          }
          await pause(100);
        }
        const code = await done;
        const [status, bytes, time] = said.split("_").map(Number);
        if ((code !== 0 && code !== CURL_TIME_IS_UP) || status !== 200)
          throw new Error(`curl ended with ${code}, HTTP ${status}`);
        return {
          metrics: {
            rttMs: mean(at, rtt),
            highestRttMs: quantile(rtt, 0.95),
            mbit: (8 * bytes!) / time! / 1e6,
            /** Of the looks at the server's socket, those that saw the scheme which was asked for. */
            inForce: asked / looked,
          },
          series: { at, rtt },
        };
      } finally {
        object.close();
        await rig.drained();
      }
    },
  };
}

/** Over the time of the download: what lies below the curve. */
function mean(at: readonly number[], rtt: readonly number[]): number {
  const [first, last] = [at[0] ?? 0, at.at(-1) ?? 0];
  if (last === first) return rtt[0] ?? NaN;
  const parts = rtt.slice(1).map((ms, index) => ((ms + rtt[index]!) / 2) * (at[index + 1]! - at[index]!));
  return parts.reduce((sum, part) => sum + part, 0) / (last - first);
}

const rtt = (samples: readonly Sample[], variant: Scheme): number => median(valuesOf(samples, variant, "rttMs"));
const present = (samples: readonly Sample[]): Scheme[] =>
  NAMES.filter((name) => samples.some((one) => one.variant === name));

export const fig5: Experiment = {
  name: "fig5",
  title: "Figure 5: congestion control by option",
  about:
    `On the patched kernel in QEMU: client and server on two sides of a Linux bridge with HTB (${PATH.mbit} Mbit/s) and a queue of ${PATH.packets} packets, netem (${PATH.delayMs} ms each way) at both ends. curl downloads one file from nginx, for as long as a run takes, while the ` +
    "client's third ACK asks for a scheme; the smoothed round-trip time of the server's socket (ss) is read about ten times a second. Before the next download the queue is empty. A machine that is too slow adds to every round trip alike.",
  where: "guest",
  machine: ["--icount"],
  tools: ["ip", "nsenter", "tc", "ss", "curl", "nginx"],
  paper: [
    {
      what: "order of the round-trip times",
      value: "Vegas and BBR near the path's delay, NewReno worst",
      place: "Figure 5",
    },
  ],
  steps: ({ quick, runs, seconds }) => {
    const usual = quick ? QUICK : FULL;
    return interleaved(NAMES, runs ?? usual.runs, () => (seconds ?? usual.seconds) + 2);
  },
  async prepare(folder) {
    const { compileInto } = await import("./objects.ts");
    compileInto(folder, "congestion-control", "patched");
    for (const scheme of Object.values(SCHEMES))
      if ("program" in scheme) compileInto(folder, scheme.program, "patched");
  },
  open,
  figures: (samples) => [
    {
      kind: "lines",
      title: "Round-trip time as the server sees it, first run",
      x: "seconds",
      y: "milliseconds",
      points: present(samples).flatMap((series) => {
        const first = samples.find((one) => one.variant === series);
        const [at, rtt] = [first?.series?.["at"] ?? [], first?.series?.["rtt"] ?? []];
        // From the first look on: the guest's clock runs ahead while it waits for a file of the host's.
        return at.map((x, index) => ({ series, x: x - at[0]!, y: rtt[index]! }));
      }),
    },
    {
      kind: "intervals",
      title: "Mean of the round-trip time over the download, all runs",
      x: "milliseconds",
      neutral: ROUND_TRIP,
      rows: present(samples).map((name) => {
        const { value, low, high } = estimate(valuesOf(samples, name, "rttMs"));
        return { name, series: "here", value, low, high };
      }),
    },
  ],
  table: (samples) => [
    {
      what: "order of the round-trip times",
      ours: present(samples)
        .toSorted((a, b) => rtt(samples, a) - rtt(samples, b))
        .map((name) => `${name} ${short(rtt(samples, name))} ms`)
        .join(", "),
    },
    ...present(samples).map((name) => ({
      what: name,
      ours:
        `${shown(estimate(valuesOf(samples, name, "rttMs")), " ms")}; 95 % of the time below ${short(median(seriesOf(samples, name, "rtt").length > 0 ? valuesOf(samples, name, "highestRttMs") : []))} ms; ` +
        `${short(median(valuesOf(samples, name, "mbit")))} Mbit/s; in force ${short(100 * median(valuesOf(samples, name, "inForce")))} % of the time`,
    })),
  ],
  verdict(samples) {
    const names = present(samples);
    const missing = NAMES.filter((name) => !names.includes(name));
    if (missing.length > 0) return { reproduced: undefined, because: `not measured: ${missing.join(", ")}.` };
    const ignored = names.filter((name) => median(valuesOf(samples, name, "inForce")) < 0.9);
    if (ignored.length > 0)
      return { reproduced: false, because: `the server did not use what it was asked for: ${ignored.join(", ")}.` };
    const [reno, cubic, vegas, bbr] = (["NewReno", "CUBIC", "Vegas", "BBR"] as const).map((name) =>
      rtt(samples, name),
    ) as [number, number, number, number];
    const above = [
      ...(vegas < 2 * ROUND_TRIP
        ? []
        : ["Vegas (it leaves slow start with a queue, and gives back a segment a round trip)"]),
      ...(bbr < 2 * ROUND_TRIP ? [] : ["BBR"]),
    ];
    const near = above.length === 0;
    const ordered = Math.max(vegas, bbr) < Math.min(reno, cubic);
    const worst = reno >= cubic;
    const twins = ` In TypeScript, CUBIC has ${short(rtt(samples, "CUBIC in TypeScript"))} ms beside the kernel's ${short(cubic)}, Vegas ${short(rtt(samples, "Vegas in TypeScript"))} beside ${short(vegas)}.`;
    const means = `Vegas ${short(vegas)} ms, BBR ${short(bbr)}, CUBIC ${short(cubic)}, NewReno ${short(reno)}, over a path of ${ROUND_TRIP} ms.`;
    // A machine that cannot keep up makes a path of its own.
    const slow = names.filter(
      (name) =>
        seriesOf(samples, name, "rtt").length < FEWEST_LOOKS ||
        median(valuesOf(samples, name, "mbit")) < LEAST_SHARE * PATH.mbit,
    );
    const busy =
      slow.length > 0
        ? `the machine was too slow for the path (fewer than ${FEWEST_LOOKS} looks at the socket, or less than ${100 * LEAST_SHARE} % of the rate: ${slow.join(", ")}). As far as it goes: `
        : "";
    return {
      reproduced: slow.length > 0 ? undefined : near && ordered && worst,
      because:
        busy +
        (near && ordered && worst
          ? "Vegas and BBR stay near the path's delay, and NewReno fills the queue most: "
          : [
              ordered && worst ? "the order is the paper's" : "",
              near ? "" : `above twice the path's delay: ${above.join(", ")}`,
              ordered ? "" : "they are not both below NewReno and CUBIC",
              worst ? "" : "CUBIC has a longer queue than NewReno",
            ]
              .filter(Boolean)
              .join("; ") + ": ") +
        means +
        twins,
    };
  },
};
