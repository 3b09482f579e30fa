/** Which segments are lost: RACK (RFC 8985 as Linux has it), and what a time-out takes for lost. */
import { ticksOfUs } from "../clock.ts";
import { CA, REORDERING } from "../sock.ts";
import { head, sentAt, unorder } from "./queue.ts";
import { isSentAfter } from "./rate.ts";
import type { Sender, Sent } from "./state.ts";
import { setTimer, TIMEOUT_MIN_US } from "./timers.ts";

function markLost(sender: Sender, one: Sent): void {
  const { sock } = sender;
  if (one.isSacked) return;
  sender.retransmitHint = Math.min(sender.retransmitHint, one.number);
  if (!one.isLost) {
    one.isLost = true;
    sock.lostOut++;
    sock.lost++;
  } else if (one.isRetransmitted) {
    one.isRetransmitted = false;
    sock.retransOut--;
    sock.lost++;
  }
}

/** How long a segment may be overdue before it is lost, in microseconds. */
function reorderingWindow(sender: Sender): number {
  const { sock } = sender;
  const isSure = sock.caState >= CA.Recovery || sock.sackedOut >= sock.reordering;
  if (sender.reorderingSeen === 0 && isSure) return 0;
  return Math.min(Math.floor(sender.rttMinUs) >> 2, sock.srttUs >> 3);
}

const overdue = (sender: Sender, one: Sent, window: number): number =>
  sender.rack.rttUs + window - (sender.sock.tcpMstamp - one.sentAt);

/** Marks what is lost. Gives the microseconds until something else may be, or 0. */
export function detectLosses(sender: Sender): number {
  const { rack, queue } = sender;
  const window = reorderingWindow(sender);
  let wait = 0;
  for (let one = queue.earliest, next: Sent | undefined; one; one = next) {
    next = one.later;
    if (one.isLost && !one.isRetransmitted) continue;
    if (!isSentAfter(rack.sentAt, one.sentAt, rack.end, one.end)) break;
    const left = overdue(sender, one, window);
    if (left > 0) wait = Math.max(wait, left);
    else {
      markLost(sender, one);
      unorder(queue, one);
    }
  }
  return wait;
}

/** tcp_identify_packet_loss: gives whether a retransmission was lost, and whether a timer was set. */
export function identifyLosses(sender: Sender): { readonly lostRetransmission: boolean; readonly timerSet: boolean } {
  const before = sender.sock.retransOut;
  if (sender.sock.packetsOut === 0 || !sender.rack.isAdvanced) return { lostRetransmission: false, timerSet: false };
  sender.rack.isAdvanced = false;
  const wait = detectLosses(sender);
  if (wait > 0) setTimer(sender, "reorder", Math.min(ticksOfUs(wait + TIMEOUT_MIN_US), sender.sock.rto));
  return { lostRetransmission: before > sender.sock.retransOut, timerSet: wait > 0 };
}

/** A segment was delivered. */
export function advanceRack(sender: Sender, one: Sent): void {
  const { rack, sock } = sender;
  const rtt = sock.tcpMstamp - one.sentAt;
  // So soon, it can only be the original that was delivered.
  if (rtt < sender.rttMinUs && one.wasRetransmitted) return;
  rack.isAdvanced = true;
  rack.rttUs = rtt;
  if (!isSentAfter(one.sentAt, rack.sentAt, one.end, rack.end)) return;
  rack.sentAt = one.sentAt;
  rack.end = one.end;
}

/** What a time-out takes for lost: the first segment, and what is overdue. */
export function markTimedOut(sender: Sender): void {
  const first = head(sender.queue);
  for (let number = sender.queue.first; number < sender.next; number++) {
    const one = sentAt(sender.queue, number);
    if (one !== first && overdue(sender, one, 0) > 0) continue;
    markLost(sender, one);
  }
  sender.retransmitHint = sender.queue.first;
}

/** A segment below the highest delivered one arrived late: the path reorders. */
export function checkReordering(sender: Sender, lowest: number): void {
  const { sock } = sender;
  const highest = sock.sackedOut > 0 ? sender.highestSack : sender.queue.first;
  if (lowest >= highest) return;
  const distance = highest - lowest;
  if (distance > sock.reordering) sock.reordering = Math.min(distance, REORDERING.most);
  sender.reorderingSeen++;
}
