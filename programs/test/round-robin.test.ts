import { expect, test } from "vitest";
import { load } from "tsbpf/testing";

const { roundRobin } = await load<typeof import("../round-robin.ts")>(new URL("../round-robin.ts", import.meta.url));
type Session = ReturnType<typeof roundRobin.session>;
/** The ids of who sends, one turn after the other. */
const around = (session: Session, turns: number): number[] =>
  Array.from({ length: turns }, () => roundRobin.getSend(session).map(({ subflowId }) => subflowId)).flat();

test("each subflow has its turn, and then it begins anew", () => {
  expect(around(roundRobin.session({ subflows: [{}, {}, {}] }), 7)).toEqual([1, 2, 3, 1, 2, 3, 1]);
});

test("the order is that of the ids, whatever the kernel's is", () => {
  const subflows = [{ subflowId: 9 }, { subflowId: 4 }, { subflowId: 6 }];
  expect(around(roundRobin.session({ subflows }), 4)).toEqual([4, 6, 9, 4]);
});

test("who cannot send loses the turn, and has one again later", () => {
  const session = roundRobin.session({ subflows: [{}, {}, {}] });
  session.subflows[1]!.stale = true;
  session.subflows[2]!.tcp.wmemQueued = session.subflows[2]!.tcp.sndbuf;
  expect(around(session, 2)).toEqual([1, 1]);
  session.subflows[1]!.stale = false;
  expect(around(session, 3)).toEqual([2, 1, 2]);
});

test("a new subflow takes its place in the round", () => {
  const session = roundRobin.session({ subflows: [{}, {}] });
  expect(around(session, 2)).toEqual([1, 2]);
  session.add();
  expect(around(session, 3)).toEqual([3, 1, 2]);
});

test("sessions go around for themselves", () => {
  const [one, other] = [1, 2].map((token) => roundRobin.session({ token, subflows: [{}, {}] })) as [Session, Session];
  expect([around(one, 1), around(other, 1), around(one, 1)]).toEqual([[1], [1], [2]]);
});
