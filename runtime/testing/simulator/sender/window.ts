/** What the window and the pacing rate follow from, apart from the congestion control's own doing. */
import { CA, currentThreshold, EVENT, inFlight, INITIAL_WINDOW, isSlowStart, type Sock } from "../sock.ts";
import { setWindow, type Sender } from "./state.ts";

/** tcp_pacing_ss_ratio and tcp_pacing_ca_ratio: percent of the window in a round trip. */
const PACING = { slowStart: 200, avoidance: 120 } as const;
/** GSO_LEGACY_MAX_SIZE less headers, tcp_tso_rtt_log, tcp_min_tso_segs. */
const TSO = { most: 65_221, rttLog: 9, least: 2 } as const;
/** Bytes of memory that a segment of this size takes at worst: head and struct sk_buff. */
const segmentMemory = (mss: number): number => 2 ** Math.ceil(Math.log2(mss + 320 + 320)) + 256;
/** tcp_wmem[2]. */
const MOST_SNDBUF = 4 * 1024 * 1024;

/** tcp_update_pacing_rate: what the window comes to in bytes per second, and some more. */
export function updatePacingRate({ sock }: Sender): void {
  const percent = sock.sndCwnd < sock.sndSsthresh / 2 ? PACING.slowStart : PACING.avoidance;
  const window = Math.max(sock.sndCwnd, sock.packetsOut);
  const rate = (sock.mssCache * 8 * (percent / 100) * 1e6 * window) / (sock.srttUs || 1);
  sock.pacingRate = Math.min(Math.floor(rate), sock.maxPacingRate);
}

/** tcp_tso_segs: how many segments leave as one burst. */
export function burstSegments({ sock, control, rttMinUs }: Sender): number {
  const least = control.minTsoSegs?.() ?? TSO.least;
  const shift = rttMinUs >= 2 ** 31 ? 32 : Math.floor(rttMinUs) >> TSO.rttLog;
  const near = shift < 32 ? Math.floor(TSO.most / 2 ** shift) : 0;
  const bytes = Math.min(Math.floor(sock.pacingRate / 2 ** sock.pacingShift) + near, TSO.most);
  return Math.max(1, Math.floor(bytes / sock.mssCache), least);
}

const isWindowLimited = (sock: Sock): boolean =>
  sock.isCwndLimited === 1 || (isSlowStart(sock) && sock.sndCwnd < 2 * sock.maxPacketsOut);

/** The application has not used the window for as long as a time-out: it shrinks (RFC 2861). */
function shrinkUnused(sender: Sender): void {
  const { sock, clock } = sender;
  if (sock.caState === CA.Open && sender.written !== Infinity) {
    const used = Math.max(sock.sndCwndUsed, INITIAL_WINDOW);
    if (used < sock.sndCwnd) {
      sock.sndSsthresh = currentThreshold(sock);
      setWindow(sock, (sock.sndCwnd + used) >> 1);
    }
    sock.sndCwndUsed = 0;
  }
  sock.sndCwndStamp = clock.ticks;
}

/** tcp_cwnd_validate: whether the window or the application limits what is in flight. */
export function validateWindow(sender: Sender, isLimited: boolean): void {
  const { sock, clock } = sender;
  const isNewRound = sender.queue.first >= sender.usageNext;
  if (isNewRound || isLimited || (sock.isCwndLimited === 0 && sock.packetsOut > sock.maxPacketsOut)) {
    sock.isCwndLimited = isLimited ? 1 : 0;
    sock.maxPacketsOut = sock.packetsOut;
    sender.usageNext = sender.next;
  }
  if (isWindowLimited(sock)) {
    sock.sndCwndUsed = 0;
    sock.sndCwndStamp = clock.ticks;
    return;
  }
  sock.sndCwndUsed = Math.max(sock.sndCwndUsed, sock.packetsOut);
  if (clock.ticks - sock.sndCwndStamp >= sock.rto && !sender.control.congControl) shrinkUnused(sender);
}

/** tcp_cwnd_restart, when the application writes after an idle time longer than a time-out. */
export function restartAfterIdle(sender: Sender): void {
  const { sock, control, clock } = sender;
  let idle = clock.ticks - sock.lsndtime;
  if (sock.packetsOut > 0 || control.congControl || idle <= sock.rto) return;
  let window = sock.sndCwnd;
  control.cwndEvent?.(EVENT.CwndRestart);
  sock.sndSsthresh = currentThreshold(sock);
  const least = Math.min(INITIAL_WINDOW, window);
  while ((idle -= sock.rto) > 0 && window > least) window >>= 1;
  setWindow(sock, Math.max(window, least));
  sock.sndCwndStamp = clock.ticks;
  sock.sndCwndUsed = 0;
}

/** tcp_sndbuf_expand: the send buffer holds some windows. */
export function expandSendBuffer({ sock, control }: Sender): void {
  const windows = control.sndbufExpand?.() ?? 2;
  const segments = Math.max(INITIAL_WINDOW, sock.sndCwnd, sock.reordering + 1);
  const bytes = windows * segments * segmentMemory(sock.mssCache);
  if (sock.sndbuf < bytes) sock.sndbuf = Math.min(bytes, MOST_SNDBUF);
}
/** Not while the window is what holds the sender back. */
export function checkSendBuffer(sender: Sender): void {
  if (inFlight(sender.sock) < sender.sock.sndCwnd) expandSendBuffer(sender);
}
