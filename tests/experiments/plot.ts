/** Figures as SVG by Observable Plot, and as PNG. Colours of text and axes are the reader's (currentColor). */
import * as Plot from "@observablehq/plot";
import { Resvg } from "@resvg/resvg-js";
import { parseHTML } from "linkedom";
import type { Figure, Intervals, Lines } from "./experiment.ts";

const WIDTH = 720;
const COLOURS = ["#4269d0", "#d08700", "#e0484f", "#3ba384", "#a463f2", "#97704f", "#6b8ba4", "#ff6fae", "#6cc5b0"];
/** The paper's figures look the same everywhere. */
const PAPER = "#8a8a8a";

const colourOf = (series: readonly string[]) => ({
  domain: series,
  range: series.map((one, index) => (one === "the paper" ? PAPER : COLOURS[index % COLOURS.length]!)),
});
const unique = (names: readonly string[]): string[] => [...new Set(names)];
const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

function intervals(figure: Intervals, series: readonly string[]): Plot.PlotOptions {
  const names = unique(figure.rows.map((one) => one.name));
  // Series of one name stand below each other.
  const rows = figure.rows.map((one) => ({ ...one, low: one.low ?? one.value, high: one.high ?? one.value }));
  return {
    height: 56 + names.length * (14 * series.length + 10),
    marginLeft: 20 + 6.2 * Math.max(...names.map((name) => name.length)),
    x: { label: figure.x, grid: true, nice: true, ...(figure.logarithmic ? { type: "log" } : {}) },
    y: { axis: null, domain: [...series], padding: 0.3 },
    fy: { label: null, domain: names, padding: 0.12 },
    color: colourOf(series),
    marks: [
      Plot.axisFy({ anchor: "left", label: null, fontSize: 11 }),
      ...(figure.neutral === undefined
        ? []
        : [Plot.ruleX([figure.neutral], { stroke: "currentColor", strokeOpacity: 0.5 })]),
      Plot.ruleY(rows, {
        fy: "name",
        y: "series",
        x1: "low",
        x2: "high",
        stroke: "series",
        strokeWidth: 3,
        strokeOpacity: 0.55,
      }),
      Plot.dot(rows, { fy: "name", y: "series", x: "value", fill: "series", r: 4 }),
    ],
  };
}

function lines(figure: Lines, series: readonly string[]): Plot.PlotOptions {
  return {
    height: 380,
    marginLeft: 56,
    x: { label: figure.x, grid: true, nice: true, ...(figure.logarithmic ? { type: "log" } : {}) },
    y: { label: figure.y, grid: true, nice: true, zero: true },
    color: colourOf(series),
    marks: [
      Plot.ruleY([0], { strokeOpacity: 0.5 }),
      Plot.line(figure.points, {
        x: "x",
        y: "y",
        stroke: "series",
        strokeWidth: 1.8,
        ...(figure.steps ? { curve: "step-after" } : {}),
      }),
    ],
  };
}

/** A line of names, broken where it is too long. Gives its markup and height. */
function legend(series: readonly string[]): { readonly markup: string; readonly height: number } {
  const { range } = colourOf(series);
  let [x, y] = [10, 40];
  const entries = series.map((name, index) => {
    const width = 34 + 6.8 * name.length;
    if (x + width > WIDTH) [x, y] = [10, y + 18];
    const entry = `<rect x="${x}" y="${y - 8}" width="10" height="10" rx="2" fill="${range[index]}"/><text x="${x + 15}" y="${y + 1}" font-size="12">${escaped(name)}</text>`;
    x += width;
    return entry;
  });
  return { markup: entries.join(""), height: y + 12 };
}

function frame(title: string, height: number, content: string): string {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="system-ui, 'DejaVu Sans', sans-serif" fill="currentColor" role="img" aria-label="${escaped(title)}">` +
    `<text x="10" y="20" font-size="14" font-weight="600">${escaped(title)}</text>${content}</svg>\n`
  );
}
const withoutPlot = (title: string): string =>
  frame(title, 56, '<text x="10" y="42" font-size="12">not measured yet</text>');

/** What an interrupted run has not measured is no number, and has no place on an axis. */
function measured(figure: Figure): Figure {
  return figure.kind === "intervals"
    ? { ...figure, rows: figure.rows.filter(({ value }) => Number.isFinite(value)) }
    : { ...figure, points: figure.points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y)) };
}

/** One SVG with title, legend and plot; stands for itself. */
export function toSvg(whole: Figure): string {
  const figure = measured(whole);
  if ((figure.kind === "intervals" ? figure.rows : figure.points).length === 0) return withoutPlot(figure.title);
  const series = unique((figure.kind === "intervals" ? figure.rows : figure.points).map((one) => one.series));
  const options = figure.kind === "intervals" ? intervals(figure, series) : lines(figure, series);
  const plot = Plot.plot({
    ...options,
    document: parseHTML("<html><body></body></html>").document,
    width: WIDTH,
    style: { fontSize: "11px", background: "none" },
  });
  const { markup, height } = legend(series);
  const inner = plot.outerHTML.replace(/^<svg /, `<svg x="0" y="${height}" `);
  const all = height + (options.height ?? 0);
  return frame(figure.title, all, markup + inner);
}

export function toPng(svg: string): Uint8Array {
  return new Resvg(svg, {
    background: "white",
    fitTo: { mode: "width", value: 2 * WIDTH },
    font: { loadSystemFonts: true, defaultFontFamily: "DejaVu Sans", sansSerifFamily: "DejaVu Sans" },
  })
    .render()
    .asPng();
}
