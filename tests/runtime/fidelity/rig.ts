/** A path on a real kernel: a sender, a router with a bottleneck, a receiver, in three network namespaces. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import type { Lab } from "../lab.ts";
import { repository } from "../repository.ts";

export interface Emulated {
  /** Megabits per second, of packets with their Ethernet headers. */
  readonly mbit: number;
  /** Milliseconds, there and back. */
  readonly delayMs: number;
  /** Full packets that the bottleneck holds. */
  readonly packets: number;
  /** How long a trace is, and how much of it is left out: slow start overshoots, and drops what it will. */
  readonly seconds: number;
  readonly settle: number;
}
export interface Sample {
  readonly time: number;
  readonly state: number;
  readonly cwnd: number;
  readonly ssthresh: number;
  readonly rttMs: number;
  readonly retransmissions: number;
  readonly delivered: number;
}

/** A full packet as tc counts it: 1500 bytes and the Ethernet header. */
const PACKET = 1514;
const PORT = 7001;
let rigs = 0;

/** Why this kernel cannot delay packets; undefined where it can. */
export function whyNoDelay(lab: Lab): string | undefined {
  const netns = lab.netns(`probe${rigs++}`);
  try {
    lab.inside(netns, "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms");
    return undefined;
  } catch {
    return "this kernel has no netem";
  }
}

/** What is too late for a look at the window every few milliseconds, and how much of the time may be. */
const LATE = { seconds: 0.06, share: 0.02 } as const;
/** How much longer than the path's longest a round trip may be, and for how much of the time. */
const LONG = { factor: 1.15, share: 0.05 } as const;

/** Why a trace says little: the machine was too busy to be the path. Undefined for a good one. */
export function disturbed({ mbit, delayMs, packets }: Emulated, samples: readonly Sample[]): string | undefined {
  const percent = (share: number): string => `${Math.round(share * 100)} % of the time`;
  const longest = delayMs + ((packets + 2) * PACKET * 8) / (mbit * 1000);
  const long = samples.filter(({ rttMs }) => rttMs > longest * LONG.factor).length / samples.length;
  if (long > LONG.share)
    return `the machine is too busy: ${percent(long)} the round trip was longer than the path's ${Math.round(longest)} ms`;
  const waits = samples.slice(1).map(({ time }, index) => time - samples[index]!.time);
  const late = waits.filter((one) => one > LATE.seconds).reduce((sum, one) => sum + one, 0) / samples.at(-1)!.time;
  if (late > LATE.share) return `the machine is too busy: ${percent(late)} nobody could look at the window`;
  return undefined;
}

/** Sends with a congestion control of the kernel's; gives what its window was. */
export async function traceKernel(lab: Lab, path: Emulated, congestion: string): Promise<Sample[]> {
  const { mbit, delayMs, packets, seconds } = path;
  const [sender, router, receiver] = ["s", "r", "d"].map((name) => lab.netns(`${name}${rigs++}`)) as [
    string,
    string,
    string,
  ];
  lab.wire(sender, "up0", ["10.9.1.1/24"], router, "left0", ["10.9.1.2/24"]);
  lab.wire(router, "right0", ["10.9.2.2/24"], receiver, "down0", ["10.9.2.1/24"]);
  lab.ip(sender, "route", "add", "10.9.2.0/24", "via", "10.9.1.2");
  lab.ip(receiver, "route", "add", "10.9.1.0/24", "via", "10.9.2.2");
  lab.inside(router, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward");
  // Segments leave one by one, as the simulator's do.
  lab.ip(sender, "link", "set", "up0", "gso_max_segs", "1");
  lab.ip(receiver, "link", "set", "down0", "gso_max_segs", "1");
  const tc = (device: string, ...words: string[]): void =>
    void lab.inside(router, "tc", "qdisc", "add", "dev", device, ...words);
  const limit = `${packets * PACKET}`;
  tc("right0", "root", "handle", "1:", "tbf", "rate", `${mbit}mbit`, "burst", "1600", "limit", limit);
  if (delayMs > 0) tc("left0", "root", "netem", "delay", `${delayMs}ms`, "limit", "10000");

  const peer = await lab.peer(receiver);
  // SO_RCVBUFFORCE: the window is never the receiver's.
  const options = [[1, 33, [0, 0, 0x80, 0]]];
  await peer.call("listen", { host: "10.9.2.1", port: PORT, options });
  const script = join(repository, "tests/runtime/fidelity/tracer.mjs");
  const words = [
    `--net=/run/netns/${sender}`,
    process.execPath,
    script,
    "10.9.2.1",
    `${PORT}`,
    congestion,
    `${seconds}`,
  ];
  const child = spawn("nsenter", words, { stdio: ["ignore", "pipe", "inherit"] });
  lab.defer(() => void child.kill("SIGKILL"));
  let out = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  peer.stop();
  if (code !== 0) throw new Error(`the tracer ended with ${code}`);
  return JSON.parse(out) as Sample[];
}
