/** A subflow that is established, as its session knows it. */
import { TICKS_PER_SECOND, type Clock } from "../clock.ts";
import { head } from "../sender/queue.ts";
import { write } from "../sender/sender.ts";
import { hasData, sequence, type Sender } from "../sender/state.ts";
import type { SeenSubflow } from "./scheduler.ts";

/** Bytes of memory that a segment takes beside its data: SKB_TRUESIZE of the headers' room (MAX_TCP_HEADER), 320 + 256 + 320. */
const SEGMENT_OVERHEAD = 896;

/** A part of the session's stream: from the first byte to before the last. */
interface Part {
  start: number;
  end: number;
}
export interface Subflow extends SeenSubflow {
  stale: boolean;
  staleCount: number;
  /** When the peer was last heard, in ticks; and what that was when it was looked at last. */
  heardAt: number;
  staleHeardAt: number;
  readonly isMemoryFree: boolean;
  /** Something is under way, or waits to be. */
  readonly isBusy: boolean;
  /** What another has sent, and this one is to send as well; undefined: nothing. */
  copy: Part | undefined;
  /** Ticks until its timer fires; 0 where that tells nothing (mptcp_timeout_from_subflow). */
  timeoutTicks(): number;
  /** Gives it a part of the stream, which leaves when the session turns to another one: flush(). */
  give(start: number, end: number): void;
  flush(): void;
  /** The peer has its bytes up to here. Gives the parts of the stream that are new with that. */
  arrived(nextByte: number): readonly Part[];
}

export type SubflowFacts = Pick<SeenSubflow, "id" | "localId" | "backup" | "requestBackup">;

export function createSubflow(clock: Clock, sender: Sender, facts: SubflowFacts): Subflow {
  const { sock } = sender;
  const mapped: Part[] = [];
  let unsent = 0;
  let arrivedBytes = 0;
  return {
    ...facts,
    sock,
    scheduled: false,
    stale: false,
    staleCount: 0,
    heardAt: clock.ticks,
    staleHeardAt: 0,
    copy: undefined,
    get wmemQueued() {
      const bytes = sender.written + unsent - (head(sender.queue)?.start ?? sender.nextByte);
      return bytes + Math.ceil(bytes / sock.mssCache) * SEGMENT_OVERHEAD;
    },
    get isMemoryFree() {
      return this.wmemQueued < sock.sndbuf;
    },
    get isBusy() {
      return sock.packetsOut > 0 || hasData(sender);
    },
    timeoutTicks() {
      if (sender.pending === undefined || this.staleCount > 0) return 0;
      return Math.ceil(((sender.timer.deadline - clock.now) * TICKS_PER_SECOND) / 1e9);
    },
    give(start, end) {
      const last = mapped.at(-1);
      if (last?.end === start) last.end = end;
      else mapped.push({ start, end });
      unsent += end - start;
      sock.writeSeq = sequence(sender.written + unsent);
    },
    flush() {
      const bytes = unsent;
      unsent = 0;
      if (bytes > 0) write(sender, bytes);
    },
    arrived(nextByte) {
      const parts: Part[] = [];
      for (let left = nextByte - arrivedBytes; left > 0;) {
        const first = mapped[0]!;
        const end = Math.min(first.end, first.start + left);
        parts.push({ start: first.start, end });
        left -= end - first.start;
        if (end === first.end) mapped.shift();
        else first.start = end;
      }
      arrivedBytes = nextByte;
      return parts;
    },
  };
}
