/** Which lines of the TypeScript ran: counted per instruction by the machine, told per line of the source. */
import type { BpfModule } from "../../compiler/module.ts";
import { lineAndColumn, type Span } from "../../compiler/span.ts";
import type { Machine } from "../vm/machine.ts";

/** Line (from 1) to how often its busiest instruction ran. */
export type LineCounts = Record<number, number>;
/** By path of the source, as it was compiled. */
export type Coverage = Record<string, LineCounts>;

// One store per process, also when bundlers load this file twice.
const STORE = Symbol.for("tsbpf.coverage");
interface Store {
  machines: Set<Machine>;
  finished: Coverage;
}
const store = ((globalThis as { [STORE]?: Store })[STORE] ??= { machines: new Set(), finished: {} });

const lineOf = (module: BpfModule, span: Span): readonly [path: string, line: number] | undefined => {
  const source = module.sources[span.file];
  return source && [source.path, lineAndColumn(source.text, span.start).line];
};

/** Adds how often each line of a machine's sources ran so far. */
export function addMachine(into: Coverage, machine: Machine): void {
  const { module } = machine;
  for (const program of module.programs) {
    const hits = machine.hits(program.name);
    for (const { slot, span } of program.lines) {
      const count = hits[slot] ?? 0;
      // Inlined code counts for the line it was written on, and for the calls that brought it here.
      for (let at: Span | undefined = span; at; at = at.via?.at) {
        const place = lineOf(module, at);
        if (!place) continue;
        const lines = (into[place[0]] ??= {});
        lines[place[1]] = Math.max(lines[place[1]] ?? 0, count);
      }
    }
  }
}

export function mergeCoverage(into: Coverage, more: Coverage): Coverage {
  for (const [path, lines] of Object.entries(more))
    for (const [line, count] of Object.entries(lines)) {
      const own = (into[path] ??= {});
      own[Number(line)] = (own[Number(line)] ?? 0) + count;
    }
  return into;
}

/** A program was loaded: its counts are part of the coverage from now on. */
export const cover = (machine: Machine): void => void store.machines.add(machine);

/** What ran in this process so far; `reset` starts anew. */
export function takeCoverage(reset = false): Coverage {
  const taken = mergeCoverage({}, store.finished);
  for (const machine of store.machines) {
    const one: Coverage = {};
    addMachine(one, machine);
    mergeCoverage(taken, one);
  }
  if (reset) {
    store.machines.clear();
    store.finished = {};
  }
  return taken;
}

const ranges = (lines: readonly number[]): string => {
  const parts: string[] = [];
  for (let at = 0; at < lines.length;) {
    let end = at;
    while (lines[end + 1] === lines[end]! + 1) end++;
    parts.push(end > at ? `${lines[at]}-${lines[end]}` : `${lines[at]}`);
    at = end + 1;
  }
  return parts.join(", ");
};

/** A table for people: file, share of lines, lines that never ran. Only lines that have instructions count. */
export function coverageText(coverage: Coverage): string {
  const rows = Object.entries(coverage)
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([path, lines]) => {
      const all = Object.keys(lines).map(Number);
      const missed = all.filter((line) => lines[line] === 0).sort((a, b) => a - b);
      const share = all.length === 0 ? 100 : (100 * (all.length - missed.length)) / all.length;
      return [path, `${share.toFixed(1)} %`, `${all.length - missed.length}/${all.length}`, ranges(missed)] as const;
    });
  const head = ["BPF program", "lines", "", "never ran"] as const;
  const width = (column: 0 | 1 | 2): number => Math.max(...[head, ...rows].map((row) => row[column].length));
  return [head, ...rows]
    .map(([path, share, count, missed]) =>
      `${path.padEnd(width(0))}  ${share.padStart(width(1))}  ${count.padStart(width(2))}  ${missed}`.trimEnd(),
    )
    .join("\n");
}

/** The tracefile format of lcov, which editors and code-review tools read (geninfo(1)). */
export function coverageLcov(coverage: Coverage): string {
  return Object.entries(coverage)
    .map(([path, lines]) => {
      const entries = Object.entries(lines).sort(([a], [b]) => Number(a) - Number(b));
      const hit = entries.filter(([, count]) => count > 0).length;
      return [
        "TN:",
        `SF:${path}`,
        ...entries.map(([line, count]) => `DA:${line},${count}`),
        `LF:${entries.length}`,
        `LH:${hit}`,
        "end_of_record",
      ].join("\n");
    })
    .join("\n")
    .concat("\n");
}
