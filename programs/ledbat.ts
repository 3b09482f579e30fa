// A scavenger: a congestion control that takes what nobody else wants, after LEDBAT. RFC 6817. No Linux kernel has one.
//
// Why one would want it. Backups, updates, the upload of photographs: they may take all night, but should not be felt. With CUBIC or NewReno such a
// transfer takes its fair share of the uplink, and fills the queue in front of it, so that a call on the same line stutters. Limiting its rate by hand
// is wrong twice: too slow while the line is idle, too fast while it is not. A scavenger uses all of an idle line and withdraws when others come: `setsockopt(TCP_CONGESTION,
// "ts_ledbat")` in the program that sends, and nothing else.
//
// The idea. What a round trip is longer than the shortest one is time in queues. The window is moved so that this is TARGET:
//
//     off = (TARGET - queueing) / TARGET          1 where queues are empty, 0 at the target, negative beyond
//     window += GAIN off acked / window           at most as fast as NewReno grows, in proportion to how far it is from the target
//
// Others who fill the queue beyond TARGET make `off` negative, and it gives way until little is left. Two segments always are, so that it notices
// when they have gone.
//
// What to know of it:
//  - The shortest round trip is that of the last ten minutes, in BUCKETS of two: routes change, and a minimum for ever would take a longer path
//    for a queue. (Two scavengers, the later of which takes the queue of the first for the path, are what this, and slow start's end, ease.)
//  - The RFC measures one way; TCP tells of round trips. Queues on the way back count, too: it withdraws a little earlier than it had to.
//  - A single late acknowledgement is no queue: the shortest of the last FILTER samples counts.
//  - TARGET is a parameter of the object: 100 ms is the RFC's most; 25 ms by default, so that a call beside it is not harmed.
import { array, i32, i64, license, max, min, param, range, struct, u32, u64 } from "tsbpf";
import { congestionControl, renoUndoCwnd, slowStart, type TcpSock } from "tsbpf/cc";

license("GPL");

/** How much delay it may add, in milliseconds; set by the loader. */
export const targetMs = param(u32, 25);

const BUCKETS = 5;
const BUCKET_US = 120_000_000n;
const FILTER = 4;
const LEAST_WINDOW = 2;
const NONE = 0xffffffff;
/** Parts of a segment in which the window is moved. */
const PART = 1024n;

class Ledbat extends struct({
  /** Shortest round trips of the last ten minutes, the present two minutes first, in microseconds. */
  base: array(u32, BUCKETS),
  /** The last round trips. */
  last: array(u32, FILTER),
  /** When the present bucket began. */
  bucketUs: u64,
  /** What the window is larger than a whole number of segments, in 1024ths; negative: smaller. */
  part: i64,
}) {}

function shortest(sk: TcpSock<Ledbat>): u32 {
  const own = sk.state;
  let found: u32 = NONE;
  for (const at of range(BUCKETS)) found = min(found, own.base[at]);
  return found;
}

/** The shortest of the last few. */
function current(sk: TcpSock<Ledbat>): u32 {
  const own = sk.state;
  let found: u32 = NONE;
  for (const at of range(FILTER)) found = min(found, own.last[at]);
  return found;
}

function remember(sk: TcpSock<Ledbat>, rttUs: u32) {
  const own = sk.state;
  if (sk.tcpMstamp - own.bucketUs >= BUCKET_US) {
    own.bucketUs = sk.tcpMstamp;
    own.base[4] = own.base[3];
    own.base[3] = own.base[2];
    own.base[2] = own.base[1];
    own.base[1] = own.base[0];
    own.base[0] = rttUs;
  } else own.base[0] = min(own.base[0], rttUs);
  own.last[3] = own.last[2];
  own.last[2] = own.last[1];
  own.last[1] = own.last[0];
  own.last[0] = rttUs;
}

export const ledbat = congestionControl({
  name: "ts_ledbat",
  state: Ledbat,

  init(sk) {
    const own = sk.state;
    for (const at of range(BUCKETS)) own.base[at] = NONE;
    for (const at of range(FILTER)) own.last[at] = NONE;
    own.bucketUs = sk.tcpMstamp;
    own.part = 0n;
  },

  pktsAcked(sk, sample) {
    if (sample.rttUs > 0) remember(sk, u32(sample.rttUs));
  },

  congAvoid(sk, _ack, acked) {
    const own = sk.state;
    const base = shortest(sk);
    const now = current(sk);
    if (now === NONE || base === NONE) return;
    const target = max(targetMs, 1) * 1000;
    const queueing = now > base ? now - base : 0;
    if (sk.sndCwnd < sk.sndSsthresh) {
      // Slow start, but only to three quarters of the target: its last round doubles what is queued.
      if (queueing * 4 < target * 3) {
        if (sk.isCwndLimited) slowStart(sk, acked);
        return;
      }
      sk.sndSsthresh = sk.sndCwnd;
    }
    // It may grow only when it is used; it always may withdraw.
    if (queueing < target && !sk.isCwndLimited) return;
    // RFC 6817 lets it fall faster than it grows; half of the window in one round trip is enough.
    const off = max(i32(target) - i32(min(queueing, 1_000_000)), -i32(target));
    const window = sk.sndCwnd;
    own.part += (i64(off) * i64(acked) * i64(PART)) / (i64(target) * i64(max(window, 1)));
    const whole = own.part / i64(PART);
    if (whole === 0n) return;
    own.part -= whole * i64(PART);
    const next = i32(window) + i32(whole);
    sk.sndCwnd = min(u32(max(next, LEAST_WINDOW)), sk.sndCwndClamp);
  },

  ssthresh(sk) {
    sk.state.part = 0n;
    return max(sk.sndCwnd >> 1, LEAST_WINDOW);
  },

  undoCwnd: (sk) => renoUndoCwnd(sk),
});
