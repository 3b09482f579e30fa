/** Delivery rate samples (net/ipv4/tcp_rate.c). */
import type { RateFacts } from "../control.ts";
import { inFlight } from "../sock.ts";
import { hasData, type Sender, type Sent } from "./state.ts";

export interface RateSampleInMaking extends RateFacts {
  lastEnd: number;
}
export const freshSample = (): RateSampleInMaking => ({
  priorMstamp: 0,
  priorDelivered: 0,
  priorDeliveredCe: 0,
  delivered: 0,
  deliveredCe: 0,
  intervalUs: 0,
  sndIntervalUs: 0,
  rcvIntervalUs: 0,
  rttUs: -1,
  losses: 0,
  ackedSacked: 0,
  priorInFlight: 0,
  isAppLimited: 0,
  isRetrans: 0,
  isAckDelayed: 0,
  lastEnd: 0,
});

/** Notes the delivery so far on a segment that is sent. */
export function noteSent(sender: Sender, one: Sent): void {
  const { sock } = sender;
  if (sock.packetsOut === 0) sender.firstTxMstamp = sock.deliveredMstamp = one.sentAt;
  one.firstTxMstamp = sender.firstTxMstamp;
  one.deliveredMstamp = sock.deliveredMstamp;
  one.delivered = sock.delivered;
  one.deliveredCe = sock.deliveredCe;
  one.isAppLimited = sock.appLimited !== 0;
}

export const isSentAfter = (at: number, than: number, end: number, thanEnd: number): boolean =>
  at > than || (at === than && end > thanEnd);

/** Takes what a segment that is acknowledged knows: the one sent last counts. */
export function noteDelivered(sender: Sender, one: Sent, sample: RateSampleInMaking): void {
  if (one.deliveredMstamp === 0) return;
  if (sample.priorDelivered === 0 || isSentAfter(one.sentAt, sender.firstTxMstamp, one.end, sample.lastEnd)) {
    sample.priorDelivered = one.delivered;
    sample.priorDeliveredCe = one.deliveredCe;
    sample.priorMstamp = one.deliveredMstamp;
    sample.isAppLimited = one.isAppLimited ? 1 : 0;
    sample.isRetrans = one.wasRetransmitted ? 1 : 0;
    sample.lastEnd = one.end;
    sender.firstTxMstamp = one.sentAt;
    sample.intervalUs = one.sentAt - one.firstTxMstamp;
  }
  if (one.isSacked) one.deliveredMstamp = 0;
}

/** Completes the sample of an acknowledgement. */
export function complete(sender: Sender, sample: RateSampleInMaking, delivered: number, lost: number): void {
  const { sock } = sender;
  if (sock.appLimited !== 0 && ((sock.delivered - sock.appLimited) | 0) > 0) sock.appLimited = 0;
  if (delivered > 0) sock.deliveredMstamp = sock.tcpMstamp;
  sample.ackedSacked = delivered;
  sample.losses = lost;
  if (sample.priorMstamp === 0) {
    sample.delivered = sample.intervalUs = -1;
    return;
  }
  sample.delivered = sock.delivered - sample.priorDelivered;
  sample.deliveredCe = sock.deliveredCe - sample.priorDeliveredCe;
  const [sending, acknowledging] = [sample.intervalUs, sock.tcpMstamp - sample.priorMstamp];
  sample.intervalUs = Math.max(sending, acknowledging);
  sample.sndIntervalUs = sending;
  sample.rcvIntervalUs = acknowledging;
  if (sample.intervalUs < sender.rttMinUs) {
    sample.intervalUs = -1;
    return;
  }
  const isFaster = sample.delivered * sock.rateIntervalUs >= sock.rateDelivered * sample.intervalUs;
  if (sample.isAppLimited === 1 && !isFaster) return;
  sock.rateDelivered = sample.delivered;
  sock.rateIntervalUs = sample.intervalUs;
}

/** The application has left a gap: what is delivered until it is gone says little about the path. */
export function checkAppLimited(sender: Sender): void {
  const { sock } = sender;
  const hasFullSegment = hasData(sender) && sender.written - sender.nextByte >= sock.mssCache;
  if (!hasFullSegment && inFlight(sock) < sock.sndCwnd && sock.lostOut <= sock.retransOut)
    sock.appLimited = sock.delivered + inFlight(sock) || 1;
}
