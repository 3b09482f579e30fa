/** What a sender of the model keeps beside the fields that its congestion control sees. */
import { createTimer, type Clock, type Timer } from "../clock.ts";
import type { Control } from "../control.ts";
import type { Block, DataSegment } from "../segments.ts";
import type { Sock } from "../sock.ts";

/** A segment between its first transmission and its acknowledgement, with what the kernel keeps in tcp_skb_cb. */
export interface Sent {
  readonly number: number;
  readonly start: number;
  readonly end: number;
  /** When it was last sent, in microseconds. */
  sentAt: number;
  isSacked: boolean;
  isLost: boolean;
  /** A retransmission is under way (TCPCB_SACKED_RETRANS). */
  isRetransmitted: boolean;
  /** It was sent more than once (TCPCB_EVER_RETRANS). */
  wasRetransmitted: boolean;
  /** The delivery when it was last sent, for rate samples; `deliveredMstamp` 0: used already. */
  firstTxMstamp: number;
  deliveredMstamp: number;
  delivered: number;
  deliveredCe: number;
  isAppLimited: boolean;
  /** Neighbours in the order of sending. */
  earlier: Sent | undefined;
  later: Sent | undefined;
  inOrder: boolean;
}

/** What is unacknowledged, by number; and in the order of sending, for RACK. */
export interface RetransmitQueue {
  first: number;
  /** Element 0 is segment `base`. */
  base: number;
  segments: Sent[];
  earliest: Sent | undefined;
  latest: Sent | undefined;
}

/** What the retransmission timer is set for (icsk_pending). */
export type Pending = "retransmit" | "probe" | "reorder";

export interface Sender {
  readonly clock: Clock;
  readonly sock: Sock;
  readonly control: Control;
  readonly emit: (segment: DataSegment) => void;
  /** ECN was negotiated. */
  readonly isEcn: boolean;
  /** The control of the moment wants every segment to be marked as capable of it. */
  readonly needsEcn: () => boolean;
  /** What the application has written, in bytes; Infinity for one that never stops. */
  written: number;
  /** The next segment, and byte, to send for the first time. */
  next: number;
  nextByte: number;
  readonly queue: RetransmitQueue;
  /** Behind the highest segment that was acknowledged selectively; and what the last acknowledgement told of, from low to high (recv_sack_cache). */
  highestSack: number;
  sackedBefore: readonly Block[];
  /** Numbers of segments: sent when recovery began; where undoing looks from; the first that may have to be sent again. */
  high: number;
  undoFrom: number | undefined;
  retransmitHint: number;
  /** Retransmissions that may still turn out to be needless; below 0: none was made yet. */
  undoRetrans: number;
  /** Timestamp of the first retransmission, in milliseconds; 0: none. */
  retransStamp: number;
  /** The timestamp that the present acknowledgement echoes. */
  echoed: number;
  isFrto: boolean;
  /** Tail loss probe: what was sent up to when it went out; undefined: none is out. */
  probeHigh: number | undefined;
  probeWasOld: boolean;
  prrDelivered: number;
  prrOut: number;
  /** RACK: what was delivered last of all sent. */
  readonly rack: { sentAt: number; end: number; rttUs: number; isAdvanced: boolean };
  reorderingSeen: number;
  rttMinUs: number;
  mdevUs: number;
  mdevMaxUs: number;
  /** The first segment of the next round trip, for the estimator and for the window's validation. */
  rttNext: number;
  usageNext: number;
  firstTxMstamp: number;
  backoff: number;
  pending: Pending | undefined;
  readonly timer: Timer;
  /** Fires when a paced sender's next burst may leave (`wstampNs`). */
  readonly pacing: Timer;
  /** The last round trip measured, in microseconds; for the results. */
  lastRttUs: number;
}

/** `timerFires` and `pacingFires` are called with the sender itself. */
export function createSender(
  parts: Pick<Sender, "clock" | "sock" | "control" | "emit" | "isEcn" | "needsEcn">,
  timerFires: (sender: Sender) => void,
  pacingFires: (sender: Sender) => void,
): Sender {
  const { clock } = parts;
  const sender: Sender = {
    ...parts,
    written: 0,
    next: 0,
    nextByte: 0,
    queue: { first: 0, base: 0, segments: [], earliest: undefined, latest: undefined },
    highestSack: 0,
    sackedBefore: [],
    high: 0,
    undoFrom: undefined,
    retransmitHint: 0,
    undoRetrans: -1,
    retransStamp: 0,
    echoed: 0,
    isFrto: false,
    probeHigh: undefined,
    probeWasOld: false,
    prrDelivered: 0,
    prrOut: 0,
    rack: { sentAt: 0, end: 0, rttUs: 0, isAdvanced: false },
    reorderingSeen: 0,
    rttMinUs: Infinity,
    mdevUs: 0,
    mdevMaxUs: 0,
    rttNext: 0,
    usageNext: 0,
    firstTxMstamp: 0,
    backoff: 0,
    pending: undefined,
    timer: createTimer(clock, () => timerFires(sender)),
    pacing: createTimer(clock, () => pacingFires(sender)),
    lastRttUs: 0,
  };
  return sender;
}

/** The initial sequence number: the fields that count bytes begin here. */
const ISN = 1_000_000;
export const sequence = (byte: number): number => (ISN + byte) % 2 ** 32;

export const refresh = (sender: Sender): void => {
  sender.sock.tcpMstamp = sender.clock.us;
};
/** The sender's timestamps count milliseconds. */
export const stampOf = (clock: Clock): number => Math.floor(clock.now / 1e6);

export const hasData = ({ written, nextByte }: Sender): boolean => written > nextByte;

export function setCaState({ sock, control }: Sender, state: number): void {
  // The control is told before the field changes (tcp_set_ca_state).
  control.setState?.(state);
  sock.caState = state;
}
export function setWindow(sock: Sock, window: number): void {
  sock.sndCwnd = Math.max(1, window);
}
export function countDelivered(sock: Sock, segments: number, echo: boolean): void {
  sock.delivered += segments;
  if (echo) sock.deliveredCe += segments;
}
