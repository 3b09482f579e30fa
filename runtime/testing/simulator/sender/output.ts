/** What leaves a sender, and when (net/ipv4/tcp_output.c). */
import { ECN, EVENT, inFlight, isReducing } from "../sock.ts";
import { append, head, orderLast, sentAt, tail } from "./queue.ts";
import { noteSent } from "./rate.ts";
import { hasData, refresh, sequence, stampOf, type Sender, type Sent } from "./state.ts";
import { rearmTimeout, scheduleProbe, setTimer } from "./timers.ts";
import { burstSegments, validateWindow } from "./window.ts";

/** From this many segments on, a flow is paced. */
const UNPACED_SEGMENTS = 10;

/** Puts a segment on the path; `isNew`: for the first time. */
function transmit(sender: Sender, one: Sent, isNew: boolean): void {
  const { sock, control, clock } = sender;
  one.sentAt = sock.tcpMstamp;
  sock.wstampNs = Math.max(sock.wstampNs, clock.now);
  const isEcn = (sock.ecnFlags & ECN.Ok) !== 0;
  const reduced = isEcn && isNew && (sock.ecnFlags & ECN.QueueCwr) !== 0;
  if (reduced) sock.ecnFlags &= ~ECN.QueueCwr;
  if (inFlight(sock) === 0) control.cwndEvent?.(EVENT.TxStart);
  sock.lsndtime = clock.ticks;
  sock.dataSegsOut++;
  sock.segsOut++;
  sock.bytesSent += one.end - one.start;
  sender.emit({
    number: one.number,
    start: one.start,
    end: one.end,
    isRetransmission: !isNew,
    stamp: stampOf(clock),
    // Without ECN the header keeps what choosing the control wrote there (INET_ECN_xmit).
    capable: sender.needsEcn() || (isEcn && isNew),
    marked: false,
    reduced,
  });
  orderLast(sender.queue, one);
  noteSent(sender, one);
}

/** Pacing by TCP itself: what has left is paid for with time before the next burst. `before`: `wstampNs` as it was until then. */
function pay({ sock }: Sender, before: number, bytes: number): void {
  const { pacingRate, pacingStatus } = sock;
  if (pacingStatus === 0 || !Number.isFinite(pacingRate) || pacingRate <= 0) return;
  if (sock.dataSegsOut < UNPACED_SEGMENTS) return;
  const cost = Math.floor((bytes * 1e9) / pacingRate);
  const credit = sock.wstampNs - before;
  sock.wstampNs += cost - Math.min(Math.floor(cost / 2), credit);
}
function isPaced({ sock, clock, pacing }: Sender): boolean {
  if (sock.pacingStatus !== 1 || sock.wstampNs <= clock.now) return false;
  if (!pacing.isSet) pacing.set(sock.wstampNs);
  return true;
}

function sendNew(sender: Sender): void {
  const { sock, queue } = sender;
  const end = Math.min(sender.nextByte + sock.mssCache, sender.written);
  const one: Sent = {
    number: sender.next,
    start: sender.nextByte,
    end,
    sentAt: 0,
    isSacked: false,
    isLost: false,
    isRetransmitted: false,
    wasRetransmitted: false,
    firstTxMstamp: 0,
    deliveredMstamp: 0,
    delivered: 0,
    deliveredCe: 0,
    isAppLimited: false,
    earlier: undefined,
    later: undefined,
    inOrder: false,
  };
  append(queue, one);
  transmit(sender, one, true);
  sender.next++;
  sender.nextByte = end;
  sock.sndNxt = sequence(end);
  const isFirst = sock.packetsOut === 0;
  sock.packetsOut++;
  if (isFirst || sender.pending === "probe") rearmTimeout(sender);
}

/** Sends what the window lets; `probe`: one segment, whatever the window. */
export function sendData(sender: Sender, probe = false): void {
  const { sock } = sender;
  refresh(sender);
  sock.writeSeq = sequence(Number.isFinite(sender.written) ? sender.written : sender.nextByte + 2 ** 20);
  const burst = burstSegments(sender);
  let sent = 0;
  while (hasData(sender)) {
    if (isPaced(sender)) break;
    const room = sock.sndCwnd - inFlight(sock);
    if (room <= 0 && !probe) break;
    // As much as leaves at once; one by one there is no difference unless it is paced.
    const many = probe ? 1 : Math.min(room, burst);
    const stamp = sock.wstampNs;
    let bytes = 0;
    for (let count = 0; count < many && hasData(sender); count++) {
      const from = sender.nextByte;
      sendNew(sender);
      bytes += sender.nextByte - from;
      sent++;
    }
    pay(sender, stamp, bytes);
    if (probe) break;
  }
  const isLimited = inFlight(sock) >= sock.sndCwnd;
  if (sent > 0 || isLimited) validateWindow(sender, isLimited);
  if (sent === 0) return;
  if (isReducing(sock)) sender.prrOut += sent;
  if (!probe) scheduleProbe(sender, false);
}

/** Sends a segment again, without a word about it in the books (__tcp_retransmit_skb). */
function sendAgain(sender: Sender, one: Sent): void {
  const stamp = sender.sock.wstampNs;
  sender.sock.totalRetrans++;
  sender.sock.bytesRetrans += one.end - one.start;
  transmit(sender, one, false);
  one.wasRetransmitted = true;
  pay(sender, stamp, one.end - one.start);
}

/** tcp_retransmit_skb. */
export function retransmit(sender: Sender, one: Sent): void {
  sendAgain(sender, one);
  one.isRetransmitted = true;
  sender.sock.retransOut++;
  if (sender.retransStamp === 0) sender.retransStamp = stampOf(sender.clock);
  sender.undoRetrans = Math.max(sender.undoRetrans, 0) + 1;
}

/** Sends what is lost, as far as the window lets (tcp_xmit_retransmit_queue). */
export function retransmitLost(sender: Sender): void {
  const { sock, queue } = sender;
  if (sock.packetsOut === 0) return;
  burstSegments(sender);
  const first = head(queue);
  let isFirstSent = false;
  let number = Math.max(sender.retransmitHint, queue.first);
  for (; number < sender.next; number++) {
    if (isPaced(sender)) break;
    if (sock.sndCwnd - inFlight(sock) <= 0 || sock.retransOut >= sock.lostOut) break;
    const one = sentAt(queue, number);
    if (!one.isLost || one.isSacked || one.isRetransmitted) continue;
    retransmit(sender, one);
    if (isReducing(sock)) sender.prrOut++;
    if (one === first && sender.pending !== "reorder") isFirstSent = true;
  }
  sender.retransmitHint = number;
  if (isFirstSent) setTimer(sender, "retransmit", sock.rto);
}

/** A tail loss probe: new data, or else the last segment again (RFC 8985; tcp_send_loss_probe). */
export function sendProbe(sender: Sender): void {
  const { sock, queue } = sender;
  if (sender.probeHigh === undefined) {
    sender.probeWasOld = false;
    const before = sock.packetsOut;
    if (hasData(sender)) sendData(sender, true);
    else {
      const last = tail(queue);
      if (!last) {
        sender.pending = undefined;
        return;
      }
      sendAgain(sender, last);
      sender.probeWasOld = true;
    }
    if (sender.probeWasOld || sock.packetsOut > before) {
      sender.probeHigh = sender.next;
      sender.pending = undefined;
    }
  }
  rearmTimeout(sender);
}
