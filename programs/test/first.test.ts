import { expect, test } from "vitest";
import { load } from "tsbpf/testing";

const { first } = await load<typeof import("../first.ts")>(new URL("../first.ts", import.meta.url));

test("the first subflow sends everything", () => {
  const session = first.session({ subflows: [{}, { tcp: { srttUs: 1000 } }] });
  for (let turn = 0; turn < 3; turn++) expect(first.getSend(session)).toEqual([session.subflows[0]]);
});

test("the next one takes over when the first cannot send", () => {
  const session = first.session({ subflows: [{}, {}] });
  session.subflows[0]!.stale = true;
  expect(first.getSend(session)).toEqual([session.subflows[1]]);
  session.subflows[1]!.tcp.tcpState = "finWait1";
  expect(first.getSend(session)).toEqual([]);
});

test("a session without subflows sends nothing", () => {
  expect(first.getSend(first.session())).toEqual([]);
});

test("no more than eight subflows are looked at", () => {
  const session = first.session({ subflows: Array.from({ length: 8 }, () => ({ stale: true })) });
  session.add();
  expect(first.getSend(session)).toEqual([]);
});

test("what is sent again goes where getSend says", () => {
  const session = first.session({ subflows: [{ stale: true }, {}] });
  expect(first.getRetrans(session)).toEqual([session.subflows[1]]);
});
