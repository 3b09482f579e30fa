/** Segments that were sent: by number, and in the order of sending. */
import type { RetransmitQueue, Sent } from "./state.ts";

const COMPACT_FROM = 1024;

export const sentAt = ({ segments, base }: RetransmitQueue, number: number): Sent => segments[number - base]!;
export const head = (queue: RetransmitQueue): Sent | undefined => queue.segments[queue.first - queue.base];
export const tail = (queue: RetransmitQueue): Sent | undefined =>
  queue.first - queue.base < queue.segments.length ? queue.segments.at(-1) : undefined;

export function append(queue: RetransmitQueue, one: Sent): void {
  queue.segments.push(one);
}
/** Forgets the first one. */
export function shift(queue: RetransmitQueue): void {
  unorder(queue, sentAt(queue, queue.first));
  queue.first++;
  const gone = queue.first - queue.base;
  if (gone < COMPACT_FROM || gone * 2 < queue.segments.length) return;
  queue.segments = queue.segments.slice(gone);
  queue.base = queue.first;
}

/** Takes a segment out of the order of sending: delivered, or known to be lost. */
export function unorder(queue: RetransmitQueue, one: Sent): void {
  if (!one.inOrder) return;
  const { earlier, later } = one;
  if (earlier) earlier.later = later;
  else queue.earliest = later;
  if (later) later.earlier = earlier;
  else queue.latest = earlier;
  one.earlier = one.later = undefined;
  one.inOrder = false;
}
/** Puts a segment that was just sent to the end of the order. */
export function orderLast(queue: RetransmitQueue, one: Sent): void {
  unorder(queue, one);
  one.earlier = queue.latest;
  if (queue.latest) queue.latest.later = one;
  else queue.earliest = one;
  queue.latest = one;
  one.inOrder = true;
}
