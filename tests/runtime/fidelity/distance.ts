/**
 * How far two traces of a window are from each other. Each is cut into epochs: from the bottom of one reduction to that of the
 * next. Small differences of an epoch's length add up, so epochs are compared one by one, and each by the part of it that has passed.
 */
interface Trace {
  readonly time: ArrayLike<number>;
  readonly cwnd: ArrayLike<number>;
}
export interface Distance {
  /** Mean of the differences between windows at the same part of an epoch, over the mean of the kernel's window. */
  readonly shape: number;
  /** Difference of the mean lengths of epochs, over the kernel's. */
  readonly period: number;
  /** Of the windows' means over time. */
  readonly mean: number;
  readonly epochs: readonly [ours: number, kernel: number];
}

/** A window that has fallen so far was reduced, and one that has risen so far from the bottom grows again: it falls in several steps. */
const FALL = 0.78;
const RISE = 1.1;
/** Places in an epoch where windows are compared. */
const PARTS = 50;

interface Epoch {
  readonly from: number;
  readonly to: number;
}
/** Whole epochs, from bottom to bottom: what lies before the first reduction and after the last one is left out. */
function epochs({ cwnd }: Trace): Epoch[] {
  const bottoms: number[] = [];
  let isFalling = false;
  /** The highest window so far, or where the lowest one is. */
  let highest = 0;
  let lowest = 0;
  for (let at = 0; at < cwnd.length; at++) {
    const window = cwnd[at]!;
    if (!(window > 0)) continue;
    if (isFalling) {
      if (window < cwnd[lowest]!) lowest = at;
      else if (window >= cwnd[lowest]! * RISE) {
        bottoms.push(lowest);
        isFalling = false;
        highest = window;
      }
    } else if (window <= highest * FALL) {
      isFalling = true;
      lowest = at;
    } else highest = Math.max(highest, window);
  }
  return bottoms.slice(0, -1).map((from, index) => ({ from, to: bottoms[index + 1]! }));
}

function at({ time, cwnd }: Trace, moment: number): number {
  let [low, high] = [0, time.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (time[middle]! <= moment) low = middle;
    else high = middle;
  }
  return cwnd[low]!;
}
const average = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length;
const lengthOf = ({ time }: Trace, { from, to }: Epoch): number => time[to]! - time[from]!;
const shapeOf = (trace: Trace, epoch: Epoch): number[] =>
  Array.from({ length: PARTS }, (_, part) =>
    at(trace, trace.time[epoch.from]! + ((part + 0.5) / PARTS) * lengthOf(trace, epoch)),
  );
/** The mean epoch: what the window is at each part, over all of them. */
function meanShape(trace: Trace, all: readonly Epoch[]): number[] {
  const shapes = all.map((epoch) => shapeOf(trace, epoch));
  return Array.from({ length: PARTS }, (_, part) => average(shapes.map((shape) => shape[part]!)));
}

/** Leaves the first `settle` seconds out, in which slow start overshoots. */
export function distance(ours: Trace, kernel: Trace, settle: number): Distance {
  const [mine, theirs] = [ours, kernel].map((trace) => ({
    trace,
    epochs: epochs(trace).filter(({ from }) => trace.time[from]! >= settle),
  })) as [{ trace: Trace; epochs: Epoch[] }, { trace: Trace; epochs: Epoch[] }];
  if (mine.epochs.length === 0 || theirs.epochs.length === 0)
    throw new Error(`too short to compare: ${mine.epochs.length} and ${theirs.epochs.length} epochs`);
  const [ourShape, kernelShape] = [meanShape(mine.trace, mine.epochs), meanShape(theirs.trace, theirs.epochs)];
  const [ourLength, kernelLength] = [mine, theirs].map(({ trace, epochs: all }) =>
    average(all.map((epoch) => lengthOf(trace, epoch))),
  ) as [number, number];
  const level = average(kernelShape);
  return {
    shape: average(ourShape.map((window, part) => Math.abs(window - kernelShape[part]!))) / level,
    period: Math.abs(ourLength / kernelLength - 1),
    mean: Math.abs(average(ourShape) / level - 1),
    epochs: [mine.epochs.length, theirs.epochs.length],
  };
}
