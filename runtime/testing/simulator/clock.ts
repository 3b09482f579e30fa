/** Simulated time: what happens when, and timers. Times are nanoseconds since the host's boot. */

/** The clock's first moment: a second after boot, as hosts of `tsbpf/testing` begin. */
export const BEGIN = 1_000_000_000;
/** A tick of the kernel's clock, as the virtual machine's jiffies() counts them: CONFIG_HZ is 250. */
const TICK = 4_000_000;
export const TICKS_PER_SECOND = 1_000_000_000 / TICK;

interface Waiting {
  readonly at: number;
  readonly turn: number;
  readonly run: () => void;
}

export interface Clock {
  readonly now: number;
  /** Microseconds since boot, as tcp_mstamp counts. */
  readonly us: number;
  readonly ticks: number;
  at(time: number, run: () => void): void;
  /** Runs what happens before `end`, and stands at `end` afterwards. */
  runUntil(end: number): void;
}

const isBefore = (a: Waiting, b: Waiting): boolean => a.at < b.at || (a.at === b.at && a.turn < b.turn);

export function createClock(): Clock {
  let now = BEGIN;
  let turn = 0;
  // A binary heap: the next one is first.
  const heap: Waiting[] = [];

  function push(one: Waiting): void {
    let at = heap.length;
    heap.push(one);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(one, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = one;
  }
  function pop(): Waiting {
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }

  return {
    get now() {
      return now;
    },
    get us() {
      return Math.floor(now / 1000);
    },
    get ticks() {
      return Math.floor(now / TICK);
    },
    at(time, run) {
      push({ at: Math.max(time, now), turn: turn++, run });
    },
    runUntil(end) {
      while (heap.length > 0 && heap[0]!.at < end) {
        const next = pop();
        now = next.at;
        next.run();
      }
      now = end;
    },
  };
}

export interface Timer {
  readonly isSet: boolean;
  /** When it fires; meaningless while it is not set. */
  readonly deadline: number;
  set(deadline: number): void;
  clear(): void;
}

/** A timer that is set again more often than it fires: the clock is asked once for as long as the deadline only moves away. */
export function createTimer(clock: Clock, fire: () => void): Timer {
  let deadline = 0;
  let isSet = false;
  let asked = Infinity;
  function ring(at: number): void {
    if (at !== asked) return;
    asked = Infinity;
    if (!isSet) return;
    if (deadline > clock.now) return ask();
    isSet = false;
    fire();
  }
  function ask(): void {
    if (asked <= deadline) return;
    const at = deadline;
    asked = at;
    clock.at(at, () => ring(at));
  }
  return {
    get isSet() {
      return isSet;
    },
    get deadline() {
      return deadline;
    },
    set(at) {
      deadline = at;
      isSet = true;
      ask();
    },
    clear() {
      isSet = false;
    },
  };
}

/** When a timer of the kernel's that is set for so many ticks fires: at the beginning of a tick. */
export const afterTicks = (clock: Clock, ticks: number): number => (clock.ticks + ticks) * TICK;
export const ticksOfUs = (us: number): number => Math.ceil((us * 1000) / TICK);
export const usOfTicks = (ticks: number): number => (ticks * TICK) / 1000;
