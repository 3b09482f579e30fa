/** Round-trip times: the smoothed one, its deviation, the least one, and the time-out that follows (RFC 6298 as Linux has it). */
import { ticksOfUs, TICKS_PER_SECOND } from "../clock.ts";
import type { Sender } from "./state.ts";

/** tcp_rto_min: a fifth of a second. */
export const RTO_MIN_US = 200_000;
export const RTO_MAX_TICKS = 120 * TICKS_PER_SECOND;

/** Takes a measurement in. */
function estimate(sender: Sender, rttUs: number): void {
  const { sock } = sender;
  let smooth = sock.srttUs;
  if (smooth === 0) {
    smooth = rttUs * 8;
    sender.mdevUs = rttUs * 2;
    sock.rttvarUs = Math.max(sender.mdevUs, RTO_MIN_US);
    sender.mdevMaxUs = sock.rttvarUs;
    sender.rttNext = sender.next;
  } else {
    const error = rttUs - (smooth >> 3);
    smooth += error;
    const change = Math.abs(error) - (sender.mdevUs >> 2);
    // A shorter round trip raises the deviation by an eighth only.
    sender.mdevUs += error < 0 && change > 0 ? change >> 3 : change;
    if (sender.mdevUs > sender.mdevMaxUs) {
      sender.mdevMaxUs = sender.mdevUs;
      sock.rttvarUs = Math.max(sock.rttvarUs, sender.mdevMaxUs);
    }
    if (sender.queue.first > sender.rttNext) {
      if (sender.mdevMaxUs < sock.rttvarUs) sock.rttvarUs -= (sock.rttvarUs - sender.mdevMaxUs) >> 2;
      sender.rttNext = sender.next;
      sender.mdevMaxUs = RTO_MIN_US;
    }
  }
  sock.srttUs = Math.max(1, smooth);
}

export const timeoutOf = ({ sock }: Sender): number =>
  Math.min(ticksOfUs((sock.srttUs >> 3) + sock.rttvarUs), RTO_MAX_TICKS);

/**
 * Takes the round trips that an acknowledgement tells of, in microseconds; negative: unknown. `first` and `last`: of the first and the last
 * segment acknowledged in order; `sack`: of the first one acknowledged selectively.
 */
export function measured(sender: Sender, first: number, sack: number, last: number, mayBeDelayed: boolean): boolean {
  const rtt = first < 0 ? sack : first;
  if (rtt < 0) return false;
  if (!(mayBeDelayed && last > sender.rttMinUs)) sender.rttMinUs = Math.min(sender.rttMinUs, last === 0 ? 4000 : last);
  estimate(sender, rtt);
  sender.sock.rto = timeoutOf(sender);
  sender.backoff = 0;
  sender.lastRttUs = last;
  return true;
}
