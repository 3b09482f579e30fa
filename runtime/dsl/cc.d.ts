// tsbpf/cc: congestion control, as struct_ops of Linux 5.13 and later. The license must be GPL-compatible: the kernel's functions are for such programs.
import type { be16, be32, Errno, i32, i64, Program, SocketOwner, StructName, u16, u32, u64, u8 } from "tsbpf";
import type { SetSockOpts, TcpState } from "tsbpf/tcp";

declare const STATE: unique symbol;

/**
 * A TCP connection as its congestion control sees it: the kernel's struct tcp_sock, field by field under the kernel's names. What is not
 * readonly may be assigned. `S`: the state that the congestion control keeps for each connection.
 */
export interface TcpSock<S = unknown> extends SocketOwner {
  /** What this congestion control keeps for the connection: zeros until init() writes to it. */
  readonly state: S;

  /** Congestion window, in segments; at least 1. */
  sndCwnd: u32;
  /** Segments acknowledged since the window last grew by one (congestion avoidance). */
  sndCwndCnt: u32;
  /** What the window may not grow beyond, in segments. */
  readonly sndCwndClamp: u32;
  /** When the window was last checked, in ticks of the kernel's clock. */
  sndCwndStamp: u32;
  readonly sndCwndUsed: u32;
  /** Slow start ends here, in segments. */
  sndSsthresh: u32;
  /** The window before the last reduction. */
  readonly priorCwnd: u32;
  readonly priorSsthresh: u32;
  /** Most segments in flight in the last window. */
  readonly maxPacketsOut: u32;
  /** The window, not the application, limited what was in flight. */
  readonly isCwndLimited: boolean;

  /** Segments in flight, lost, acknowledged selectively, sent again. */
  readonly packetsOut: u32;
  readonly lostOut: u32;
  readonly sackedOut: u32;
  readonly retransOut: u32;
  /** Segments delivered in all, and those of them that were marked by ECN. */
  readonly delivered: u32;
  readonly deliveredCe: u32;
  /** When the last segment was delivered, in microseconds. */
  readonly deliveredMstamp: u64;
  /** The connection's clock, in microseconds: the time of the present segment. */
  readonly tcpMstamp: u64;
  /** Segments lost in all. */
  readonly lost: u32;
  /** Not 0: the application has less to send than the window allows, until `delivered` is past this. */
  appLimited: u32;
  readonly rateDelivered: u32;
  readonly rateIntervalUs: u32;

  /** Smoothed round-trip time, in microseconds. */
  readonly srttUs: u32;
  readonly rttvarUs: u32;
  /** Bytes of data in a full segment. */
  readonly mssCache: u32;
  readonly advmss: u16;

  /** The first unacknowledged and the next byte to send. */
  readonly sndUna: u32;
  readonly sndNxt: u32;
  /** The peer's window, in bytes. */
  readonly sndWnd: u32;
  readonly rcvNxt: u32;
  readonly rcvWnd: u32;
  readonly writeSeq: u32;
  /** The next byte to send when recovery began. */
  readonly highSeq: u32;
  readonly undoMarker: u32;
  readonly reordering: u32;
  /** When data was last sent, in ticks of the kernel's clock. */
  readonly lsndtime: u32;
  /** When the last segment left, or will leave where it is paced, in nanoseconds of the clock of `tcpMstamp`. */
  readonly wstampNs: u64;
  /** Bits of EcnFlag. */
  ecnFlags: u8;

  readonly bytesAcked: u64;
  readonly bytesSent: u64;
  readonly bytesRetrans: u64;
  readonly segsOut: u32;
  readonly dataSegsOut: u32;
  readonly totalRetrans: u32;

  /** One of CaState. */
  readonly caState: u8;
  readonly retransmits: u8;
  /** Retransmission timeout, in ticks of the kernel's clock. */
  readonly rto: u32;
  /** Bits of AckPending: which acknowledgement waits to be sent. */
  ackPending: u8;

  /** Bytes per second. */
  pacingRate: u64;
  /** 0: not paced; 1: by TCP itself; 2: by the qdisc fq. */
  pacingStatus: u32;
  readonly maxPacingRate: u64;
  readonly pacingShift: u8;
  /** Bytes of the send buffer. */
  readonly sndbuf: i32;
  /** Bytes of it that are taken: data not acknowledged yet, and what the kernel needs to keep it. */
  readonly wmemQueued: i32;
  /** Most bytes that the stack sends in one piece, for the device to cut into segments. */
  readonly gsoMaxSize: u32;

  readonly tcpState: TcpState;
  /** AF_INET (2) or AF_INET6 (10). */
  readonly family: u16;
  /** Host byte order. */
  readonly localPort: u16;
  /** Network byte order. */
  readonly remotePort: be16;
  readonly localIp4: be32;
  readonly remoteIp4: be32;

  /**
   * Goes over to another congestion control, whose `init` the kernel calls; `state` is the other's from then on. Linux 5.15. Not in `release`; -EBUSY
   * in an `init` that such a call led to.
   */
  setSockOpt(name: "TCP_CONGESTION", value: SetSockOpts["TCP_CONGESTION"]): Errno;
}

/** What an acknowledgement acknowledges (struct ack_sample). */
export interface AckSample {
  readonly pktsAcked: u32;
  /** Negative: not known. */
  readonly rttUs: i32;
  /** Segments in flight when the newest of those acknowledged was sent. */
  readonly inFlight: u32;
}

/** The delivery rate that an acknowledgement tells of (struct rate_sample). */
export interface RateSample {
  readonly priorMstamp: u64;
  readonly priorDelivered: u32;
  readonly priorDeliveredCe: u32;
  /** Segments delivered over the interval; negative: not known. */
  readonly delivered: i32;
  readonly deliveredCe: i32;
  /** Negative or 0: not known. */
  readonly intervalUs: i64;
  readonly sndIntervalUs: u32;
  readonly rcvIntervalUs: u32;
  /** Negative: not known. */
  readonly rttUs: i64;
  readonly losses: i32;
  readonly ackedSacked: u32;
  readonly priorInFlight: u32;
  readonly isAppLimited: boolean;
  readonly isRetrans: boolean;
  readonly isAckDelayed: boolean;
}

/** States of a connection's congestion (enum tcp_ca_state). */
export declare const CaState: { readonly Open: 0; readonly Disorder: 1; readonly Cwr: 2; readonly Recovery: 3; readonly Loss: 4 };
/** What `cwndEvent` tells of (enum tcp_ca_event). */
export declare const CaEvent: {
  /** The first segment is sent while nothing is in flight. */
  readonly TxStart: 0;
  /** The window starts anew after an idle time. */
  readonly CwndRestart: 1;
  /** The window's reduction is complete. */
  readonly CompleteCwr: 2;
  /** The retransmission timer fired. */
  readonly Loss: 3;
  /** A segment with, and without, a mark by ECN arrived. */
  readonly EcnNoCe: 4;
  readonly EcnIsCe: 5;
};
/** Bits of what `inAckEvent` is given (enum tcp_ca_ack_event_flags). */
export declare const AckFlag: { readonly SlowPath: 1; readonly WinUpdate: 2; readonly Ece: 4 };
/** Bits of `ecnFlags` (TCP_ECN_… of include/net/tcp.h). */
export declare const EcnFlag: { readonly Ok: 1; readonly QueueCwr: 2; readonly DemandCwr: 4; readonly Seen: 8 };

/** Bits of `ackPending` (ICSK_ACK_… of include/net/inet_connection_sock.h). */
export declare const AckPending: {
  /** An acknowledgement is due; its timer runs; data was pushed, once and more than once. */
  readonly Scheduled: 1;
  readonly Timer: 2;
  readonly Pushed: 4;
  readonly Pushed2: 8;
  /** It goes out at the next opportunity. */
  readonly Now: 16;
  readonly NoMemory: 32;
};

/** The kernel's slow start: the window grows by what was acknowledged, up to the threshold. Gives how many segments are left over. */
export declare function slowStart(sk: TcpSock<any>, acked: u32): u32;
/** The kernel's additive increase: the window grows by one for every `w` segments acknowledged. */
export declare function congAvoidAi(sk: TcpSock<any>, w: u32, acked: u32): void;
/** NewReno's threshold after a loss, as the kernel has it: half of the window, and at least 2. */
export declare function renoSsthresh(sk: TcpSock<any>): u32;
/** NewReno's growth, as the kernel has it: slow start, then one segment for each window. */
export declare function renoCongAvoid(sk: TcpSock<any>, ack: u32, acked: u32): void;
/** The window before a reduction that was for nothing, as the kernel has it for NewReno. */
export declare function renoUndoCwnd(sk: TcpSock<any>): u32;
/** Sends an acknowledgement at once, of everything before this byte. */
export declare function sendAck(sk: TcpSock<any>, rcvNxt: u32): void;
/** The kernel's clock, in ticks (CONFIG_HZ of them in a second), as the fields in ticks have it. */
export declare function jiffies(): u32;

interface CongestionControlBase<S> {
  /** What setsockopt(TCP_CONGESTION) calls it, at most 15 letters, digits, "_" and "."; the constant's name unless given. */
  readonly name?: string;
  /** A struct for each connection: at most 104 bytes. */
  readonly state?: StructName<S>;
  /** Connections negotiate ECN (TCP_CONG_NEEDS_ECN). */
  readonly needsEcn?: boolean;
  /** Every user may choose it (TCP_CONG_NON_RESTRICTED). */
  readonly nonRestricted?: boolean;

  /** A connection begins to use it. */
  init?(this: void, sk: TcpSock<S>): undefined | void;
  /** A connection ends, or chooses another. */
  release?(this: void, sk: TcpSock<S>): undefined | void;
  /** The slow start threshold after a loss, in segments; at least 2. */
  ssthresh(this: void, sk: TcpSock<S>): u32;
  /** CaState changes to `newState`. */
  setState?(this: void, sk: TcpSock<S>, newState: u8): undefined | void;
  /** One of CaEvent has happened. */
  cwndEvent?(this: void, sk: TcpSock<S>, event: u32): undefined | void;
  /** An acknowledgement arrives; bits of AckFlag. */
  inAckEvent?(this: void, sk: TcpSock<S>, flags: u32): undefined | void;
  /** Segments were acknowledged. */
  pktsAcked?(this: void, sk: TcpSock<S>, sample: AckSample): undefined | void;
  /** The least number of segments in one burst. */
  minTsoSegs?(this: void, sk: TcpSock<S>): u32;
  /** The window to go back to when a loss turns out to be none. */
  undoCwnd(this: void, sk: TcpSock<S>): u32;
  /** How many windows the send buffer holds, twice that while recovering. */
  sndbufExpand?(this: void, sk: TcpSock<S>): u32;
}
/** How the window grows: one of the two is needed. */
interface Grows<S> {
  /** `ack`: the sequence number acknowledged; `acked`: how many segments. */
  congAvoid(this: void, sk: TcpSock<S>, ack: u32, acked: u32): undefined | void;
  /** In place of congAvoid, and of the kernel's own reductions: window and pacing rate are the program's alone (Linux 6.10). */
  congControl(this: void, sk: TcpSock<S>, ack: u32, flag: i32, sample: RateSample): undefined | void;
}
type Growth<S> = Partial<Grows<S>> & (Pick<Grows<S>, "congAvoid"> | Pick<Grows<S>, "congControl">);

/** A congestion control, registered under its name as long as it is loaded. Each handler is a program of its own: NAME_init, NAME_ssthresh, … */
export declare function congestionControl<S = unknown>(handlers: CongestionControlBase<S> & Growth<S>): CongestionControlProgram<S>;
/** What `congestionControl` gives: export it, and it becomes one program for each handler, and the struct that they are members of. */
export interface CongestionControlProgram<S = unknown> extends Program<"congestionControl"> { readonly [STATE]?: S }

export {};
