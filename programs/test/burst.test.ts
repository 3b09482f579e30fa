import { expect, test } from "vitest";
import { load } from "tsbpf/testing";

const { burst } = await load<typeof import("../burst.ts")>(new URL("../burst.ts", import.meta.url));
const MBIT = 125_000n;
/** A connection with so much in its buffer, and so fast. */
const queue = (wmemQueued: number, mbit: bigint) => ({
  tcp: { wmemQueued, pacingRate: mbit * MBIT, sndbuf: 1_000_000 },
});

test("the subflow where the next byte waits least is chosen: what is queued, divided by the rate", () => {
  const session = burst.session({ subflows: [queue(60_000, 10n), queue(100_000, 20n), queue(9000, 1n)] });
  expect(burst.getSend(session)).toEqual([session.subflows[1]]);
  session.subflows[0]!.tcp.wmemQueued = 40_000;
  expect(burst.getSend(session)).toEqual([session.subflows[0]]);
});

test("a burst is one large packet, and ends where the peer's window does", () => {
  const session = burst.session({ sndNxt: 1000n, windowEnd: 1000n + 1_000_000n, subflows: [queue(0, 10n)] });
  burst.getSend(session);
  expect(session.sndBurst).toBe(65_428);
  const narrow = burst.session({ sndNxt: 1000n, windowEnd: 3000n, subflows: [queue(0, 10n)] });
  burst.getSend(narrow);
  expect(narrow.sndBurst).toBe(2000);
});

test("with a full window the subflow is chosen, and nothing else changes", () => {
  const session = burst.session({
    sndNxt: 9n,
    windowEnd: 9n,
    sndBurst: 7,
    subflows: [{ avgPacingRate: 5n, ...queue(10, 10n) }],
  });
  expect(burst.getSend(session)).toEqual(session.subflows);
  expect([session.sndBurst, session.subflows[0]!.avgPacingRate]).toEqual([7, 5n]);
});

test("the rate begins as TCP's and then follows it, weighed by bytes", () => {
  const session = burst.session({ windowEnd: 10_000n, subflows: [queue(30_000, 8n)] });
  const [only] = session.subflows;
  burst.getSend(session);
  expect(only!.avgPacingRate).toBe(8n * MBIT);
  only!.tcp.pacingRate = 4n * MBIT;
  burst.getSend(session);
  expect(only!.avgPacingRate).toBe((8n * MBIT * 30_000n + 4n * MBIT * 10_000n) / 40_000n);
});

test("a full send buffer waits: the second best would hold the stream up", () => {
  const session = burst.session({ subflows: [{ tcp: { wmemQueued: 10, sndbuf: 10 } }, queue(500_000, 1n)] });
  expect(burst.getSend(session)).toEqual([]);
});

test("backups send where no other is active", () => {
  const session = burst.session({ subflows: [queue(900_000, 1n), { backup: true, ...queue(0, 100n) }] });
  expect(burst.getSend(session)).toEqual([session.subflows[0]]);
  session.subflows[0]!.stale = true;
  expect(burst.getSend(session)).toEqual([session.subflows[1]]);
});

test("an active subflow without a rate keeps backups out, and does not send", () => {
  const session = burst.session({ subflows: [{ tcp: { pacingRate: 0n } }, { backup: true }] });
  expect(burst.getSend(session)).toEqual([]);
});

test("what was lost goes over an idle subflow", () => {
  const session = burst.session({
    subflows: [{ tcp: { packetsOut: 3 } }, { tcp: { writeSeq: 5, sndNxt: 4 } }, {}, {}],
  });
  expect(burst.getRetrans(session)).toEqual([session.subflows[2]]);
});

test("… and over a backup only when all busy ones have been silent more than once", () => {
  const busy = { packetsOut: 3 };
  const session = burst.session({
    subflows: [{ staleCount: 2, tcp: busy }, { staleCount: 1, tcp: busy }, { backup: true }],
  });
  expect(burst.getRetrans(session)).toEqual([]);
  session.subflows[1]!.staleCount = 2;
  expect(burst.getRetrans(session)).toEqual([session.subflows[2]]);
});
