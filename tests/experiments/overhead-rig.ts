/** What the overhead of an option is measured with: traffic between two processes, and the programs by each maker for each kind of hook. */
import { execFileSync, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { TARGETS, type TargetName } from "../../compiler/bpf/kernels.ts";
import { load, type LoadedObject } from "../../runtime/api.ts";
import { enableStats } from "../../runtime/kernel/bpf.ts";
import { closeFd } from "../../runtime/kernel/fd.ts";
import { compileC, repository } from "../bench/clang.ts";
import type { Lab } from "../runtime/lab.ts";
import type { Place, Rig } from "./experiment.ts";

const SOURCES = join(repository, "tests/bench/runtime");
/** Where segments go, by whose hooks, on which kernel. */
export const PATHS = {
  veth: { hooks: "mainline", where: "here" },
  loopback: { hooks: "mainline", where: "here" },
  "patched loopback": { hooks: "patched", where: "guest" },
} as const satisfies Readonly<Record<string, { readonly hooks: TargetName; readonly where: Place }>>;
export type Path = keyof typeof PATHS;
export const PATH_NAMES = Object.keys(PATHS) as Path[];
/** The programs, and what each adds to the one before. */
export const PROGRAMS = {
  write: "written on every segment",
  "write-parse": "written and parsed",
  "write-parse-options": "parsed, then set and read",
} as const;
export type Program = keyof typeof PROGRAMS;
export const PROGRAM_NAMES = Object.keys(PROGRAMS) as Program[];
/** Who made it: ours with what options share a connection by, ours without, and what clang makes of C without. */
export const MAKERS = ["ours", "ours, exclusive", "clang's"] as const;
export type Maker = (typeof MAKERS)[number];
export interface Variant {
  readonly path: Path;
  /** Absent: no program at all. */
  readonly by?: { readonly program: Program; readonly maker: Maker };
}
/** `veth: ours write`, `loopback: nothing`. */
export const nameOf = (path: Path, program?: Program, maker?: Maker): string =>
  `${path}: ${program ? `${maker} ${program}` : "nothing"}`;
export const VARIANTS: ReadonlyMap<string, Variant> = new Map(
  PATH_NAMES.flatMap((path): (readonly [string, Variant])[] => [
    [nameOf(path), { path }],
    ...PROGRAM_NAMES.flatMap((program) =>
      MAKERS.map((maker) => [nameOf(path, program, maker), { path, by: { program, maker } }] as const),
    ),
  ]),
);
export const variantsOf = (where: Place): string[] =>
  [...VARIANTS].filter(([, { path }]) => PATHS[path].where === where).map(([name]) => name);

/** Parts of a step: a kind of traffic, for how much of the seconds. */
const TRAFFIC = { bulk: 1, rr: 1, crr: 0.5 } as const;
const STATS_SHARE = 0.25;
/** How often a step takes its seconds. */
export const SHARES = Object.values(TRAFFIC).reduce((sum, one) => sum + one, 2 * STATS_SHARE);

const objectOf = (folder: string, hooks: TargetName, program: Program, maker: Maker): string =>
  join(folder, `${program}.${MAKERS.indexOf(maker)}.${hooks}.o`);
/** The line of our sources after which an option is told to have its connections to itself. */
const PAYLOAD = "  payload: Payload,\n";

/** Compiles the traffic, and every program by every maker. */
export async function prepare(folder: string): Promise<void> {
  const { compileText } = await import("./objects.ts");
  execFileSync("cc", ["-O2", "-static", "-o", join(folder, "traffic"), join(SOURCES, "traffic.c")]);
  for (const hooks of TARGETS)
    for (const program of PROGRAM_NAMES) {
      const text = readFileSync(join(SOURCES, `${program}.ts`), "utf8");
      const alone = text.replace(PAYLOAD, `${PAYLOAD}  exclusive: true,\n`);
      if (alone === text) throw new Error(`${program}.ts has no line "${PAYLOAD.trim()}"`);
      const file = (maker: Maker): string => objectOf(folder, hooks, program, maker);
      writeFileSync(file("ours"), compileText(program, hooks, text));
      writeFileSync(file("ours, exclusive"), compileText(program, hooks, alone));
      writeFileSync(file("clang's"), compileC(join(SOURCES, `${program}.c`), "clang-19", "v3", hooks));
    }
}

/** `seconds`: how long a part of a step takes, by the machine's own clock. */
export async function open(lab: Lab, secondsOf: (where: Place) => number, folder: string): Promise<Rig> {
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
  const overLoopback = { address: "127.0.0.1", net: c, device: "lo" };
  const places = {
    veth: { address: "10.95.0.2", net: s, device: "v0" },
    loopback: overLoopback,
    "patched loopback": overLoopback,
  } as const satisfies Readonly<Record<Path, unknown>>;
  const PORT = "9000";
  for (const { address, net } of [places.veth, places.loopback]) {
    const [file, args] = inside(net, server, 1, traffic, "server", address, PORT);
    const child = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
    lab.defer(() => void child.kill("SIGKILL"));
    await new Promise((resolve) => child.stdout.once("data", resolve));
  }
  /** Packets that the client's device has sent; one that the card would cut counts once, as it has one header here. */
  const packets = (path: Path): number => {
    const line = lab.inside(c, "cat", "/proc/net/dev").split(`${places[path].device}:`)[1]!;
    const columns = line.trim().split(/\s+/);
    // Over veth those that come back are received ones.
    return Number(columns[9]) + (path === "veth" ? Number(columns[1]) : 0);
  };
  const send = (path: Path, kind: string, seconds: number): Promise<number> => {
    const [file, args] = inside(c, client, 0, traffic, kind, places[path].address, PORT, String(seconds));
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

  /** Seconds that the processor has spent on client and server for `run`. */
  async function cpuOf<T>(
    run: () => Promise<T>,
  ): Promise<{ readonly value: T; readonly cpu: readonly [number, number] }> {
    const before = [cpuSeconds(client), cpuSeconds(server)] as const;
    const value = await run();
    return { value, cpu: [cpuSeconds(client) - before[0], cpuSeconds(server) - before[1]] };
  }
  /** What of that goes into starting a process and connecting. */
  const startOf = async (path: Path): Promise<number> => {
    const { cpu } = await cpuOf(() => send(path, "bulk", 0));
    return cpu[0] + cpu[1];
  };

  return {
    async measure({ variant }) {
      const { path, by } = VARIANTS.get(variant)!;
      const { hooks, where } = PATHS[path];
      const seconds = secondsOf(where);
      const object: LoadedObject | undefined = by && load(objectOf(folder, hooks, by.program, by.maker));
      try {
        for (const group of [client, server]) object?.attach(group);
        const before = packets(path);
        // A window that is closed is waited for, which where instructions are counted is no cost of either end.
        const bulk = await cpuOf(() => send(path, "bulk", seconds * TRAFFIC.bulk));
        const gigabytes = (bulk.value * seconds * TRAFFIC.bulk) / 8e9;
        const busy = where === "guest" ? bulk.cpu[0] + bulk.cpu[1] - (await startOf(path)) : seconds * TRAFFIC.bulk;
        const afterBulk = packets(path);
        const exchanges = await send(path, "rr", seconds * TRAFFIC.rr);
        const metrics: Record<string, number> = {
          gbits: (8 * gigabytes) / busy,
          clientCpuPerGb: bulk.cpu[0] / gigabytes,
          serverCpuPerGb: bulk.cpu[1] / gigabytes,
          exchanges,
          rttUs: 1e6 / exchanges,
          nsPerPacketBulk: (1e9 * busy) / (afterBulk - before),
          nsPerPacketRr: (1e9 * seconds * TRAFFIC.rr) / (packets(path) - afterBulk),
        };
        metrics["connections"] = await send(path, "crr", seconds * TRAFFIC.crr);
        if (object) {
          // Apart from the rest, because counting costs as well.
          const stats = enableStats();
          const handle = Object.values(object.programs)[0]!;
          for (const [name, kind] of [
            ["Bulk", "bulk"],
            ["Rr", "rr"],
          ] as const) {
            const [start, sent] = [handle.info(), packets(path)];
            await send(path, kind, seconds * STATS_SHARE);
            const [end, gone] = [handle.info(), packets(path) - sent];
            const ns = Number(end.runTimeNs - start.runTimeNs);
            const runs = Number(end.runCount - start.runCount);
            metrics[`nsPerRun${name}`] = ns / runs;
            metrics[`runsPerPacket${name}`] = runs / gone;
            metrics[`programNsPerPacket${name}`] = ns / gone;
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
