/** A sender: begins, writes, hears acknowledgements, and its timers fire. */
import { CA, ECN, inFlight, INITIAL_WINDOW } from "../sock.ts";
import { handshakeAcked } from "./acks.ts";
import { detectLosses } from "./losses.ts";
import { retransmit, retransmitLost, sendData, sendProbe } from "./output.ts";
import { head } from "./queue.ts";
import { checkAppLimited } from "./rate.ts";
import { enterLoss, enterRecovery, reduceWindow } from "./recovery.ts";
import { RTO_MAX_TICKS } from "./rtt.ts";
import { createSender, hasData, refresh, sequence, type Sender } from "./state.ts";
import { rearmTimeout, setTimer } from "./timers.ts";
import { expandSendBuffer, restartAfterIdle } from "./window.ts";

/** tcp_retransmit_timer. */
function timedOut(sender: Sender): void {
  const { sock } = sender;
  const first = head(sender.queue);
  if (!first) return;
  enterLoss(sender);
  sock.retransmits++;
  retransmit(sender, first);
  sender.backoff++;
  sock.rto = Math.min(sock.rto * 2, RTO_MAX_TICKS);
  setTimer(sender, "retransmit", sock.rto);
}
/** tcp_rack_reo_timeout: what was only out of order would be here by now. */
function reorderingOver(sender: Sender): void {
  const { sock, control } = sender;
  const [flight, lost] = [inFlight(sock), sock.lost];
  detectLosses(sender);
  if (flight !== inFlight(sock)) {
    if (sock.caState !== CA.Recovery) {
      enterRecovery(sender, false);
      if (!control.congControl) reduceWindow(sender, 1, sock.lost - lost, 0);
    }
    retransmitLost(sender);
  }
  if (sender.pending !== "retransmit") rearmTimeout(sender);
}
function timerFires(sender: Sender): void {
  refresh(sender);
  const { pending } = sender;
  if (pending === "reorder") reorderingOver(sender);
  else if (pending === "probe") sendProbe(sender);
  else if (pending === "retransmit") {
    sender.pending = undefined;
    timedOut(sender);
  }
}
function pacingFires(sender: Sender): void {
  const { sock } = sender;
  refresh(sender);
  if (sock.lostOut > sock.retransOut && sock.sndCwnd > inFlight(sock)) retransmitLost(sender);
  sendData(sender);
}

/** A connection whose SYN took `rttUs` to be acknowledged: it asks its control to begin. */
export function openSender(parts: Parameters<typeof createSender>[0], rttUs: number): Sender {
  const sender = createSender(parts, timerFires, pacingFires);
  const { sock, control, clock } = sender;
  sock.sndUna = sock.sndNxt = sock.writeSeq = sequence(0);
  if (sender.isEcn) sock.ecnFlags = ECN.Ok;
  handshakeAcked(sender, rttUs);
  sock.sndCwnd = INITIAL_WINDOW;
  sock.sndCwndStamp = clock.ticks;
  sock.priorSsthresh = 0;
  control.init?.();
  expandSendBuffer(sender);
  sock.lsndtime = clock.ticks;
  return sender;
}

/** The application writes so many bytes. */
export function write(sender: Sender, bytes: number): void {
  refresh(sender);
  checkAppLimited(sender);
  if (!hasData(sender)) restartAfterIdle(sender);
  sender.written += bytes;
  sendData(sender);
}

export function closeSender(sender: Sender): void {
  sender.timer.clear();
  sender.pacing.clear();
  sender.control.release?.();
}

export const isDone = (sender: Sender): boolean => !hasData(sender) && sender.sock.packetsOut === 0;
