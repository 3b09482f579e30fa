/** A bottleneck that flows share: a rate, a queue in front of it, a delay behind it, losses and marks. */
import type { Clock } from "./clock.ts";
import type { DataSegment } from "./segments.ts";

export interface PathFacts {
  /** Bits per second. */
  readonly rate: number;
  /** Nanoseconds, one way. */
  readonly delay: number;
  /** What may wait, in packets or in bytes. */
  readonly room: { readonly packets: number } | { readonly bytes: number };
  /** Probability of a random loss. */
  readonly loss: number;
  /** From so many waiting packets on, what may be marked is marked. */
  readonly markAt: number;
  /** Bytes that a segment takes on the wire beside its data. */
  readonly overhead: number;
  readonly dice: () => number;
  /** False: the segment is lost. */
  readonly pass: (flow: number, segment: DataSegment) => boolean;
}

export interface Path {
  /** Takes a segment in; `arrive` is called when it comes out, if it does. `extra`: nanoseconds that this flow's way is longer. */
  send(flow: number, segment: DataSegment, extra: number, arrive: (segment: DataSegment) => void): void;
  /** Packets that wait now; the one that is being sent is not among them. */
  readonly waiting: number;
  /** Bytes that were let through so far, and packets that were dropped because the queue was full. */
  readonly carried: number;
  readonly dropped: number;
  readonly delay: number;
  /** How long a packet that came now would wait, in nanoseconds. */
  readonly wait: number;
}

export function createPath(clock: Clock, facts: PathFacts): Path {
  const { rate, delay, room, loss, markAt, overhead, dice, pass } = facts;
  /** When each waiting packet's turn comes, and its size. */
  let queue: { readonly start: number; readonly bytes: number }[] = [];
  let first = 0;
  let bytesWaiting = 0;
  let idleFrom = 0;
  let entered = 0;
  let dropped = 0;

  function leave(): void {
    while (first < queue.length && queue[first]!.start <= clock.now) bytesWaiting -= queue[first++]!.bytes;
    if (first > 256 && first * 2 > queue.length) {
      queue = queue.slice(first);
      first = 0;
    }
  }
  const waiting = (): number => {
    leave();
    return queue.length - first;
  };

  return {
    delay,
    get waiting() {
      return waiting();
    },
    get carried() {
      // What has entered and has not been sent yet is not carried: the rest of the one on the wire, and the queue.
      return entered - (Math.max(0, idleFrom - clock.now) * rate) / 8e9;
    },
    get wait() {
      return Math.max(0, idleFrom - clock.now);
    },
    get dropped() {
      return dropped;
    },
    send(flow, segment, extra, arrive) {
      const isLost = loss > 0 && dice() < loss;
      if (isLost || !pass(flow, segment)) return;
      const bytes = segment.end - segment.start + overhead;
      const before = waiting();
      const isIdle = idleFrom <= clock.now;
      const isFull = "packets" in room ? before >= room.packets : bytesWaiting + bytes > room.bytes;
      if (!isIdle && isFull) {
        dropped++;
        return;
      }
      if (segment.capable && before >= markAt) segment.marked = true;
      const start = Math.max(clock.now, idleFrom);
      idleFrom = start + (bytes * 8e9) / rate;
      entered += bytes;
      if (!isIdle) {
        queue.push({ start, bytes });
        bytesWaiting += bytes;
      }
      clock.at(idleFrom + delay + extra, () => arrive(segment));
    },
  };
}
