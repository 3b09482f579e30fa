/** Ring buffers (kernel/bpf/ringbuf.c): records of any size, in order of their reservation, until the buffer is full. */
import { ERRNO } from "../errno.ts";
import type { Region } from "../memory.ts";
import type { MapHost, MapShape, VmMap } from "./map.ts";

const HEADER = 8;
const LARGEST = 0x3fff_ffff;
const lengthOf = (size: number): number => Math.ceil((size + HEADER) / 8) * 8;

interface Entry {
  readonly size: number;
  state: "busy" | "committed" | "discarded";
  data: Uint8Array;
}

export interface RingBuffer extends VmMap {
  /** 0 or a negative errno. */
  output(data: Uint8Array): number;
  /** Address of the memory to fill, or 0n when there is no room. */
  reserve(size: number): bigint;
  /** Ends a reservation; false if there is none at that address. */
  finish(address: bigint, keep: boolean): boolean;
  /** bpf_ringbuf_query: unread bytes, size, consumer and producer position. */
  query(what: number): bigint;
  /** What user space reads: records in order, up to the first that is not finished. Makes room. */
  drain(): readonly Uint8Array[];
}

export const isRingBuffer = (map: VmMap): map is RingBuffer => map.shape.type === "ringbuf";

export function createRingBuffer(shape: MapShape, host: MapHost): RingBuffer {
  const { memory } = host;
  const entries: Entry[] = [];
  const reservations = new Map<bigint, { readonly region: Region; readonly entry: Entry }>();
  let consumer = 0;
  let producer = 0;

  const append = (size: number): Entry | undefined => {
    const length = lengthOf(size);
    // The kernel keeps one byte free: a full buffer would look like an empty one.
    if (size > LARGEST || producer + length - consumer > shape.maxEntries - 1) return undefined;
    producer += length;
    const entry: Entry = { size, state: "busy", data: new Uint8Array(size) };
    entries.push(entry);
    return entry;
  };
  const unsupported = (): number => ERRNO.EOPNOTSUPP;

  return {
    shape,
    lookup: () => 0n,
    update: unsupported,
    remove: unsupported,
    read: () => undefined,
    write: unsupported,
    *keys() {},
    output(data) {
      const entry = append(data.length);
      if (!entry) return ERRNO.EAGAIN;
      entry.data = data.slice();
      entry.state = "committed";
      return 0;
    },
    reserve(size) {
      const entry = append(size);
      if (!entry) return 0n;
      const region = memory.allocate({ name: `a record of ${shape.name}`, size });
      const address = memory.address(region);
      reservations.set(address, { region, entry });
      return address;
    },
    finish(address, keep) {
      const reservation = reservations.get(address);
      if (!reservation) return false;
      reservations.delete(address);
      reservation.entry.data = memory.slice(reservation.region).slice();
      reservation.entry.state = keep ? "committed" : "discarded";
      // The kernel lets nobody look at a record that is finished.
      memory.setLive(reservation.region, false);
      memory.release(reservation.region);
      return true;
    },
    query: (what) =>
      [BigInt(producer - consumer), BigInt(shape.maxEntries), BigInt(consumer), BigInt(producer)][what] ?? 0n,
    drain() {
      const out: Uint8Array[] = [];
      while (entries[0] && entries[0].state !== "busy") {
        const entry = entries.shift()!;
        consumer += lengthOf(entry.size);
        if (entry.state === "committed") out.push(entry.data);
      }
      return out;
    },
  };
}
