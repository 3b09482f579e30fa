/** Path managers: how long after a session is fully established the next subflow's SYN leaves, by who decides it. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseObject, startKernelPathManager, startNetlinkBackend } from "../../runtime/api.ts";
import { repository } from "../bench/clang.ts";
import { pause, until, type Lab } from "../runtime/lab.ts";
import {
  interleaved,
  seriesOf,
  type Experiment,
  type Options,
  type Place,
  type Rig,
  type Sample,
} from "./experiment.ts";
import { joinDelays, readPcap } from "./pcap.ts";
import { distribution, estimate, median, quantile, short, shown } from "./statistics.ts";

const KERNEL = "ndiffports in the kernel";
const NETLINK = "ndiffports over netlink";
const MPTCPD = "mptcpd with a plugin like it";
const ENDPOINTS = "the kernel's own endpoints";
const FULLMESH = "the kernel's own endpoints, fullmesh";
const VARIANTS = [KERNEL, NETLINK, MPTCPD, ENDPOINTS, FULLMESH] as const;
type Decider = (typeof VARIANTS)[number];
/** What this machine's kernel runs too is measured there as well: in real time. */
const HERE = " (this machine's kernel)";
const whereOf = (variant: string): Place => (variant.endsWith(HERE) ? "here" : "guest");
const ALL = [...VARIANTS, ...VARIANTS.filter((name) => name !== KERNEL).map((name) => `${name}${HERE}`)];
/** Debian's mptcpd, and what its plugins are compiled with (libmptcpd-dev). */
const DAEMON = "/usr/libexec/mptcpd";
const HEADERS = "/usr/include/mptcpd/plugin.h";
const withMptcpd = existsSync(DAEMON) && existsSync(HEADERS);
const PLUGINS = "plugins";
const PORT = 9000;
const SERVER = "10.98.0.2";
/** For the kernel's endpoints: a second address of the client's. */
const SECOND = "10.98.0.3";
const SESSIONS = { full: 100, quick: 20 };
/** Subflows that must have been opened by each for a verdict; a session in ten may be too late for its own. */
const FEWEST_SESSIONS = 900;
/** How long a session stays open for its subflow. */
const OPEN_MS: Readonly<Record<Place, number>> = { here: 20, guest: 250 };
/** What a session takes; in the guest, where waiting takes no time, that is the emulator's. */
const SECONDS: Readonly<Record<Place, number>> = { here: 0.03, guest: 0.1 };

async function open(lab: Lab, options: Options, folder: string): Promise<Rig> {
  const [c, s] = [lab.netns("c"), lab.netns("s")];
  lab.wire(c, "v0", ["10.98.0.1/24", `${SECOND}/24`], s, "v1", [`${SERVER}/24`]);
  const group = lab.cgroup("client");
  for (const net of [c, s]) lab.inside(net, "ip", "mptcp", "limits", "set", "subflow", "8", "add_addr_accepted", "0");
  const traffic = join(folder, "traffic");
  const server = spawn("nsenter", [`--net=/run/netns/${s}`, traffic, "mptcp-server", SERVER, String(PORT)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  lab.defer(() => void server.kill("SIGKILL"));
  await new Promise((resolve) => server.stdout.once("data", resolve));
  const { module } = parseObject(readFileSync(join(folder, "ndiffports.o")), "ndiffports");
  const params = { extraSubflows: 1 };
  const endpoint =
    (...flags: string[]) =>
    () => {
      lab.ip(c, "mptcp", "endpoint", "add", SECOND, ...flags);
      return () => void lab.ip(c, "mptcp", "endpoint", "flush");
    };
  async function startMptcpd(): Promise<() => void> {
    const choose = (type: number): string => lab.inside(c, "sysctl", "-qw", `net.mptcp.pm_type=${type}`);
    choose(1);
    const plugin = [`--plugin-dir=${join(folder, PLUGINS)}`, "--path-manager=ndiffports", "--load-plugins=ndiffports"];
    const daemon = spawn("nsenter", [`--net=/run/netns/${c}`, DAEMON, "-d", "-l", "stderr", ...plugin], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    const stop = (): void => void daemon.kill("SIGTERM");
    lab.defer(stop);
    let said = "";
    daemon.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
    await until("mptcpd has found the kernel's family", () => said.includes("family appeared"), 60_000);
    await pause(500);
    if (daemon.exitCode !== null) throw new Error(`mptcpd ended: ${said.slice(-500)}`);
    return () => {
      stop();
      choose(0);
    };
  }
  /** Begins to decide, and gives what ends it. */
  const START: Readonly<Record<Decider, () => (() => void) | Promise<() => void>>> = {
    [KERNEL]: () => {
      const running = startKernelPathManager(module, group, { netns: c, params });
      return () => running.close();
    },
    [NETLINK]: () => {
      const running = startNetlinkBackend(module, { netns: c, params });
      return () => running.close();
    },
    [MPTCPD]: startMptcpd,
    [ENDPOINTS]: endpoint("subflow"),
    [FULLMESH]: endpoint("subflow", "fullmesh"),
  };

  return {
    async measure({ variant, repetition }) {
      const stop = await START[variant.replace(HERE, "") as Decider]();
      const file = join(folder, `${ALL.indexOf(variant)}-${repetition}.pcap`);
      const words = [
        "-i",
        "v0",
        "-s",
        "120",
        "--time-stamp-precision=nano",
        "--immediate-mode",
        "-B",
        "8192",
        "-Z",
        "root",
        "-w",
        file,
        "tcp",
      ];
      const dump = spawn("nsenter", [`--net=/run/netns/${c}`, "tcpdump", ...words], {
        stdio: ["ignore", "ignore", "pipe"],
      });
      lab.defer(() => void dump.kill("SIGKILL"));
      let said = "";
      dump.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
      const ended = new Promise((resolve) => dump.once("close", resolve));
      try {
        await until("tcpdump listens", () => said.includes("listening on"), 60_000);
        const sessions = options.quick ? SESSIONS.quick : SESSIONS.full;
        const command = `echo $$ > ${group}/cgroup.procs; exec nsenter --net=/run/netns/${c} ${traffic} sessions ${SERVER} ${PORT} ${sessions} ${OPEN_MS[whereOf(variant)]}`;
        const child = spawn("sh", ["-c", command], { stdio: ["ignore", "inherit", "inherit"] });
        const code = await new Promise((resolve) => child.once("close", resolve));
        if (code !== 0) throw new Error(`the sessions ended with ${String(code)}`);
        await pause(200);
        dump.kill("SIGINT");
        await ended;
        const us = joinDelays(readPcap(readFileSync(file)));
        return { metrics: { sessions, joined: us.length, medianUs: median(us) }, series: { us } };
      } finally {
        dump.kill("SIGKILL");
        stop();
      }
    },
  };
}

const present = (samples: readonly Sample[]): string[] =>
  ALL.filter((name) => seriesOf(samples, name, "us").length > 0);
const delay = (samples: readonly Sample[], variant: string): number => median(seriesOf(samples, variant, "us"));

export const pathManagers: Experiment = {
  name: "path-managers",
  title: "Path managers: from “fully established” to the next subflow's SYN",
  about:
    "On the patched kernel in QEMU, whose one processor's clock counts instructions: a microsecond is a thousand of them, and what caches, wake-ups from idle and a second processor do is not in it. One session after the other, each with one exchange; kernel timestamps of a capture on the client's side, from the first " +
    "segment of the server's that acknowledges data to the next SYN with MP_JOIN. The same bytecode decides in the kernel and over netlink, there in the process that `tsbpf run` is, with nothing else to do. mptcpd is Debian's, with a plugin of 40 lines of C that opens one more subflow when a session is established: the hooks of its own plugins are for the kernel's endpoints. " +
    "The kernel's endpoints, with and without `fullmesh`, open a subflow from a second address. All but the program in the kernel run on this machine's kernel, too, in real time.",
  where: "guest",
  machine: ["--icount"],
  tools: ["ip", "nsenter", "tcpdump", "cc"],
  paper: [],
  steps: ({ quick, runs }) =>
    interleaved(
      ALL.filter((name) => !name.startsWith(MPTCPD) || withMptcpd),
      runs ?? (quick ? 1 : 10),
      (variant) => (quick ? SESSIONS.quick : SESSIONS.full) * SECONDS[whereOf(variant)] + 2,
      whereOf,
    ),
  async prepare(folder) {
    const { compileInto } = await import("./objects.ts");
    compileInto(folder, "ndiffports", "patched");
    execFileSync("cc", [
      "-O2",
      "-static",
      "-o",
      join(folder, "traffic"),
      join(repository, "tests/bench/runtime/traffic.c"),
    ]);
    if (!withMptcpd) return;
    mkdirSync(join(folder, PLUGINS));
    const plugin = join(repository, "tests/experiments/programs/mptcpd-ndiffports.c");
    execFileSync("cc", ["-O2", "-shared", "-fPIC", "-o", join(folder, PLUGINS, "ndiffports.so"), plugin, "-lmptcpd"]);
  },
  open,
  figures: (samples) => [
    {
      kind: "lines",
      title: "From “fully established” to the next subflow's SYN",
      x: "microseconds",
      y: "part of the sessions",
      logarithmic: true,
      steps: true,
      points: present(samples).flatMap((series) =>
        distribution(seriesOf(samples, series, "us")).map((point) => ({ series, ...point })),
      ),
    },
  ],
  table: (samples) =>
    ALL.map((name) => {
      const us = seriesOf(samples, name, "us");
      const all = samples.filter((one) => one.variant === name).reduce((sum, one) => sum + one.metrics["sessions"]!, 0);
      return {
        what: name,
        ours: `${shown(estimate(us), " µs")}, 95 % within ${short(quantile(us, 0.95))} µs; ${us.length} of ${all} sessions`,
      };
    }),
  verdict(samples) {
    const missing = VARIANTS.filter((name) => !present(samples).includes(name));
    if (missing.length > 0) {
      const measured = (name: string): boolean => samples.some(({ variant }) => variant === name);
      const said = (words: string, names: readonly string[]): string[] =>
        names.length > 0 ? [`${words}: ${names.join(", ")}`] : [];
      const reasons = [
        ...said(
          "not measured",
          missing.filter((name) => !measured(name)),
        ),
        ...said("no subflow was opened by", missing.filter(measured)),
      ];
      return { reproduced: undefined, because: `${reasons.join("; ")}.` };
    }
    const best = Math.min(delay(samples, NETLINK), delay(samples, MPTCPD));
    const times = best / delay(samples, KERNEL);
    const fewest = Math.min(...VARIANTS.map((name) => seriesOf(samples, name, "us").length));
    const figures =
      `in the kernel the next SYN leaves ${short(times)} times sooner than by the best over netlink (${short(delay(samples, KERNEL))} µs; tsbpf run ${short(delay(samples, NETLINK))} µs, mptcpd ${short(delay(samples, MPTCPD))} µs; 10 times was the aim); the kernel's own endpoints take ${short(delay(samples, ENDPOINTS))} µs, fullmesh ${short(delay(samples, FULLMESH))} µs. In real time, on this machine's kernel, tsbpf run takes ${short(delay(samples, NETLINK + HERE))} µs, mptcpd ${short(delay(samples, MPTCPD + HERE))} µs, the endpoints ${short(delay(samples, ENDPOINTS + HERE))} µs: ` +
      `making and connecting a subflow takes the kernel that long itself, so the aim was out of reach of any of them (the endpoints, which ask nobody, are ${short(delay(samples, MPTCPD + HERE) / delay(samples, ENDPOINTS + HERE))} times sooner than mptcpd).`;
    return fewest < FEWEST_SESSIONS
      ? {
          reproduced: undefined,
          because: `${fewest} sessions are few; ${FEWEST_SESSIONS} of each are needed. As far as it goes, ${figures}`,
        }
      : { reproduced: times >= 10, because: figures };
  },
};
