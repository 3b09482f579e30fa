/** Runs as pictures: lines over time, in panels below each other; of a run of flows, window and threshold, round-trip time, queue. */
import type { Run } from "./results.ts";

export interface SvgOptions {
  readonly title?: string;
  /** Pixels. */
  readonly width?: number;
}

/** Colours that people of all kinds of sight tell apart (Okabe and Ito). */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
const GREY = "#666";
const PANEL = { height: 150, gap: 34, left: 64, right: 16, top: 62 };

export interface Line {
  readonly series: Float64Array;
  /** Which of the legend's; grey unless given. */
  readonly colour?: number;
  readonly dashed?: true;
}
interface Panel {
  readonly title: string;
  readonly lines: readonly Line[];
}
interface Picture {
  /** Where none is asked for. */
  readonly title: string;
  readonly time: Float64Array;
  readonly panels: readonly Panel[];
  readonly legend: readonly string[];
}

const escaped = (text: string): string => text.replace(/[&<>"]/g, (one) => `&#${one.charCodeAt(0)};`);
const short = (value: number): string => `${Number(value.toPrecision(6))}`;

/** Round numbers from 0 to at least `most`, about five. */
function marks(most: number): number[] {
  const rough = (most || 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough)!;
  return Array.from({ length: Math.ceil((most || 1) / step) + 1 }, (_, index) => index * step);
}

/** Points of a line, at most two for each pixel: the least and the most of what falls on it. */
function points(series: Float64Array, x: (index: number) => number, y: (value: number) => number): string[] {
  const parts: string[] = [];
  let part: string[] = [];
  const end = (): void => {
    if (part.length > 0) parts.push(part.join(" "));
    part = [];
  };
  for (let from = 0; from < series.length;) {
    const pixel = Math.floor(x(from));
    let to = from;
    let [least, most] = [Infinity, -Infinity];
    for (; to < series.length && Math.floor(x(to)) === pixel; to++) {
      const value = series[to]!;
      if (!Number.isFinite(value)) continue;
      least = Math.min(least, value);
      most = Math.max(most, value);
    }
    if (least === Infinity) end();
    else {
      const at = x(from).toFixed(1);
      const isFalling = series[from]! > series[to - 1]!;
      const both = isFalling ? [most, least] : [least, most];
      part.push(...(least === most ? [least] : both).map((value) => `${at},${y(value).toFixed(1)}`));
    }
    from = to;
  }
  end();
  return parts;
}

const highest = (lines: readonly Line[], but: number): number => {
  let found = 0;
  for (const { series } of lines)
    for (const value of series) if (Number.isFinite(value) && value < but && value > found) found = value;
  return found;
};

const hue = (index: number | undefined): string => (index === undefined ? GREY : COLOURS[index % COLOURS.length]!);

export function toSvg({ time, flows, queue }: Run, options: SvgOptions = {}): string {
  const panels: readonly Panel[] = [
    {
      title: "window (segments); dashed: slow start threshold",
      lines: flows.flatMap(({ cwnd, ssthresh }, colour): Line[] => [
        { series: ssthresh, colour, dashed: true },
        { series: cwnd, colour },
      ]),
    },
    { title: "round-trip time (ms)", lines: flows.map(({ rttMs }, colour) => ({ series: rttMs, colour })) },
    { title: "queue (packets)", lines: [{ series: queue }] },
  ];
  const legend = flows.map(({ name }, index) => `${index}: ${name}`);
  return drawSvg({ title: "Congestion control over time", time, panels, legend }, options);
}

export function drawSvg({ title: name, time, panels, legend: names }: Picture, options: SvgOptions): string {
  const { width = 900, title } = options;
  const [begin, end] = [time[0]!, time.at(-1)!];
  const inner = width - PANEL.left - PANEL.right;
  const height = PANEL.top + panels.length * (PANEL.height + PANEL.gap) + 14;
  const x = (at: number): number => PANEL.left + ((at - begin) / (end - begin || 1)) * inner;
  const text = (at: number, y: number, anchor: string, words: string): string =>
    `<text x="${at.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escaped(words)}</text>`;
  const rule = (x1: number, y1: number, x2: number, y2: number, stroke: string): string =>
    `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="${stroke}"/>`;

  const drawn = panels.flatMap(({ title: heading, lines }, index) => {
    const top = PANEL.top + index * (PANEL.height + PANEL.gap);
    const bottom = top + PANEL.height;
    // A threshold that is not there yet would leave no room for the rest.
    const labels = marks(highest(lines, 1e9));
    const most = labels.at(-1)!;
    const y = (value: number): number => bottom - Math.min(1, value / most) * PANEL.height;
    const times = marks(end - begin).filter((one) => one <= end - begin);
    return [
      text(PANEL.left, top - 6, "start", heading),
      ...labels.flatMap((one) => [
        rule(PANEL.left, y(one), width - PANEL.right, y(one), "#ddd"),
        text(PANEL.left - 6, y(one) + 4, "end", short(one)),
      ]),
      ...times.map((one) => text(x(begin + one), bottom + 14, "middle", `${short(begin + one)} s`)),
      ...lines.flatMap((line) => {
        const hidden = line.dashed ? line.series.map((value) => (value > most ? NaN : value)) : line.series;
        return points(hidden, (at) => x(time[at]!), y).map(
          (list) =>
            `<polyline points="${list}" fill="none" stroke="${hue(line.colour)}"${line.dashed ? ' stroke-dasharray="4 3" opacity="0.6"' : ""}/>`,
        );
      }),
    ];
  });
  const room = Math.max(130, ...names.map((words) => 30 + 6 * words.length));
  const legend = names.map((words, index) => {
    const at = PANEL.left + index * room;
    return rule(at, 30, at + 18, 30, hue(index)) + text(at + 24, 34, "start", words);
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11" role="img">`,
    `<title>${escaped(title ?? name)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    text(PANEL.left, 18, "start", title ?? ""),
    ...legend,
    ...drawn,
    "</svg>",
    "",
  ].join("\n");
}
