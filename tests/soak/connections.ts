/**
 * `npm run test:soak`: a minute of 1,000 connections per second with handlers attached on both sides. No connection may
 * be lost, no record missing, and neither this process nor the maps may grow.
 *
 *   --seconds N   (default 60)    --rate N   (default 1000)
 */
import { load } from "../../runtime/api.ts";
import { compiled } from "../runtime/compiled.ts";
import { openLab, until, whyNot } from "../runtime/lab.ts";

const SOURCE = `
import { ArrayMap, HashMap, license, RingBuf, struct, u16, u32, u64 } from "tsbpf";
import { Op, sockOps } from "tsbpf/tcp";
license("GPL");
class Opened extends struct({ port: u16, count: u64 }) {}
export const events = new RingBuf({ value: Opened, bytes: 1048576 });
export let eventsDropped: u64 = 0n;
export const opened = new ArrayMap({ value: u64, maxEntries: 1 });
export const ports = new HashMap({ key: u32, value: u64, maxEntries: 65536 });
export const soak = sockOps((ctx) => {
  switch (ctx.op) {
    case Op.PassiveEstablished: {
      const total = opened.ref(0);
      if (!total) return 1;
      total.value += 1n;
      ports.set(1, total.value);
      if (events.output(new Opened({ port: ctx.localPort, count: total.value })) !== 0) eventsDropped += 1n;
      break;
    }
    default:
  }
  return 1;
});
`;

const skip = whyNot();
if (skip) {
  console.log(`test:soak is skipped: ${skip}`);
  process.exit(0);
}
const argument = (name: string, otherwise: number): number => {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
const seconds = argument("--seconds", 60);
const rate = argument("--rate", 1000);

const lab = openLab();
let failures = 0;
const check = (what: string, ok: boolean, detail: unknown): void => {
  if (!ok) failures++;
  console.log(`${ok ? "ok  " : "FAIL"} ${what}: ${String(detail)}`);
};
try {
  const c = lab.netns("c");
  const s = lab.netns("s");
  lab.wire(c, "v0", ["10.94.0.1/24"], s, "v1", ["10.94.0.2/24"]);
  // A minute of connections from one address needs more ports than there are by default, and reuse of waiting ones.
  lab.inside(c, "sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65535", "net.ipv4.tcp_tw_reuse=1");
  for (const net of [c, s]) lab.inside(net, "sysctl", "-qw", "net.ipv4.tcp_max_tw_buckets=1000");
  lab.inside(s, "sysctl", "-qw", "net.core.somaxconn=4096", "net.ipv4.tcp_max_syn_backlog=8192");
  const groups = [lab.cgroup("client"), lab.cgroup("server")] as const;
  const client = await lab.peer(c, groups[0]);
  const server = await lab.peer(s, groups[1]);
  const watching = load(compiled("soak", "mainline", SOURCE));
  watching.attach(groups[1]);
  for (const group of groups)
    load(compiled("user-timeout", "mainline"), { params: { timeoutSeconds: 30 } }).attach(group);

  let records = 0;
  let ordered = true;
  let last = 0n;
  const stream = watching.rings["events"]!.stream();
  const reading = (async () => {
    for await (const record of stream as AsyncIterable<{ count: bigint }>) {
      records++;
      // Two CPUs may count at once without a lock; what must hold is that nothing goes back far.
      ordered &&= record.count + 64n > last;
      last = record.count;
    }
  })();
  await server.call("listen", { host: "10.94.0.2", port: 9500, mode: "close" });
  // A short run first, so that what is allocated once is not counted as growth.
  await client.call("storm", { host: "10.94.0.2", port: 9500, rate: Math.min(rate, 200), seconds: 2 });
  const warm = Math.min(rate, 200) * 2;
  global.gc?.();
  const before = process.memoryUsage().rss;
  const result = await client.call<{ done: number; failed: number; errors: object; elapsed: number; p99: number }>(
    "storm",
    {
      host: "10.94.0.2",
      port: 9500,
      rate,
      seconds,
    },
  );
  const total = rate * seconds + warm;
  await until("the last records", () => records >= total, 5000).catch(() => undefined);
  global.gc?.();
  const grown = process.memoryUsage().rss - before;
  check(
    "connections made",
    result.done === rate * seconds,
    `${result.done} of ${rate * seconds}, in ${result.elapsed.toFixed(1)} s, p99 ${result.p99.toFixed(1)} ms`,
  );
  check("connections lost", result.failed === 0, `${result.failed} ${JSON.stringify(result.errors)}`);
  const dropped = Number(watching.rings["events"]!.dropped());
  check("records read or counted as dropped", records + dropped === total, `${records} + ${dropped} of ${total}`);
  check("records dropped", dropped === 0, dropped);
  check("records in order", ordered, ordered);
  check("map entries", watching.maps["ports"]!.batch().length === 1, watching.maps["ports"]!.batch().length);
  check("memory of this process", grown < 32 * 1024 * 1024, `${(grown / 1024 / 1024).toFixed(1)} MiB more`);
  stream.close();
  await reading;
} finally {
  lab.close();
}
process.exit(failures === 0 ? 0 : 1);
