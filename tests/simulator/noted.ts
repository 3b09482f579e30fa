/** A congestion control that notes its calls in a ring buffer, for the order of them: in the simulator, and in a kernel. */
export interface Call {
  readonly handler: number;
  readonly argument: number;
  readonly state: number;
  readonly packetsOut: number;
  readonly cwnd: number;
}
/** Notes its calls: which handler, what it was given, and some of the connection. */
const note = (handler: number, argument: string): string =>
  `calls.output(new Call({ handler: ${handler}, argument: ${argument}, state: sk.caState, packetsOut: sk.packetsOut, cwnd: sk.sndCwnd }));`;
export const NOTED = `
import { license, RingBuf, struct, u32 } from "tsbpf";
import { congestionControl, renoCongAvoid, renoSsthresh, renoUndoCwnd } from "tsbpf/cc";
license("GPL");
class Call extends struct({ handler: u32, argument: u32, state: u32, packetsOut: u32, cwnd: u32 }) {}
export const calls = new RingBuf({ value: Call, bytes: 1048576 });
export const mine = congestionControl({
  name: "ts_noted",
  init(sk) { ${note(0, "0")} },
  release(sk) { ${note(1, "0")} },
  ssthresh(sk) { ${note(2, "0")} return renoSsthresh(sk); },
  congAvoid(sk, ack, acked) { ${note(3, "acked")} renoCongAvoid(sk, ack, acked); },
  setState(sk, state) { ${note(4, "state")} },
  cwndEvent(sk, event) { ${note(5, "event")} },
  inAckEvent(sk, flags) { ${note(6, "flags")} },
  pktsAcked(sk, sample) { ${note(7, "sample.pktsAcked")} },
  undoCwnd(sk) { ${note(8, "0")} return renoUndoCwnd(sk); },
  sndbufExpand(sk) { ${note(9, "0")} return 2; },
});
`;
const NAMES = [
  "init",
  "release",
  "ssthresh",
  "congAvoid",
  "setState",
  "cwndEvent",
  "inAckEvent",
  "pktsAcked",
  "undoCwnd",
  "sndbufExpand",
];

/** The handler that a number stands for. */
export const named = (handler: number): string => NAMES[handler]!;
/** "congAvoid 2" */
export const told = (calls: readonly Call[]): string[] =>
  calls.map(({ handler, argument }) => `${named(handler)} ${argument}`);
