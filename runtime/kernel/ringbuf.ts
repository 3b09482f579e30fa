/**
 * Ring buffers, read in place through mmap (kernel/bpf/ringbuf.c, Documentation/bpf/ringbuf.rst).
 *
 * The map file holds one page with the consumer position, which we write, then one page with the producer position and
 * the data pages twice in a row, which we read: a record that wraps is contiguous in the second copy. Positions only
 * grow; a record is an 8-byte header (length, busy and discard bits) and its bytes, padded to 8.
 */
import { readFileSync } from "node:fs";
import { failed } from "./errors.ts";
import { syscalls } from "./syscalls.ts";

const DISCARD = 0x40000000;
const LENGTH = 0x3fffffff;
const HEADER = 8;
/** Bytes read before the writers are given their room back: often enough for them, seldom enough for us. */
const RELEASE = 16_384;
/**
 * Where loads are not reordered by the machine a plain load of a header is an acquire, and V8 keeps loads in the order of
 * the program. Elsewhere each header needs Atomics.load, a call that takes longer than everything else per record.
 */
const ORDERED_LOADS = process.arch === "x64";

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

/** Bytes of the ring for those that are asked for: whole pages, which have 64 KiB on some arm64 kernels. Both are powers of two. */
export const ringBytes = (asked: number, page = pageSize()): number => Math.max(asked, page);

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
      let more = true;
      // Positions are 64 bits wide; the loop works on 32-bit offsets in the ring, which is what makes it quick.
      let position = consumerPosition[0]!;
      while (more) {
        const begun = position;
        const there = Number(Atomics.load(producerPosition, 0) - position);
        let left = Math.min(there, RELEASE);
        let at = Number(position & BigInt(mask));
        let done = 0;
        while (left > 0) {
          const header = ORDERED_LOADS ? headers[at >> 2]! : Atomics.load(headers, at >> 2);
          // BUSY is the sign bit: the record is being written, and those after it wait for it.
          if (header < 0) break;
          const length = header & LENGTH;
          const step = (HEADER + length + 7) & ~7;
          const start = at + HEADER;
          at = (at + step) & mask;
          left -= step;
          done += step;
          if ((header & DISCARD) !== 0) continue;
          count++;
          if (each(view, start, length) === false || !open) {
            more = false;
            break;
          }
        }
        // The callback may have closed the ring, and with it the mapping.
        if (!open) return count;
        position += BigInt(done);
        Atomics.store(consumerPosition, 0, position);
        // A record that came meanwhile wakes nobody, so look again until there was nothing.
        if (position === begun) more = false;
      }
      return count;
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
