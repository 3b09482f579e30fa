/** Path managers: which part of the kernel's events reaches who decides, by how many sessions there are a second. */
import { execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseObject, startKernelPathManager } from "../../runtime/api.ts";
import { openMptcpNetlink } from "../../runtime/mptcp/generic-netlink.ts";
import { repository } from "../bench/clang.ts";
import { pause, until, type Lab } from "../runtime/lab.ts";
import {
  interleaved,
  valuesOf,
  type Experiment,
  type Options,
  type Place,
  type Rig,
  type Sample,
} from "./experiment.ts";
import { estimate, median, short, shown } from "./statistics.ts";

const RATES = [100, 500, 1000, 2000] as const;
/** Readers of netlink: what they keep in the kernel, in bytes, and how long they are away each time. */
const READERS = {
  "over netlink, a reader that is never late": { buffer: 208 << 10, awayMs: 0 },
  "over netlink, a slowed reader": { buffer: 208 << 10, awayMs: 450 },
  "over netlink, a slowed reader with the room of tsbpf run": { buffer: 8 << 20, awayMs: 450 },
} as const;
type Reader = keyof typeof READERS;
const READER_NAMES = Object.keys(READERS) as Reader[];
const KERNEL = "in the kernel";
/** Between two times away, a reader has this long. */
const THERE_MS = 50;
const WHO = [...READER_NAMES, KERNEL] as const;
const variantOf = (who: string, rate: number): string => `${who}: ${rate} sessions a second`;
const whereOf = (variant: string): Place => (variant.startsWith(KERNEL) ? "guest" : "here");
const VARIANTS = WHO.flatMap((who) => RATES.map((rate) => variantOf(who, rate)));
const FULL = { runs: 3, seconds: 4 };
const QUICK = { runs: 1, seconds: 1 };
/** Each session of a client's has one of each. */
const EVENTS = ["created", "established", "closed"] as const;
type Counts = Record<(typeof EVENTS)[number], number>;
const PORT = 9000;
const SERVER = "10.98.0.2";

/** Counts events, and gives how many there were, and how often the kernel said that some were dropped, when it is told to stop. */
interface Listener {
  stop(): Promise<{ readonly counts: Counts; readonly overruns: number }>;
}

function byNetlink(netns: string, { buffer, awayMs }: (typeof READERS)[Reader]): Listener {
  const counts: Counts = { created: 0, established: 0, closed: 0 };
  let overruns = 0;
  // The kernel doubles what it is asked for.
  const socket = openMptcpNetlink(netns, buffer / 2);
  socket.listen(
    ({ name }) => {
      if (name in counts) counts[name as keyof Counts]++;
    },
    () => void overruns++,
  );
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  const away = awayMs > 0 ? setInterval(() => void Atomics.wait(nobody, 0, 0, awayMs), awayMs + THERE_MS) : undefined;
  return {
    async stop() {
      clearInterval(away);
      // What is still in the kernel is read.
      for (let before = -1, now = 0; before !== now; now = counts.closed + counts.created + counts.established) {
        before = now;
        await pause(300);
      }
      socket.close();
      return { counts, overruns };
    },
  };
}

function inTheKernel(folder: string, netns: string, group: string): Listener {
  const { module } = parseObject(readFileSync(join(folder, "count-sessions.o")), "count-sessions");
  const running = startKernelPathManager(module, group, { netns });
  return {
    async stop() {
      const read = (): Counts => {
        const value = running.object.maps["counts"]!.get(0) as Readonly<Record<string, bigint>>;
        return Object.fromEntries(EVENTS.map((name) => [name, Number(value[name])])) as Counts;
      };
      for (let before = -1; before !== read().closed;) {
        before = read().closed;
        await pause(500);
      }
      const counts = read();
      running.close();
      return { counts, overruns: 0 };
    },
  };
}

async function open(lab: Lab, options: Options, folder: string): Promise<Rig> {
  const seconds = options.seconds ?? (options.quick ? QUICK : FULL).seconds;
  const [c, s] = [lab.netns("c"), lab.netns("s")];
  lab.wire(c, "v0", ["10.98.0.1/24"], s, "v1", [`${SERVER}/24`]);
  for (const net of [c, s]) lab.inside(net, "sysctl", "-qw", "net.mptcp.close_timeout=0");
  // So many sessions end that their ports would be used up.
  lab.inside(c, "sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65000", "net.ipv4.tcp_tw_reuse=1");
  const group = lab.cgroup("client");
  const traffic = join(folder, "traffic");
  const server = spawn("nsenter", [`--net=/run/netns/${s}`, traffic, "mptcp-server", SERVER, String(PORT)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  lab.defer(() => void server.kill("SIGKILL"));
  await new Promise((resolve) => server.stdout.once("data", resolve));

  return {
    async measure({ variant }) {
      const who = WHO.find((one) => variant.startsWith(`${one}: `))!;
      const rate = Number(/(\d+) sessions/.exec(variant)![1]);
      const listener = who === KERNEL ? inTheKernel(folder, c, group) : byNetlink(c, READERS[who]);
      const sessions = Math.round(rate * seconds);
      const command = `echo $$ > ${group}/cgroup.procs; exec nsenter --net=/run/netns/${c} ${traffic} mptcp-storm ${SERVER} ${PORT} ${sessions} ${rate}`;
      const child = spawn("sh", ["-c", command], { stdio: ["ignore", "pipe", "inherit"] });
      let out = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
      const code = await new Promise((resolve) => child.once("close", resolve));
      await until("the sessions have ended", () => !lab.inside(c, "ss", "-MnH").trim(), 60_000).catch(() => undefined);
      const { counts, overruns } = await listener.stop();
      if (code !== 0) throw new Error(`the sessions ended with ${String(code)}`);
      const seen = EVENTS.reduce((sum, name) => sum + Math.min(counts[name], sessions), 0);
      return {
        metrics: {
          sessions,
          perSecond: Number(out),
          lostPercent: 100 * (1 - seen / (EVENTS.length * sessions)),
          overruns,
          ...counts,
        },
      };
    },
  };
}

const lost = (samples: readonly Sample[], who: string, rate: number): number =>
  median(valuesOf(samples, variantOf(who, rate), "lostPercent"));
const present = (samples: readonly Sample[]): string[] =>
  VARIANTS.filter((variant) => samples.some((one) => one.variant === variant));

export const eventsLost: Experiment = {
  name: "events-lost",
  title: "Path managers: events that are lost",
  about:
    `So many MPTCP sessions a second, one after the other, each with one exchange; of each the kernel tells its beginning, that it is established, and its end. Over netlink on this machine's kernel: a reader with the room that sockets have by default (208 KB, libraries' choice too), ` +
    `one that is slowed as by other work, for it is away ${READERS[READER_NAMES[1]!].awayMs} ms of each ${READERS[READER_NAMES[1]!].awayMs + THERE_MS}, and the same with the 8 MB that \`tsbpf run\` asks for. What is lost is counted by what arrived, and the kernel says so too (ENOBUFS). ` +
    "In the kernel: a program counts the same events, on the patched kernel in QEMU, whose clock counts instructions, as many sessions a second as its processor manages.",
  where: "here",
  machine: ["--icount"],
  tools: ["ip", "nsenter", "ss", "cc"],
  paper: [{ what: "events lost over netlink", value: "netlink may lose messages; no figure", place: "text" }],
  steps({ quick, runs, seconds }) {
    const usual = quick ? QUICK : FULL;
    return (["here", "guest"] as const).flatMap((where) =>
      interleaved(
        VARIANTS.filter((variant) => whereOf(variant) === where),
        runs ?? usual.runs,
        () => (seconds ?? usual.seconds) + 2,
        () => where,
      ),
    );
  },
  async prepare(folder) {
    const { compileInto } = await import("./objects.ts");
    compileInto(folder, "count-sessions", "patched", join(repository, "tests/experiments/programs/count-sessions.ts"));
    const source = join(repository, "tests/bench/runtime/traffic.c");
    execFileSync("cc", ["-O2", "-static", "-o", join(folder, "traffic"), source]);
  },
  open,
  figures: (samples) => [
    {
      kind: "intervals",
      title: "Events that did not arrive",
      x: "per cent of all",
      neutral: 0,
      rows: WHO.flatMap((who) =>
        RATES.filter((rate) => present(samples).includes(variantOf(who, rate))).map((rate) => {
          const { value, low, high } = estimate(valuesOf(samples, variantOf(who, rate), "lostPercent"));
          return { name: `${rate} sessions a second`, series: who, value, low, high };
        }),
      ),
    },
  ],
  table: (samples) => [
    {
      what: "events lost over netlink",
      ours: RATES.map((rate) => `${short(lost(samples, READER_NAMES[1]!, rate))} % at ${rate}`).join(", "),
    },
    ...present(samples).map((variant) => ({
      what: variant,
      ours: `${shown(estimate(valuesOf(samples, variant, "lostPercent")), " %")} lost; ${short(median(valuesOf(samples, variant, "perSecond")))} sessions a second in fact`,
    })),
  ],
  verdict(samples) {
    const missing = VARIANTS.filter((variant) => !present(samples).includes(variant));
    const inKernel = RATES.map((rate) => lost(samples, KERNEL, rate)).filter((one) => !Number.isNaN(one));
    const losing = (reader: Reader): number | undefined => RATES.find((rate) => lost(samples, reader, rate) > 0);
    const say = (reader: Reader): string => {
      const first = losing(reader);
      if (RATES.every((rate) => Number.isNaN(lost(samples, reader, rate))))
        return `${reader.replace("over netlink, ", "")} was not measured`;
      return `${reader.replace("over netlink, ", "")} ${first === undefined ? "loses none" : `loses from ${first} sessions a second on (${RATES.map((rate) => short(lost(samples, reader, rate))).join(", ")} %)`}`;
    };
    const none = inKernel.every((one) => one === 0);
    const fastest = median(valuesOf(samples, variantOf(KERNEL, RATES.at(-1)!), "perSecond"));
    const figures = `over netlink ${READER_NAMES.map(say).join(", ")}; in the kernel ${inKernel.length === 0 ? "it was not measured" : none ? "none is lost" : `up to ${short(Math.max(...inKernel))} % are lost`}${Number.isNaN(fastest) ? "" : `, at up to ${short(fastest)} sessions a second`}.`;
    return {
      reproduced: missing.length > 0 ? undefined : none && losing(READER_NAMES[1]!) !== undefined,
      because: (missing.length > 0 ? `not measured: ${missing.join(", ")}. As far as it goes: ` : "") + figures,
    };
  },
};
