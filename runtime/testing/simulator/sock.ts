/** The fields of a connection, under the names that programs know them by. The kernel's raw values: `srttUs` is kept in eighths, flags are 0 or 1. */
import { CA_STATES } from "../../../compiler/bpf/congestion-names.ts";
import type { TCP_SOCK } from "../../../compiler/bpf/tcp-sock-members.ts";

/** What the model has no notion of. */
type Unknown =
  | "tcpState"
  | "family"
  | "localPort"
  | "remotePort"
  | "localIp4"
  | "remoteIp4"
  | "wmemQueued"
  | "sndCwndUsed"
  | "maxPacingRate";
export type SockField = Exclude<keyof typeof TCP_SOCK, Unknown> | "sndCwndUsed" | "maxPacingRate";
export type Sock = Record<SockField, number>;

/** The numbers that the language has names for. */
export {
  ACK_PENDING as PENDING,
  CA_EVENTS as EVENT,
  CA_STATES as CA,
  ECN_FLAGS as ECN,
} from "../../../compiler/bpf/congestion-names.ts";

export const INFINITE_SSTHRESH = 0x7fff_ffff;
export const INITIAL_WINDOW = 10;
/** tcp_reordering, and tcp_max_reordering. */
export const REORDERING = { least: 3, most: 300 } as const;
/** Stands for "no limit" where 64 bits of ones do in the kernel. */
export const UNLIMITED_RATE = Infinity;

/** A connection whose handshake is over. */
export const freshSock = (mss: number): Sock => ({
  sndCwnd: INITIAL_WINDOW,
  sndCwndCnt: 0,
  sndCwndClamp: 0xffff_ffff,
  sndCwndStamp: 0,
  sndCwndUsed: 0,
  sndSsthresh: INFINITE_SSTHRESH,
  priorCwnd: 0,
  priorSsthresh: 0,
  maxPacketsOut: 0,
  isCwndLimited: 0,
  packetsOut: 0,
  lostOut: 0,
  sackedOut: 0,
  retransOut: 0,
  delivered: 0,
  deliveredCe: 0,
  deliveredMstamp: 0,
  tcpMstamp: 0,
  lost: 0,
  // The kernel's own beginning: whatever is delivered first was limited by the application.
  appLimited: 0xffff_ffff,
  rateDelivered: 0,
  rateIntervalUs: 0,
  srttUs: 0,
  rttvarUs: 0,
  mssCache: mss,
  advmss: mss,
  sndUna: 0,
  sndNxt: 0,
  sndWnd: 0x3fff_ffff,
  rcvNxt: 0,
  rcvWnd: 65_535,
  writeSeq: 0,
  highSeq: 0,
  undoMarker: 0,
  reordering: REORDERING.least,
  lsndtime: 0,
  wstampNs: 0,
  ecnFlags: 0,
  bytesAcked: 0,
  bytesSent: 0,
  bytesRetrans: 0,
  segsOut: 0,
  dataSegsOut: 0,
  totalRetrans: 0,
  caState: CA_STATES.Open,
  retransmits: 0,
  rto: 0,
  ackPending: 0,
  pacingRate: UNLIMITED_RATE,
  pacingStatus: 0,
  maxPacingRate: UNLIMITED_RATE,
  pacingShift: 10,
  sndbuf: 87_040,
  gsoMaxSize: 65_536,
});

export const inFlight = (sock: Sock): number => sock.packetsOut - sock.sackedOut - sock.lostOut + sock.retransOut;
export const isReducing = (sock: Sock): boolean =>
  sock.caState === CA_STATES.Cwr || sock.caState === CA_STATES.Recovery;
export const isSlowStart = (sock: Sock): boolean => sock.sndCwnd < sock.sndSsthresh;
/** The threshold to go back to when nothing was lost after all, or after an idle time. */
export const currentThreshold = (sock: Sock): number =>
  isReducing(sock) ? sock.sndSsthresh : Math.max(sock.sndSsthresh, (sock.sndCwnd >> 1) + (sock.sndCwnd >> 2));
