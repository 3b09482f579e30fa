// DCTCP as a congestion control of our own: what the kernel does when it is told "dctcp", step by step. RFC 8257.
//
// The idea. A switch in a data centre marks packets (ECN) as soon as its queue is longer than a few packets. A sender that halves its window at
// each mark, as RFC 3168 says, lets the queue run empty again and again. DCTCP asks how many packets are marked: with F the share of those that
// were marked in the last round trip,
//
//     alpha = (1 - 1/16) alpha + 1/16 F         once for each round trip
//     window = window (1 - alpha / 2)           where there was a mark
//
// Few marks take away little, all marks half. Queues stay short, and the link stays full. It is for networks of one's own: beside a sender that
// waits for loss it would get nothing, and where switches do not mark it is NewReno. With a peer that refused ECN the connection goes over to "reno",
// as the kernel's does to one of its own; where that is refused (setSockOpt says -EBUSY when a program chose ours), the handlers are NewReno's.
//
// The receiver has a part as well: the sender must learn of each mark. An acknowledgement carries the state of the packets that it acknowledges
// (ECE), and so one that acknowledges several must not be held back when the state changes: it is sent at once, with the old state, for all that came
// before; then the new state is echoed.
//
// alpha is in 1024ths. It begins at 1: the first mark halves, as it should while nothing is known.
import { license, max, min, struct, u32 } from "tsbpf";
import {
  AckPending,
  CaEvent,
  CaState,
  congestionControl,
  EcnFlag,
  renoCongAvoid,
  renoSsthresh,
  sendAck,
  type TcpSock,
} from "tsbpf/cc";

license("GPL");

const ONE = 1024;
/** The weight of a new share is 1 / 2^SHIFT. */
const SHIFT = 4;

class Dctcp extends struct({
  alpha: u32,
  /** A round trip is over when this byte is acknowledged; what had been delivered, and with a mark, when it began. */
  roundEnd: u32,
  delivered: u32,
  deliveredCe: u32,
  /** The window before the last reduction. */
  lossWindow: u32,
  /** As a receiver: whether the last packet was marked, and the byte after it. */
  marked: u32,
  rcvNxt: u32,
  /** The connection has ECN. */
  ecn: u32,
}) {}

function beginRound(sk: TcpSock<Dctcp>) {
  const own = sk.state;
  own.roundEnd = sk.sndNxt;
  own.delivered = sk.delivered;
  own.deliveredCe = sk.deliveredCe;
}

/** A loss is a loss: half of the window. */
function reactToLoss(sk: TcpSock<Dctcp>) {
  sk.state.lossWindow = sk.sndCwnd;
  sk.sndSsthresh = renoSsthresh(sk);
}

/** Acknowledgements carry the mark from now on, or no longer. */
function echo(sk: TcpSock<Dctcp>, marked: u32) {
  if (marked === 1) sk.ecnFlags |= EcnFlag.DemandCwr;
  else sk.ecnFlags &= 0xff & ~EcnFlag.DemandCwr;
}

function arrived(sk: TcpSock<Dctcp>, marked: u32) {
  const own = sk.state;
  if (own.marked !== marked) {
    if ((sk.ackPending & AckPending.Timer) !== 0) {
      echo(sk, own.marked);
      sendAck(sk, own.rcvNxt);
    }
    sk.ackPending |= AckPending.Now;
  }
  own.rcvNxt = sk.rcvNxt;
  own.marked = marked;
  echo(sk, marked);
}

export const dctcp = congestionControl({
  name: "ts_dctcp",
  state: Dctcp,
  needsEcn: true,

  init(sk) {
    const own = sk.state;
    // A listener's connections are still to negotiate it.
    const open = sk.tcpState === "listen" || sk.tcpState === "close";
    own.ecn = open || (sk.ecnFlags & EcnFlag.Ok) !== 0 ? 1 : 0;
    own.alpha = ONE;
    own.lossWindow = 0;
    own.marked = 0;
    own.rcvNxt = sk.rcvNxt;
    beginRound(sk);
    // The peer refused ECN. With "reno" packets are no longer sent as capable of it, either: nobody would tell of a mark.
    if (own.ecn === 0) sk.setSockOpt("TCP_CONGESTION", "reno");
  },

  ssthresh(sk) {
    const own = sk.state;
    if (own.ecn === 0) return renoSsthresh(sk);
    const window = sk.sndCwnd;
    own.lossWindow = window;
    return max(window - ((window * own.alpha) >> 11), 2);
  },

  congAvoid(sk, ack, acked) {
    renoCongAvoid(sk, ack, acked);
  },

  inAckEvent(sk, _flags) {
    const own = sk.state;
    if ((sk.sndUna - own.roundEnd) >> 31 !== 0) return; // the round trip is not over
    const delivered = sk.delivered - own.delivered;
    const marked = sk.deliveredCe - own.deliveredCe;
    // A small alpha would never get to 0 by shifts.
    const less = own.alpha >> SHIFT;
    let alpha = own.alpha - (less === 0 ? own.alpha : less);
    if (marked !== 0) alpha = min(alpha + (marked << (10 - SHIFT)) / max(delivered, 1), ONE);
    own.alpha = alpha;
    beginRound(sk);
  },

  setState(sk, newState) {
    if (sk.state.ecn !== 0 && newState === CaState.Recovery && newState !== sk.caState) reactToLoss(sk);
  },

  cwndEvent(sk, event) {
    if (sk.state.ecn === 0) return;
    switch (event) {
      case CaEvent.EcnIsCe:
        arrived(sk, 1);
        break;
      case CaEvent.EcnNoCe:
        arrived(sk, 0);
        break;
      case CaEvent.Loss:
        reactToLoss(sk);
        break;
      default:
        break;
    }
  },

  undoCwnd(sk) {
    return max(sk.sndCwnd, sk.state.ecn === 0 ? sk.priorCwnd : sk.state.lossWindow);
  },
});
