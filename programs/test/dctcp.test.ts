import { AckPending, CaEvent, CaState, EcnFlag } from "tsbpf/cc";
import { load } from "tsbpf/testing";
import { expect, test } from "vitest";

const { dctcp } = await load<typeof import("../dctcp.ts")>(new URL("../dctcp.ts", import.meta.url));

type Given = NonNullable<Parameters<typeof dctcp.socket>[0]>;
function connection(given: Given = {}) {
  const sk = dctcp.socket({ ecnFlags: EcnFlag.Ok, isCwndLimited: true, sndNxt: 1000, ...given });
  dctcp.init(sk);
  return sk;
}
/** One round trip: so many segments are delivered, so many of them with a mark. */
function round(sk: ReturnType<typeof connection>, delivered: number, marked: number): number {
  sk.delivered += delivered;
  sk.deliveredCe += marked;
  sk.sndUna = sk.sndNxt;
  sk.sndNxt += 1000;
  dctcp.inAckEvent(sk, 0);
  return sk.state.alpha;
}

test("alpha goes to the share of marked segments, a sixteenth of the way in each round trip", () => {
  const sk = connection();
  expect(sk.state.alpha).toBe(1024);
  expect(round(sk, 100, 0)).toBe(960);
  expect(round(sk, 100, 50)).toBe(900 + 32);
  let alpha = 0;
  for (let each = 0; each < 100; each++) alpha = round(sk, 100, 25);
  expect(Math.abs(alpha - 256)).toBeLessThan(16);
  for (let each = 0; each < 200; each++) alpha = round(sk, 100, 0);
  expect(alpha).toBe(0);
});

test("within a round trip it stays", () => {
  const sk = connection();
  sk.delivered += 10;
  sk.sndUna = 999;
  dctcp.inAckEvent(sk, 0);
  expect(sk.state.alpha).toBe(1024);
});

test("marks take away half of their share; nothing is left of less than two segments", () => {
  const sk = connection({ sndCwnd: 100 });
  sk.state.alpha = 512;
  expect(dctcp.ssthresh(sk)).toBe(75);
  expect(dctcp.undoCwnd(sk)).toBe(100);
  sk.sndCwnd = 2;
  expect(dctcp.ssthresh(sk)).toBe(2);
});

test("a loss halves the window, whatever alpha is", () => {
  const lost = connection({ sndCwnd: 100 });
  lost.state.alpha = 0;
  dctcp.setState(lost, CaState.Cwr);
  expect(lost.sndSsthresh).toBe(0x7fffffff);
  dctcp.setState(lost, CaState.Recovery);
  expect([lost.sndSsthresh, lost.state.lossWindow]).toEqual([50, 100]);
  const timeout = connection({ sndCwnd: 60 });
  dctcp.cwndEvent(timeout, CaEvent.Loss);
  expect(timeout.sndSsthresh).toBe(30);
});

test("a receiver says of each segment whether it was marked", () => {
  const sk = connection({ rcvNxt: 5000, ackPending: AckPending.Scheduled });
  dctcp.cwndEvent(sk, CaEvent.EcnNoCe);
  expect([sk.ecnFlags & EcnFlag.DemandCwr, sk.ackPending & AckPending.Now]).toEqual([0, 0]);
  // An acknowledgement of what came before the mark waits: it goes first, without ECE.
  sk.ackPending |= AckPending.Timer;
  sk.rcvNxt = 6000;
  dctcp.cwndEvent(sk, CaEvent.EcnIsCe);
  expect(sk.acksSent).toEqual([5000]);
  expect([sk.ecnFlags & EcnFlag.DemandCwr, sk.ackPending & AckPending.Now]).toEqual([
    EcnFlag.DemandCwr,
    AckPending.Now,
  ]);
  // The same again is nothing new.
  sk.ackPending = AckPending.Timer;
  sk.rcvNxt = 7000;
  dctcp.cwndEvent(sk, CaEvent.EcnIsCe);
  expect([sk.acksSent, sk.ackPending]).toEqual([[5000], AckPending.Timer]);
  dctcp.cwndEvent(sk, CaEvent.EcnNoCe);
  expect([sk.acksSent, sk.ecnFlags & EcnFlag.DemandCwr]).toEqual([[5000, 7000], 0]);
  // What came before is acknowledged as it came: the first without a mark, the second with one.
  expect(sk.ecnFlagsOfAcks.map((flags) => flags & EcnFlag.DemandCwr)).toEqual([0, EcnFlag.DemandCwr]);
});

test("without ECN it goes over to reno; where that is refused its windows are those of NewReno", () => {
  expect(connection().chosenControls).toEqual([]);
  expect(connection({ ecnFlags: 0, tcpState: "listen" }).chosenControls).toEqual([]);
  const sk = connection({ ecnFlags: 0, tcpState: "established", sndCwnd: 20, priorCwnd: 40 });
  expect(sk.chosenControls).toEqual(["reno"]);
  sk.state.alpha = 100;
  expect(dctcp.ssthresh(sk)).toBe(10);
  expect(dctcp.undoCwnd(sk)).toBe(40);
  dctcp.cwndEvent(sk, CaEvent.EcnIsCe);
  expect(sk.ecnFlags).toBe(0);
  // A listener has not negotiated yet.
  expect(connection({ ecnFlags: 0, tcpState: "listen" }).state.ecn).toBe(1);
});
