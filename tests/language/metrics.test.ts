// Metrics: what a program adds is what a test, the object and its BTF tell of them.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { compile, type CompileResult } from "../../compiler/compile.ts";
import { wrongHelp, wrongLabel, wrongName, wrongValues } from "../../compiler/frontend/metric-rules.ts";
import { btfBuilder, decodeBtf } from "../../compiler/object/btf.ts";
import { readMetrics, writeMetric } from "../../compiler/object/metrics.ts";
import { readObject } from "../../compiler/object/read.ts";
import { kernelBtf } from "../../runtime/kernel/kernel-btf.ts";
import type { MetricUnderTest, SockOpsUnderTest } from "../../runtime/dsl/testing.d.ts";
import { load } from "../../runtime/testing/index.ts";

const SOURCE = `import { license, metric, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const events = metric("events_total", { help: "Events – all of them." });
export const sides = metric("sides_total", { help: "Sides.", label: "side", values: ["client", "server", "none"] });
export const depth = metric("depth", { type: "gauge", help: "Depth." });
export const program = sockOps((ctx) => {
  events.add(2n);
  const side: u32 = ctx.localPort - 4;
  sides.add(side, 1n);
  if (ctx.localPort === 9) sides.add("none", 5n);
  sides.add(ctx.localPort < 200 ? "none" : ctx.localPort === 200 ? "client" : "server", 1n);
  depth.add(ctx.localPort === 9 ? -3n : 1n);
  return 1;
});
`;
const folder = mkdtempSync(join(tmpdir(), "tsbpf-metrics-"));
afterAll(() => rmSync(folder, { recursive: true }));
const compiled = (): CompileResult => compile({ path: "m.ts", text: SOURCE });
interface Seen {
  readonly events: MetricUnderTest;
  readonly sides: MetricUnderTest<"client" | "server" | "none">;
  readonly depth: MetricUnderTest;
  readonly program: SockOpsUnderTest;
}
async function loaded(): Promise<Seen> {
  const path = join(folder, "m.ts");
  writeFileSync(path, SOURCE);
  return (await load(path)) as unknown as Seen;
}
const METRICS = {
  events: { name: "events_total", help: "Events – all of them.", type: "counter" },
  sides: {
    name: "sides_total",
    help: "Sides.",
    type: "counter",
    label: { name: "side", values: ["client", "server", "none"] },
  },
  depth: { name: "depth", help: "Depth.", type: "gauge" },
};

describe("metrics", () => {
  test("what a program adds: plain, by the text and by the place of a label's value, and down", async () => {
    const { program, events, sides, depth } = await loaded();
    expect([events.value, sides.value, depth.value]).toEqual([0n, 0n, 0n]);
    for (const localPort of [4, 5, 5, 9, 100, 200, 201, 202]) program.event("Rto", {}, { localPort });
    expect(events.value).toBe(16n);
    expect([sides.of("client"), sides.of("server"), sides.of("none"), sides.value]).toEqual([2n, 4n, 10n, 16n]);
    expect(depth.value).toBe(4n);
    program.event("Rto", {}, { localPort: 9 });
    expect(depth.value).toBe(1n);
    expect(() => sides.of("nobody" as never)).toThrow('sides_total has no value "nobody": it has client, server, none');
    expect(() => events.of("client" as never)).toThrow("it has no label");
  });

  test("the object has them, and so has the BTF that the kernel is given", () => {
    const { module, object, diagnostics } = compiled();
    expect(diagnostics).toEqual([]);
    const of = (maps: readonly { readonly name: string; readonly metric?: unknown }[]) =>
      Object.fromEntries(maps.flatMap(({ name, metric }) => (metric ? [[name, metric]] : [])));
    expect(of(module!.maps)).toEqual(METRICS);
    expect(of(readObject(object!).module!.maps)).toEqual(METRICS);
    const btf = decodeBtf(kernelBtf(module!).blob);
    expect(Object.fromEntries(readMetrics((btf as { value: { strings: Uint8Array } }).value))).toEqual(METRICS);
    expect(module!.maps.map(({ type, maxEntries }) => `${type} ${maxEntries}`)).toEqual([
      "percpu_array 1",
      "percpu_array 3",
      "percpu_array 1",
    ]);
  });

  test("each addition is one instruction, which nothing can come between", () => {
    const { module } = compiled();
    const atomic = module!.programs[0]!.insns.filter(({ code }) => code === 0xdb);
    expect(atomic.length).toBe(5);
  });

  test("what is misshapen in an object is left out", () => {
    const strings = (...texts: string[]) => ({
      strings: new TextEncoder().encode(`\0${texts.map((one) => `${one}\0`).join("")}`),
    });
    const good = '{"map":"m","name":"a_total","help":"h","type":"counter"}';
    const bad = [
      "{",
      "7",
      "null",
      good.replace('"m"', "7"),
      good.replace("a_total", "a total"),
      good.replace("counter", "histogram"),
      good.replace('"h"', "1"),
      good.replace("}", ',"label":{"name":"l","values":["a","a"]}}'),
      good.replace("}", ',"label":{"name":"l","values":[]}}'),
      good.replace("}", ',"label":{"name":"l m","values":["a"]}}'),
      good.replace("}", ',"label":3}'),
    ];
    for (const one of bad) expect(readMetrics(strings(`tsbpf.metric ${one}`)), one).toEqual(new Map());
    expect(readMetrics(strings("tsbpf.metri", `tsbpf.metric ${good}`, `not tsbpf.metric ${good}`)).size).toBe(1);
    // Cut off in the middle of the last string.
    const { strings: whole } = strings(`tsbpf.metric ${good}`);
    expect(readMetrics({ strings: whole.subarray(0, -5) })).toEqual(new Map());
    const many = Array.from({ length: 3000 }, (_, index) => `tsbpf.metric ${good.replace('"m"', `"m${index}"`)}`);
    expect(readMetrics(strings(...many)).size).toBe(1024);
  });

  test("the longest that may be declared fits", () => {
    const values = Array.from({ length: 64 }, (_, index) => `${String(index).padStart(2, "0")}${"x".repeat(29)}`);
    expect(wrongValues(values)).toBeUndefined();
    const help = "…".repeat(300);
    expect(wrongHelp(help)).toBeUndefined();
    const btf = btfBuilder();
    const label = { name: "l".repeat(40), values };
    const metric = { name: `${"n".repeat(94)}_total`, help, type: "counter", label } as const;
    expect(wrongName(metric.name, "counter") ?? wrongLabel(label.name)).toBeUndefined();
    const map = { name: "m", type: "percpu_array", maxEntries: 64, flags: 0, pinned: false, initial: [], metric };
    writeMetric(btf, "m", map);
    const read = decodeBtf(btf.finish());
    expect("value" in read && readMetrics(read.value).get("m")).toEqual(metric);
  });
});

describe("names", () => {
  test.each([
    ["Requests", "counter", "requests_total"],
    ["requestsSeen_total", "counter", "requests_seen_total"],
    ["requests-seen", "gauge", "requests_seen"],
    ["9lives", "gauge", "lives"],
    ["a__b", "gauge", "a_b"],
    ["requests:total", "counter", "requests_total"],
    ["tsbpf_depth", "gauge", "depth"],
    ["depth_gauge", "gauge", "depth"],
    ["waited_milliseconds_total", "counter", "waited_seconds_total"],
    ["sent_kilobytes", "gauge", "sent_bytes"],
    ["request_count", "counter", "request_total"],
    ["requests", "counter", "requests_total"],
    ["open_total", "gauge", "open"],
    ["", "counter", "events_total"],
    ["Zähler", "counter", "z_hler_total"],
    ["x".repeat(300), "gauge", "x".repeat(40)],
  ] as const)("%s as a %s is none; %s is one", (name, type, instead) => {
    expect(wrongName(name, type)?.instead).toBe(instead);
    expect(wrongName(instead, type)).toBeUndefined();
  });
  test.each(["requests_total", "a_total", "bytes_sent_total"])("%s is one", (name) => {
    expect(wrongName(name, "counter")).toBeUndefined();
  });
  test("labels and their values", () => {
    expect(["way", "in_2"].map(wrongLabel)).toEqual([undefined, undefined]);
    expect(["Way", "le", "program", "", "x".repeat(41)].map((one) => wrongLabel(one) !== undefined)).toEqual(
      Array(5).fill(true),
    );
    expect(wrongValues(["in", "10.0.0.0/8", "a b"])).toBeUndefined();
    expect(
      [[], [""], ["a\nb"], ['"'], ["x".repeat(32)], ["a", "a"], Array.from({ length: 65 }, (_, i) => `${i}`)].map(
        (one) => wrongValues(one) !== undefined,
      ),
    ).toEqual(Array(7).fill(true));
    expect(["", " ", "a\nb", "x".repeat(301)].map((one) => wrongHelp(one) !== undefined)).toEqual(Array(4).fill(true));
  });
});
