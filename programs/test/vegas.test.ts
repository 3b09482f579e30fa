import { CaEvent, CaState } from "tsbpf/cc";
import { load } from "tsbpf/testing";
import { expect, test } from "vitest";

const { vegas } = await load<typeof import("../vegas.ts")>(new URL("../vegas.ts", import.meta.url));

type Given = NonNullable<Parameters<typeof vegas.socket>[0]>;
/** A connection in congestion avoidance whose shortest round trip was 100 ms. */
function connection(given: Given = {}) {
  const sk = vegas.socket({ sndCwnd: 20, sndSsthresh: 10, sndNxt: 1000, isCwndLimited: true, ...given });
  vegas.init(sk);
  vegas.pktsAcked(sk, { pktsAcked: 1, rttUs: 99_999 });
  return sk;
}
/** One round trip of this length, and the window after it. */
function round(sk: ReturnType<typeof connection>, rttUs: number, samples = 3): number {
  sk.state.samples = 0;
  sk.state.roundRttUs = 0x7fffffff;
  for (let each = 0; each < samples; each++) vegas.pktsAcked(sk, { pktsAcked: 1, rttUs: rttUs - 1 });
  const ack = sk.sndNxt + 1;
  sk.sndNxt += 1000;
  vegas.congAvoid(sk, ack, 1);
  return sk.sndCwnd;
}

test("once for each round trip it moves towards two to four segments in queues", () => {
  const sk = connection();
  expect(round(sk, 100_000)).toBe(21); // nothing is queued
  expect(round(sk, 105_000)).toBe(22); // 1
  expect(round(sk, 110_000)).toBe(22); // 2
  expect(round(sk, 122_000)).toBe(22); // 4
  expect(round(sk, 125_000)).toBe(21); // 5
  expect(sk.sndSsthresh).toBeLessThanOrEqual(sk.sndCwnd);
});

test("slow start after a time-out leads back to three quarters of the largest window", () => {
  const sk = connection({ sndCwnd: 39 });
  expect(round(sk, 100_000)).toBe(40);
  expect(sk.sndSsthresh).toBe(30);
});

test("within a round trip it stays", () => {
  const sk = connection();
  vegas.congAvoid(sk, 1000, 5);
  expect([sk.sndCwnd, sk.state.roundEnd]).toEqual([20, 1000]);
});

test("slow start ends at the first sign of a queue, with the window that the path needs", () => {
  const sk = connection({ sndSsthresh: 0x7fffffff });
  expect(round(sk, 100_000)).toBe(21);
  vegas.congAvoid(sk, 0, 10); // an acknowledgement within the round
  expect(sk.sndCwnd).toBe(31);
  expect(round(sk, 110_000)).toBe(29); // 3 are queued: 31 100 / 110 + 1
  expect(sk.sndSsthresh).toBe(29);
});

test("a round with fewer than three samples is NewReno's", () => {
  const sk = connection({ sndCwndCnt: 19 });
  expect(round(sk, 200_000, 2)).toBe(21);
  expect(round(sk, 200_000, 3)).toBe(20);
});

test("while losses are repaired it is NewReno; afterwards measuring begins anew", () => {
  const sk = connection();
  vegas.setState(sk, CaState.Recovery);
  expect(round(sk, 200_000)).toBe(20);
  expect(sk.sndCwndCnt).toBe(1);
  sk.sndNxt = 9000;
  vegas.setState(sk, CaState.Open);
  expect([sk.state.on, sk.state.samples, sk.state.roundEnd]).toEqual([1, 0, 9000]);
});

test("after an idle time the path may be another", () => {
  const sk = connection();
  vegas.cwndEvent(sk, CaEvent.CompleteCwr);
  expect(sk.state.baseRttUs).toBe(100_000);
  vegas.cwndEvent(sk, CaEvent.TxStart);
  expect(sk.state.baseRttUs).toBe(0x7fffffff);
});
