/** One call of a program under test: what is noted of it, and what becomes of a fault. */
import type { HelperName } from "../../compiler/bpf/helpers.ts";
import { SOCKET_OPTIONS } from "../../compiler/bpf/socket-options.ts";
import { textOfUtf8 } from "../vm/bytes.ts";
import { errnoText } from "../vm/errno.ts";
import { drawFault, type Machine, type Outcome } from "../vm/machine.ts";
import type { History, HistoryEntry } from "./history.ts";
import type { Host } from "./host.ts";

/** One loaded program and where its doings are noted. */
export interface Loaded {
  readonly machine: Machine;
  readonly program: string;
  readonly host: Host;
  readonly history: History;
  /** `total`: of all calls in simulations. */
  readonly steps: { last: number; max: number; total?: number };
  /** Programs after this one on the same socket, in the order in which they were attached. */
  readonly others?: readonly Loaded[];
}

/** A program did what no program may do. The message names event, place and reason. */
export class EventFailure extends Error {
  constructor(message: string) {
    super(message);
    this.name = "EventFailure";
  }
}

export const optionName = (level: number, number: number): string =>
  Object.entries(SOCKET_OPTIONS).find(([, row]) => row.level === level && row.number === number)?.[0] ??
  `option ${level}:${number}`;
export const valueText = (value: Uint8Array): string =>
  value.length === 4
    ? `${new DataView(value.buffer, value.byteOffset).getInt32(0, true)}`
    : JSON.stringify(textOfUtf8(value).replace(/\0.*$/s, ""));

/** Writes each call of a helper that is news into the history; `detail` gives words about the last one. */
export const observer =
  ({ machine, program }: Loaded, entry: HistoryEntry, detail: () => string) =>
  (helper: HelperName, result: bigint, slot: number): void => {
    // What was found is no news.
    if (helper === "map_lookup_elem" && result !== 0n) return;
    const at = machine.place(program, slot);
    const where = at ? `${at.path.replace(/^.*\//, "")}:${at.line} ` : "";
    const pointer = result > 0xffff_0000_0000_0000n && result < 0xffff_ffff_ffff_f000n;
    const words = detail();
    const shown = pointer
      ? "found"
      : helper === "map_lookup_elem" && result === 0n
        ? "not found"
        : errnoText(Number(BigInt.asIntN(64, result)));
    entry.effects.push(`${where}${helper}${words ? ` ${words}` : ""} → ${shown}`);
  };

/** Counts the steps of a call; throws where the program did what none may do. */
export function finished(
  loaded: Loaded,
  entry: HistoryEntry,
  outcome: Outcome,
): asserts outcome is Extract<Outcome, { ok: true }> {
  loaded.steps.last = Math.max(loaded.steps.last, outcome.steps);
  loaded.steps.max = Math.max(loaded.steps.max, outcome.steps);
  if (outcome.ok) return;
  const number = loaded.history.entries.length;
  throw new EventFailure(`${loaded.program}: event ${number} (${entry.title}) went wrong\n${drawFault(outcome.fault)}`);
}
