// CUBIC with HyStart as a congestion control of our own: what the kernel does when it is told "cubic", step by step. RFC 9438; for HyStart the
// paper of Ha and Rhee (2011), of whose two signs RFC 9406 has kept the second.
//
// The idea. After a loss at a window of W the path is known to hold about W segments. So the window comes back to W fast, stays near it for a
// while, and then looks for more with growing steps. A cubic function of the time since the loss does all three:
//
//     W(t) = W + C (t - K)^3        K = cbrt((W - w) / C), the time it takes to get from w, the window after the loss, back to W
//
// It is a function of time and not of acknowledgements: two connections of one bottleneck grow alike, however long their round trips are.
//
//     window
//       W |. . . . . . . . . ______-----'      <- plateau, then the search for more
//         |             _,--'
//         |         ,-'
//     0.7 W |     /
//         +----------------|----------> time since the loss
//                          K
//
// What is not obvious in the code:
//  - Time is in units of 1/1024 s, and C = 410/1024 segments per second cubed (0.4), so that everything is shifts and one division.
//  - The kernel adds to the window in whole segments: `perSegment` says how many acknowledged segments are worth one more, W(t) being looked up
//    one round trip ahead.
//  - On a short or slow path the cubic function is slower than NewReno would be. `renoWindow` is what NewReno would have by now; the window is
//    at least that ("TCP friendliness").
//  - If a second loss comes below the first W, somebody else has come to the path: a lower W is remembered, and room is made faster ("fast convergence").
//  - While the application sends nothing, the curve stands still: its beginning moves by the idle time.
//  - HyStart ends slow start before it overshoots, at the first of two signs: acknowledgements keep coming close together for half a round
//    trip (the path is full: they come at the bottleneck's pace), or the round trip has become longer by an eighth (a queue builds up).
//
// What differs from the kernel's: time is taken from the connection's clock in microseconds and not from the tick, so the object does not depend on
// CONFIG_HZ; and the cube root is a straight line and two steps of Newton's method instead of a table and one.
import { clamp, i32, license, max, min, struct, u32, u64 } from "tsbpf";
import { CaEvent, CaState, congAvoidAi, congestionControl, renoUndoCwnd, slowStart, type TcpSock } from "tsbpf/cc";

license("GPL");

/** The window after a loss, and what C is, in 1024ths. */
const BETA = 717;
const C = 410n;
/** (W - w) / C in units in which its cube root is a time in 1024ths of a second: 2^40 / 410. */
const CUBE_FACTOR = (1n << 40n) / C;
/** NewReno with this BETA grows by one segment for every window times 15/8 acknowledged: 8 (1 + 0.7) / 3 (1 - 0.7). */
const RENO_EIGHTHS = 15;
const SECOND_US = 1_000_000n;

/** HyStart: below this window it does not look; acknowledgements further apart are no train; so many round trips are sampled in a round. */
const LOW_WINDOW = 16;
const TRAIN_GAP_US = 2000;
const MIN_SAMPLES = 8;

class Cubic extends struct({
  /** Segments that are to be acknowledged for one more in the window. */
  perSegment: u32,
  /** W: the window at the last loss, or less (fast convergence); 0: there was none. */
  maxWindow: u32,
  /** What the window was when it was last looked up, and when that was. */
  lastWindow: u32,
  /** Where the curve has its plateau. */
  origin: u32,
  /** K, in 1024ths of a second. */
  k: u32,
  /** Shortest round trip, in microseconds; 0: none yet. */
  minRttUs: u32,
  /** Segments acknowledged since NewReno's window last grew, and that window. */
  acked: u32,
  renoWindow: u32,
  lastLookUs: u64,
  /** When the curve began; 0: with the next acknowledgement. */
  epochUs: u64,
  /** When the last segment before this acknowledgement left. */
  lastSentUs: u64,
  /** HyStart has ended slow start. */
  found: u32,
  /** HyStart's round: when it began, its last acknowledgement in a train, what ends it, and its shortest round trip. */
  roundStartUs: u32,
  lastAckUs: u32,
  roundEnd: u32,
  roundRttUs: u32,
  samples: u32,
}) {}

/** Is sequence number `a` later than `b`? They go around. */
const isAfter = (a: u32, b: u32): boolean => i32(b - a) < 0;

/** All that was learnt of the path is forgotten. */
function forget(sk: TcpSock<Cubic>) {
  const own = sk.state;
  own.perSegment = 0;
  own.maxWindow = 0;
  own.lastWindow = 0;
  own.origin = 0;
  own.k = 0;
  own.minRttUs = 0;
  own.acked = 0;
  own.renoWindow = 0;
  own.lastLookUs = 0n;
  own.epochUs = 0n;
  own.found = 0;
}

function beginRound(sk: TcpSock<Cubic>) {
  const own = sk.state;
  const now = u32(sk.tcpMstamp);
  own.roundStartUs = now;
  own.lastAckUs = now;
  own.roundEnd = sk.sndNxt;
  own.roundRttUs = 0xffffffff;
  own.samples = 0;
}

/**
 * The cube root, within 1 of a thousand. With k such that 8^k <= a < 8^(k+1) the root lies between 2^k and 2^(k+1): the line
 * through both ends, raised to the middle of what it misses, is right to 6 %, and each step of Newton's squares that.
 */
function cubeRoot(a: u64): u32 {
  if (a < 64n) return a < 1n ? 0 : a < 8n ? 1 : a < 27n ? 2 : 3;
  let rest = a;
  let k: u32 = 0;
  if (rest >> 48n !== 0n) {
    rest >>= 48n;
    k += 16;
  }
  if (rest >> 24n !== 0n) {
    rest >>= 24n;
    k += 8;
  }
  if (rest >> 12n !== 0n) {
    rest >>= 12n;
    k += 4;
  }
  if (rest >> 6n !== 0n) {
    rest >>= 6n;
    k += 2;
  }
  if (rest >> 3n !== 0n) k += 1;
  // a / 8^k in 64ths: 64 to 511; its root by the line, in 64ths: 64 to 128; times 135/128.
  const scaled = a >> u64(3 * (k - 2));
  let x = ((((scaled + 384n) / 7n) * 135n) << u64(k)) >> 13n;
  x = (2n * x + a / (x * x)) / 3n;
  x = (2n * x + a / (x * x)) / 3n;
  return u32(x);
}

/** Looks up where the window should be, and says how fast to go there. */
function look(sk: TcpSock<Cubic>, acked: u32) {
  const own = sk.state;
  const window = sk.sndCwnd;
  const now = sk.tcpMstamp;
  own.acked += acked;
  const since = now - own.lastLookUs;
  if (own.lastWindow === window && since <= SECOND_US / 32n) return;
  // Once in a millisecond is often enough.
  if (own.epochUs === 0n || since >= 1000n) {
    own.lastWindow = window;
    own.lastLookUs = now;
    follow(sk, window, now, acked);
  }
  keepUpWithReno(own, window);
  own.perSegment = max(own.perSegment, 2);
}

function follow(sk: TcpSock<Cubic>, window: u32, now: u64, acked: u32) {
  const own = sk.state;
  if (own.epochUs === 0n) {
    own.epochUs = now;
    own.acked = acked;
    own.renoWindow = window;
    own.origin = max(window, own.maxWindow);
    own.k = own.maxWindow > window ? cubeRoot(CUBE_FACTOR * u64(own.maxWindow - window)) : 0;
  }
  // One round trip ahead, because that is when what is sent now is acknowledged.
  const t = ((now - own.epochUs + u64(own.minRttUs)) << 10n) / SECOND_US;
  const k = u64(own.k);
  const away = t < k ? k - t : t - k;
  const delta = u32((C * away * away * away) >> 40n);
  const target = t < k ? own.origin - delta : own.origin + delta;
  own.perSegment = target > window ? window / (target - window) : 100 * window;
  // Before the first loss there is no plateau to stay on.
  if (own.maxWindow === 0 && own.perSegment > 20) own.perSegment = 20;
}

function keepUpWithReno(own: Cubic, window: u32) {
  const each = (window * RENO_EIGHTHS) >> 3;
  if (own.acked > each) {
    const steps = (own.acked - 1) / each;
    own.acked -= steps * each;
    own.renoWindow += steps;
  }
  if (own.renoWindow > window) own.perSegment = min(own.perSegment, window / (own.renoWindow - window));
}

/** How much later an acknowledgement may come because segments are sent in bursts: four of them, and at most a millisecond. */
function burstUs(sk: TcpSock<Cubic>): u32 {
  const rate = sk.pacingRate;
  if (rate === 0n) return 0;
  return u32(min(1000n, (u64(sk.gsoMaxSize) * 4n * SECOND_US) / rate));
}

/** HyStart: has the path been filled? */
function isFull(sk: TcpSock<Cubic>, rttUs: u32): boolean {
  const own = sk.state;
  const now = u32(sk.tcpMstamp);
  if (isAfter(sk.sndUna, own.roundEnd)) beginRound(sk);
  // Of so few segments there is no train.
  if (sk.sndCwnd < LOW_WINDOW) return false;
  let full = false;
  if (i32(now - own.lastAckUs) <= TRAIN_GAP_US) {
    own.lastAckUs = now;
    const whole = own.minRttUs + burstUs(sk);
    // Where segments are paced they are spread over the round trip to begin with.
    const longest = sk.pacingStatus === 0 ? whole >> 1 : whole;
    if (i32(now - own.roundStartUs) > i32(longest)) full = true;
  }
  own.roundRttUs = min(own.roundRttUs, rttUs);
  if (own.samples < MIN_SAMPLES) own.samples += 1;
  else if (own.roundRttUs > own.minRttUs + clamp(own.minRttUs >> 3, 4000, 16_000)) full = true;
  return full;
}

/** Does the window hold the sender back? If not, there is no telling whether a larger one would do. */
function isLimited(sk: TcpSock<Cubic>): boolean {
  if (sk.isCwndLimited) return true;
  return sk.sndCwnd < sk.sndSsthresh && sk.sndCwnd < 2 * sk.maxPacketsOut;
}

export const cubic = congestionControl({
  name: "ts_cubic",
  state: Cubic,

  init(sk) {
    forget(sk);
    beginRound(sk);
  },

  ssthresh(sk) {
    const own = sk.state;
    const window = sk.sndCwnd;
    own.epochUs = 0n;
    // Fast convergence: half way between the two windows, if this one is the smaller.
    own.maxWindow = window < own.maxWindow ? (window * (1024 + BETA)) / 2048 : window;
    return max((window * BETA) >> 10, 2);
  },

  congAvoid(sk, _ack, acked) {
    if (!isLimited(sk)) return;
    let left = acked;
    if (sk.sndCwnd < sk.sndSsthresh) {
      left = slowStart(sk, left);
      if (left === 0) return;
    }
    look(sk, left);
    congAvoidAi(sk, sk.state.perSegment, left);
  },

  setState(sk, newState) {
    if (newState !== CaState.Loss) return;
    forget(sk);
    beginRound(sk);
  },

  cwndEvent(sk, event) {
    const own = sk.state;
    if (event !== CaEvent.TxStart || own.epochUs === 0n || own.lastSentUs === 0n) return;
    const now = sk.tcpMstamp;
    if (now > own.lastSentUs) own.epochUs = min(own.epochUs + (now - own.lastSentUs), now);
  },

  pktsAcked(sk, sample) {
    const own = sk.state;
    own.lastSentUs = sk.wstampNs / 1000n;
    if (sample.rttUs < 0) return;
    // The queue of before the loss is still in the round trips of the first second after it.
    if (own.epochUs !== 0n && sk.tcpMstamp - own.epochUs < SECOND_US) return;
    const rttUs = max(u32(sample.rttUs), 1);
    if (own.minRttUs === 0 || own.minRttUs > rttUs) own.minRttUs = rttUs;
    if (own.found !== 0 || sk.sndCwnd >= sk.sndSsthresh) return;
    if (!isFull(sk, rttUs)) return;
    own.found = 1;
    sk.sndSsthresh = sk.sndCwnd;
  },

  undoCwnd(sk) {
    return renoUndoCwnd(sk);
  },
});
