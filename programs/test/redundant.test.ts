import { expect, test } from "vitest";
import { load } from "tsbpf/testing";

const { redundant } = await load<typeof import("../redundant.ts")>(new URL("../redundant.ts", import.meta.url));

test("all subflows send, backups too", () => {
  const session = redundant.session({ subflows: [{}, { backup: true }, {}] });
  expect(redundant.getSend(session)).toEqual(session.subflows);
  expect(redundant.getSend(session)).toEqual(session.subflows);
});

test("who is full or silent is left out", () => {
  const session = redundant.session({
    subflows: [{ tcp: { sndbuf: 100, wmemQueued: 100 } }, {}, { stale: true }],
  });
  expect(redundant.getSend(session)).toEqual([session.subflows[1]]);
});

test("where nobody can send, the kernel hears so", () => {
  expect(redundant.getSend(redundant.session({ subflows: [{ stale: true }] }))).toEqual([]);
});
