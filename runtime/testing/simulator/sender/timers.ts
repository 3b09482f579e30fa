/** The retransmission timer: for a time-out, a tail loss probe, or segments that may only be out of order (icsk_retransmit_timer). */
import { afterTicks, ticksOfUs, TICKS_PER_SECOND, usOfTicks } from "../clock.ts";
import { CA } from "../sock.ts";
import { head } from "./queue.ts";
import { RTO_MIN_US } from "./rtt.ts";
import type { Pending, Sender } from "./state.ts";

/** TCP_TIMEOUT_MIN_US. */
export const TIMEOUT_MIN_US = 2000;

export function setTimer(sender: Sender, pending: Pending, ticks: number): void {
  sender.pending = pending;
  sender.timer.set(afterTicks(sender.clock, ticks));
}
export function clearTimer(sender: Sender): void {
  sender.pending = undefined;
  sender.timer.clear();
}

/** Microseconds until the time-out, counted from when the first unacknowledged segment was sent. */
function timeoutLeft(sender: Sender): number {
  const first = head(sender.queue);
  return first ? first.sentAt + usOfTicks(sender.sock.rto) - sender.sock.tcpMstamp : usOfTicks(sender.sock.rto);
}

/** tcp_rearm_rto. */
export function rearmTimeout(sender: Sender): void {
  if (sender.sock.packetsOut === 0) return clearTimer(sender);
  const isOther = sender.pending === "probe" || sender.pending === "reorder";
  const ticks = isOther ? ticksOfUs(Math.max(1, timeoutLeft(sender))) : sender.sock.rto;
  setTimer(sender, "retransmit", ticks);
}

/** tcp_schedule_loss_probe: false where a time-out has to do. */
export function scheduleProbe(sender: Sender, isAdvancing: boolean): boolean {
  const { sock } = sender;
  if (sock.packetsOut === 0 || (sock.caState !== CA.Open && sock.caState !== CA.Cwr)) return false;
  const wait = (sock.srttUs >> 2) + (sock.packetsOut === 1 ? RTO_MIN_US : TIMEOUT_MIN_US);
  let ticks = sock.srttUs > 0 ? ticksOfUs(wait) : TICKS_PER_SECOND;
  const left = isAdvancing ? usOfTicks(sock.rto) : timeoutLeft(sender);
  if (left > 0) ticks = Math.min(ticks, ticksOfUs(left));
  setTimer(sender, "probe", ticks);
  return true;
}

/** tcp_set_xmit_timer. */
export function restartTimer(sender: Sender): void {
  if (!scheduleProbe(sender, true)) rearmTimeout(sender);
}
