// Metrics that programs declare, as the kernel counts them and commands tell of them.
import { spawn, spawnSync } from "node:child_process";
import { createServer, type AddressInfo } from "node:net";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { start, stopAll, tsbpf } from "./command.ts";
import { openLab, until, whyNot, type Lab, type Peer } from "./lab.ts";

const skip = whyNot();
const noPrometheus = ["prometheus", "promtool"].find((tool) => spawnSync(tool, ["--version"]).error) && "no prometheus";
/** A port that nobody has. */
const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
const FULL = `
import { ArrayMap, HashMap, license, LruHashMap, RingBuf, struct, u32, u64 } from "tsbpf";
import { Op, sockOps } from "tsbpf/tcp";
license("GPL");
class Event extends struct({ n: u32 }) {}
export const some = new HashMap({ key: u32, value: u32, maxEntries: 8 });
export const recent = new LruHashMap({ key: u32, value: u32, maxEntries: 4096 });
export const many = new HashMap({ key: u32, value: u32, maxEntries: 100_000 });
export const slots = new ArrayMap({ value: u32, maxEntries: 8 });
export const events = new RingBuf({ value: Event, bytes: 4096 });
export let eventsDropped: u64 = 0n;
export const full = sockOps((ctx) => {
  if (ctx.op === Op.Rto) {
    if (some.get(1) === many.get(1) || recent.get(1) === slots.get(1)) ctx.reply = 1;
    if (events.output({ n: 1 }) !== 0) eventsDropped += 1n;
  }
  return 1;
});
`;
const SOURCE = `
import { license, metric } from "tsbpf";
import { Op, sockOps } from "tsbpf/tcp";
license("GPL");
export const established_connections = metric("established_total", {
  help: "Connections that were established.", label: "side", values: ["client", "server"],
});
export const everything = metric("lab_events_total", { help: "All events." });
export const balance = metric("lab_balance", { type: "gauge", help: "Servers less clients." });
export const watcher = sockOps((ctx) => {
  everything.add(1n);
  switch (ctx.op) {
    case Op.ActiveEstablished: established_connections.add("client", 1n); balance.add(-1n); break;
    case Op.PassiveEstablished: established_connections.add("server", 1n); balance.add(2n); break;
    default:
  }
  return 1;
});
`;

describe.skipIf(skip)(skip ? `metrics (skipped: ${skip})` : "metrics", () => {
  let lab: Lab;
  let pins: string;
  let cgroup: string;
  let client: Peer;
  let server: Peer;
  let file: string;
  let folder: string;
  beforeAll(async () => {
    lab = openLab();
    folder = mkdtempSync(join(tmpdir(), "tsbpf-metrics-"));
    lab.defer(() => rmSync(folder, { recursive: true, force: true }));
    file = join(folder, "watcher.ts");
    writeFileSync(file, SOURCE);
    pins = join(lab.bpffs(), "tsbpf");
    const [c, s] = [lab.netns("c"), lab.netns("s")];
    lab.wire(c, "v0", ["10.97.0.1/24"], s, "v1", ["10.97.0.2/24"]);
    cgroup = lab.cgroup("metrics");
    client = await lab.peer(c, cgroup);
    server = await lab.peer(s, cgroup);
  });
  afterEach(() => {
    stopAll();
    tsbpf(["detach", "--all", "--pins", pins]);
  });
  afterAll(() => lab?.close());

  let port = 9000;
  const connections = async (seconds = 0.2): Promise<bigint> => {
    port++;
    const id = await server.call<number>("listen", { host: "10.97.0.2", port, mode: "close" });
    const storm = { host: "10.97.0.2", port, rate: 200, seconds };
    const { done, failed } = await client.call<{ done: number; failed: number }>("storm", storm);
    expect(failed).toBe(0);
    expect(done).toBeGreaterThan(5);
    await server.call("closeServer", { id });
    return BigInt(done);
  };

  it("show tells what was counted, by the pins alone", async () => {
    expect(tsbpf(["load", file, "--cgroup", cgroup, "--pins", pins])).toMatchObject({ code: 0, err: "" });
    const done = await connections();
    const { out, code } = tsbpf(["show", "watcher", "--pins", pins, "--for", "0.1"]);
    expect(code).toBe(0);
    const row = (name: string): string[] =>
      out
        .split("\n")
        .find((line) => line.startsWith(name))!
        .trim()
        .split(/ {2,}/);
    expect(row('established_total{side="client"}')).toEqual([
      'established_total{side="client"}',
      `${done}`,
      "watcher",
      "Connections that were established.",
    ]);
    expect(row('established_total{side="server"}').slice(0, 2)).toEqual([
      'established_total{side="server"}',
      `${done}`,
    ]);
    expect(row("lab_balance").slice(1)).toEqual([`${done}`, "watcher", "Servers less clients."]);
    expect(Number(row("lab_events_total")[1])).toBeGreaterThan(Number(done));
    const { metrics } = JSON.parse(tsbpf(["show", "watcher", "--pins", pins, "--for", "0.1", "--json"]).out) as {
      metrics: object[];
    };
    expect(metrics).toContainEqual(
      expect.objectContaining({
        name: "lab_balance",
        type: "gauge",
        programs: ["watcher"],
        samples: [{ value: Number(done) }],
      }),
    );
  });

  it("metrics prints what is there, and promtool finds nothing wrong with it", async () => {
    expect(tsbpf(["load", file, "--cgroup", cgroup, "--pins", pins])).toMatchObject({ code: 0, err: "" });
    const done = await connections();
    const { out, code, err } = tsbpf(["metrics", "--pins", pins]);
    expect(code).toBe(0);
    expect(err === "" || err.startsWith("runs are not counted: ")).toBe(true);
    expect(out).toContain(`tsbpf_build_info{version=`);
    expect(out).toContain(
      `\nestablished_total{object="watcher",program="watcher",place="${cgroup}",side="client"} ${done}\n`,
    );
    expect(out).toMatch(/\ntsbpf_program_attachments\{object="watcher",program="watcher",kind="sock_ops",.*\} 1\n/);
    expect(out).toMatch(/\ntsbpf_map_max_entries\{object="watcher",map="everything",kind="percpu_array",.*\} 1\n/);
    expect(out).toMatch(/\ntsbpf_map_memory_bytes\{object="watcher",map="everything",.*\} [1-9]\d*\n/);
    expect(out).toContain('\ntsbpf_mptcp_sessions{netns=""} ');
    if (!noPrometheus) {
      const checked = spawnSync("promtool", ["check", "metrics"], { input: `${out}\n`, encoding: "utf8" });
      expect([checked.status, checked.stdout + checked.stderr]).toEqual([0, ""]);
    }
    expect(tsbpf(["metrics", "--openmetrics", "--pins", pins]).out).toMatch(/# EOF\n$/);
  });

  it("entries of maps are counted, up to a bound", async () => {
    const source = join(folder, "full.ts");
    writeFileSync(source, FULL);
    expect(tsbpf(["load", source, "--cgroup", cgroup, "--pins", pins])).toMatchObject({ code: 0, err: "" });
    const keys = ["1", "2", "3"];
    for (const map of ["some", "many", "recent"])
      for (const key of keys) expect(tsbpf(["map", "set", `full/${map}`, key, "7", "--pins", pins]).code).toBe(0);
    const { out } = tsbpf(["metrics", "--pins", pins]);
    const entries = (map: string): string | undefined =>
      new RegExp(`^tsbpf_map_entries\\{object="full",map="${map}",.*\\} (\\d+)$`, "m").exec(out)?.[1];
    expect(["some", "recent", "many", "slots"].map(entries)).toEqual(["3", "3", undefined, undefined]);
    expect(out).toContain('\ntsbpf_ring_dropped_records_total{object="full",ring="events"} 0\n');
  });

  it.skipIf(noPrometheus)(
    noPrometheus
      ? `Prometheus scrapes a service, and answers what was counted (skipped: ${noPrometheus})`
      : "Prometheus scrapes a service, and answers what was counted",
    async () => {
      const service = join(folder, "service.json");
      const socket = join(folder, "run/serve.sock");
      writeFileSync(
        service,
        JSON.stringify({
          programs: { lab: { file: "watcher.ts", cgroup } },
          pins,
          socket,
          metrics: { listen: "127.0.0.1:0", stats: true },
        }),
      );
      const running = start(["serve", service]);
      const told = await running.line(/^metrics at /, 60_000);
      const target = new URL(told.replace("metrics at ", ""));
      expect(target.hostname).toBe("127.0.0.1");
      const done = await connections();

      const port = await freePort();
      writeFileSync(
        join(folder, "prometheus.yml"),
        JSON.stringify({
          global: { scrape_interval: "1s" },
          scrape_configs: [{ job_name: "tsbpf", static_configs: [{ targets: [target.host] }] }],
        }),
      );
      const prometheus = spawn(
        "prometheus",
        [
          `--config.file=${join(folder, "prometheus.yml")}`,
          `--storage.tsdb.path=${join(folder, "tsdb")}`,
          `--web.listen-address=127.0.0.1:${port}`,
        ],
        { stdio: "ignore" },
      );
      try {
        const ask = async (query: string): Promise<string[]> => {
          const answer = await fetch(`http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(query)}`);
          const { data } = (await answer.json()) as { data: { result: { value: [number, string] }[] } };
          return data.result.map(({ value }) => value[1]);
        };
        const answers = (query: string, wanted: (values: string[]) => boolean): Promise<string[]> =>
          until(
            query,
            () =>
              ask(query).then(
                (values) => (wanted(values) ? values : undefined),
                () => undefined,
              ),
            60_000,
          );
        const exactly = (query: string, value: string | bigint): Promise<string[]> =>
          answers(query, (values) => values.length === 1 && values[0] === String(value));
        await exactly('up{job="tsbpf"}', "1");
        await exactly('established_total{object="lab",side="server"}', done);
        await exactly("sum(established_total)", 2n * done);
        await exactly('lab_balance{object="lab"}', done);
        await exactly('tsbpf_service_programs{state="attached"}', "1");
        await exactly("tsbpf_stats_enabled", "1");
        await answers(
          'tsbpf_program_runs_total{object="lab",program="watcher"}',
          ([runs]) => Number(runs) >= Number(done),
        );
        await answers('tsbpf_program_run_seconds_total{object="lab"}', ([seconds]) => Number(seconds) > 0);
        const more = done + (await connections());
        await exactly('established_total{object="lab",side="client"}', more);
        // A reload replaces the program, and what was counted stays.
        writeFileSync(file, SOURCE.replace("return 1;", "if (ctx.op === Op.Rto) everything.add(1n);\n  return 1;"));
        expect(tsbpf(["serve", "reload", "--socket", socket])).toMatchObject({ code: 0, err: "" });
        await exactly('tsbpf_service_reloads_total{result="ok"}', "1");
        await exactly('established_total{object="lab",side="client"}', more);
        writeFileSync(file, "nonsense");
        expect(tsbpf(["serve", "reload", "--socket", socket]).code).toBe(1);
        await exactly('tsbpf_service_reloads_total{result="failed"}', "1");
        expect(await running.stop("SIGTERM")).toBe(0);
        await exactly('up{job="tsbpf"}', "0");
      } finally {
        prometheus.kill("SIGKILL");
        writeFileSync(file, SOURCE);
      }
    },
    180_000,
  );
});
