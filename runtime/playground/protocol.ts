/** What the page asks its worker, and what it gets: plain values, because they go to another thread and back. */
import type { TargetName } from "../../compiler/bpf/kernels.ts";
import type { JsonDiagnostic } from "../../compiler/diagnostics/render.ts";
import type { Completions, NameFacts } from "../../compiler/frontend/completions.ts";

/** A line of some text that the compiler makes. */
export interface Row {
  readonly text: string;
  /** The line of the source that it came from, from 1 on. */
  readonly line?: number;
}

export interface Example {
  /** "user-timeout.ts" */
  readonly name: string;
  readonly text: string;
  /** What the run panel plays at first. */
  readonly events: string;
}

export interface ProgramFacts {
  readonly name: string;
  readonly section: string;
  readonly instructions: number;
  readonly maxInstructions: number;
  readonly stack: number;
  readonly maxStack: number;
}
export interface Compiled {
  readonly target: TargetName;
  /** The oldest kernel that takes the object; absent where there is none. */
  readonly kernel?: string;
  /** This is only what could be shown at once: `finish` has the proof, the object, and the errors behind the frontend. */
  readonly draft?: boolean;
  /** Time in the worker. */
  readonly milliseconds: number;
  readonly diagnostics: readonly JsonDiagnostic[];
  readonly programs: readonly ProgramFacts[];
  /** Bytes of the object; 0: there is none. */
  readonly objectBytes: number;
  /** As far as the compiler got: empty where it did not get there. */
  readonly ir: readonly Row[];
  readonly bytecode: readonly Row[];
  readonly object: readonly Row[];
  /** What the run panel plays where the user has not written anything. */
  readonly events: string;
}

/** One step of the compiler: "lower" first, then each pass in its order. */
export interface PassStep {
  readonly group: string;
  readonly pass: string;
  readonly why: string;
  /** Instructions of the IR behind it. */
  readonly instructions: number;
  /** Whether it changed anything. */
  readonly changed: boolean;
}
export interface DifferenceRow extends Row {
  readonly kind: "same" | "added" | "removed" | "skipped";
}

/** Registers and stack as the verifier knows them: name and content. */
export type KnownState = readonly (readonly [name: string, content: string])[];
export interface VerifiedInstruction extends Row {
  readonly slot: number;
  /** How often the verifier processed it. */
  readonly visits: number;
  /** What it knew before it, on the first few visits. */
  readonly states: readonly KnownState[];
}
export interface PathStep extends Row {
  readonly slot: number;
  readonly state: KnownState;
  /** Of a jump that either way is possible at: which way this path goes. */
  readonly taken?: boolean;
}
export interface VerifiedProgram {
  readonly name: string;
  /** The release whose verifier this is. */
  readonly kernel: string;
  readonly verdict: "accept" | "reject" | "unsupported";
  /** In the kernel's words, and in ours; of a rejection. */
  readonly message?: string;
  readonly problem?: string;
  readonly remedy?: string;
  readonly processed: number;
  readonly instructions: readonly VerifiedInstruction[];
  /** The path that fails, its last instruction last; of a long one the end. */
  readonly path: readonly PathStep[];
  /** Steps of the path that are not in it. */
  readonly skipped: number;
}

export interface WireSegment {
  /** Who sends: "client → server". */
  readonly from: string;
  readonly what: string;
  /** Options that programs wrote. */
  readonly options: readonly number[];
}
export interface MapContent {
  readonly name: string;
  readonly entries: readonly (readonly [key: string, value: string])[];
}
export interface Played {
  /** Of the event, in the panel's text, from 1 on. */
  readonly at: number;
  readonly text: string;
  /** Why it could not be played. Nothing is played behind it. */
  readonly problem?: string;
  /** What came back: "returns 1". */
  readonly result?: string;
  /** What was told to the programs, and what each did then, with its line. */
  readonly effects: readonly Row[];
  readonly wire: readonly WireSegment[];
  /** How often each line ran so far, and in this event. */
  readonly lines: Readonly<Record<number, number>>;
  readonly ran: readonly number[];
  readonly maps: readonly MapContent[];
  /** Socket options, subflows, what was printed: title and text. */
  readonly facts: readonly (readonly [title: string, text: string])[];
  /** Milliseconds since the beginning. */
  readonly now: number;
  /** A picture of a simulation. */
  readonly svg?: string;
}
export interface EventHelp {
  readonly usage: string;
  readonly what: string;
}
export interface PlayedAll {
  readonly steps: readonly Played[];
  /** What can be played with these programs. */
  readonly help: readonly EventHelp[];
}

export interface Place {
  readonly text: string;
  readonly offset: number;
}

/** Each question with what it is given and what it gives. */
export interface Questions {
  readonly examples: { readonly asks: undefined; readonly gives: readonly Example[] };
  readonly compile: {
    readonly asks: { readonly text: string; readonly target?: TargetName };
    readonly gives: Compiled;
  };
  /** The same, as soon as there is something to be seen; the whole is made when `finish`, or another question about the text, asks for it. */
  readonly draft: Questions["compile"];
  readonly finish: { readonly asks: undefined; readonly gives: Compiled };
  /** What can stand at an offset of a text, and what the name there is. */
  readonly complete: { readonly asks: Place; readonly gives: Completions };
  readonly hover: { readonly asks: Place; readonly gives: NameFacts | undefined };
  /** Those below are about the text that was compiled last. */
  readonly passes: { readonly asks: undefined; readonly gives: readonly PassStep[] };
  /** What a step of `passes` has changed. */
  readonly difference: { readonly asks: number; readonly gives: readonly DifferenceRow[] };
  readonly verify: { readonly asks: undefined; readonly gives: readonly VerifiedProgram[] };
  readonly play: { readonly asks: string; readonly gives: PlayedAll };
}
export type QuestionName = keyof Questions;
export interface Asked {
  readonly id: number;
  readonly name: QuestionName;
  readonly value: unknown;
}
export type Answer =
  { readonly id: number; readonly value: unknown } | { readonly id: number; readonly problem: string };
