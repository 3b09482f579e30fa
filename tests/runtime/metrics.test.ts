// Metrics that programs declare, as the kernel counts them and commands tell of them.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { stopAll, tsbpf } from "./command.ts";
import { openLab, whyNot, type Lab, type Peer } from "./lab.ts";

const skip = whyNot();
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
  beforeAll(async () => {
    lab = openLab();
    const folder = mkdtempSync(join(tmpdir(), "tsbpf-metrics-"));
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
});
