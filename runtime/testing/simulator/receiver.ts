/** A receiver: acknowledges at once or with delay, selectively, and echoes marks (net/ipv4/tcp_input.c, tcp_timer.c). */
import { createTimer, afterTicks, TICKS_PER_SECOND, type Clock } from "./clock.ts";
import type { Control } from "./control.ts";
import type { Acknowledgement, Block, DataSegment } from "./segments.ts";
import { ECN, EVENT, PENDING, type Sock } from "./sock.ts";
import { sequence } from "./sender/state.ts";

/** TCP_MAX_QUICKACKS, and how many a mark or a segment that may not be marked asks for. */
const QUICK = { most: 16, mark: 2 } as const;
/** TCP_DELACK_MIN. */
const DELAY_TICKS = TICKS_PER_SECOND / 25;
const MOST_BLOCKS = 3;

export interface ReceiverParts {
  readonly clock: Clock;
  readonly sock: Sock;
  /** The receiver's own congestion control, where it takes part in ECN (DCTCP does). */
  readonly control: Control | undefined;
  /** Segments after which an acknowledgement is due. */
  readonly every: number;
  readonly acknowledge: (ack: Acknowledgement) => void;
  /** Hears of data in order, before it is acknowledged: all before this byte is here. */
  readonly arrived?: (nextByte: number) => void;
}
export interface Receiver {
  take(segment: DataSegment): void;
  /** What a program's sendAck() sends: everything before this sequence number. */
  sendAck(sequenceNumber: number): void;
  /** Bytes that arrived in order. */
  readonly received: number;
  close(): void;
}

export function createReceiver(parts: ReceiverParts): Receiver {
  const { clock, sock, control, every, acknowledge, arrived: tell } = parts;
  let next = 0;
  let nextByte = 0;
  /** The state before the last segment in order, for an acknowledgement that leaves it out. */
  let previous = { next: 0, nextByte: 0 };
  const ahead = new Map<number, DataSegment>();
  let blocks: Block[] = [];
  let duplicate: number | undefined;
  let quick = 0;
  let hasData = false;
  let unacknowledged = 0;
  let lastAcknowledged = 0;
  let stamp = 0;
  const timer = createTimer(clock, () => send());

  const syncSock = (): void => {
    sock.tcpMstamp = clock.us;
    sock.rcvNxt = sequence(nextByte);
  };
  function emit(upTo: { readonly next: number; readonly nextByte: number }): void {
    acknowledge({
      next: upTo.next,
      nextByte: upTo.nextByte,
      blocks: blocks.length > 0 ? blocks.slice(0, MOST_BLOCKS) : blocks,
      duplicate,
      echo: (sock.ecnFlags & ECN.DemandCwr) !== 0,
      stamp,
    });
    duplicate = undefined;
    lastAcknowledged = next;
    unacknowledged = 0;
  }
  function send(): void {
    timer.clear();
    sock.ackPending = 0;
    if (quick > 0) quick--;
    emit({ next, nextByte });
  }
  const hurry = (acks: number): void => {
    quick = Math.max(quick, acks);
  };

  /** tcp_ecn_check_ce: the control is told whether the segment is marked. */
  function checkMark(segment: DataSegment): void {
    if (!(sock.ecnFlags & ECN.Ok)) return;
    syncSock();
    if (!segment.capable) {
      if (sock.ecnFlags & ECN.Seen) hurry(QUICK.mark);
      return;
    }
    if (segment.marked) {
      control?.cwndEvent?.(EVENT.EcnIsCe);
      if (!(sock.ecnFlags & ECN.DemandCwr)) {
        hurry(QUICK.mark);
        sock.ecnFlags |= ECN.DemandCwr;
      }
    } else control?.cwndEvent?.(EVENT.EcnNoCe);
    sock.ecnFlags |= ECN.Seen;
  }
  function arrived(segment: DataSegment): void {
    sock.ackPending |= PENDING.Scheduled;
    if (!hasData) hurry(QUICK.most);
    hasData = true;
    checkMark(segment);
  }

  function addBlock(number: number): void {
    let [start, end] = [number, number + 1];
    const others: Block[] = [];
    for (const block of blocks) {
      if (block[1] < start || block[0] > end) others.push(block);
      else {
        start = Math.min(start, block[0]);
        end = Math.max(end, block[1]);
      }
    }
    blocks = [[start, end], ...others];
  }
  function advance(segment: DataSegment): void {
    previous = { next, nextByte };
    next = segment.number + 1;
    nextByte = segment.end;
    tell?.(nextByte);
    unacknowledged++;
  }
  function inOrder(segment: DataSegment): void {
    advance(segment);
    arrived(segment);
    if (ahead.size === 0) return;
    for (let one = ahead.get(next); one; one = ahead.get(next)) {
      ahead.delete(next);
      advance(one);
    }
    blocks = blocks.filter(([, end]) => end > next);
    // The gap is filled: the sender should know at once.
    if (ahead.size === 0) sock.ackPending |= PENDING.Now;
  }

  function answer(): void {
    const isDue = unacknowledged >= every || quick > 0 || (sock.ackPending & PENDING.Now) !== 0;
    if (isDue || ahead.size > 0 || duplicate !== undefined) return send();
    sock.ackPending |= PENDING.Timer;
    if (!timer.isSet) timer.set(afterTicks(clock, DELAY_TICKS));
  }

  return {
    get received() {
      return nextByte;
    },
    take(segment) {
      syncSock();
      if (segment.number <= lastAcknowledged) ({ stamp } = segment);
      if (segment.reduced) {
        sock.ecnFlags &= ~ECN.DemandCwr;
        sock.ackPending |= PENDING.Now;
      }
      if (segment.number < next || ahead.has(segment.number)) {
        duplicate = segment.number;
        hurry(QUICK.most);
      } else if (segment.number === next) inOrder(segment);
      else {
        checkMark(segment);
        ahead.set(segment.number, segment);
        addBlock(segment.number);
      }
      answer();
    },
    sendAck(sequenceNumber) {
      // DCTCP sends one for what came before a change of marks: it does not end the delay of the present one.
      const isEarlier = sequenceNumber !== sequence(nextByte);
      if (isEarlier) emit(sequenceNumber === sequence(previous.nextByte) ? previous : { next, nextByte });
      else send();
    },
    close() {
      timer.clear();
      control?.release?.();
    },
  };
}
