import { expect, test } from "vitest";
import { load } from "tsbpf/testing";

const { byDscp, preferred } = await load<typeof import("../by-dscp.ts")>(new URL("../by-dscp.ts", import.meta.url));
const VOICE = 46;
preferred.set(VOICE, 1);
const links = [
  { localId: 0, tcp: { srttUs: 9000 } },
  { localId: 1, tcp: { srttUs: 80_000 } },
  { localId: 2, tcp: { srttUs: 5000 } },
];

test("a class goes over the link that it prefers, whatever ECN says", () => {
  for (const ecn of [0, 1, 2, 3]) {
    const session = byDscp.session({ tos: (VOICE << 2) | ecn, subflows: links });
    expect(byDscp.getSend(session)).toEqual([session.subflows[1]]);
  }
});

test("others take the quickest", () => {
  const session = byDscp.session({ tos: 8 << 2, subflows: links });
  expect(byDscp.getSend(session)).toEqual([session.subflows[2]]);
});

test("a link that is full is waited for, one that is down is not", () => {
  const session = byDscp.session({ tos: VOICE << 2, subflows: links });
  const [, own] = session.subflows;
  own!.tcp.wmemQueued = own!.tcp.sndbuf;
  expect(byDscp.getSend(session)).toEqual([]);
  own!.stale = true;
  expect(byDscp.getSend(session)).toEqual([session.subflows[2]]);
});

test("a second subflow of the link takes over where the first is full", () => {
  const session = byDscp.session({ tos: VOICE << 2, subflows: [...links, { localId: 1 }] });
  const [, own] = session.subflows;
  own!.tcp.wmemQueued = own!.tcp.sndbuf;
  expect(byDscp.getSend(session)).toEqual([session.subflows[3]]);
});

test("link 0 is a link like others: a preference for it is none for nothing", () => {
  preferred.set(0, 0);
  const session = byDscp.session({ subflows: links });
  expect(byDscp.getSend(session)).toEqual([session.subflows[0]]);
});
