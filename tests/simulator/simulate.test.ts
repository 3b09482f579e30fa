/** What happens to a sender in the simulator, and which handlers hear of it. */
import { expect, test } from "vitest";
import { CaEvent, CaState } from "tsbpf/cc";
import { simulate as simulateRaw, type MapUnderTest, type RingBufUnderTest } from "tsbpf/testing";
import { load } from "../../runtime/testing/load.ts";
import { without } from "../../runtime/testing/simulator/segments.ts";
import { bundled, mean, PATH, simulate, sources, type Control } from "./fixture.ts";
import { named, NOTED, told, type Call } from "./noted.ts";

const source = sources();
const reno = await bundled("reno");
const loaded = (text: string): Promise<Record<string, unknown>> => load(source(text), { target: "linux-6.10" });

const noted = await loaded(NOTED);
const mine = noted.mine as Control;
const callsSoFar = (): Call[] => (noted.calls as RingBufUnderTest<Call>).records();

test("a connection begins, is released once, and its first round trip is in the kernel's order", () => {
  const run = simulate({ flows: [{ congestionControl: mine, bytes: 30 * 1448 }] });
  const calls = callsSoFar();
  expect(told(calls.slice(0, 12))).toEqual([
    // The SYN's acknowledgement comes before init().
    "pktsAcked 1",
    "inAckEvent 3",
    "init 0",
    "sndbufExpand 0",
    `cwndEvent ${CaEvent.TxStart}`,
    "pktsAcked 1",
    "inAckEvent 2",
    "congAvoid 1",
    "pktsAcked 1",
    "inAckEvent 2",
    "congAvoid 1",
    "pktsAcked 1",
  ]);
  expect(calls[4]).toMatchObject({ packetsOut: 0, cwnd: 10, state: CaState.Open });
  expect(calls[5]).toMatchObject({ packetsOut: 9 });
  expect(told(calls).filter((one) => /init|release/.test(one))).toEqual(["init 0", "release 0"]);
  expect(told(calls).at(-1)).toBe("release 0");
  expect(run.flows[0]!.calls).toMatchObject({ init: 1, release: 1, ssthresh: 0, congControl: 0 });
  expect(run.flows[0]!.finished).toBeGreaterThan(0.08);
  expect(run.flows[0]!.delivered.at(-1)).toBe(30 * 1448);
  expect(run.flows[0]!.goodput).toBeCloseTo((30 * 1448 * 8) / run.flows[0]!.finished!, -1);
});

test("a connection that is cut off by the end of the run is released as well", () => {
  expect(simulate({ duration: "1s", flows: [{ congestionControl: mine }] }).flows[0]!.calls.release).toBe(1);
  callsSoFar();
});

test("a lost segment: Disorder, a threshold, Recovery, and the window is the threshold when it is over", () => {
  const run = simulate({
    duration: "1s",
    every: "1ms",
    path: {
      rate: "100mbit",
      queue: 1000,
      pass: ({ number, isRetransmission }) => isRetransmission || number !== 50,
    },
    // Little is under way when it is over: the window does not follow from that.
    flows: [
      {
        congestionControl: mine,
        writes: [
          { at: "0s", bytes: 60 * 1448 },
          { at: "500ms", bytes: 1448 },
        ],
      },
    ],
  });
  const [flow] = run.flows;
  expect(flow!.states.map(({ state }) => state)).toEqual([
    CaState.Open,
    CaState.Disorder,
    CaState.Recovery,
    CaState.Open,
  ]);
  expect(flow!.retransmissions).toBe(1);
  const calls = told(callsSoFar());
  const at = calls.indexOf("ssthresh 0");
  // Acknowledgements that tell of nothing new in order: 2 and 4 are not among the flags.
  expect(calls.slice(at - 2, at + 4)).toEqual([
    "pktsAcked 0",
    "inAckEvent 1",
    "ssthresh 0",
    `setState ${CaState.Recovery}`,
    "pktsAcked 0",
    "inAckEvent 1",
  ]);
  const complete = calls.indexOf(`cwndEvent ${CaEvent.CompleteCwr}`);
  expect(calls.slice(complete - 3, complete + 1)).toEqual([
    expect.stringMatching(/^pktsAcked/),
    "inAckEvent 2",
    `setState ${CaState.Open}`,
    `cwndEvent ${CaEvent.CompleteCwr}`,
  ]);
  const after = flow!.states.at(-1)!.time;
  const index = run.time.findIndex((time) => time > after);
  expect(flow!.ssthresh[index]).toBeGreaterThanOrEqual(20);
  expect(flow!.cwnd[index]).toBe(flow!.ssthresh[index]!);
});

test("nothing comes through for a second: the timer fires, the window is one segment, and doubles waits", () => {
  const run = simulate({
    duration: "6s",
    every: "1ms",
    path: { pass: ({ seconds }) => seconds < 1 || seconds >= 2 },
    flows: [{ congestionControl: mine }],
  });
  const [flow] = run.flows;
  const losses = flow!.states.filter(({ state }) => state === CaState.Loss).map(({ time }) => time);
  // A tail loss probe first, then the time-out: at least 200 ms after the last segment, and twice as long each time.
  expect(losses.length).toBeGreaterThanOrEqual(2);
  expect(losses[0]).toBeGreaterThan(1.2);
  expect((losses[2]! - losses[1]!) / (losses[1]! - losses[0]!)).toBeCloseTo(2, 1);
  const index = run.time.findIndex((time) => time > losses[0]! + 0.001);
  expect(flow!.cwnd[index]).toBe(1);
  const calls = callsSoFar();
  const loss = calls.findIndex(({ handler, argument }) => named(handler) === "cwndEvent" && argument === CaEvent.Loss);
  expect(told(calls.slice(loss - 1, loss + 2))).toEqual([
    "ssthresh 0",
    `cwndEvent ${CaEvent.Loss}`,
    `setState ${CaState.Loss}`,
  ]);
  // It recovers, and uses the link again.
  expect(flow!.states.at(-1)).not.toMatchObject({ state: CaState.Loss });
  expect(run.during("4s").utilization).toBeGreaterThan(0.9);
});

/** Writes a little ten times a second while, from the third second on, others fill a long queue. */
const behindOthers = (delay: "5ms" | "10ms") => {
  const writes = Array.from({ length: 100 }, (_, index) => ({ at: `${index * 100}ms` as const, bytes: 3 * 1448 }));
  const others = Array.from({ length: 4 }, () => ({ congestionControl: reno, start: "3s", bytes: 300_000 }) as const);
  return simulate({
    path: { rate: "2mbit", delay, queue: 1000 },
    flows: [{ congestionControl: mine, writes }, ...others],
  });
};

test("the round trip becomes long at once: the time-out was for nothing, and its reduction is taken back", () => {
  const run = behindOthers("5ms");
  const [flow] = run.flows;
  expect(run.dropped).toBe(0);
  expect(flow!.states.map(({ state }) => state).slice(0, 3)).toEqual([CaState.Open, CaState.Loss, CaState.Open]);
  expect(flow!.calls).toMatchObject({ ssthresh: 1, undoCwnd: 1 });
  // Nothing is left of it: no threshold, and the window of before.
  const before = run.time.findIndex((time) => time >= 3);
  const after = run.time.findIndex((time) => time >= 5);
  expect(flow!.ssthresh[after]).toBe(0x7fff_ffff);
  expect(flow!.cwnd[after]).toBeGreaterThanOrEqual(flow!.cwnd[before]!);
  const calls = told(callsSoFar());
  const undo = calls.indexOf("undoCwnd 0");
  expect(calls.slice(undo - 2, undo + 2)).toEqual([
    expect.stringMatching(/^pktsAcked [1-9]/),
    expect.stringMatching(/^inAckEvent/),
    "undoCwnd 0",
    `setState ${CaState.Open}`,
  ]);
});

test("a tail loss probe that was not needed costs a segment and nothing else", () => {
  const run = behindOthers("10ms");
  expect(run.flows[0]!.retransmissions).toBe(1);
  expect(run.flows[0]!.calls).toMatchObject({ ssthresh: 0, undoCwnd: 0 });
  expect(run.flows[0]!.states).toHaveLength(1);
  callsSoFar();
});

test("the last segment is lost: a probe repairs it, and the window is reduced without a time-out", () => {
  const run = simulate({
    path: { pass: ({ number, isRetransmission }) => isRetransmission || number !== 19 },
    flows: [
      {
        congestionControl: mine,
        writes: [
          { at: "0s", bytes: 20 * 1448 },
          { at: "2s", bytes: 1448 },
        ],
      },
    ],
  });
  const [flow] = run.flows;
  expect(flow!.states.map(({ state }) => state)).toEqual([CaState.Open, CaState.Cwr, CaState.Open]);
  // The probe itself is acknowledged in two round trips; what it means is plain when something newer is.
  const repaired = run.time.findIndex((_, index) => flow!.delivered[index] === 20 * 1448);
  expect(run.time[repaired]).toBeLessThan(0.5);
  expect(flow!.states[1]!.time).toBeGreaterThan(2);
  expect(flow!.retransmissions).toBe(1);
  const calls = told(callsSoFar());
  const at = calls.indexOf("ssthresh 0");
  expect(calls.slice(at, at + 4)).toEqual([
    "ssthresh 0",
    `setState ${CaState.Cwr}`,
    `cwndEvent ${CaEvent.CompleteCwr}`,
    `setState ${CaState.Open}`,
  ]);
});

test("marks: CWR once in a round trip, a smaller window, no loss", () => {
  const run = simulate({ path: { queue: 1000, ecn: 10 }, flows: [{ congestionControl: reno, ecn: true }] });
  const [flow] = run.flows;
  expect(run.dropped).toBe(0);
  expect(flow!.retransmissions).toBe(0);
  const states = new Set(flow!.states.map(({ state }) => state));
  expect(states).toEqual(new Set([CaState.Open, CaState.Cwr]));
  expect(flow!.calls.ssthresh).toBe(flow!.states.filter(({ state }) => state === CaState.Cwr).length);
  // A round trip passes until the sender knows: the window grows by one segment.
  expect(Math.max(...run.during("5s").queue)).toBeLessThanOrEqual(12);
  // Without ECN nothing is marked.
  const plain = simulate({ path: { queue: 1000, ecn: 10 }, flows: [{ congestionControl: reno }] });
  expect(plain.flows[0]!.states.some(({ state }) => state === CaState.Cwr)).toBe(false);
});

test("a control that needs ECN hears of each mark at the receiver, and may acknowledge at once", async () => {
  const { mine: echo, counts } = await loaded(`
import { ArrayMap, license, struct, u32 } from "tsbpf";
import { CaEvent, congestionControl, EcnFlag, renoCongAvoid, renoUndoCwnd, sendAck } from "tsbpf/cc";
license("GPL");
class Own extends struct({ wasMarked: u32, priorRcvNxt: u32 }) {}
class Count extends struct({ segments: u32 }) {}
export const counts = new ArrayMap({ value: Count, maxEntries: 2 });
export const mine = congestionControl({
  state: Own,
  needsEcn: true,
  init(sk) {
    sk.state.priorRcvNxt = sk.rcvNxt;
  },
  ssthresh: (sk) => sk.sndCwnd,
  congAvoid: (sk, ack, acked) => renoCongAvoid(sk, ack, acked),
  undoCwnd: (sk) => renoUndoCwnd(sk),
  cwndEvent(sk, event) {
    if (event !== CaEvent.EcnIsCe && event !== CaEvent.EcnNoCe) return;
    const isMarked: u32 = event === CaEvent.EcnIsCe ? 1 : 0;
    const count = counts.get(isMarked);
    if (count) count.segments += 1;
    if (sk.state.wasMarked !== isMarked) {
      if (sk.ackPending & 2) sendAck(sk, sk.state.priorRcvNxt);
      sk.ackPending |= 16;
    }
    sk.state.priorRcvNxt = sk.rcvNxt;
    sk.state.wasMarked = isMarked;
    if (isMarked === 1) sk.ecnFlags |= EcnFlag.DemandCwr;
    else sk.ecnFlags &= 0xfb;
  },
});`);
  const run = simulate({
    duration: "5s",
    path: { queue: 1000, ecn: 30 },
    flows: [{ congestionControl: echo as Control }],
  });
  const [plain, marked] = [0, 1].map(
    (key) => (counts as MapUnderTest<number, { segments: number }>).get(key)!.segments,
  );
  expect(marked).toBeGreaterThan(100);
  // Each segment that arrived was told of once.
  expect(marked! + plain!).toBe(Math.round(run.flows[0]!.delivered.at(-1)! / 1448));
  // Only the sender's calls are counted, and only it meets CWR.
  expect(run.flows[0]!.calls).toMatchObject({ init: 1 });
  expect(run.flows[0]!.states.some(({ state }) => state === CaState.Cwr)).toBe(true);
});

test("a control of its own rate: pacing holds, and the kernel's window rules are out of the way", async () => {
  const { mine: paced } = await loaded(`
import { license } from "tsbpf";
import { congestionControl } from "tsbpf/cc";
license("GPL");
export const mine = congestionControl({
  init(sk) {
    sk.pacingStatus = 1;
    sk.pacingRate = 500_000n;
  },
  congControl(sk, _ack, _flag, sample) {
    sk.sndCwnd = 1000;
    sk.pacingRate = 500_000n;
    if (sample.delivered > 100000) sk.sndCwnd = 1;
  },
  ssthresh: (sk) => sk.sndCwnd,
  undoCwnd: (sk) => sk.sndCwnd,
  minTsoSegs: (_sk) => 1,
});`);
  const run = simulate({ flows: [{ congestionControl: paced as Control }] }).during("1s");
  expect(run.flows[0]!.goodput / 4e6).toBeCloseTo(1, 2);
  expect(Math.max(...run.queue)).toBeLessThanOrEqual(1);
  expect(run.flows[0]!.calls.congAvoid).toBe(0);
  expect(run.flows[0]!.calls.minTsoSegs).toBeGreaterThan(100);
});

test("a program sees until when the next burst waits", async () => {
  const { mine: paced } = await loaded(`
import { license, struct, u64 } from "tsbpf";
import { congestionControl, renoUndoCwnd } from "tsbpf/cc";
license("GPL");
class Own extends struct({ longestWaitNs: u64 }) {}
export const mine = congestionControl({
  state: Own,
  init(sk) {
    sk.pacingStatus = 1;
  },
  congControl(sk) {
    sk.sndCwnd = 1000;
    sk.pacingRate = 500_000n;
    const now = sk.tcpMstamp * 1000n;
    if (sk.wstampNs > now && sk.wstampNs - now > sk.state.longestWaitNs) sk.state.longestWaitNs = sk.wstampNs - now;
  },
  ssthresh: (sk) => sk.sndCwnd,
  undoCwnd: (sk) => renoUndoCwnd(sk),
  minTsoSegs: (_sk) => 2,
});`);
  const { state } = simulate({ duration: "3s", flows: [{ congestionControl: paced as Control }] }).flows[0]!;
  // Two segments at 500 kB/s.
  const { longestWaitNs } = state as { longestWaitNs: bigint };
  expect(Number(longestWaitNs) / 1e6).toBeGreaterThan(3);
  expect(Number(longestWaitNs) / 1e6).toBeLessThanOrEqual((2 * 1448) / 500);
});

test("an application that writes seldom: the window does not grow, and starts anew after an idle time", () => {
  const writes = Array.from({ length: 20 }, (_, index) => ({ at: `${index}s` as const, bytes: 5 * 1448 }));
  const run = simulate({ flows: [{ congestionControl: mine, writes }] });
  const calls = told(callsSoFar());
  expect(Math.max(...run.flows[0]!.cwnd.filter((one) => one > 0))).toBe(10);
  expect(calls.filter((one) => one === `cwndEvent ${CaEvent.CwndRestart}`).length).toBe(19);
  // Each write finds nothing under way.
  expect(calls.filter((one) => one === `cwndEvent ${CaEvent.TxStart}`).length).toBe(20);
  expect(run.flows[0]!.finished).toBeGreaterThan(19);
});

test("the same seed gives the same run, another seed another; host and programs' dice are as before", async () => {
  const { mine: dicing } = await loaded(`
import { license, randomU32 } from "tsbpf";
import { congestionControl, renoCongAvoid, renoSsthresh, renoUndoCwnd } from "tsbpf/cc";
license("GPL");
export const mine = congestionControl({
  congAvoid(sk, ack, acked) {
    if ((randomU32() & 3) !== 0) renoCongAvoid(sk, ack, acked);
  },
  ssthresh: (sk) => renoSsthresh(sk),
  undoCwnd: (sk) => renoUndoCwnd(sk),
});`);
  const options = { path: { loss: 0.001 }, flows: [{ congestionControl: dicing as Control }] } as const;
  const series = (seed: number): unknown => {
    const { queue, flows } = simulate({ ...options, seed });
    return [queue, flows[0]!.cwnd, flows[0]!.delivered];
  };
  const first = series(3);
  expect(series(3)).toEqual(first);
  expect(series(4)).not.toEqual(first);
});

test("the state that a control keeps for the sender", async () => {
  const { mine: counting } = await loaded(`
import { license, struct, u32 } from "tsbpf";
import { congestionControl, renoCongAvoid, renoSsthresh, renoUndoCwnd } from "tsbpf/cc";
license("GPL");
class Own extends struct({ acked: u32, lowestRttUs: u32 }) {}
export const mine = congestionControl({
  state: Own,
  init(sk) {
    sk.state.lowestRttUs = 0xffffffff;
  },
  pktsAcked(sk, sample) {
    sk.state.acked += sample.pktsAcked;
    if (sample.rttUs > 0 && u32(sample.rttUs) < sk.state.lowestRttUs) sk.state.lowestRttUs = u32(sample.rttUs);
  },
  congAvoid: (sk, ack, acked) => renoCongAvoid(sk, ack, acked),
  ssthresh: (sk) => renoSsthresh(sk),
  undoCwnd: (sk) => renoUndoCwnd(sk),
});`);
  const flows = [200, 100].map((segments) => ({ congestionControl: counting as Control, bytes: segments * 1448 }));
  // The second time finds no trace of the first.
  for (let turn = 0; turn < 2; turn++) {
    const run = simulate({ flows });
    expect(run.flows.map(({ state }) => (state as { acked: number }).acked)).toEqual([201, 101]);
    expect((run.flows[0]!.state as { lowestRttUs: number }).lowestRttUs).toBeGreaterThanOrEqual(40_000);
    expect((run.flows[0]!.state as { lowestRttUs: number }).lowestRttUs).toBeLessThan(45_000);
  }
});

test("figures are of the whole run, where its end is no sample of the others' step, too", () => {
  const flows = [{ congestionControl: "reno" }] as const;
  const whole = simulate({ duration: "1s", every: "700ms", flows });
  expect([...whole.time]).toEqual([0, 0.7, 1]);
  const fine = simulate({ duration: "1s", every: "1ms", flows });
  expect(whole.flows[0]!.goodput).toBe(fine.flows[0]!.goodput);
  expect(whole.flows[0]!.delivered.at(-1)).toBe(fine.flows[0]!.delivered.at(-1));
});

test("a peer that refuses ECN: dctcp goes over to reno, and packets are not marked any more", async () => {
  const dctcp = await bundled("dctcp");
  const path = { queue: 1000, ecn: 5 } as const;
  const refused = simulate({ duration: "2s", path, flows: [{ congestionControl: dctcp, ecn: false }] });
  const reno = simulate({ duration: "2s", path, flows: [{ congestionControl: "reno" }] });
  expect(refused.flows[0]!.cwnd).toEqual(reno.flows[0]!.cwnd);
  expect(refused.flows[0]!.calls).toMatchObject({ init: 1, inAckEvent: 1 });
  // One that stays what it is is sent as capable of ECN, as the kernel sends it: the path marks, and nobody tells.
  const { mine: stays } = await loaded(`
import { license } from "tsbpf";
import { congestionControl, renoCongAvoid, renoSsthresh, renoUndoCwnd } from "tsbpf/cc";
license("GPL");
export const mine = congestionControl({
  needsEcn: true,
  init(sk) {
    if (sk.setSockOpt("TCP_CONGESTION", "cubic") === 0) sk.sndCwnd = 1;
  },
  congAvoid: (sk, ack, acked) => renoCongAvoid(sk, ack, acked),
  ssthresh: (sk) => renoSsthresh(sk),
  undoCwnd: (sk) => renoUndoCwnd(sk),
});`);
  const kept = simulate({ duration: "2s", path, flows: [{ congestionControl: stays as Control, ecn: false }] });
  expect(kept.flows[0]!.cwnd).toEqual(reno.flows[0]!.cwnd);
});

test("what goes over to another keeps nothing for the connection", async () => {
  const { mine: leaving } = await loaded(`
import { license, struct, u32 } from "tsbpf";
import { congestionControl, renoCongAvoid, renoSsthresh, renoUndoCwnd } from "tsbpf/cc";
license("GPL");
class Own extends struct({ before: u32, after: u32 }) {}
export const mine = congestionControl({
  state: Own,
  init(sk) {
    sk.state.before = 7;
    if (sk.setSockOpt("TCP_CONGESTION", "reno") === 0) sk.state.after = sk.state.before + 1;
  },
  congAvoid: (sk, ack, acked) => renoCongAvoid(sk, ack, acked),
  ssthresh: (sk) => renoSsthresh(sk),
  undoCwnd: (sk) => renoUndoCwnd(sk),
});`);
  const run = simulate({ flows: [{ congestionControl: leaving as Control, bytes: 1448 }] });
  expect(run.flows[0]!.state).toEqual({ before: 0, after: 1 });
});

test("what goes over to another is released before it, and goes on where it was", async () => {
  const { mine: leaving, calls } = await loaded(`
import { license, RingBuf, struct, u32 } from "tsbpf";
import { congestionControl, renoCongAvoid, renoSsthresh, renoUndoCwnd } from "tsbpf/cc";
license("GPL");
class Own extends struct({ left: u32 }) {}
class Call extends struct({ handler: u32, left: u32, cwnd: u32 }) {}
export const calls = new RingBuf({ value: Call, bytes: 4096 });
export const mine = congestionControl({
  state: Own,
  init(sk) {
    // On the stack while \`release\` uses its own.
    const before = new Call({ handler: 1, left: 2, cwnd: 3 });
    calls.output(before);
    sk.state.left = 5;
    sk.sndCwnd = 17;
    sk.setSockOpt("TCP_CONGESTION", "reno");
    calls.output(new Call({ handler: before.handler, left: sk.state.left, cwnd: sk.sndCwnd }));
  },
  release(sk) {
    const mine = new Call({ handler: 9, left: sk.state.left, cwnd: sk.sndCwnd });
    calls.output(mine);
    sk.sndCwnd = 23;
  },
  congAvoid: (sk, ack, acked) => renoCongAvoid(sk, ack, acked),
  ssthresh: (sk) => renoSsthresh(sk),
  undoCwnd: (sk) => renoUndoCwnd(sk),
});`);
  const run = simulate({ flows: [{ congestionControl: leaving as Control, bytes: 1448 }] });
  expect((calls as RingBufUnderTest<object>).records()).toEqual([
    { handler: 1, left: 2, cwnd: 3 },
    { handler: 9, left: 5, cwnd: 17 },
    { handler: 1, left: 0, cwnd: 23 },
  ]);
  expect(run.flows[0]!.calls).toMatchObject({ init: 1, release: 1 });
});

test("acknowledgements tell again what they told before: only what is new is looked at", () => {
  expect(without([[4, 9]], [])).toEqual([[4, 9]]);
  expect(without([[4, 9]], [[4, 8]])).toEqual([[8, 9]]);
  expect(
    without(
      [
        [4, 9],
        [12, 20],
      ],
      [
        [2, 5],
        [7, 8],
        [10, 14],
        [19, 30],
      ],
    ),
  ).toEqual([
    [5, 7],
    [8, 9],
    [14, 19],
  ]);
  expect(without([[4, 9]], [[1, 20]])).toEqual([]);
});

test("parts of a run", () => {
  const run = simulate({ flows: [{ congestionControl: reno }, { congestionControl: reno, start: "5s" }] });
  expect(run.time).toHaveLength(2001);
  const part = run.during("10s", "15s");
  expect([part.time[0], part.time.at(-1)]).toEqual([10, 15]);
  expect(part.flows[0]!.cwnd).toHaveLength(501);
  expect(Number.isNaN(run.flows[1]!.cwnd[400]!)).toBe(true);
  // What was delivered in a part is its goodput.
  const bytes = part.flows[0]!.delivered.at(-1)! - part.flows[0]!.delivered[0]!;
  expect(part.flows[0]!.goodput).toBeCloseTo((bytes * 8) / 5, 3);
  expect(part.during("12s").time[0]).toBe(12);
  expect(mean(part.queue)).toBeGreaterThan(0);
});

test("a picture has a line for each flow's window, threshold and round trip, and one for the queue", () => {
  const svg = simulate({ flows: [{ congestionControl: reno }, { congestionControl: "reno", start: "5s" }] }).toSvg({
    title: "a < b",
  });
  expect(svg).toMatch(/^<svg [^>]*width="900"/);
  expect(svg).toContain("a &#60; b");
  expect(svg).toContain("0: ts_reno");
  expect(svg).toContain("1: reno");
  expect(svg.match(/<polyline/g)!.length).toBeGreaterThanOrEqual(7);
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  // At most two points for each pixel.
  for (const [, points] of svg.matchAll(/points="([^"]*)"/g)) expect(points!.split(" ").length).toBeLessThan(2 * 900);
});

test.each([
  [{ duration: "20" }, 'simulate: duration: "20" is no duration; write "40ms", with us, ms, s or min'],
  [
    { path: { ...PATH, rate: "8mb" } },
    'simulate: path.rate: "8mb" is no rate; write "8mbit", with bit, kbit, mbit or gbit',
  ],
  [
    { path: { ...PATH, queue: 0 } },
    "simulate: path.queue: 0 is no number of packets; give a whole number, 1 at least and 1000000000 at most",
  ],
  [
    { path: { ...PATH, queue: { packets: 4 } } },
    "simulate: path.queue.packets: there is no such option; there are bytes",
  ],
  [{ path: { ...PATH, loss: 2 } }, "simulate: path.loss: 2 is no probability; give a number from 0 to 1, such as 0.01"],
  [{ path: { ...PATH, bandwidth: 2 } }, "simulate: path.bandwidth: there is no such option; there are rate, delay,"],
  [{ flows: [] }, "simulate: flows: there are none; give at least one"],
  [
    { flows: [{ congestionControl: "cubic" }] },
    'simulate: flows[0].congestionControl: "cubic" is not built in; give an export of a module that load() gave, or "reno"',
  ],
  [
    { flows: [{ congestionControl: {} }] },
    "simulate: flows[0].congestionControl: this is no loaded congestion control; give an export",
  ],
  [
    { flows: [{ congestionControl: "reno", bytes: 0.5 }] },
    "simulate: flows[0].bytes: 0.5 is no number of bytes; give a whole number, 1 at least",
  ],
  [
    { flows: [{ congestionControl: "reno", bytes: 5, writes: [] }] },
    "simulate: flows[0].writes: bytes are given as well; say how much with one of them",
  ],
  [{ flows: [{ congestionControl: "reno", start: "soon" }] }, 'simulate: flows[0].start: "soon" is no duration'],
  [{ flows: [{ congestionControl: "reno", writes: 5 }] }, "simulate: flows[0].writes: this is no list; give one"],
  [
    { flows: [{ congestionControl: "reno", writes: [null] }] },
    "simulate: flows[0].writes[0]: null is no object; give one with at, bytes",
  ],
  [
    { flows: [{ congestionControl: "reno", writes: [{ at: "0s", bytes: 5, byte: 5 }] }] },
    "simulate: flows[0].writes[0].byte: there is no such option; there are at, bytes",
  ],
  [{ flows: [{ congestionControl: "reno", ecn: "no" }] }, "simulate: flows[0].ecn: this is no boolean; give true or"],
  [{ path: { ...PATH, pass: 3 } }, "simulate: path.pass: this is no function; give one"],
  [{ every: "0ms" }, 'simulate: every: "0ms" gives too many samples; at most'],
])("mistakes: %j", (wrong, message) => {
  const options = { duration: "1s", path: PATH, flows: [{ congestionControl: "reno" }], ...wrong };
  expect(() => simulateRaw(options as never)).toThrow(message);
});
