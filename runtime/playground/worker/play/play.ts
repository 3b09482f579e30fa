/** Plays the run panel's events, one a line, and notes after each what there is to see. */
import type { BpfModule } from "../../../../compiler/module.ts";
import { holdsLocalAddresses } from "../../../../compiler/local-addresses.ts";
import { addMachine, type Coverage } from "../../../testing/coverage.ts";
import type { ProgramView } from "../../../testing/program-view.ts";
import type { MapContent, Played, PlayedAll, Row, WireSegment } from "../../protocol.ts";
import { EVENTS } from "./events.ts";
import { createStage, type Stage } from "./stage.ts";
import { playedBy } from "./usual.ts";
import { EventError, shown, wordsOf } from "./values.ts";

/** Entries of a map that are shown, and lines of what a program did. */
const MOST_ENTRIES = 64;
const MOST_EFFECTS = 40;
const MOST_EVENTS = 500;

export function play(module: BpfModule, text: string): PlayedAll {
  const kinds = playedBy(module);
  const rows = Object.entries(EVENTS).filter(([, { of }]) => kinds.has(of));
  const help = [
    ...rows.map(([, { usage, what }]) => ({ usage, what })),
    ...(module.globals.some(({ param }) => param)
      ? [{ usage: "param name=1", what: "a param has that value; before the first event" }]
      : []),
  ];
  const lines = text
    .split("\n")
    .map((line, index) => ({ at: index + 1, text: line.replace(/#.*/, "").trim() }))
    .filter((line) => line.text !== "")
    .slice(0, MOST_EVENTS);
  if (kinds.size === 0) return { steps: [], help };

  let wire: WireSegment[] = [];
  const isParam = ({ text: line }: { readonly text: string }): boolean => /^param\s/.test(line);
  const params = Object.fromEntries(
    lines
      .filter(isParam)
      .flatMap((line) => [...wordsOf(line.text).named].map(([name, value]) => [name, paramValue(value)])),
  );
  const steps: Played[] = [];
  let stage: Stage | undefined;
  let before = noLines();
  for (const line of lines.filter((one) => !isParam(one))) {
    wire = [];
    let effects: readonly Row[] = [];
    let outcome: { readonly result?: string; readonly svg?: string } = {};
    let problem: string | undefined;
    try {
      stage ??= createStage(module, params, (segment) => wire.push(segment));
      const words = wordsOf(line.text);
      const row = rows.find(([name]) => name === words.name)?.[1];
      if (!row)
        throw new EventError(`there is no event ${words.name}; there is ${rows.map(([name]) => name).join(", ")}`);
      const seen = stage.sides.map(({ loaded }) => loaded.history.entries.length);
      try {
        outcome = row.play(stage, words) ?? {};
      } finally {
        effects = effectsSince(stage, seen);
      }
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
    const counts = stage ? linesOf(stage) : noLines();
    steps.push({
      ...line,
      ...outcome,
      ...(problem === undefined ? {} : { problem }),
      effects,
      wire,
      lines: counts,
      ran: Object.keys(counts)
        .map(Number)
        .filter((number) => counts[number]! > (before[number] ?? 0)),
      maps: stage ? mapsOf(stage, module) : [],
      facts: stage ? factsOf(stage) : [],
      now: stage ? Number(stage.sides[0]!.loaded.host.now - 1_000_000_000n) / 1e6 : 0,
    });
    before = counts;
    if (problem !== undefined) break;
  }
  return { steps, help };
}

/** As JSON, else as text: `param gateway=10.0.0.1`. */
function paramValue(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function effectsSince(stage: Stage, seen: readonly number[]): readonly Row[] {
  const all = stage.sides.flatMap(({ name, loaded }, side) =>
    loaded.history.entries
      .slice(seen[side] ?? 0)
      .flatMap(({ title, effects }): Row[] => [
        { text: `${name === "" ? "" : `${name}: `}${title}` },
        ...effects.map(effectRow),
      ]),
  );
  const more = all.length - MOST_EFFECTS;
  return more > 0 ? [...all.slice(0, MOST_EFFECTS), { text: `… ${more} more` }] : all;
}

/** "program.ts:33 setsockopt … → 0": the line is the row's. */
function effectRow(effect: string): Row {
  const [, line, rest] = /^\S+:(\d+) (.*)$/s.exec(effect) ?? [];
  return line === undefined ? { text: `  ${effect}` } : { text: `  ${rest}`, line: Number(line) };
}

const noLines = (): Record<number, number> => ({});
/** Of the file in the editor, which is the first one. */
function linesOf(stage: Stage): Record<number, number> {
  const sum = noLines();
  for (const { loaded } of stage.sides) {
    const own: Coverage = {};
    addMachine(own, loaded.machine);
    const path = loaded.machine.module.sources[0]?.path ?? "";
    for (const [line, count] of Object.entries(own[path] ?? {})) sum[Number(line)] = (sum[Number(line)] ?? 0) + count;
  }
  return sum;
}

interface Kept {
  readonly size?: number;
  [Symbol.iterator]?(): Iterator<readonly [unknown, unknown]>;
  get?(handle: unknown): unknown;
}
function mapsOf(stage: Stage, module: BpfModule): readonly MapContent[] {
  const specs = module.maps.filter((one) => !holdsLocalAddresses(one));
  return stage.sides.flatMap(({ name, loaded }) =>
    specs.map((spec): MapContent => {
      const kept = loaded.views.get(spec.name) as Kept;
      const title = name === "" ? spec.name : `${spec.name} (${name})`;
      if (typeof kept[Symbol.iterator] !== "function")
        return { name: title, entries: kept.size === undefined ? [] : [["entries", String(kept.size)]] };
      const entries: [string, string][] = [];
      for (const [key, value] of kept as Iterable<readonly [unknown, unknown]>) {
        if (entries.length === MOST_ENTRIES) break;
        entries.push([shown(key), shown(value)]);
      }
      return { name: title, entries };
    }),
  );
}

/** What views have besides: socket options, subflows, printed lines. */
function factsOf(stage: Stage): readonly (readonly [string, string])[] {
  const facts: [string, string][] = [];
  for (const { name, loaded, view } of stage.sides) {
    const views = [...loaded.views.values()].filter(
      (one): one is Partial<ProgramView> => typeof one === "object" && one !== null && "steps" in one,
    );
    const title = (text: string): string => (name === "" ? text : `${text} (${name})`);
    const { sockOpts = {}, subflows = [], logged = [], steps } = view ?? views[0] ?? {};
    for (const [option, value] of Object.entries(sockOpts)) facts.push([title(option), shown(value)]);
    subflows.forEach((subflow, index) => facts.push([title(`subflow ${index + 1}`), shown(subflow)]));
    logged.forEach((line) => facts.push([title("log"), line]));
    if (steps) facts.push([title("longest run"), `${steps.max} instructions`]);
  }
  return facts;
}
