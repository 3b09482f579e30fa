import { expect, test } from "vitest";
import { load } from "tsbpf/testing";

const { backup } = await load<typeof import("../backup.ts")>(new URL("../backup.ts", import.meta.url));
const FULL = { sndbuf: 1000, wmemQueued: 1000 };

test("the quickest subflow that is no backup takes everything", () => {
  const session = backup.session({
    subflows: [{ tcp: { srttUs: 30_000 } }, { tcp: { srttUs: 20_000 } }, { backup: true, tcp: { srttUs: 1000 } }],
  });
  expect(backup.getSend(session)).toEqual([session.subflows[1]]);
});

test("while the good ones are full, backups wait with them", () => {
  const session = backup.session({ subflows: [{ tcp: FULL }, { requestBackup: true }] });
  expect(backup.getSend(session)).toEqual([]);
  session.subflows[0]!.tcp.wmemQueued = 999;
  expect(backup.getSend(session)).toEqual([session.subflows[0]]);
});

test("a backup that comes first in the list gives way to a good one behind it, full or not", () => {
  const session = backup.session({ subflows: [{ backup: true }, { tcp: FULL }] });
  expect(backup.getSend(session)).toEqual([]);
});

test("backups send when no good one lives, the quickest of them", () => {
  const session = backup.session({
    subflows: [
      { stale: true },
      { backup: true, tcp: { srttUs: 9000 } },
      { requestBackup: true, tcp: { srttUs: 8000 } },
    ],
  });
  expect(backup.getSend(session)).toEqual([session.subflows[2]]);
});

test("a connection that has measured nothing comes last", () => {
  const session = backup.session({ subflows: [{ tcp: { srttUs: 0 } }, { tcp: { srttUs: 900_000 } }] });
  expect(backup.getSend(session)).toEqual([session.subflows[1]]);
  session.subflows[1]!.stale = true;
  expect(backup.getSend(session)).toEqual([session.subflows[0]]);
});
