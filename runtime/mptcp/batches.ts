/**
 * Work on many sessions, in slices, so that one change of an address does not keep events waiting until the kernel drops
 * them. Batches are done in order. Whatever waits for a session is done at once when something new is heard of it: for
 * each session things happen in the order in which they came to be.
 */
export interface Batches {
  /** Does `act` for each entry; the first slice at once when nothing else waits. Entries must not be added later. */
  add<T>(entries: Map<number, T>, act: (value: T) => void): void;
  /** Does now what waits for one session. */
  flush(token: number): void;
  /** Entries that wait. */
  readonly waiting: number;
  /** Drops what waits. */
  close(): void;
}

interface Batch {
  readonly size: number;
  step(): void;
  flush(token: number): void;
}

/** `sliceMs`: how long one slice may take before the event loop gets its turn. */
export function batches(sliceMs = 10): Batches {
  let queue: Batch[] = [];
  let timer: NodeJS.Immediate | undefined;
  const slice = (): void => {
    timer = undefined;
    const end = performance.now() + sliceMs;
    try {
      for (; queue.length > 0; queue.shift())
        for (const first = queue[0]!; first.size > 0;) {
          first.step();
          if (performance.now() > end) return;
        }
    } finally {
      if (queue.length > 0) timer = setImmediate(slice);
    }
  };
  return {
    add<T>(entries: Map<number, T>, act: (value: T) => void) {
      if (entries.size === 0) return;
      const take = (token: number): void => {
        const value = entries.get(token)!;
        entries.delete(token);
        act(value);
      };
      // One iterator for all: a new one would walk over what was deleted each time.
      const tokens = entries.keys();
      queue.push({
        get size() {
          return entries.size;
        },
        step() {
          const next = tokens.next();
          if (!next.done) take(next.value);
        },
        flush: (token) => (entries.has(token) ? take(token) : undefined),
      });
      if (timer === undefined && queue.length === 1) slice();
    },
    flush(token) {
      for (const batch of queue) batch.flush(token);
    },
    get waiting() {
      return queue.reduce((sum, batch) => sum + batch.size, 0);
    },
    close() {
      queue = [];
      if (timer) clearImmediate(timer);
    },
  };
}
