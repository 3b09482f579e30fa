/** What goes over the path. */

/** A segment of data. Segments of a flow are numbered from 0, in the order of their data. */
export interface DataSegment {
  readonly number: number;
  /** Bytes of the flow's data: from the first to before the last. */
  readonly start: number;
  readonly end: number;
  readonly isRetransmission: boolean;
  /** The sender's timestamp, in milliseconds. */
  readonly stamp: number;
  /** ECN: it may be marked; the path has marked it; the sender has reduced its window. */
  readonly capable: boolean;
  marked: boolean;
  readonly reduced: boolean;
}

/** Numbers of segments: from the first to before the last. */
export type Block = readonly [start: number, end: number];
/** The parts of some blocks that lie in none of the others. Both lists go from low to high, and nothing in one of them overlaps. */
export function without(blocks: readonly Block[], others: readonly Block[]): Block[] {
  return blocks.flatMap(([start, end]) => {
    const parts: Block[] = [];
    let from = start;
    for (const [low, high] of others) {
      if (high <= from || low >= end) continue;
      if (low > from) parts.push([from, low]);
      from = high;
    }
    if (from < end) parts.push([from, end]);
    return parts;
  });
}

export interface Acknowledgement {
  /** The first segment, and byte, that are still missing. */
  readonly next: number;
  readonly nextByte: number;
  /** What arrived beyond it, what came last first. */
  readonly blocks: readonly Block[];
  /** A segment that arrived twice. */
  readonly duplicate: number | undefined;
  /** A mark by ECN is echoed. */
  readonly echo: boolean;
  /** The timestamp that is echoed. */
  readonly stamp: number;
}
