/** What an initial window of its own does to a connection that transfers little: short flows by size and window. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { load } from "../../runtime/api.ts";
import type { Lab } from "../runtime/lab.ts";
import { emulate, serve } from "./emulated.ts";
import { interleaved, seriesOf, type Experiment, type Rig, type Sample } from "./experiment.ts";
import { estimate, median, short, shown } from "./statistics.ts";

const KILOBYTES = [10, 30, 100, 300] as const;
const WINDOWS = [10, 20, 32, 64] as const;
/** What Linux has. */
const USUAL = 10;
/** Round trips, in milliseconds: within a site, and to a client. */
const ROUND_TRIPS = [1, 40] as const;
const PATH = { mbit: 100, packets: 1000 };
const FULL = { runs: 3, flows: 10 };
const QUICK = { runs: 1, flows: 2 };

const variantOf = (rtt: number, window: number): string => `${rtt} ms: ${window} segments`;
const VARIANTS = ROUND_TRIPS.flatMap((rtt) => WINDOWS.map((window) => variantOf(rtt, window)));
const seriesName = (kilobytes: number): string => `${kilobytes} KB`;

function open(lab: Lab, flows: number, folder: string): Rig {
  const start = async (rtt: number): Promise<ReturnType<typeof emulate>> => {
    const rig = emulate(lab, { ...PATH, delayMs: rtt / 2 });
    for (const net of [rig.client, rig.server]) lab.inside(net, "sysctl", "-qw", "net.ipv4.tcp_no_metrics_save=1");
    await serve(lab, rig, join(folder, `${rtt}`), (root) => {
      for (const kilobytes of KILOBYTES) writeFileSync(join(root, String(kilobytes)), Buffer.alloc(1000 * kilobytes));
    });
    return rig;
  };
  const rigs = new Map<number, ReturnType<typeof start>>();
  return {
    async measure({ variant }) {
      const rtt = ROUND_TRIPS.find((one) => variant.startsWith(`${one} ms`))!;
      const window = Number(/: (\d+)/.exec(variant)![1]);
      const rig = await (rigs.get(rtt) ?? rigs.set(rtt, start(rtt)).get(rtt)!);
      const object = load(join(folder, "initial-window.o"), { params: { wantedWindow: window } });
      for (const group of rig.groups) object.attach(group);
      try {
        const series = Object.fromEntries(
          KILOBYTES.map((kilobytes) => {
            // Each address in the list is asked for over a connection of its own.
            const addresses = Array.from({ length: flows }, () => `-o /dev/null http://${rig.host}/${kilobytes}`);
            const command = `curl -s -H Connection:close -w %{time_total}_%{http_code}_ ${addresses.join(" ")}`;
            const said = execFileSync("sh", ["-c", rig.on("client", command)], { encoding: "utf8" });
            const words = said.split("_").slice(0, -1).map(Number);
            if (words.length !== 2 * flows || words.some((word, at) => at % 2 === 1 && word !== 200))
              throw new Error(`curl said ${said}`);
            return [seriesName(kilobytes), words.filter((_, at) => at % 2 === 0).map((one) => 1000 * one)];
          }),
        );
        return { metrics: { window }, series };
      } finally {
        object.close();
      }
    },
  };
}

const ms = (samples: readonly Sample[], rtt: number, window: number, kilobytes: number): number[] =>
  seriesOf(samples, variantOf(rtt, window), seriesName(kilobytes));
/** Time with a window over the time with the usual one. */
const ratio = (samples: readonly Sample[], rtt: number, window: number, kilobytes: number): number =>
  median(ms(samples, rtt, window, kilobytes)) / median(ms(samples, rtt, USUAL, kilobytes));

export const flows: Experiment = {
  name: "flows",
  title: "Related: initial windows for single connections (NetEdit)",
  about:
    `On the patched kernel in QEMU, whose clock counts instructions: curl downloads files of ${KILOBYTES.join(", ")} KB from nginx, a connection for each, over ${PATH.mbit} Mbit/s, while the client's option asks the server for an initial window. ` +
    "NetEdit sets initial windows for single connections in Meta's data centres, from outside, and reports on its fleet: what can be compared is the effect, fewer round trips for what fits the window, and where it ends; its percentages are of a traffic that is not here, and were not looked up.",
  where: "guest",
  machine: ["--icount"],
  tools: ["ip", "nsenter", "tc", "ss", "curl", "nginx"],
  paper: [
    {
      what: "initial window for single connections",
      value: "short transfers complete sooner; on a fleet's traffic",
      place: "NetEdit, SIGCOMM 2024",
    },
  ],
  steps: ({ quick, runs }) => {
    const usual = quick ? QUICK : FULL;
    return interleaved(
      VARIANTS.filter((variant) => !quick || /: (10|32) /.test(variant)),
      runs ?? usual.runs,
      () => KILOBYTES.length * usual.flows * 0.15 + 1,
    );
  },
  async prepare(folder) {
    const { compileInto } = await import("./objects.ts");
    compileInto(folder, "initial-window", "patched");
  },
  open: (lab, { quick }, folder) => open(lab, (quick ? QUICK : FULL).flows, folder),
  figures: (samples) =>
    ROUND_TRIPS.map((rtt) => ({
      kind: "intervals" as const,
      title: `Time of a download over a round trip of ${rtt} ms`,
      x: "milliseconds",
      neutral: 0,
      rows: KILOBYTES.flatMap((kilobytes) =>
        WINDOWS.filter((window) => ms(samples, rtt, window, kilobytes).length > 0).map((window) => {
          const { value, low, high } = estimate(ms(samples, rtt, window, kilobytes));
          return { name: seriesName(kilobytes), series: `${window} segments`, value, low, high };
        }),
      ),
    })),
  table: (samples) => [
    {
      what: "initial window for single connections",
      ours: ROUND_TRIPS.map(
        (rtt) =>
          `${rtt} ms, 32 segments: ${KILOBYTES.map((kilobytes) => `${kilobytes} KB in × ${short(ratio(samples, rtt, 32, kilobytes))} of the time`).join(", ")}`,
      ).join("; "),
    },
    ...ROUND_TRIPS.flatMap((rtt) =>
      WINDOWS.filter((window) => ms(samples, rtt, window, KILOBYTES[0]).length > 0).map((window) => ({
        what: variantOf(rtt, window),
        ours: KILOBYTES.map(
          (kilobytes) => `${kilobytes} KB: ${shown(estimate(ms(samples, rtt, window, kilobytes)), " ms")}`,
        ).join("; "),
      })),
    ),
  ],
  verdict(samples) {
    const far = ROUND_TRIPS[1];
    const [fits, helped] = [ratio(samples, far, 32, 10), ratio(samples, far, 32, 30)];
    if (Number.isNaN(helped)) return { reproduced: undefined, because: "not measured." };
    const holds = helped < 0.9 && fits > 0.9 && fits < 1.1;
    return {
      reproduced: holds,
      because: `over ${far} ms, 32 segments bring 30 KB in × ${short(helped)} of the time, and 10 KB, which fit into the usual ${USUAL} anyway, in × ${short(fits)}; over ${ROUND_TRIPS[0]} ms 30 KB take × ${short(ratio(samples, ROUND_TRIPS[0], 32, 30))}. What NetEdit reports of a fleet cannot be compared.`,
    };
  },
};
