/** The verifier's log, led by one line and pointed into the TypeScript; the log itself stays whole. */
import type { BpfModule, BpfProgram } from "../../compiler/module.ts";
import { placeFinder, type Place } from "../../compiler/object/lines.ts";

export interface Rejection {
  /** The verifier's own last word, e.g. "invalid mem access 'scalar'". */
  readonly reason: string;
  /** Slot of the instruction that it refused, where the log tells. */
  readonly slot?: number;
  readonly place?: Place;
  /** What Linux 7.3 and later say besides: the rule that was broken, why, and what would help. */
  readonly explained?: Explanation;
  /** The source lines that the refused path went through, oldest first, at most eight. */
  readonly path: readonly Place[];
}

export interface Explanation {
  readonly rule: string;
  readonly reason?: string;
  readonly suggestion?: string;
}

/** "12: (85) call bpf_map_lookup_elem#1" */
const INSTRUCTION = /^(\d+): \([0-9a-f]{2}\) /;
/** Lines that are neither instructions nor the reason. */
const NOISE =
  /^(processed \d+ insns|verification time|stack depth|max_states|total_states|peak_states|mark_read|;|\d+: R|R\d+=|from \d+ to \d+|func#|last_idx|regs=|parent |mark_precise|-- BEGIN|-- END|\s*$)/;

/**
 * Where Linux 7.3 goes on after the words of older releases: a headline, then sections whose names stand at the margin and whose text is
 * indented. What else there is (places, the path there) is told by the log as a whole.
 */
const HEADLINE = /^Verification failed: (.+)$/;
const SECTIONS = { "Reason:": "reason", "Suggestion:": "suggestion" } as const;

function explanation(rule: string, lines: readonly string[]): Explanation {
  const texts: { reason?: string; suggestion?: string } = {};
  let section: keyof typeof texts | undefined;
  for (const line of lines) {
    if (/^\S/.test(line)) section = SECTIONS[line.trim() as keyof typeof SECTIONS];
    else if (section && line.trim() !== "") texts[section] = [texts[section], line.trim()].filter(Boolean).join(" ");
  }
  return { rule, ...texts };
}

export function readRejection(log: string, module: BpfModule, program: BpfProgram): Rejection {
  const all = log.split("\n").map((line) => line.replace(/\0/g, ""));
  const headline = all.findLastIndex((line) => HEADLINE.test(line));
  const lines = headline < 0 ? all : all.slice(0, headline);
  const explained = headline < 0 ? undefined : explanation(HEADLINE.exec(all[headline]!)![1]!, all.slice(headline + 1));
  const slots: number[] = [];
  let reason = "";
  for (const line of lines) {
    const found = INSTRUCTION.exec(line);
    if (found) {
      slots.push(Number(found[1]));
      reason = "";
    } else if (!NOISE.test(line) && line.trim() !== "") reason = line.trim();
  }
  // Checks before the walk name the instruction in the message itself.
  const named = /\binsn (\d+)\b|^(\d+): /.exec(reason);
  const slot = named ? Number(named[1] ?? named[2]) : slots.at(-1);
  const places = placesOf(module, program);
  const place = slot === undefined ? undefined : places(slot);
  return {
    reason: reason || explained?.rule || "no reason given",
    ...(explained ? { explained } : {}),
    ...(slot === undefined ? {} : { slot }),
    ...(place ? { place } : {}),
    path: lastLines(slots.map(places)),
  };
}

/** The place of each slot: that of the last line entry at or before it. */
export function placesOf(module: BpfModule, program: BpfProgram): (slot: number) => Place | undefined {
  const find = placeFinder(module.sources);
  const entries = program.lines.toSorted((a, b) => a.slot - b.slot);
  return (slot) => {
    const entry = entries.findLast((candidate) => candidate.slot <= slot);
    return entry && find(entry.span);
  };
}

function lastLines(places: readonly (Place | undefined)[]): readonly Place[] {
  const distinct: Place[] = [];
  for (let index = places.length - 1; index >= 0 && distinct.length < 8; index--) {
    const place = places[index];
    if (!place) continue;
    const newest = distinct[0];
    if (newest?.line !== place.line || newest.path !== place.path) distinct.unshift(place);
  }
  return distinct;
}

/** The summary that goes before the log. */
export function describe(name: string, rejection: Rejection): string {
  const said = rejection.explained;
  const head = [
    `the kernel's verifier refuses ${name}: ${rejection.reason}`,
    ...(said?.reason ? [`  ${said.reason}`] : []),
    ...(said?.suggestion ? [`  ${said.suggestion}`] : []),
  ].join("\n");
  const { place, slot, path } = rejection;
  if (!place) return slot === undefined ? head : `${head}\n  at instruction ${slot}`;
  const margin = String(place.line).length + 1;
  const lines = [
    head,
    `  ${place.path}:${place.line}:${place.column} (instruction ${slot})`,
    ` ${String(place.line).padStart(margin)} │ ${place.text}`,
    ` ${" ".repeat(margin)} │ ${place.text.slice(0, place.column - 1).replace(/[^\t]/g, " ")}^`,
  ];
  if (path.length > 1) lines.push(`  the way there: ${path.map((step) => `line ${step.line}`).join(" → ")}`);
  return lines.join("\n");
}
