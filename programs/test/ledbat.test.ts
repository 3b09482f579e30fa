import { load } from "tsbpf/testing";
import { expect, test } from "vitest";

const { ledbat } = await load<typeof import("../ledbat.ts")>(new URL("../ledbat.ts", import.meta.url));

type Given = NonNullable<Parameters<typeof ledbat.socket>[0]>;
/** A connection in congestion avoidance on a path of 50 ms, 25 ms of delay being its target. */
function connection(given: Given = {}) {
  const sk = ledbat.socket({ sndCwnd: 20, sndSsthresh: 10, isCwndLimited: true, tcpMstamp: 1_000_000n, ...given });
  ledbat.init(sk);
  ledbat.pktsAcked(sk, { pktsAcked: 1, rttUs: 50_000 });
  return sk;
}
/** A round trip with so much of it in queues, and the window after it. */
function round(sk: ReturnType<typeof connection>, queueingMs: number): number {
  const each = sk.sndCwnd;
  for (let acked = 0; acked < each; acked++) {
    ledbat.pktsAcked(sk, { pktsAcked: 1, rttUs: 50_000 + 1000 * queueingMs });
    ledbat.congAvoid(sk, 0, 1);
  }
  return sk.sndCwnd;
}

test("with empty queues it grows like NewReno, at half of the target half as fast, at the target not at all", () => {
  const empty = connection();
  expect([round(empty, 0), round(empty, 0), round(empty, 0), round(empty, 0)].at(-1)).toBe(23);
  const half = connection();
  for (let each = 0; each < 8; each++) round(half, 12.5);
  expect([23, 24]).toContain(half.sndCwnd); // the first samples are still those of an empty queue
  const full = connection();
  round(full, 25);
  const before = full.sndCwnd;
  for (let each = 0; each < 8; each++) round(full, 25);
  expect(full.sndCwnd).toBe(before);
});

test("others in the queue make it withdraw, the faster the longer the queue is, down to two segments", () => {
  const sk = connection();
  for (let each = 0; each < 3; each++) round(sk, 50);
  expect(sk.sndCwnd).toBeLessThanOrEqual(18);
  for (let each = 0; each < 40; each++) round(sk, 400);
  expect(sk.sndCwnd).toBe(2);
  // When they have gone it comes back.
  for (let each = 0; each < 10; each++) round(sk, 0);
  expect(sk.sndCwnd).toBeGreaterThan(8);
});

test("slow start ends at three quarters of the target", () => {
  const sk = connection({ sndSsthresh: 0x7fffffff });
  expect(round(sk, 10)).toBe(40);
  round(sk, 19);
  expect(sk.sndSsthresh).toBeLessThan(100);
});

test("one late acknowledgement is no queue", () => {
  const sk = connection();
  for (let each = 0; each < 4; each++) ledbat.pktsAcked(sk, { pktsAcked: 1, rttUs: 50_000 });
  ledbat.pktsAcked(sk, { pktsAcked: 1, rttUs: 500_000 });
  const before = sk.state.part;
  ledbat.congAvoid(sk, 0, 1);
  expect(sk.state.part > before).toBe(true);
});

test("a longer path is taken for one after ten minutes, not for a queue for ever", () => {
  const sk = connection();
  const after = (minutes: number): bigint => {
    for (let minute = 0; minute < minutes; minute++) {
      sk.tcpMstamp += 60_000_000n;
      for (let each = 0; each < 4; each++) ledbat.pktsAcked(sk, { pktsAcked: 1, rttUs: 120_000 });
    }
    const before = sk.state.part;
    ledbat.congAvoid(sk, 0, 1);
    return sk.state.part - before;
  };
  expect(after(8) < 0n).toBe(true);
  expect(after(3) > 0n).toBe(true);
});

test("a window that is not used does not grow, and a loss halves it", () => {
  const sk = connection({ isCwndLimited: false });
  expect(round(sk, 0)).toBe(20);
  expect(ledbat.ssthresh(sk)).toBe(10);
  expect(ledbat.ssthresh(connection({ sndCwnd: 3 }))).toBe(2);
});
