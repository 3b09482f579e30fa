import { CaEvent, CaState } from "tsbpf/cc";
import { load } from "tsbpf/testing";
import { expect, test } from "vitest";

const { cubic } = await load<typeof import("../cubic.ts")>(new URL("../cubic.ts", import.meta.url));

type Given = NonNullable<Parameters<typeof cubic.socket>[0]>;
const START = 10_000_000n;
/** A connection after its first loss: no slow start, and the window is what limits it. */
const connection = (given: Given = {}) =>
  cubic.socket({ isCwndLimited: true, tcpMstamp: START, sndSsthresh: 2, ...given });
/** Acknowledges ten times in each round trip on a path of 100 ms, and gives the window after each. */
function grow(sk: ReturnType<typeof connection>, ms: number): number[] {
  const windows: number[] = [];
  for (let at = 0; at < ms; at += 100) {
    const each = sk.sndCwnd;
    for (let tenth = 0; tenth < 10; tenth++) {
      sk.tcpMstamp = START + BigInt((at + 10 * tenth) * 1000);
      cubic.congAvoid(sk, 0, Math.round(each / 10));
    }
    windows.push(sk.sndCwnd);
  }
  return windows;
}

test("K is the cube root of how much was lost over C, to a thousandth", () => {
  for (const lost of [1, 2, 3, 7, 8, 26, 27, 100, 511, 512, 4095, 70_000, 1_000_000, 0x7fff_ffff]) {
    const sk = connection({ sndCwnd: 10, state: { maxWindow: 10 + lost } });
    cubic.congAvoid(sk, 0, 1);
    const exact = Math.cbrt(lost / 0.4) * 1024;
    expect(Math.abs(sk.state.k - exact) / exact, `${lost}: ${sk.state.k} for ${exact}`).toBeLessThan(0.001);
  }
});

test("after a loss the window goes back to what it was in the time K, stays there, and then looks for more", () => {
  const sk = connection({ sndCwnd: 200 });
  sk.sndCwnd = cubic.ssthresh(sk);
  sk.sndSsthresh = sk.sndCwnd;
  expect(sk.sndCwnd).toBe(140); // 717/1024
  const windows = grow(sk, 11_000);
  const kMs = Math.cbrt(60 / 0.4) * 1000; // 5313 ms
  const curve = (ms: number): number => 200 + 0.4 * ((ms - kMs) / 1000) ** 3;
  for (const ms of [500, 1500, 3000, 5000, 6500, 9000, 10_900]) {
    const window = windows[ms / 100]!;
    expect(Math.abs(window - curve(ms + 100)), `${ms} ms: ${window}`).toBeLessThan(0.02 * curve(ms));
  }
});

test("a loss below the window of the last one makes room for others", () => {
  const sk = connection({ sndCwnd: 500, state: { maxWindow: 1000 } });
  expect(cubic.ssthresh(sk)).toBe(350);
  expect(sk.state.maxWindow).toBe(Math.floor((500 * (1024 + 717)) / 2048));
  const higher = connection({ sndCwnd: 1200, state: { maxWindow: 1000 } });
  cubic.ssthresh(higher);
  expect(higher.state.maxWindow).toBe(1200);
  expect(cubic.ssthresh(connection({ sndCwnd: 2 }))).toBe(2);
});

test("on a short path it is no slower than NewReno with its factor", () => {
  const sk = connection({ sndCwnd: 14, state: { maxWindow: 20 } });
  const windows: number[] = [];
  // 40 round trips of 1 ms: the cubic function has hardly begun.
  for (let round = 0; round < 40; round++) {
    const each = sk.sndCwnd;
    for (let segment = 0; segment < each; segment++) {
      sk.tcpMstamp = START + BigInt(round * 1000 + Math.floor((1000 * segment) / each));
      cubic.congAvoid(sk, 0, 1);
    }
    windows.push(sk.sndCwnd);
  }
  // 0.53 segments for each round trip.
  expect(windows.at(-1)).toBeGreaterThanOrEqual(14 + 18);
  expect(windows.at(-1)).toBeLessThanOrEqual(14 + 22);
});

test("while nothing is sent the curve stands still", () => {
  const sk = connection({ sndCwnd: 700, state: { maxWindow: 1000 } });
  cubic.congAvoid(sk, 0, 1);
  expect(sk.state.epochUs).toBe(START);
  sk.wstampNs = (START + 50_000n) * 1000n;
  cubic.pktsAcked(sk, { pktsAcked: 1, rttUs: 100_000 });
  sk.tcpMstamp = START + 5_050_000n;
  cubic.cwndEvent(sk, CaEvent.CompleteCwr);
  expect(sk.state.epochUs).toBe(START);
  cubic.cwndEvent(sk, CaEvent.TxStart);
  expect(sk.state.epochUs).toBe(START + 5_000_000n);
  // The beginning is never in the future.
  sk.state.lastSentUs = 1n;
  cubic.cwndEvent(sk, CaEvent.TxStart);
  expect(sk.state.epochUs).toBe(sk.tcpMstamp);
});

test("a retransmission timeout forgets the path", () => {
  const sk = connection({ sndCwnd: 700, state: { maxWindow: 1000, minRttUs: 5 } });
  cubic.setState(sk, CaState.Recovery);
  expect(sk.state.maxWindow).toBe(1000);
  cubic.setState(sk, CaState.Loss);
  expect([sk.state.maxWindow, sk.state.minRttUs]).toEqual([0, 0]);
});

/** A connection in slow start with a window of 20, one round of it over. */
function starting({ state, ...given }: Given = {}) {
  const sk = cubic.socket({ sndCwnd: 20, tcpMstamp: START, sndNxt: 1000, ...given });
  cubic.init(sk);
  Object.assign(sk.state, state);
  return sk;
}

test("HyStart: acknowledgements close together for half a round trip end slow start", () => {
  const sk = starting();
  for (let ms = 0; ms <= 49; ms++) {
    sk.tcpMstamp = START + BigInt(1000 * ms);
    cubic.pktsAcked(sk, { pktsAcked: 1, rttUs: 100_000 });
  }
  expect(sk.sndSsthresh).toBe(0x7fffffff);
  for (let ms = 50; ms <= 52; ms++) {
    sk.tcpMstamp = START + BigInt(1000 * ms);
    cubic.pktsAcked(sk, { pktsAcked: 1, rttUs: 100_000 });
  }
  expect([sk.sndSsthresh, sk.state.found]).toEqual([20, 1]);
});

test("HyStart: a gap ends the train, and paced segments make a longer one", () => {
  const gap = starting();
  const paced = starting({ pacingStatus: 1, pacingRate: 10n ** 12n });
  for (let ms = 0; ms <= 98; ms++) {
    for (const sk of [gap, paced]) sk.tcpMstamp = START + BigInt(1000 * ms);
    if (ms < 40 || ms > 43) cubic.pktsAcked(gap, { pktsAcked: 1, rttUs: 100_000 });
    cubic.pktsAcked(paced, { pktsAcked: 1, rttUs: 100_000 });
  }
  expect(gap.sndSsthresh).toBe(0x7fffffff);
  expect(paced.sndSsthresh).toBe(0x7fffffff);
});

test("HyStart: a round trip that grows by an eighth ends slow start, after eight samples", () => {
  const sk = starting({ state: { minRttUs: 100_000 } });
  const ack = (rttUs: number): void => {
    sk.tcpMstamp += 5000n; // no train
    cubic.pktsAcked(sk, { pktsAcked: 1, rttUs });
  };
  for (let sample = 0; sample < 20; sample++) ack(112_400);
  expect(sk.sndSsthresh).toBe(0x7fffffff);
  // A new round: the old samples do not count.
  sk.sndUna = 2000;
  sk.sndNxt = 3000;
  for (let sample = 0; sample < 8; sample++) ack(112_600);
  expect(sk.sndSsthresh).toBe(0x7fffffff);
  ack(112_600);
  expect(sk.sndSsthresh).toBe(20);
});

test("HyStart does not look below a window of 16, nor where the round trip is not known", () => {
  const small = starting({ sndCwnd: 15, state: { minRttUs: 100_000 } });
  const unknown = starting({ state: { minRttUs: 100_000 } });
  for (let sample = 0; sample < 100; sample++) {
    for (const sk of [small, unknown]) sk.tcpMstamp += 1000n;
    cubic.pktsAcked(small, { pktsAcked: 1, rttUs: 150_000 });
    cubic.pktsAcked(unknown, { pktsAcked: 1, rttUs: -1 });
  }
  expect([small.sndSsthresh, unknown.sndSsthresh]).toEqual([0x7fffffff, 0x7fffffff]);
});

test("HyStart: a round begins below a window of 16 as well", () => {
  const sk = starting({ sndCwnd: 10 });
  sk.sndUna = 2000;
  sk.sndNxt = 3000;
  sk.tcpMstamp = START + 500_000n;
  cubic.pktsAcked(sk, { pktsAcked: 1, rttUs: 100_000 });
  expect([sk.state.roundEnd, sk.state.roundStartUs]).toEqual([3000, Number(BigInt.asUintN(32, START + 500_000n))]);
});

test("a window that the application does not fill stays as it is", () => {
  const sk = connection({ isCwndLimited: false, sndCwnd: 20, maxPacketsOut: 3 });
  cubic.congAvoid(sk, 0, 5);
  expect([sk.sndCwnd, sk.sndCwndCnt, sk.state.epochUs]).toEqual([20, 0, 0n]);
});
