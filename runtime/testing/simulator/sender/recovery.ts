/** The states of a connection's congestion: how it gets from one to the other, and what becomes of the window (net/ipv4/tcp_input.c). */
import { CA, currentThreshold, ECN, EVENT, inFlight, INFINITE_SSTHRESH, isReducing, REORDERING } from "../sock.ts";
import { FLAG } from "./flags.ts";
import { identifyLosses, markTimedOut, checkReordering } from "./losses.ts";
import { head, sentAt } from "./queue.ts";
import { hasData, setCaState, setWindow, type Sender } from "./state.ts";

/** What an acknowledgement leaves to send once the window is known. */
export type Afterwards = "nothing" | "lost" | "new";
export interface Alert {
  flag: number;
  afterwards: Afterwards;
}

const setHigh = (sender: Sender): void => {
  sender.high = sender.next;
  sender.sock.highSeq = sender.sock.sndNxt;
};
const setUndo = (sender: Sender, from: number | undefined): void => {
  sender.undoFrom = from;
  sender.sock.undoMarker = from === undefined ? 0 : sender.sock.sndUna;
};

function initUndo(sender: Sender): void {
  setUndo(sender, sender.queue.first);
  const probes = sender.probeHigh !== undefined && sender.probeWasOld ? 1 : 0;
  sender.undoRetrans = sender.sock.retransOut + probes || -1;
}
const queueReduced = (sender: Sender): void => {
  if (sender.sock.ecnFlags & ECN.Ok) sender.sock.ecnFlags |= ECN.QueueCwr;
};

/** The beginning of a reduction: the congestion control says how far. */
function beginReduction(sender: Sender): void {
  const { sock, control } = sender;
  setHigh(sender);
  sender.probeHigh = undefined;
  sock.sndCwndCnt = 0;
  sock.priorCwnd = sock.sndCwnd;
  sender.prrDelivered = 0;
  sender.prrOut = 0;
  sock.sndSsthresh = control.ssthresh();
  queueReduced(sender);
}
/** Proportional rate reduction (RFC 6937 with the kernel's slow start below the threshold). */
export function reduceWindow(sender: Sender, delivered: number, lost: number, flag: number): void {
  const { sock } = sender;
  if (delivered <= 0 || sock.priorCwnd === 0) return;
  const flight = inFlight(sock);
  const missing = sock.sndSsthresh - flight;
  sender.prrDelivered += delivered;
  let send: number;
  if (missing < 0) send = Math.ceil((sock.sndSsthresh * sender.prrDelivered) / sock.priorCwnd) - sender.prrOut;
  else {
    const isSafe = (flag & FLAG.SndUnaAdvanced) !== 0 && lost === 0;
    send = Math.min(missing, Math.max(sender.prrDelivered - sender.prrOut, delivered) + (isSafe ? 1 : 0));
  }
  setWindow(sock, flight + Math.max(send, sender.prrOut > 0 ? 0 : 1));
}
function endReduction(sender: Sender): void {
  const { sock, control, clock } = sender;
  if (control.congControl) return;
  if (sock.sndSsthresh < INFINITE_SSTHRESH && (sock.caState === CA.Cwr || sender.undoFrom !== undefined)) {
    setWindow(sock, sock.sndSsthresh);
    sock.sndCwndStamp = clock.ticks;
  }
  control.cwndEvent?.(EVENT.CompleteCwr);
}

/** Congestion that ECN tells of; it is not undone. */
function enterReduced(sender: Sender): void {
  const { sock } = sender;
  sock.priorSsthresh = 0;
  if (sock.caState >= CA.Cwr) return;
  setUndo(sender, undefined);
  beginReduction(sender);
  setCaState(sender, CA.Cwr);
}
export function enterRecovery(sender: Sender, echo: boolean): void {
  const { sock } = sender;
  if (!wasAnythingRetransmitted(sender)) sender.retransStamp = 0;
  sock.priorSsthresh = 0;
  initUndo(sender);
  if (!isReducing(sock)) {
    if (!echo) sock.priorSsthresh = currentThreshold(sock);
    beginReduction(sender);
  }
  setCaState(sender, CA.Recovery);
}
/** After a time-out. */
export function enterLoss(sender: Sender): void {
  const { sock, control, clock } = sender;
  const isNew = sock.caState < CA.Recovery;
  markTimedOut(sender);
  const isUnreduced =
    sock.caState <= CA.Disorder ||
    sender.high <= sender.queue.first ||
    (sock.caState === CA.Loss && sock.retransmits === 0);
  if (isUnreduced) {
    sock.priorSsthresh = currentThreshold(sock);
    sock.priorCwnd = sock.sndCwnd;
    sock.sndSsthresh = control.ssthresh();
    control.cwndEvent?.(EVENT.Loss);
    initUndo(sender);
  }
  setWindow(sock, inFlight(sock) + 1);
  sock.sndCwndCnt = 0;
  sock.sndCwndStamp = clock.ticks;
  if (sock.caState <= CA.Disorder && sock.sackedOut >= REORDERING.least)
    sock.reordering = Math.min(sock.reordering, REORDERING.least);
  setCaState(sender, CA.Loss);
  setHigh(sender);
  sender.probeHigh = undefined;
  queueReduced(sender);
  sender.isFrto = isNew || sock.retransmits > 0;
}

const wasAnythingRetransmitted = (sender: Sender): boolean =>
  sender.sock.retransOut > 0 || head(sender.queue)?.wasRetransmitted === true;
/** What arrived was sent before the first retransmission: the timestamp says so. */
const wasDelayed = (sender: Sender): boolean => sender.retransStamp === 0 || sender.echoed < sender.retransStamp;
const mayUndo = (sender: Sender): boolean =>
  sender.undoFrom !== undefined && (sender.undoRetrans === 0 || wasDelayed(sender));

/** The reduction was for nothing. */
function undoReduction(sender: Sender, unmark: boolean): void {
  const { sock, control, clock } = sender;
  if (unmark) {
    for (let number = sender.queue.first; number < sender.next; number++) sentAt(sender.queue, number).isLost = false;
    sock.lostOut = 0;
    sender.retransmitHint = sender.next;
  }
  if (sock.priorSsthresh > 0) {
    setWindow(sock, control.undoCwnd());
    if (sock.priorSsthresh > sock.sndSsthresh) {
      sock.sndSsthresh = sock.priorSsthresh;
      sock.ecnFlags &= ~ECN.QueueCwr;
    }
  }
  sock.sndCwndStamp = clock.ticks;
  setUndo(sender, undefined);
  sender.rack.isAdvanced = true;
}
function undoRecovery(sender: Sender): void {
  if (mayUndo(sender)) undoReduction(sender, false);
  setCaState(sender, CA.Open);
}
function undoDuplicates(sender: Sender): boolean {
  if (sender.undoFrom === undefined || sender.undoRetrans !== 0) return false;
  undoReduction(sender, false);
  return true;
}
function undoLoss(sender: Sender, isSpurious: boolean): boolean {
  if (!isSpurious && !mayUndo(sender)) return false;
  undoReduction(sender, true);
  sender.sock.retransmits = 0;
  setCaState(sender, CA.Open);
  return true;
}
/** Gives whether nothing more is to be done. */
function undoPartial(sender: Sender, priorFirst: number): boolean {
  if (sender.undoFrom === undefined || !wasDelayed(sender)) return false;
  checkReordering(sender, priorFirst);
  if (sender.sock.retransOut > 0) return true;
  if (!wasAnythingRetransmitted(sender)) sender.retransStamp = 0;
  undoReduction(sender, true);
  keepOpen(sender);
  return false;
}

function keepOpen(sender: Sender): void {
  const { sock } = sender;
  const isDisordered = sock.sackedOut + sock.lostOut > 0 || wasAnythingRetransmitted(sender);
  const state = isDisordered ? CA.Disorder : CA.Open;
  if (sock.caState === state) return;
  setCaState(sender, state);
  setHigh(sender);
}
function tryToOpen(sender: Sender, flag: number): void {
  if (!wasAnythingRetransmitted(sender)) sender.retransStamp = 0;
  if (flag & FLAG.Ece) enterReduced(sender);
  if (sender.sock.caState !== CA.Cwr) keepOpen(sender);
}

function identify(sender: Sender, alert: Alert): void {
  const { lostRetransmission, timerSet } = identifyLosses(sender);
  if (timerSet) alert.flag &= ~FLAG.SetXmitTimer;
  if (lostRetransmission) alert.flag |= FLAG.LostRetrans;
}

/** An acknowledgement after a time-out: what was lost is sent, or the time-out was for nothing (F-RTO, RFC 5682). */
function inLoss(sender: Sender, flag: number, isDuplicate: boolean): Afterwards {
  const isRecovered = sender.queue.first >= sender.high;
  if (flag & FLAG.SndUnaAdvanced && undoLoss(sender, false)) return "nothing";
  if (sender.isFrto) {
    if (flag & FLAG.OrigSackAcked && undoLoss(sender, true)) return "nothing";
    if (sender.next > sender.high) {
      if (flag & FLAG.DataSacked || isDuplicate) sender.isFrto = false;
    } else if (flag & FLAG.SndUnaAdvanced && !isRecovered) {
      setHigh(sender);
      if (hasData(sender)) return "new";
      sender.isFrto = false;
    }
  }
  if (!isRecovered) return "lost";
  undoRecovery(sender);
  return "nothing";
}

/** tcp_fastretrans_alert: something is out of the ordinary, or a state other than Open may end. */
export function alerted(sender: Sender, priorFirst: number, isDuplicate: boolean, alert: Alert): void {
  const { sock, queue } = sender;
  const { flag } = alert;
  const echo = (flag & FLAG.Ece) !== 0;
  if (sock.packetsOut === 0) sock.sackedOut = 0;
  if (echo) sock.priorSsthresh = 0;

  if (sock.caState === CA.Open) sender.retransStamp = 0;
  else if (queue.first >= sender.high) {
    // A reduction by ECN is over when something beyond is acknowledged: the mark that says so has arrived.
    if (sock.caState === CA.Cwr && queue.first !== sender.high) {
      endReduction(sender);
      setCaState(sender, CA.Open);
    } else if (sock.caState === CA.Recovery) {
      undoRecovery(sender);
      endReduction(sender);
    }
  }

  if (sock.caState === CA.Recovery) {
    if (flag & FLAG.SndUnaAdvanced && undoPartial(sender, priorFirst)) return;
    if (undoDuplicates(sender)) tryToOpen(sender, flag);
    identify(sender, alert);
    if ((sock.caState as number) !== CA.Recovery) {
      if (sock.lostOut === 0) return;
      enterRecovery(sender, echo);
    }
  } else {
    if (sock.caState === CA.Loss) {
      alert.afterwards = inLoss(sender, flag, isDuplicate);
      identify(sender, alert);
      if ((sock.caState as number) !== CA.Open && !(alert.flag & FLAG.LostRetrans)) return;
    }
    if (sock.caState <= CA.Disorder) undoDuplicates(sender);
    identify(sender, alert);
    if (sock.lostOut === 0) return tryToOpen(sender, flag);
    enterRecovery(sender, echo);
  }
  alert.afterwards = "lost";
}

/** What became of a tail loss probe (tcp_process_tlp_ack). */
export function probeAnswered(sender: Sender, next: number, flag: number): void {
  if (sender.probeHigh === undefined || next < sender.probeHigh) return;
  if (!sender.probeWasOld || flag & FLAG.DsackTlp) sender.probeHigh = undefined;
  else if (next > sender.probeHigh) {
    // The probe repaired a loss that nobody would have seen.
    beginReduction(sender);
    setCaState(sender, CA.Cwr);
    endReduction(sender);
    keepOpen(sender);
  } else if (!(flag & (FLAG.SndUnaAdvanced | FLAG.NotDup | FLAG.DataSacked))) sender.probeHigh = undefined;
}
