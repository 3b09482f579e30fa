/** What an acknowledgement does to a sender, in the kernel's order (tcp_ack of net/ipv4/tcp_input.c). */
import { without, type Acknowledgement } from "../segments.ts";
import { CA, inFlight, isReducing, REORDERING } from "../sock.ts";
import { ACK_EVENT, FLAG } from "./flags.ts";
import { advanceRack, checkReordering } from "./losses.ts";
import { retransmitLost, sendData } from "./output.ts";
import { head, sentAt, shift, unorder } from "./queue.ts";
import { complete, freshSample, noteDelivered, type RateSampleInMaking } from "./rate.ts";
import { alerted, probeAnswered, reduceWindow, type Afterwards, type Alert } from "./recovery.ts";
import { measured } from "./rtt.ts";
import { countDelivered, refresh, sequence, type Sender, type Sent } from "./state.ts";
import { restartTimer } from "./timers.ts";
import { checkSendBuffer, updatePacingRate } from "./window.ts";

/** What acknowledging selectively found out: when the first and the last of the segments were sent; 0: none. */
interface Selective {
  first: number;
  last: number;
  delivered: number;
  lowest: number;
}

function sack(sender: Sender, one: Sent, sample: RateSampleInMaking, seen: Selective): number {
  const { sock } = sender;
  let flag: number = FLAG.DataSacked;
  advanceRack(sender, one);
  if (one.isRetransmitted) {
    if (one.isLost) {
      one.isLost = one.isRetransmitted = false;
      sock.lostOut--;
      sock.retransOut--;
    }
  } else {
    if (!one.wasRetransmitted) {
      if (one.number < sender.highestSack) seen.lowest = Math.min(seen.lowest, one.number);
      if (one.number < sender.high) flag |= FLAG.OrigSackAcked;
      if (seen.first === 0) seen.first = one.sentAt;
      seen.last = one.sentAt;
    }
    if (one.isLost) {
      one.isLost = false;
      sock.lostOut--;
    }
  }
  one.isSacked = true;
  sock.sackedOut++;
  seen.delivered++;
  noteDelivered(sender, one, sample);
  unorder(sender.queue, one);
  sender.highestSack = Math.max(sender.highestSack, one.number + 1);
  return flag;
}

/** tcp_sacktag_write_queue. */
function sackAll(sender: Sender, ack: Acknowledgement, sample: RateSampleInMaking, seen: Selective): number {
  const { sock, queue } = sender;
  let flag = 0;
  if (sock.sackedOut === 0) sender.highestSack = queue.first;
  if (ack.duplicate !== undefined) {
    flag |= FLAG.DsackingAck;
    if (sender.probeHigh !== undefined && sender.probeWasOld && ack.duplicate === sender.probeHigh - 1)
      flag |= FLAG.DsackTlp;
    if (sender.undoFrom !== undefined && sender.undoRetrans > 0 && ack.duplicate >= sender.undoFrom)
      sender.undoRetrans--;
  }
  const blocks = ack.blocks.toSorted(([a], [b]) => a - b);
  for (const [start, end] of without(blocks, sender.sackedBefore))
    for (let number = Math.max(start, queue.first); number < Math.min(end, sender.next); number++) {
      const one = sentAt(queue, number);
      if (!one.isSacked) flag |= sack(sender, one, sample, seen);
    }
  sender.sackedBefore = blocks;
  if (sock.caState !== CA.Loss || sender.undoFrom !== undefined)
    if (seen.lowest < Infinity) checkReordering(sender, seen.lowest);
  return flag;
}

function clean(
  sender: Sender,
  ack: Acknowledgement,
  sample: RateSampleInMaking,
  seen: Selective,
  before: { readonly highestSack: number; readonly sackedOut: number; readonly flag: number },
): number {
  const { sock, queue, control } = sender;
  let flag = 0;
  let acked = 0;
  let [first, last, lowest] = [0, 0, Infinity];
  let bytes = 0;
  while (queue.first < ack.next) {
    const one = head(queue)!;
    if (one.isRetransmitted || one.wasRetransmitted) {
      if (one.isRetransmitted) sock.retransOut--;
      flag |= FLAG.RetransDataAcked;
    } else if (!one.isSacked) {
      last = one.sentAt;
      if (first === 0) first = last;
      lowest = Math.min(lowest, one.number);
      if (one.number < sender.high) flag |= FLAG.OrigSackAcked;
    }
    if (one.isSacked) sock.sackedOut--;
    else {
      countDelivered(sock, 1, ack.echo);
      // A retransmission that the timestamp says was needless tells nothing of the order.
      if (!(one.wasRetransmitted && sender.echoed < Math.floor(one.sentAt / 1000))) advanceRack(sender, one);
    }
    if (one.isLost) sock.lostOut--;
    sock.packetsOut--;
    acked++;
    bytes += one.end - one.start;
    noteDelivered(sender, one, sample);
    flag |= FLAG.DataAcked;
    shift(queue);
  }
  if (sock.sackedOut === 0) sender.highestSack = queue.first;

  const now = sock.tcpMstamp;
  let [firstRtt, lastRtt, sackRtt] = [-1, -1, -1];
  if (first > 0 && !(flag & FLAG.RetransDataAcked)) {
    firstRtt = now - first;
    lastRtt = now - last;
    const isRunt = acked === 1 && before.sackedOut === 0 && bytes < sock.mssCache;
    if (isRunt && sample.priorDelivered + 1 === sock.delivered && !(before.flag & FLAG.CaAlert))
      flag |= FLAG.AckMaybeDelayed;
  }
  if (seen.first > 0) {
    sackRtt = now - seen.first;
    lastRtt = now - seen.last;
  }
  // The echoed timestamp is the last resort: it counts milliseconds.
  if (firstRtt < 0 && sackRtt < 0 && flag & FLAG.DataAcked && sender.echoed > 0)
    firstRtt = lastRtt = Math.max(1, Math.floor(now / 1000) - sender.echoed) * 1000;
  sample.rttUs = lastRtt;
  const isMeasured = measured(sender, firstRtt, sackRtt, lastRtt, (flag & FLAG.AckMaybeDelayed) !== 0);

  const remaining = head(queue);
  if (flag & FLAG.DataAcked) {
    flag |= FLAG.SetXmitTimer;
    if (lowest < before.highestSack) checkReordering(sender, lowest);
  } else if (remaining && isMeasured && sackRtt > now - remaining.sentAt) flag |= FLAG.SetXmitTimer;

  control.pktsAcked?.({
    pktsAcked: acked,
    rttUs: sample.rttUs,
    inFlight: sock.mssCache * (sock.delivered - sample.priorDelivered),
  });
  return flag;
}

function tellAck({ control }: Sender, flag: number): void {
  if (!control.inAckEvent) return;
  let events = flag & FLAG.WinUpdate ? ACK_EVENT.WinUpdate : 0;
  if (flag & FLAG.Slowpath) events |= ACK_EVENT.SlowPath | (flag & FLAG.Ece ? ACK_EVENT.Ece : 0);
  control.inAckEvent(events);
}

/** tcp_cong_control: the window after this acknowledgement. */
function adjust(sender: Sender, ack: number, flag: number, sample: RateSampleInMaking): void {
  const { sock, control, clock } = sender;
  if (control.congControl) return control.congControl(ack, flag, sample);
  const grows = sock.reordering > REORDERING.least ? FLAG.ForwardProgress : FLAG.DataAcked;
  if (isReducing(sock)) reduceWindow(sender, sample.ackedSacked, sample.losses, flag);
  else if (flag & grows) {
    control.congAvoid?.(ack, sample.ackedSacked);
    sock.sndCwndStamp = clock.ticks;
  }
  updatePacingRate(sender);
}

function sendAfter(sender: Sender, afterwards: Afterwards): void {
  if (afterwards === "nothing") return;
  if (afterwards === "new") {
    sendData(sender);
    if (sender.next > sender.high) return;
    sender.isFrto = false;
  }
  retransmitLost(sender);
}

/** The SYN's acknowledgement, which a control hears of before its init(): the kernel begins with it. */
export function handshakeAcked(sender: Sender, rttUs: number): void {
  const { sock, control } = sender;
  refresh(sender);
  sender.retransStamp = 0;
  countDelivered(sock, 1, false);
  measured(sender, rttUs, -1, rttUs, false);
  sock.deliveredMstamp = sock.tcpMstamp;
  control.pktsAcked?.({ pktsAcked: 1, rttUs, inFlight: sock.mssCache });
  const flag = FLAG.Slowpath | FLAG.SndUnaAdvanced | FLAG.WinUpdate | FLAG.SynAcked | FLAG.SetXmitTimer;
  tellAck(sender, flag);
  if (!control.congControl) updatePacingRate(sender);
}

/**
 * Takes an acknowledgement, and sends what it lets. `tell`: who else hears of it (mptcp_incoming_options, in tcp_data_queue) does so before TCP
 * sends and looks at its buffer, and says whether anybody waits for room there (SOCK_NOSPACE).
 */
export function acknowledged(sender: Sender, ack: Acknowledgement, tell: () => boolean = () => true): void {
  const { sock, queue } = sender;
  refresh(sender);
  sender.echoed = ack.stamp;
  if (ack.next < queue.first) return void tell();
  const isSlow = ack.echo || ack.blocks.length > 0 || ack.duplicate !== undefined;
  let flag = isSlow ? FLAG.Slowpath | FLAG.UpdateTsRecent : 0;
  const priorFirst = queue.first;
  const priorPackets = sock.packetsOut;
  const highestSack = sock.sackedOut > 0 ? sender.highestSack : priorFirst;
  const { sackedOut } = sock;
  const { delivered, lost } = sock;
  const sample = freshSample();
  const seen: Selective = { first: 0, last: 0, delivered: 0, lowest: Infinity };
  const nextSequence = sequence(ack.nextByte);
  if (ack.next > priorFirst) {
    flag |= FLAG.SndUnaAdvanced | FLAG.WinUpdate;
    sock.retransmits = 0;
  }
  sample.priorInFlight = inFlight(sock);
  const first = head(queue);
  if (ack.next > priorFirst && first) sock.bytesAcked += ack.nextByte - first.start;
  sock.sndUna = nextSequence;
  if (isSlow) {
    if (ack.blocks.length > 0 || ack.duplicate !== undefined) flag |= sackAll(sender, ack, sample, seen);
    if (ack.echo) flag |= FLAG.Ece;
    countDelivered(sock, seen.delivered, ack.echo);
  }

  const alert: Alert = { flag, afterwards: "nothing" };
  if (priorPackets > 0) {
    alert.flag |= clean(sender, ack, sample, seen, { highestSack, sackedOut, flag });
    tellAck(sender, alert.flag);
    probeAnswered(sender, ack.next, alert.flag);
    const isDubious = !(alert.flag & FLAG.NotDup) || alert.flag & FLAG.CaAlert || sock.caState !== CA.Open;
    if (isDubious) {
      const isDuplicate = !(alert.flag & (FLAG.SndUnaAdvanced | FLAG.NotDup | FLAG.DsackingAck));
      alerted(sender, priorFirst, isDuplicate, alert);
    }
    if (alert.flag & FLAG.SetXmitTimer) restartTimer(sender);
    sample.isAckDelayed = alert.flag & FLAG.AckMaybeDelayed ? 1 : 0;
    complete(sender, sample, sock.delivered - delivered, sock.lost - lost);
    adjust(sender, nextSequence, alert.flag, sample);
    sendAfter(sender, alert.afterwards);
  } else {
    tellAck(sender, alert.flag);
    if (alert.flag & FLAG.DsackingAck) alerted(sender, priorFirst, false, alert);
    probeAnswered(sender, ack.next, alert.flag);
  }
  const isWaitedFor = tell();
  sendData(sender);
  if (isWaitedFor) checkSendBuffer(sender);
}
