/** A congestion control as the model's senders call it: the members of struct tcp_congestion_ops, for one connection. */
import type { CongestionHandler } from "../../../compiler/bpf/kinds/congestion-ops.ts";
import type { ACK_SAMPLE, RATE_SAMPLE } from "../../../compiler/bpf/tcp-sock-members.ts";
import type { Sock } from "./sock.ts";

export type AckFacts = Record<keyof typeof ACK_SAMPLE, number>;
/** Booleans are 0 or 1. */
export type RateFacts = Record<keyof typeof RATE_SAMPLE, number>;

/** What is not there is not called. */
export interface Control {
  init?(): void;
  release?(): void;
  ssthresh(): number;
  congAvoid?(ack: number, acked: number): void;
  setState?(state: number): void;
  cwndEvent?(event: number): void;
  inAckEvent?(flags: number): void;
  pktsAcked?(sample: AckFacts): void;
  minTsoSegs?(): number;
  congControl?(ack: number, flag: number, sample: RateFacts): void;
  undoCwnd(): number;
  sndbufExpand?(): number;
}

/** A congestion control before a connection has chosen it. */
export interface Scheme {
  readonly name: string;
  readonly needsEcn: boolean;
  attach(sock: Sock, surroundings: Surroundings): Attached;
}
/** A congestion control at work on one connection. */
export interface Attached {
  readonly control: Control;
  /** What it keeps for the connection, as it is now. */
  state(): unknown;
}
export interface Surroundings {
  /** Nanoseconds since boot. */
  now(): number;
  /** Goes over to another congestion control; false: there is none of that name. */
  choose(name: string): boolean;
  /** Sends an acknowledgement of everything before this byte. */
  sendAck(nextByte: number): void;
  /** Who calls, for the words of a fault: "flow 0". */
  readonly who: string;
}

/** The handlers that senders call. One that the kernel has and `Control` has not is a hole in the model. */
export const CALLED = {
  init: true,
  release: true,
  ssthresh: true,
  congAvoid: true,
  setState: true,
  cwndEvent: true,
  inAckEvent: true,
  pktsAcked: true,
  minTsoSegs: true,
  congControl: true,
  undoCwnd: true,
  sndbufExpand: true,
} as const satisfies Record<keyof Control, true> & Record<CongestionHandler, true>;

export type Calls = Record<CongestionHandler, number>;

/** Puts another control into the place of one. */
export function replace(control: Control, by: Control): void {
  for (const handler of Object.keys(control)) delete control[handler as keyof Control];
  Object.assign(control, by);
}

/** The same control, its calls counted. */
export function counted(control: Control, calls: Calls): Control {
  return Object.fromEntries(
    Object.entries(control).map(([handler, run]: [string, (...args: unknown[]) => unknown]) => [
      handler,
      (...args: unknown[]) => {
        calls[handler as CongestionHandler]++;
        return run(...args);
      },
    ]),
  ) as unknown as Control;
}
