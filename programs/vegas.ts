// Vegas as a congestion control of our own: what the kernel does when it is told "vegas", step by step. Brakmo and Peterson, 1995.
//
// The idea. NewReno and CUBIC fill the queue of the bottleneck until it overflows; loss is how they learn. Vegas looks at the round trip: what it is
// longer than the shortest ever seen is time spent in queues. With `base` the shortest round trip and `rtt` that of the last round,
//
//     queued = window - window base / rtt         how many of our segments lie in queues now
//
// and the window is moved so that this stays between ALPHA and BETA: a little, so that the link never runs dry, and no more.
//
//     queued < ALPHA      window + 1
//     queued > BETA       window - 1               once for each round trip
//
// In slow start it leaves at once when more than GAMMA segments are queued, with the window that the path needs.
//
// When to use it: where delay matters more than the last percent, and all senders do. Beside senders that fill queues it gives way. A path that becomes longer
// (a new route) looks to it like a queue.
//
// A loss is still a loss, and is NewReno's: so is all growth while Recovery lasts, where round trips tell little.
import { license, max, min, struct, u32, u64 } from "tsbpf";
import {
  CaEvent,
  CaState,
  congestionControl,
  renoCongAvoid,
  renoSsthresh,
  renoUndoCwnd,
  slowStart,
  type TcpSock,
} from "tsbpf/cc";

license("GPL");

const ALPHA = 2;
const BETA = 4;
const GAMMA = 1;
/** With fewer samples a round's shortest round trip may be one of delayed acknowledgements. */
const LEAST_SAMPLES = 3;
const NONE = 0x7fffffff;

class Vegas extends struct({
  /** The round ends when this byte is acknowledged. */
  roundEnd: u32,
  /** Vegas decides, not NewReno. */
  on: u32,
  samples: u32,
  /** Shortest round trip of this round and of the connection, in microseconds. */
  roundRttUs: u32,
  baseRttUs: u32,
}) {}

/** Measuring begins anew with what is sent from now on. */
function enable(sk: TcpSock<Vegas>) {
  const own = sk.state;
  own.on = 1;
  own.roundEnd = sk.sndNxt;
  own.samples = 0;
  own.roundRttUs = NONE;
}

/** A smaller window, from which there is no slow start. */
function shrink(sk: TcpSock<Vegas>, window: u32) {
  sk.sndCwnd = max(window, 2);
  sk.sndSsthresh = min(sk.sndSsthresh, sk.sndCwnd);
}

export const vegas = congestionControl({
  name: "ts_vegas",
  state: Vegas,

  init(sk) {
    sk.state.baseRttUs = NONE;
    enable(sk);
  },

  pktsAcked(sk, sample) {
    if (sample.rttUs < 0) return;
    const own = sk.state;
    const rttUs = u32(sample.rttUs) + 1; // never 0
    own.baseRttUs = min(own.baseRttUs, rttUs);
    own.roundRttUs = min(own.roundRttUs, rttUs);
    own.samples += 1;
  },

  congAvoid(sk, ack, acked) {
    const own = sk.state;
    if (own.on === 0) return renoCongAvoid(sk, ack, acked);
    if ((own.roundEnd - ack) >> 31 !== 0) {
      // A round is over; what is sent now ends the next one.
      own.roundEnd = sk.sndNxt;
      if (own.samples < LEAST_SAMPLES) renoCongAvoid(sk, ack, acked);
      else adjust(sk, acked);
      own.samples = 0;
      own.roundRttUs = NONE;
    } else if (sk.sndCwnd < sk.sndSsthresh) slowStart(sk, acked);
  },

  setState(sk, newState) {
    if (newState === CaState.Open) enable(sk);
    else sk.state.on = 0;
  },

  cwndEvent(sk, event) {
    // After an idle time nothing is known of the path.
    if (event !== CaEvent.CwndRestart && event !== CaEvent.TxStart) return;
    sk.state.baseRttUs = NONE;
    enable(sk);
  },

  ssthresh: (sk) => renoSsthresh(sk),
  undoCwnd: (sk) => renoUndoCwnd(sk),
});

/** Once for each round trip. */
function adjust(sk: TcpSock<Vegas>, acked: u32) {
  const own = sk.state;
  const window = sk.sndCwnd;
  const rtt = own.roundRttUs;
  // What the window would be with nothing in queues, and so what is in them.
  const target = u32((u64(window) * u64(own.baseRttUs)) / u64(rtt));
  const queued = u32((u64(window) * u64(rtt - own.baseRttUs)) / u64(own.baseRttUs));
  if (window < sk.sndSsthresh) {
    if (queued > GAMMA) shrink(sk, min(window, target + 1));
    else slowStart(sk, acked);
  } else if (queued > BETA) shrink(sk, window - 1);
  else if (queued < ALPHA) sk.sndCwnd = min(window + 1, sk.sndCwndClamp);
  // A window that has been is come back to by slow start, three quarters of the way.
  sk.sndSsthresh = max(sk.sndSsthresh, (sk.sndCwnd >> 1) + (sk.sndCwnd >> 2));
}
