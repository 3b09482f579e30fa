/** Ring-buffer records as they come, decoded and queued: async iterators over a RingReader. */
import type { Layout } from "../../compiler/layout.ts";
import { codecFor, type Value } from "./codec.ts";
import type { RingReader } from "./ringbuf.ts";
import { syscalls, type Watch } from "./syscalls.ts";

export interface RingStream<T> extends AsyncIterable<T> {
  /**
   * Records by the batch, all that have come since: many times as fast as one by one, because each turn of `for await`
   * waits for a promise. `for await (const records of stream.batches()) for (const record of records) …`
   */
  batches(): AsyncIterable<readonly T[]>;
  /** Ends the iteration; records that have arrived are still given out. */
  close(): void;
  /** Records shorter than the layout says, which were passed over. */
  readonly malformed: number;
}

/**
 * `for await (const record of ring.stream())`. Woken by poll on the event loop, decoded by the layout; bytes without one.
 * At most `limit` decoded records wait; while that many wait the ring is not drained, so that a slow reader makes the
 * program's `output` fail (which it can count) rather than this process grow. One consumer at a time.
 */
export function streamRing(
  fd: number,
  reader: RingReader,
  layout: Layout | undefined,
  limit = 65_536,
): RingStream<Value | Uint8Array> {
  const codec = layout && codecFor(layout);
  const size = codec?.size ?? 0;
  let waiting: (Value | Uint8Array)[] = [];
  let next = 0;
  let malformed = 0;
  let wake: (() => void) | undefined;
  let watch: Watch | undefined;
  let open = true;

  const take = (view: DataView, offset: number, length: number): boolean => {
    if (!codec) waiting.push(new Uint8Array(view.buffer, view.byteOffset + offset, length).slice());
    else if (length < size) malformed++;
    else waiting.push(codec.read(view, offset));
    return waiting.length < limit;
  };
  const fill = (): void => {
    if (waiting.length >= limit) {
      // The loop would call us again at once: stop watching until the reader has caught up.
      watch?.close();
      watch = undefined;
      return;
    }
    reader.drain(take);
    wake?.();
  };
  const start = (): void => {
    watch ??= syscalls().watch(fd, fill);
  };
  /** Fills the empty queue; undefined at the end, a promise while there is nothing. */
  const refill = (): Promise<void> | undefined | true => {
    waiting = [];
    next = 0;
    if (!open) return undefined;
    start();
    fill();
    if (waiting.length > 0) return true;
    return new Promise<void>((resolve) => {
      wake = () => {
        wake = undefined;
        resolve();
      };
    });
  };
  const end = (): void => {
    open = false;
    watch?.close();
    watch = undefined;
  };
  start();

  /** `queued` takes from the queue; undefined where it is empty. */
  const iterate = <T>(queued: () => T | undefined): AsyncIterableIterator<T> => {
    const step = (): IteratorResult<T> | undefined => {
      const value = queued();
      return value === undefined ? undefined : { value, done: false };
    };
    const wait = async (): Promise<IteratorResult<T>> => {
      for (;;) {
        const more = refill();
        if (more === undefined) return { value: undefined, done: true };
        if (more !== true) await more;
        const result = step();
        if (result) return result;
      }
    };
    return {
      [Symbol.asyncIterator]() {
        return this;
      },
      next() {
        const result = step();
        return result ? Promise.resolve(result) : wait();
      },
      return() {
        end();
        return Promise.resolve({ value: undefined, done: true });
      },
    };
  };

  return {
    get malformed() {
      return malformed;
    },
    close() {
      if (!open) return;
      fill();
      end();
      wake?.();
    },
    batches: () =>
      iterate(() => {
        if (next >= waiting.length) return undefined;
        const batch = next === 0 ? waiting : waiting.slice(next);
        waiting = [];
        next = 0;
        return batch;
      }),
    [Symbol.asyncIterator]: () => iterate(() => (next < waiting.length ? waiting[next++] : undefined)),
  };
}
