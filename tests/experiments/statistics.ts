/** Medians and what is known of them. Everything random has a seed, so that a report can be made again. */

/** Numbers from 0 to 1, always the same for a seed (mulberry32, public domain). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The value below which `part` of the values lie, between neighbours in proportion (type 7 of Hyndman and Fan). */
export function quantile(values: readonly number[], part: number): number {
  if (values.length === 0) return NaN;
  const sorted = Float64Array.from(values).sort();
  const at = part * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (at - below) * (sorted[above]! - sorted[below]!);
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

export interface Estimate {
  readonly value: number;
  /** The median lies between these with 95 % confidence; both are `value` for a single sample. */
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

const RESAMPLES = 2000;
/** The median, and its 95 % confidence interval by the percentile bootstrap. */
export function estimate(values: readonly number[], seed = 1): Estimate {
  const next = random(seed);
  const medians = new Float64Array(values.length > 0 ? RESAMPLES : 0);
  const resample = new Float64Array(values.length);
  for (let turn = 0; turn < medians.length; turn++) {
    for (let at = 0; at < resample.length; at++) resample[at] = values[Math.floor(next() * values.length)]!;
    resample.sort();
    const middle = resample.length >> 1;
    medians[turn] = resample.length % 2 === 1 ? resample[middle]! : (resample[middle - 1]! + resample[middle]!) / 2;
  }
  return {
    value: median(values),
    low: quantile([...medians], 0.025),
    high: quantile([...medians], 0.975),
    count: values.length,
  };
}

/** The distribution of values as points from 0 to 1: `x`, and which part of the values is no more; about `points` of them. */
export function distribution(values: readonly number[], points = 200): { readonly x: number; readonly y: number }[] {
  const count = Math.min(points, values.length);
  const steps = Array.from({ length: count }, (_, index) => ({
    x: quantile(values, count === 1 ? 0.5 : index / (count - 1)),
    y: (index + 1) / count,
  }));
  return count === 0 ? [] : [{ x: steps[0]!.x, y: 0 }, ...steps];
}

/** A number as people read it: three digits that count. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(3)));
}
export const shown = ({ value, low, high, count }: Estimate, unit = ""): string =>
  count === 0 ? "not measured" : `${short(value)}${unit} (${short(low)} to ${short(high)}; n = ${count})`;
