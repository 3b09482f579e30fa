/** The report: one file that a browser opens by itself, by day and by night, on a screen of any width. */
import { verdictOf, type Experiment, type Row, type Sample, type Verdict } from "./experiment.ts";
import { toSvg } from "./plot.ts";

export interface Section {
  readonly experiment: Experiment;
  readonly samples: readonly Sample[];
}

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

const STYLE = `
:root { color-scheme: light dark; --back: #fff; --text: #1d1d1f; --soft: #5c5c66; --line: #dcdce2; --card: #f6f6f8; --good: #1a7f37; --bad: #b35900; }
@media (prefers-color-scheme: dark) { :root { --back: #16161a; --text: #e8e8ec; --soft: #a2a2ae; --line: #34343c; --card: #1f1f25; --good: #57c272; --bad: #eda04e; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 56rem; background: var(--back); color: var(--text); font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; } h2 { font-size: 1.2rem; margin: 0 0 .3rem; }
section { margin: 2.2rem 0; padding-top: 1.4rem; border-top: 1px solid var(--line); }
p { margin: .4rem 0; } .soft { color: var(--soft); font-size: .88rem; }
.verdict { padding: .5rem .8rem; border-left: 4px solid var(--bad); background: var(--card); border-radius: 0 6px 6px 0; }
.verdict.good { border-color: var(--good); } .verdict b { color: var(--bad); } .verdict.good b { color: var(--good); }
figure { margin: 1rem 0; overflow-x: auto; } figure > svg { display: block; width: 100%; min-width: 34rem; height: auto; }
summary { cursor: pointer; color: var(--soft); } .table { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .7rem .35rem 0; border-bottom: 1px solid var(--line); }
nav ul { list-style: none; padding: 0; } nav li { display: flex; gap: .8rem; padding: .15rem 0; } nav .mark { flex: 0 0 6.4rem; font-weight: 600; color: var(--bad); } nav .mark.good { color: var(--good); }
a { color: inherit; }
`;

export const word = ({ reproduced }: Verdict): string =>
  reproduced === undefined ? "Cannot tell" : reproduced ? "Reproduced" : "Differs";

/** Of more rows a table is shown when it is asked for. */
const LONG_TABLE = 16;

function table({ experiment, samples }: Section): string {
  const paper = new Map(experiment.paper.map((one) => [one.what, one]));
  const rows = experiment.table(samples);
  const there = new Set(rows.map((row) => row.what));
  const all: readonly Row[] = [
    ...rows,
    ...experiment.paper.filter((one) => !there.has(one.what)).map(({ what }) => ({ what, ours: "–" })),
  ];
  const cells = all.map(({ what, ours }) => {
    const theirs = paper.get(what);
    const value = theirs ? `${escaped(theirs.value)} <span class="soft">${escaped(theirs.place)}</span>` : "–";
    return `<tr><td>${escaped(what)}</td><td>${value}</td><td>${escaped(ours)}</td></tr>`;
  });
  const whole = `<div class="table"><table><thead><tr><th></th><th>the paper</th><th>here</th></tr></thead><tbody>${cells.join("")}</tbody></table></div>`;
  return cells.length > LONG_TABLE
    ? `<details><summary>${cells.length} rows of numbers</summary>${whole}</details>`
    : whole;
}

/** On what a section's samples were taken, how many there are, and when. */
export function origin(samples: readonly Sample[]): string {
  const runs = Math.max(...samples.map((one) => one.repetition)) + 1;
  const variants = new Set(samples.map((one) => one.variant)).size;
  const { versions } = samples.at(-1)!.environment;
  const machines = [
    ...new Set(samples.map(({ environment: { kernel, cpus, cpu } }) => `Linux ${kernel}, ${cpus} × ${cpu}`)),
  ];
  const days = [...new Set(samples.map((one) => one.at.slice(0, 10)))].join(", ");
  const tools = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const quick = samples.some((one) => one.quick)
    ? " A quick run: it shows that the experiment works, its figures say little."
    : "";
  return `${days}; ${runs} run${runs === 1 ? "" : "s"} of each of ${variants} variant${variants === 1 ? "" : "s"}; ${machines.join(" and ")}; seed ${samples[0]!.seed}; ${tools.join(", ")}.${quick}`;
}

function section({ experiment, samples }: Section): string {
  const verdict = verdictOf(experiment, samples);
  const figures = experiment
    .figures(samples)
    .map((figure, index) => `<figure id="${experiment.name}-${index + 1}">${toSvg(figure).trim()}</figure>`);
  return (
    `<section id="${experiment.name}"><h2>${escaped(experiment.title)}</h2>` +
    `<p class="verdict${verdict.reproduced ? " good" : ""}"><b>${word(verdict)}:</b> ${escaped(verdict.because)}</p>` +
    `${figures.join("")}${table({ experiment, samples })}` +
    `<p class="soft">${escaped(experiment.about)}</p><p class="soft">${escaped(origin(samples))}</p></section>`
  );
}

export function toHtml(sections: readonly Section[]): string {
  const contents = sections.map(({ experiment, samples }) => {
    const verdict = verdictOf(experiment, samples);
    return `<li><span class="mark${verdict.reproduced ? " good" : ""}">${word(verdict)}</span> <a href="#${experiment.name}">${escaped(experiment.title)}</a></li>`;
  });
  return (
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>The paper's evaluation, reproduced</title><style>${STYLE}</style></head><body>` +
    `<h1>The paper's evaluation, reproduced</h1><p>Tran and Bonaventure, “Making the Linux TCP stack more extensible with eBPF” (Netdev 0x13, 2019), beside tsbpf. Dots are medians, bars their 95 % confidence intervals by bootstrap; verdicts are computed from the samples.</p>` +
    `<nav><ul>${contents.join("")}</ul></nav>${sections.map(section).join("")}</body></html>\n`
  );
}
