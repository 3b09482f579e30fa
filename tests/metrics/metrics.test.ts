// The table of metrics, their text, and the server that gives it.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { request } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { compile } from "../../compiler/compile.ts";
import { wrongLabel, wrongName } from "../../compiler/frontend/metric-rules.ts";
import { countedIn, familiesOf, type Declared } from "../../runtime/metrics/declared.ts";
import { METRICS, type MetricName, type Sample } from "../../runtime/metrics/table.ts";
import { exposition, type Collected } from "../../runtime/metrics/text.ts";
import { createMachine } from "../../runtime/vm/machine.ts";
import { serveMetrics, type MetricsServer } from "../../runtime/service/metrics-server.ts";

const names = Object.keys(METRICS) as MetricName[];
const labelsOf = (name: MetricName, value = "x"): Record<string, string> =>
  Object.fromEntries(METRICS[name].labels.map((label) => [label, value]));
/** One sample of each. */
const EACH: readonly Sample[] = names.map((name, index) => ({ name, labels: labelsOf(name), value: index }));
const declared = (name: string, type: "counter" | "gauge", value: bigint, place = "/a", label?: string): Declared => ({
  metric: { name, type, help: `Help of ${name}.`, ...(label ? { label: { name: label, values: ["in", "out"] } } : {}) },
  samples: label ? ["in", "out"].map((one) => ({ label: one, value })) : [{ value }],
  labels: { object: "o", program: "p", place },
});
const ALL: Collected = {
  samples: EACH,
  declared: [
    declared("seen_total", "counter", 18446744073709551615n),
    declared("seen_total", "counter", 3n, "/b", "way"),
    declared("depth", "gauge", -4n),
    declared("depth", "counter", 1n),
  ],
};
const promtool = spawnSync("promtool", ["--version"]).error ? "no promtool" : undefined;

describe("the table", () => {
  test.each(names)("%s has a name, a help and labels by the rules", (name) => {
    const { type, help, labels } = METRICS[name];
    expect(wrongName(name.replace(/^tsbpf_/, ""), type)).toBeUndefined();
    expect(help).toMatch(/^[A-Z].*\.$|: always 1\.$/);
    const own = new Set(["object", "program", "kind", "place", "version", "digest"]);
    expect(labels.filter((label) => !own.has(label) && wrongLabel(label) !== undefined)).toEqual([]);
  });
});

describe("the text", () => {
  test("has each metric once, with what it is, and those of programs behind", async () => {
    const text = await exposition(ALL, "prometheus");
    const lines = text.split("\n");
    for (const name of names) {
      if (name === "tsbpf_metric_conflicts") continue;
      const { type, help } = METRICS[name];
      expect(lines.filter((line) => line === `# TYPE ${name} ${type}`)).toHaveLength(1);
      expect(lines.filter((line) => line === `# HELP ${name} ${help}`)).toHaveLength(1);
    }
    expect(text).toContain('seen_total{object="o",program="p",place="/b",way="out"} 3\n');
    expect(text).toContain('depth{object="o",program="p",place="/a"} -4\n');
    expect(text).toContain("tsbpf_metric_conflicts 1\n");
    expect(lines.findIndex((line) => line.startsWith("depth"))).toBeGreaterThan(
      lines.findIndex((line) => line.startsWith("tsbpf_service_log")),
    );
  });
  test("what comes from files cannot leave its place", async () => {
    const evil = 'a"} 1\nevil_total 7\n\\';
    const text = await exposition(
      { samples: names.map((name) => ({ name, labels: labelsOf(name, evil), value: 1 })), declared: [] },
      "prometheus",
    );
    expect(text.split("\n").filter((line) => line.startsWith("evil"))).toEqual([]);
    expect(text).toContain('version="a\\"} 1\\nevil_total 7\\n\\\\"');
  });
  test("as OpenMetrics it has an end, and counters are families without _total", async () => {
    const text = await exposition(ALL, "openmetrics");
    expect(text).toMatch(/\n# EOF\n$/);
    expect(text).toContain("# TYPE seen counter\n");
    expect(text).toContain("seen_total{");
  });
  test("two programs of one name at one place are one", () => {
    const twice = [declared("a_total", "counter", 2n), declared("a_total", "counter", 5n)];
    expect(familiesOf(twice).families[0]!.rows).toEqual([{ labels: twice[0]!.labels, value: 7 }]);
  });
  test.skipIf(promtool)(
    promtool ? `promtool finds nothing wrong (skipped: ${promtool})` : "promtool finds nothing wrong",
    async () => {
      const text = await exposition(ALL, "prometheus");
      expect(execFileSync("promtool", ["check", "metrics"], { input: text, encoding: "utf8" })).toBe("");
      // It does find what is wrong.
      const wrong = text
        .replaceAll("tsbpf_program_runs_total", "tsbpf_program_runs")
        .replace(/^# HELP depth .*\n/m, "");
      const { status, stderr } = spawnSync("promtool", ["check", "metrics"], { input: wrong, encoding: "utf8" });
      expect([status, stderr]).toEqual([3, expect.stringMatching(/tsbpf_program_runs counter metrics should have/)]);
    },
  );
});

test("what a path manager in this process has counted", () => {
  const source = `import { license, metric } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const seen = metric("seen_total", { help: "Seen.", label: "way", values: ["in", "out"] });
export const depth = metric("depth", { help: "Depth.", type: "gauge" });
export const program = sockOps(() => {
  seen.add("out", 3n);
  depth.add(-2n);
  return 1;
});
`;
  const { module } = compile({ path: "p.ts", text: source });
  let cpu = 0;
  const machine = createMachine(module!, {
    services: { cpus: 2, cpu: () => cpu, now: () => 1n, random: () => 4, print: () => undefined },
  });
  for (cpu = 0; cpu < 2; cpu++) machine.run("program", { read: () => 0, services: { socket: {} } });
  const [seen, depth] = countedIn(module!.maps, machine.maps);
  expect(seen).toMatchObject({
    metric: { name: "seen_total" },
    samples: [
      { label: "in", value: 0n },
      { label: "out", value: 6n },
    ],
  });
  expect(depth).toMatchObject({ metric: { type: "gauge" }, samples: [{ value: -4n }] });
});

describe("the server", () => {
  const folder = mkdtempSync(join(tmpdir(), "tsbpf-metrics-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  let server: MetricsServer | undefined;
  afterEach(() => server?.close());
  let collections = 0;
  const failures: unknown[] = [];
  const open = async (collect: () => Collected = () => ALL): Promise<URL> => {
    server = await serveMetrics(
      { host: "127.0.0.1", port: 0 },
      () => (collections++, collect()),
      (error) => failures.push(error),
    );
    return new URL(server.at);
  };

  test("answers at /metrics, and nowhere else", async () => {
    const url = await open();
    const answer = await fetch(url);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(await answer.text()).toBe(await exposition(ALL, "prometheus"));
    const open2 = await fetch(url, {
      headers: { accept: "application/openmetrics-text;version=1.0.0,text/plain;q=0.5" },
    });
    expect(open2.headers.get("content-type")).toBe("application/openmetrics-text; version=1.0.0; charset=utf-8");
    expect(await open2.text()).toMatch(/# EOF\n$/);
    expect((await fetch(new URL("/", url))).status).toBe(404);
    expect((await fetch(new URL("/metrics?x=1", url))).status).toBe(200);
    expect((await fetch(url, { method: "POST", body: "x".repeat(100_000) })).status).toBe(405);
    const head = await fetch(url, { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });
  test("who asks often is given what was collected just now", async () => {
    const url = await open();
    collections = 0;
    await Promise.all(Array.from({ length: 10 }, () => fetch(url).then((one) => one.text())));
    expect(collections).toBeLessThan(10);
  });
  test("what goes wrong is said in the log, and the next is answered", async () => {
    let bad = true;
    const url = await open(() => {
      if (bad) throw new Error("gone");
      return ALL;
    });
    const answer = await fetch(url);
    expect([answer.status, await answer.text()]).toEqual([500, "the service's log says what went wrong\n"]);
    expect(failures).toEqual([new Error("gone")]);
    bad = false;
    expect((await fetch(url)).status).toBe(200);
  });
  test("who sends no request, or too long a one, is let go, and many at a time are", async () => {
    const url = await open();
    const socket = (): Promise<string> =>
      new Promise((resolve) => {
        const one = connect(Number(url.port), "127.0.0.1", () =>
          one.write(`GET /metrics HTTP/1.1\r\nx: ${"y".repeat(20_000)}\r\n`),
        );
        let text = "";
        one.on("data", (chunk) => (text += String(chunk)));
        one.on("error", () => undefined).on("close", () => resolve(text));
      });
    expect(await socket()).toMatch(/^HTTP\/1.1 431 /);
    const silent = Array.from({ length: 40 }, () =>
      connect(Number(url.port), "127.0.0.1").on("error", () => undefined),
    );
    // Those beyond the bound are closed at once; the others when their time is over.
    const closed = await Promise.all(
      silent.slice(20).map((one) => new Promise((resolve) => one.on("close", () => resolve(true)))),
    );
    expect(closed).toHaveLength(20);
    silent.forEach((one) => one.destroy());
  });
  test("a Unix socket is for its user and group, and one that was left is no hindrance", async () => {
    const path = join(folder, "own", "metrics.sock");
    for (let round = 0; round < 2; round++) {
      server = await serveMetrics(
        { path },
        () => ALL,
        () => undefined,
      );
      expect(server.at).toBe(path);
      expect(statSync(path).mode & 0o777).toBe(0o660);
      const status = await new Promise((resolve, reject) => {
        request({ socketPath: path, path: "/metrics", agent: false }, (answer) => resolve(answer.resume().statusCode))
          .on("error", reject)
          .end();
      });
      expect(status).toBe(200);
      await server.close();
    }
    server = undefined;
  });
  test("a port that is taken is an error with the place", async () => {
    const url = await open();
    const listen = { host: "127.0.0.1", port: Number(url.port) } satisfies Pick<AddressInfo, "port"> & { host: string };
    await expect(
      serveMetrics(
        listen,
        () => ALL,
        () => undefined,
      ),
    ).rejects.toThrow(`listening for metrics at 127.0.0.1:${url.port}`);
  });
});
