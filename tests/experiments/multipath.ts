/** Path managers: what several paths carry together, and what happens when one of them dies. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseObject, startKernelPathManager, startNetlinkBackend } from "../../runtime/api.ts";
import { repository } from "../bench/clang.ts";
import { pause, type Lab } from "../runtime/lab.ts";
import {
  interleaved,
  seriesOf,
  valuesOf,
  type Experiment,
  type Options,
  type Place,
  type Rig,
  type Sample,
} from "./experiment.ts";
import { estimate, median, short, shown } from "./statistics.ts";

const MBIT = 10;
/** Packets that wait before each path. */
const QUEUE = 100;
const ECMP = [1, 2, 4, 8] as const;
/** Subflows of ndiffports, the first one among them. */
const SUBFLOWS = 8;
const MESHES = { "2 × 2": [2, 2], "3 × 2": [3, 2] } as const;
type Mesh = keyof typeof MESHES;
/** How a path dies: the device says so, or packets go nowhere. */
const DEATHS = ["its link goes down", "it drops everything"] as const;
type Death = (typeof DEATHS)[number];
/** Whose path manager runs where. */
const DECIDERS = { "over netlink": "here", "in the kernel": "guest" } as const satisfies Readonly<
  Record<string, Place>
>;
type Decider = keyof typeof DECIDERS;
const DECIDER_NAMES = Object.keys(DECIDERS) as Decider[];

type Kind =
  | { readonly kind: "ecmp"; readonly paths: number; readonly subflows: number }
  | { readonly kind: "mesh"; readonly mesh: Mesh }
  | { readonly kind: "death"; readonly death: Death };
const KINDS: Readonly<Record<string, Kind>> = {
  ...Object.fromEntries(
    ECMP.map((paths) => [
      `ndiffports, ${paths} ECMP path${paths === 1 ? "" : "s"}`,
      { kind: "ecmp", paths, subflows: SUBFLOWS },
    ]),
  ),
  "no further subflow, 8 ECMP paths": { kind: "ecmp", paths: 8, subflows: 1 },
  ...Object.fromEntries(Object.keys(MESHES).map((mesh) => [`fullmesh, ${mesh} paths`, { kind: "mesh", mesh }])),
  ...Object.fromEntries(DEATHS.map((death) => [`fullmesh, one of 2 paths dies: ${death}`, { kind: "death", death }])),
};
const KIND_NAMES = Object.keys(KINDS);
const variantOf = (kind: string, decider: Decider): string => `${kind} (${decider})`;
const ALL = new Map(
  DECIDER_NAMES.flatMap((decider) =>
    KIND_NAMES.map((name) => [variantOf(name, decider), { kind: KINDS[name]!, decider }] as const),
  ),
);

const SPAN_MS = 100;
const BUFFER = 512 << 10;
const FULL = { runs: 5, seconds: 8 };
const QUICK = { runs: 1, seconds: 3 };
/** Of each measurement, what slow start has. */
const WARM = 0.25;
/** When a path dies, as a part of the time. */
const DIES_AT = 0.4;
/** A span carries on again where it has this part of what one path carries. */
const CARRIES = 0.5;
const PORT = 9000;
const BYTES_PER_SPAN = (MBIT * 1e6 * SPAN_MS) / 8e3;

/** A client and a server, and the words that make one path die. */
interface Wired {
  readonly client: string;
  readonly server: string;
  readonly host: string;
  /** What the server listens on. */
  readonly any: string;
  readonly kill: Readonly<Record<Death, () => void>>;
}

/** What leaves the device does so at the rate of a path, segment by segment, as from a network card. */
function limit(lab: Lab, net: string, device: string): void {
  lab.ip(net, "link", "set", device, "gso_max_segs", "1");
  const tc = (...words: string[]): void => void lab.inside(net, "tc", ...words);
  tc("qdisc", "add", "dev", device, "root", "handle", "1:", "htb", "default", "1");
  const rate = ["rate", `${MBIT}mbit`, "burst", "3000", "cburst", "3000"];
  tc("class", "add", "dev", device, "parent", "1:", "classid", "1:1", "htb", ...rate);
  tc("qdisc", "add", "dev", device, "parent", "1:1", "handle", "10:", "pfifo", "limit", String(QUEUE));
}
const none = (): never => {
  throw new Error("this path does not die");
};

/** Paths of equal cost between one pair of IPv6 addresses: which one a connection takes, its ports say. */
function ecmp(lab: Lab, name: string, paths: number): Wired {
  const [client, server] = [lab.netns(`c${name}`), lab.netns(`s${name}`)];
  const [from, to] = ["fd00:1::1", "fd00:2::1"];
  for (let path = 0; path < paths; path++) {
    const [near, far] = [1, 2].map((end) => `fd00:9:${path}::${end}`) as [string, string];
    lab.wire(client, `v${path}`, [`${near}/64`], server, `w${path}`, [`${far}/64`]);
    limit(lab, client, `v${path}`);
    // A kernel without CONFIG_IPV6_ROUTER_PREF takes the paths only whose next hop it knows to be there.
    const [{ address }] = JSON.parse(lab.ip(server, "-j", "link", "show", `w${path}`)) as [{ address: string }];
    lab.ip(client, "neigh", "replace", far, "lladdr", address, "nud", "permanent", "dev", `v${path}`);
  }
  lab.ip(client, "addr", "add", `${from}/128`, "dev", "lo");
  lab.ip(server, "addr", "add", `${to}/128`, "dev", "lo");
  lab.inside(client, "sysctl", "-qw", "net.ipv6.fib_multipath_hash_policy=1");
  const hops = Array.from({ length: paths }, (_, path) => ["nexthop", "via", `fd00:9:${path}::2`, "dev", `v${path}`]);
  lab.ip(client, "-6", "route", "add", `${to}/128`, "src", from, ...hops.flat());
  lab.ip(server, "-6", "route", "add", `${from}/128`, "via", "fd00:9:0::1", "dev", "w0", "src", to);
  return { client, server, host: to, any: "::", kill: { "its link goes down": none, "it drops everything": none } };
}

/** A path of its own between each pair of addresses: a device for each at both ends, chosen by source and destination. */
function mesh(lab: Lab, name: string, [clients, servers]: readonly [number, number]): Wired {
  const [client, server] = [lab.netns(`c${name}`), lab.netns(`s${name}`)];
  const [from, to] = [(one: number) => `10.90.${one + 1}.1`, (one: number) => `10.91.${one + 1}.1`];
  const table = (one: number): string => String(100 + one);
  for (const net of [client, server])
    lab.inside(net, "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0");
  for (let one = 0; one < clients; one++)
    for (let other = 0; other < servers; other++) {
      const [v, w] = [`v${one}${other}`, `w${one}${other}`];
      lab.wire(client, v, other === 0 ? [`${from(one)}/32`] : [], server, w, one === 0 ? [`${to(other)}/32`] : []);
      limit(lab, client, v);
      lab.ip(client, "route", "add", `${to(other)}/32`, "dev", v, "src", from(one), "table", table(one));
      lab.ip(server, "route", "add", `${from(one)}/32`, "dev", w, "src", to(other), "table", table(other));
      if (one === 0) lab.ip(client, "route", "add", `${to(other)}/32`, "dev", v, "src", from(one));
      if (other === 0) lab.ip(server, "route", "add", `${from(one)}/32`, "dev", w, "src", to(other));
    }
  for (let one = 0; one < clients; one++) lab.ip(client, "rule", "add", "from", from(one), "table", table(one));
  for (let one = 0; one < servers; one++) lab.ip(server, "rule", "add", "from", to(one), "table", table(one));
  for (let one = 1; one < servers; one++) lab.ip(server, "mptcp", "endpoint", "add", to(one), "signal");
  return {
    client,
    server,
    host: to(0),
    any: "0.0.0.0",
    kill: {
      "its link goes down": () => lab.ip(client, "link", "set", "v00", "down"),
      // Nobody has this address: what is sent there is lost, and nobody is told.
      "it drops everything": () =>
        lab.ip(client, "neigh", "replace", to(0), "lladdr", "02:00:00:00:00:99", "nud", "permanent", "dev", "v00"),
    },
  };
}

const ended = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => child.once("close", (code) => resolve(code)));

function open(lab: Lab, options: Options, folder: string): Rig {
  const seconds = options.seconds ?? (options.quick ? QUICK : FULL).seconds;
  const traffic = join(folder, "traffic");
  const module = (name: string) => parseObject(readFileSync(join(folder, `${name}.o`)), name).module;
  let rigs = 0;

  return {
    async measure({ variant }) {
      const { kind, decider } = ALL.get(variant)!;
      const name = String(rigs++);
      const wired =
        kind.kind === "ecmp"
          ? ecmp(lab, name, kind.paths)
          : kind.kind === "mesh"
            ? mesh(lab, name, MESHES[kind.mesh])
            : mesh(lab, name, [2, 1]);
      const { client, server, host, any } = wired;
      for (const net of [client, server]) {
        // Room from the beginning for what one path delivers while another is late: how buffers grow is not the question.
        lab.inside(
          net,
          "sysctl",
          "-qw",
          `net.ipv4.tcp_rmem=4096 ${BUFFER} ${8 * BUFFER}`,
          `net.ipv4.tcp_wmem=4096 ${BUFFER} ${8 * BUFFER}`,
        );
        lab.inside(net, "ip", "mptcp", "limits", "set", "subflow", "8", "add_addr_accepted", "0");
      }
      const group = lab.cgroup(`g${name}`);
      const choice = {
        netns: client,
        params: kind.kind === "ecmp" ? { extraSubflows: kind.subflows - 1 } : {},
      };
      const pm = module(kind.kind === "ecmp" ? "ndiffports" : "fullmesh");
      const running =
        decider === "in the kernel" ? startKernelPathManager(pm, group, choice) : startNetlinkBackend(pm, choice);
      const spans = Math.round((seconds * 1000) / SPAN_MS);
      const words = [`--net=/run/netns/${server}`, traffic, "mptcp-sink", any, String(PORT), String(SPAN_MS)];
      const sink = spawn("nsenter", [...words, String(spans)], { stdio: ["ignore", "pipe", "inherit"] });
      let said = "";
      sink.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
      lab.defer(() => void sink.kill("SIGKILL"));
      await new Promise((resolve) => sink.stdout.once("data", resolve));
      const command = `echo $$ > ${group}/cgroup.procs; exec nsenter --net=/run/netns/${client} ${traffic} mptcp-bulk ${host} ${PORT} ${2 * seconds}`;
      const source = spawn("sh", ["-c", command], { stdio: ["ignore", "ignore", "inherit"] });
      lab.defer(() => void source.kill("SIGKILL"));
      const sourceEnded = ended(source);
      try {
        const over = ended(sink);
        let dead = NaN;
        if (kind.kind === "death") {
          await pause(DIES_AT * seconds * 1000);
          dead = said.split("\n").length - 2;
          wired.kill[kind.death]();
        }
        // Before it ends: what is there while data flows.
        await pause(seconds * 500);
        const subflows = lab.inside(client, "ss", "-tnH", "state", "established").trim().split("\n").length;
        const code = await over;
        if (code !== 0) throw new Error(`the sink ended with ${String(code)}`);
        // Behind the word that it was ready.
        const bytes = said.trim().split("\n").slice(1).map(Number);
        const late = bytes.slice(Math.ceil(WARM * bytes.length));
        const mbit = (of: readonly number[]): number =>
          (8e-6 * of.reduce((sum, one) => sum + one, 0)) / ((of.length * SPAN_MS) / 1000);
        const metrics: Record<string, number> =
          kind.kind === "death"
            ? {
                beforeMbit: mbit(bytes.slice(Math.ceil(dead / 2), dead)),
                afterMbit: mbit(bytes.slice(-Math.ceil(bytes.length / 5))),
                gapMs: longestGap(bytes.slice(dead)),
                dead,
              }
            : { mbit: mbit(late), subflows, paths: pathsUsed(lab, client) };
        return { metrics, series: { mbit: bytes.map((one) => mbit([one])) } };
      } finally {
        sink.kill("SIGKILL");
        source.kill("SIGKILL");
        await sourceEnded;
        running.close();
      }
    },
  };
}

/** Of a path that carried less than this part of the busiest one's, nothing was data. */
const USED = 0.05;
/** Devices of the client's over which data has left. */
function pathsUsed(lab: Lab, client: string): number {
  const sent = [...lab.inside(client, "cat", "/proc/net/dev").matchAll(/^ *v\d+:(.*)$/gm)].map((line) =>
    Number(line[1]!.trim().split(/\s+/)[8]),
  );
  return sent.filter((bytes) => bytes > USED * Math.max(...sent)).length;
}

/** Milliseconds: the longest row of spans that carry less than half of what one path does. */
export function longestGap(bytes: readonly number[]): number {
  let [longest, row] = [0, 0];
  for (const one of bytes) {
    row = one < CARRIES * BYTES_PER_SPAN ? row + 1 : 0;
    longest = Math.max(longest, row);
  }
  return longest * SPAN_MS;
}

/** What the paths would carry without headers (IPv4 and TCP 52 bytes, MPTCP 20, Ethernet 14, of 1,514). */
const PAYLOAD = 1428 / 1514;
/** Paths that so many subflows take, where each falls on one by chance. */
export const expectedPaths = (paths: number, subflows: number): number => paths * (1 - (1 - 1 / paths) ** subflows);
const expectedMbit = (kind: Kind): number =>
  MBIT *
  PAYLOAD *
  (kind.kind === "ecmp"
    ? expectedPaths(kind.paths, kind.subflows)
    : kind.kind === "mesh"
      ? MESHES[kind.mesh][0] * MESHES[kind.mesh][1]
      : 1);
/** Parts of what is expected that must be there; which paths ports fall on is chance. */
const ENOUGH = { ecmp: 0.5, mesh: 0.6, death: 0.8 } as const;

const present = (samples: readonly Sample[]): string[] =>
  [...ALL.keys()].filter((variant) => samples.some((one) => one.variant === variant));
const named = (samples: readonly Sample[], kinds: readonly Kind["kind"][]) =>
  present(samples)
    .map((variant) => ({ variant, ...ALL.get(variant)! }))
    .filter(({ kind }) => kinds.includes(kind.kind));

export const multipath: Experiment = {
  name: "multipath",
  title: "Path managers: throughput over several paths, and when one dies",
  about:
    `Paths of ${MBIT} Mbit/s (HTB, a queue of ${QUEUE} packets), one upload; what arrives at the application is counted every ${SPAN_MS} ms, the first quarter left out. ` +
    `ndiffports: ${SUBFLOWS} subflows between one pair of IPv6 addresses, over routes of equal cost that hash ports: several fall on the same path by chance, ${ECMP.map((paths) => `${short(expectedPaths(paths, SUBFLOWS))} of ${paths}`).join(", ")} paths are used on average. ` +
    "fullmesh: a path of its own between each pair of addresses. The same programs decide over netlink on this machine's kernel and in the patched kernel in QEMU, whose clock counts instructions. " +
    `Handover: the longest time in which less than half of one path's rate arrives, in steps of ${SPAN_MS} ms, after the path of the first subflow has died. Expected is what is left without headers; ` +
    "MPTCP hands data on in order, so that what one path has lost holds up what all others bring, which is the scheduler's and not the path manager's doing: half of it is asked of ndiffports, six tenths of a mesh.",
  where: "here",
  machine: ["--icount"],
  tools: ["ip", "nsenter", "tc", "cc"],
  paper: [],
  steps({ quick, runs, seconds }) {
    const usual = quick ? QUICK : FULL;
    const names = quick ? KIND_NAMES.filter((name) => !/[24] ECMP|3 ×/.test(name)) : KIND_NAMES;
    return DECIDER_NAMES.flatMap((decider) =>
      interleaved(
        names.map((name) => variantOf(name, decider)),
        runs ?? usual.runs,
        () => (seconds ?? usual.seconds) + 2,
        () => DECIDERS[decider],
      ),
    );
  },
  async prepare(folder) {
    const { compileInto } = await import("./objects.ts");
    for (const name of ["ndiffports", "fullmesh"]) compileInto(folder, name, "patched");
    const source = join(repository, "tests/bench/runtime/traffic.c");
    execFileSync("cc", ["-O2", "-static", "-o", join(folder, "traffic"), source]);
  },
  open,
  figures(samples) {
    const carried = named(samples, ["ecmp", "mesh"]);
    const died = named(samples, ["death"]);
    return [
      {
        kind: "intervals",
        title: `Throughput over paths of ${MBIT} Mbit/s each`,
        x: "Mbit/s",
        neutral: 0,
        rows: [
          ...carried.map(({ variant, decider }) => {
            const { value, low, high } = estimate(valuesOf(samples, variant, "mbit"));
            return { name: variant.slice(0, -decider.length - 3), series: decider, value, low, high };
          }),
          ...[
            ...new Map(carried.map(({ variant, decider, kind }) => [variant.slice(0, -decider.length - 3), kind])),
          ].map(([name, kind]) => ({ name, series: "expected", value: expectedMbit(kind) })),
        ],
      },
      {
        kind: "lines",
        title: "One of two paths dies: what arrives, first run",
        x: "seconds",
        y: "Mbit/s",
        points: died.flatMap(({ variant }) =>
          (samples.find((one) => one.variant === variant)?.series?.["mbit"] ?? []).map((y, index) => ({
            series: variant.replace("fullmesh, one of 2 paths dies: ", ""),
            x: (index * SPAN_MS) / 1000,
            y,
          })),
        ),
      },
    ];
  },
  table: (samples) => [
    ...named(samples, ["ecmp", "mesh"]).map(({ variant, kind }) => ({
      what: variant,
      ours: `${shown(estimate(valuesOf(samples, variant, "mbit")), " Mbit/s")}; expected ${short(expectedMbit(kind))}; ${short(median(valuesOf(samples, variant, "subflows")))} subflows over ${short(median(valuesOf(samples, variant, "paths")))} paths`,
    })),
    ...named(samples, ["death"]).map(({ variant }) => ({
      what: variant,
      ours: `less than half of a path for ${shown(estimate(valuesOf(samples, variant, "gapMs")), " ms")}; ${short(median(valuesOf(samples, variant, "beforeMbit")))} Mbit/s before, ${short(median(valuesOf(samples, variant, "afterMbit")))} at the end`,
    })),
  ],
  verdict(samples) {
    const missing = [...ALL.keys()].filter((variant) => seriesOf(samples, variant, "mbit").length === 0);
    const short_ = named(samples, ["ecmp", "mesh", "death"]).filter(
      ({ variant, kind }) =>
        !(
          median(valuesOf(samples, variant, kind.kind === "death" ? "afterMbit" : "mbit")) >=
          ENOUGH[kind.kind] * expectedMbit(kind)
        ),
    );
    const of = (variant: string, metric: string): string => short(median(valuesOf(samples, variant, metric)));
    const each = (kind: string, metric: string, unit: string): string =>
      DECIDER_NAMES.map((decider) => `${of(variantOf(kind, decider), metric)} ${unit} ${decider}`).join(", ");
    const figures =
      `${SUBFLOWS} subflows over 8 ECMP paths carry ${each("ndiffports, 8 ECMP paths", "mbit", "Mbit/s")}, where a single one carries ${each("no further subflow, 8 ECMP paths", "mbit", "Mbit/s")}; ` +
      `a mesh of 2 × 2 paths carries ${each("fullmesh, 2 × 2 paths", "mbit", "Mbit/s")}; when the link of a path goes down, data stands still for ${each(`fullmesh, one of 2 paths dies: ${DEATHS[0]}`, "gapMs", "ms")}, when it drops everything for ${each(`fullmesh, one of 2 paths dies: ${DEATHS[1]}`, "gapMs", "ms")}.`;
    return {
      reproduced: missing.length > 0 ? undefined : short_.length === 0,
      because:
        (missing.length > 0 ? `not measured: ${missing.join(", ")}. As far as it goes: ` : "") +
        (short_.length > 0 ? `less than expected: ${short_.map(({ variant }) => variant).join(", ")}; ` : "") +
        figures,
    };
  },
};
