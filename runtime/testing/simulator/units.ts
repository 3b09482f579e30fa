/** What a simulation is given, checked: rates, durations, counts. A mistake names its place, and what would be right. */

export class SimulationError extends TypeError {
  constructor(place: string, what: string, remedy: string) {
    super(`simulate: ${place}: ${what}; ${remedy}`);
    this.name = "SimulationError";
  }
}

const shown = (value: unknown): string =>
  typeof value === "string" ? `"${value}"` : typeof value === "object" ? JSON.stringify(value) : String(value);

function measure(units: Readonly<Record<string, number>>, value: unknown): number | undefined {
  const [, number, unit] = (typeof value === "string" && /^(\d+(?:\.\d+)?)\s*([a-z]+)$/.exec(value)) || [];
  const factor = unit !== undefined && Object.hasOwn(units, unit) ? units[unit]! : undefined;
  return factor === undefined ? undefined : Number(number) * factor;
}

const DURATIONS = { us: 1e3, ms: 1e6, s: 1e9, min: 60e9 };
const RATES = { bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9 };

/** Nanoseconds. */
export function duration(place: string, value: unknown): number {
  const found = measure(DURATIONS, value);
  if (found !== undefined) return Math.round(found);
  throw new SimulationError(place, `${shown(value)} is no duration`, 'write "40ms", with us, ms, s or min');
}
/** Bits per second. */
export function rate(place: string, value: unknown): number {
  const found = measure(RATES, value);
  if (found !== undefined && found > 0) return found;
  throw new SimulationError(place, `${shown(value)} is no rate`, 'write "8mbit", with bit, kbit, mbit or gbit');
}
/** A whole number in a range. */
export function count(place: string, value: unknown, least: number, most: number, unit: string): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
  throw new SimulationError(
    place,
    `${shown(value)} is no number of ${unit}`,
    `give a whole number, ${least} at least${most < Number.MAX_SAFE_INTEGER ? ` and ${most} at most` : ""}`,
  );
}
export function probability(place: string, value: unknown): number {
  if (typeof value === "number" && value >= 0 && value <= 1) return value;
  throw new SimulationError(place, `${shown(value)} is no probability`, "give a number from 0 to 1, such as 0.01");
}
/** Names of an object's properties that nobody reads are mistakes. */
export function known(place: string, given: unknown, names: readonly string[]): void {
  if (typeof given !== "object" || given === null)
    throw new SimulationError(place, `${shown(given)} is no object`, `give one with ${names.join(", ")}`);
  for (const name of Object.keys(given))
    if (!names.includes(name))
      throw new SimulationError(`${place}.${name}`, "there is no such option", `there are ${names.join(", ")}`);
}
