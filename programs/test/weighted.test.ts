import { expect, test } from "vitest";
import { load } from "tsbpf/testing";

const { weighted, weights } = await load<typeof import("../weighted.ts")>(new URL("../weighted.ts", import.meta.url));
type Session = ReturnType<typeof weighted.session>;
/** Sends so many pieces of 1000 bytes; how many each subflow got. */
function send(session: Session, pieces: number): number[] {
  const got = session.subflows.map(() => 0);
  for (let piece = 0; piece < pieces; piece++)
    for (const one of weighted.getSend(session)) {
      one.tcp.bytesSent += 1000n;
      got[session.subflows.indexOf(one)]!++;
    }
  return got;
}

test("bytes are shared by the weights of the links", () => {
  weights.set(1, 3);
  const session = weighted.session({ subflows: [{ localId: 0 }, { localId: 1 }] });
  expect(send(session, 400)).toEqual([100, 300]);
});

test("weights may change while the session goes on", () => {
  const session = weighted.session({ subflows: [{ localId: 20 }, { localId: 21 }] });
  expect(send(session, 100)).toEqual([50, 50]);
  weights.set(20, 0);
  expect(send(session, 10)).toEqual([0, 10]);
});

test("who was full catches up", () => {
  const session = weighted.session({ subflows: [{ localId: 30 }, { localId: 31 }] });
  const [, other] = session.subflows;
  other!.tcp.wmemQueued = other!.tcp.sndbuf;
  expect(send(session, 20)).toEqual([20, 0]);
  other!.tcp.wmemQueued = 0;
  expect(send(session, 20)).toEqual([0, 20]);
});

test("where no link may be used nothing is sent", () => {
  weights.set(40, 0);
  expect(weighted.getSend(weighted.session({ subflows: [{ localId: 40 }, { localId: 41, stale: true }] }))).toEqual([]);
});
