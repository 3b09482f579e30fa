// The dashboard asks for what there is, and for all of it.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { METRICS, type MetricName } from "../../runtime/metrics/table.ts";
import { root } from "../programs.ts";

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}
interface Dashboard {
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly query: string | { readonly query: string } }[];
  };
}
const dashboard = JSON.parse(readFileSync(join(root, "docs/public/tsbpf-dashboard.json"), "utf8")) as Dashboard;
const targets = dashboard.panels.flatMap(({ title, targets: own = [] }) => own.map((one) => ({ title, ...one })));
const variables = dashboard.templating.list.flatMap(({ query }) => (typeof query === "string" ? [] : [query.query]));
const named = (query: string): string[] => query.match(/\btsbpf_[a-z_]*[a-z]\b/g) ?? [];
/** What Prometheus adds, and what a program's own label would be. */
const ADDED = ["instance", "job", "__name__"];

test("every query names metrics of the table, and every metric is in a query", () => {
  const found = [...targets.map(({ expr }) => expr), ...variables].flatMap(named);
  expect([...new Set(found)].sort()).toEqual(Object.keys(METRICS).sort());
  expect(targets.filter(({ expr }) => named(expr).length === 0).map(({ title }) => title)).toEqual([
    "Declared by programs",
  ]);
});

test("labels in filters, groups and legends are those of the metrics that the query names", () => {
  for (const { title, expr, legendFormat } of targets) {
    const known = new Set([
      ...ADDED,
      ...named(expr).flatMap((name): readonly string[] => METRICS[name as MetricName].labels),
      ...(named(expr).length === 0 ? ["object", "program"] : []),
    ]);
    const used = [
      ...[...expr.matchAll(/([a-z_]+)(?:=~|!~|!=|=)"/g)].map((one) => one[1]!),
      ...[...expr.matchAll(/by \(([^)]*)\)/g)].flatMap((one) => one[1]!.split(/, */)),
      ...[...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map((one) => one[1]!),
    ];
    expect(
      used.filter((label) => !known.has(label)),
      `${title}: ${expr}`,
    ).toEqual([]);
  }
});

test("counters are asked for their rate or increase, gauges are not", () => {
  for (const { expr } of targets)
    for (const name of named(expr)) {
      const rated = new RegExp(`(?:rate|increase)\\(${name}\\b`).test(expr);
      expect(rated, `${name} in ${expr}`).toBe(METRICS[name as MetricName].type === "counter");
    }
});

test("panels have ids of their own and do not lie upon each other", () => {
  const { panels } = dashboard;
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  for (const a of panels)
    for (const b of panels) {
      const [p, q] = [a.gridPos, b.gridPos];
      const apart = a === b || p.x + p.w <= q.x || q.x + q.w <= p.x || p.y + p.h <= q.y || q.y + q.h <= p.y;
      expect(apart, `${a.title} and ${b.title}`).toBe(true);
    }
});

const missing = spawnSync("promtool", ["--version"]).error ? "no promtool" : undefined;
test.skipIf(missing)(
  missing ? `Prometheus can read every query (skipped: ${missing})` : "Prometheus can read every query",
  () => {
    const folder = mkdtempSync(join(tmpdir(), "tsbpf-dashboard-"));
    try {
      const check = (exprs: readonly string[]): number | null => {
        const rules = exprs.map((expr, index) => ({
          record: `r${index}`,
          expr: expr.replaceAll("$__rate_interval", "5m"),
        }));
        writeFileSync(join(folder, "rules.yml"), JSON.stringify({ groups: [{ name: "g", rules }] }));
        return spawnSync("promtool", ["check", "rules", join(folder, "rules.yml")]).status;
      };
      expect(check(targets.map(({ expr }) => expr))).toBe(0);
      expect(check(["sum by (rate(x))"])).not.toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);
