/**
 * Ring buffers, read in place through mmap (kernel/bpf/ringbuf.c, Documentation/bpf/ringbuf.rst).
 *
 * The map file holds one page with the consumer position, which we write, then one page with the producer position and
 * the data pages twice in a row, which we read: a record that wraps is contiguous in the second copy. Positions only
 * grow; a record is an 8-byte header (length, busy and discard bits) and its bytes, padded to 8.
 */
import { readFileSync } from "node:fs";
import type { Layout } from "../../compiler/layout.ts";
import { codecFor, type Value } from "./codec.ts";
import { failed } from "./errors.ts";
import { syscalls, type Watch } from "./syscalls.ts";

const BUSY = 0x80000000;
const DISCARD = 0x40000000;
const LENGTH = 0x3fffffff;
const HEADER = 8;

export interface RingReader {
  /** Bytes of data the ring holds. */
  readonly size: number;
  /**
   * Hands out every finished record without copying; the view is valid during the call only. Returns how many. Stops
   * early when `each` returns false. Records that the program discarded are passed over.
   */
  drain(each: (view: DataView, offset: number, length: number) => boolean | void): number;
  /** Bytes written by programs and not yet consumed. */
  pending(): number;
  close(): void;
}

/** Maps a ring-buffer map; `size` is its max_entries. The descriptor may be closed afterwards. */
export function openRing(fd: number, size: number, name: string): RingReader {
  const { mmap, munmap } = syscalls();
  const page = pageSize();
  const consumer = mmap(fd, page, "read-write", 0);
  if (typeof consumer === "number") throw failed("map-operation", `mapping the ring buffer ${name}`, consumer);
  const producer = mmap(fd, page + 2 * size, "read", page);
  if (typeof producer === "number") {
    munmap(consumer);
    throw failed("map-operation", `mapping the ring buffer ${name}`, producer);
  }
  // Atomics keep the compiler from hoisting the loads out of the loop; they are ordered as the kernel's acquire and
  // release pairs need.
  const consumerPosition = new BigUint64Array(consumer.bytes.buffer, 0, 1);
  const producerPosition = new BigUint64Array(producer.bytes.buffer, 0, 1);
  const headers = new Int32Array(producer.bytes.buffer, page, (2 * size) / 4);
  const view = new DataView(producer.bytes.buffer, page, 2 * size);
  const mask = size - 1;
  let open = true;

  return {
    size,
    drain(each) {
      if (!open) return 0;
      let count = 0;
      // Positions are 64 bits wide; the loop works on 32-bit offsets in the ring, which is what makes it quick.
      let position = consumerPosition[0]!;
      for (;;) {
        const begun = position;
        let left = Number(Atomics.load(producerPosition, 0) - position);
        let at = Number(position & BigInt(mask));
        let done = 0;
        const release = (): void => {
          position += BigInt(done);
          done = 0;
          Atomics.store(consumerPosition, 0, position);
        };
        while (left > 0) {
          const header = Atomics.load(headers, at >> 2);
          if ((header & BUSY) !== 0) break;
          const length = header & LENGTH;
          const step = (HEADER + length + 7) & ~7;
          const start = (at + HEADER) & mask;
          at = (at + step) & mask;
          left -= step;
          done += step;
          if ((header & DISCARD) !== 0) continue;
          count++;
          if (each(view, start, length) === false || !open) {
            // The callback may have closed the ring, and with it the mapping.
            if (open) release();
            return count;
          }
          // Room for the writers now and then, not only at the end of a long run.
          if ((count & 1023) === 0) release();
        }
        // A record that came meanwhile wakes nobody, so look again until there was nothing.
        if (done > 0) release();
        if (position === begun) return count;
      }
    },
    pending: () => (open ? Number(Atomics.load(producerPosition, 0) - consumerPosition[0]!) : 0),
    close() {
      if (!open) return;
      open = false;
      munmap(consumer);
      munmap(producer);
    },
  };
}

export interface RingStream<T> extends AsyncIterable<T> {
  /** Ends the iteration; records that have arrived are still given out. */
  close(): void;
  /** Records shorter than the layout says, which were passed over. */
  readonly malformed: number;
}

/**
 * Records as they come: `for await (const record of ring.stream())`. Woken by poll on the event loop, decoded by the
 * layout. At most `limit` decoded records wait; while that many wait the ring is not drained, so that a slow reader
 * makes the program's `output` fail (which it can count) rather than this process grow.
 */
export function streamRing(
  fd: number,
  reader: RingReader,
  layout: Layout | undefined,
  limit = 65_536,
): RingStream<Value | Uint8Array> {
  const codec = layout && codecFor(layout);
  const waiting: (Value | Uint8Array)[] = [];
  let malformed = 0;
  let next = 0;
  let wake: (() => void) | undefined;
  let watch: Watch | undefined;
  let open = true;
  const fill = (): void => {
    if (waiting.length - next >= limit) {
      // The loop would call us again at once: stop watching until the reader has caught up.
      watch?.close();
      watch = undefined;
      return;
    }
    reader.drain((view, offset, length) => {
      if (!codec) waiting.push(new Uint8Array(view.buffer, view.byteOffset + offset, length).slice());
      else if (length < codec.size) malformed++;
      else waiting.push(codec.read(view, offset));
      return waiting.length - next < limit;
    });
    wake?.();
  };
  const start = (): void => {
    watch ??= syscalls().watch(fd, fill);
  };
  start();
  return {
    get malformed() {
      return malformed;
    },
    close() {
      if (!open) return;
      fill();
      open = false;
      watch?.close();
      wake?.();
    },
    async *[Symbol.asyncIterator]() {
      try {
        for (;;) {
          while (next < waiting.length) {
            yield waiting[next++]!;
            if (next === waiting.length) {
              waiting.length = 0;
              next = 0;
            }
          }
          if (!open) return;
          start();
          fill();
          if (waiting.length > 0) continue;
          await new Promise<void>((resolve) => (wake = resolve));
          wake = undefined;
        }
      } finally {
        open = false;
        watch?.close();
      }
    },
  };
}

let bytesPerPage = 0;
/** Bytes of a page, from the auxiliary vector (AT_PAGESZ is 6; getauxval(3)). */
export function pageSize(): number {
  if (bytesPerPage === 0) {
    const vector = new BigUint64Array(new Uint8Array(readFileSync("/proc/self/auxv")).buffer);
    for (let at = 0; at + 1 < vector.length; at += 2) if (vector[at] === 6n) bytesPerPage = Number(vector[at + 1]);
    bytesPerPage ||= 4096;
  }
  return bytesPerPage;
}
