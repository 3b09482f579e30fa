/**
 * Loops over subflows, and variables that hold one: what each way out of a loop does, by the machine (which faults where an iterator is left behind
 * or is asked after its end) and by the verifier (which `compile` asks of every program).
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { load } from "../../runtime/testing/index.ts";
import type { SchedulerUnderTest } from "../../runtime/dsl/testing.d.ts";

const folder = mkdtempSync(join(tmpdir(), "tsbpf-subflows-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let made = 0;

/** A scheduler with this body, and what is declared before it. */
async function scheduler(body: string, top = ""): Promise<SchedulerUnderTest> {
  const path = join(folder, `s${made++}.ts`);
  writeFileSync(
    path,
    `
import { ArrayMap, license, range, struct, u32 } from "tsbpf";
import { scheduler, type MptcpSock, type MptcpSubflow, type SubflowTcp } from "tsbpf/mptcp";
license("GPL");
${top}
export const chooses = scheduler({ getSend(session) { ${body} } });
`,
  );
  const { chooses } = (await load(path)) as { readonly chooses: SchedulerUnderTest };
  return chooses;
}
/** The ids that are chosen of subflows 1 to `count`. */
async function chosen(count: number, body: string, top = ""): Promise<number[]> {
  const it = await scheduler(body, top);
  const session = it.session({ subflows: Array.from({ length: count }, (_, index) => ({ remoteId: index + 1 })) });
  return it.getSend(session).map(({ subflowId }) => subflowId);
}

test("break, continue, and the end of the list", async () => {
  const body = `
    for (const one of session.subflows(8)) {
      if (one.subflowId === 2) continue;
      if (one.subflowId === 5) break;
      one.schedule();
    }
    return true;`;
  expect(await chosen(3, body)).toEqual([1, 3]);
  expect(await chosen(7, body)).toEqual([1, 3, 4]);
});

test("a loop inside of a loop, left by labels both ways", async () => {
  const body = `
    OUTER: for (const one of session.subflows(4)) {
      for (const other of session.subflows(4)) {
        if (other.subflowId > one.subflowId) continue OUTER;
        if (one.subflowId === 3) break OUTER;
        if (other.subflowId === one.subflowId) other.schedule();
      }
    }
    return true;`;
  expect(await chosen(4, body)).toEqual([1, 2]);
});

test("return from the inner of two loops", async () => {
  const body = `
    for (const one of session.subflows(3))
      for (const other of session.subflows(3))
        if (one.subflowId + other.subflowId === 4) {
          other.schedule();
          return true;
        }
    return false;`;
  expect(await chosen(3, body)).toEqual([3]);
  expect(await chosen(1, body)).toEqual([]);
});

test("functions loop, are given subflows, and give them back", async () => {
  const top = `
function withId(session: MptcpSock, id: u32): MptcpSubflow | undefined {
  for (const one of session.subflows(4)) if (one.subflowId === id) return one;
  return undefined;
}
function choose(one: MptcpSubflow | undefined): boolean {
  if (!one) return false;
  one.schedule();
  return true;
}`;
  expect(await chosen(4, "return choose(withId(session, 3));", top)).toEqual([3]);
  expect(await chosen(2, "return choose(withId(session, 3));", top)).toEqual([]);
  expect(await chosen(2, "return choose(withId(session, 3) ?? withId(session, 2));", top)).toEqual([2]);
  expect(await chosen(2, "return choose(undefined);", top)).toEqual([]);
});

test("variables hold one or none, and change", async () => {
  const body = `
    let last: MptcpSubflow | undefined;
    let before: MptcpSubflow | undefined = undefined;
    for (const one of session.subflows(4)) {
      before = last;
      last = one;
    }
    const either = session.token === 1 ? before : last;
    either?.schedule();
    return either !== undefined;`;
  expect(await chosen(3, body)).toEqual([2]);
  expect(await chosen(1, body)).toEqual([]);
});

test("what cannot happen in a turn does not leave the iterator behind: the verifier sees that way, too", async () => {
  const top = "const counts = new ArrayMap({ value: u32, maxEntries: 4 });";
  const body = `
    for (const one of session.subflows(2)) {
      for (const i of range(4)) {
        const count = counts.ref(i);
        if (count) count.value += one.remoteId;
      }
      for (const count of counts) if (count > 2) one.schedule();
    }
    return true;`;
  expect(await chosen(2, body, top)).toEqual([2]);
});

test("a loop over a bound that is passed leaves the rest alone", async () => {
  expect(await chosen(5, "for (const one of session.subflows(2)) one.schedule(); return true;")).toEqual([1, 2]);
});

test("conditions of subflow loops inside of other loops and switches", async () => {
  const body = `
    for (const i of range(3)) {
      switch (i) {
        case 1:
          for (const one of session.subflows(3)) {
            if (one.remoteId === 2) { one.schedule(); break; }
          }
          break;
        case 2:
          return true;
      }
    }
    return false;`;
  expect(await chosen(3, body)).toEqual([2]);
});

test("one subflow is the same as itself, and as nothing else", async () => {
  const top = `
function isIt(one: MptcpSubflow | undefined, other: MptcpSubflow | undefined): boolean { return one === other; }`;
  const body = `
    let second: MptcpSubflow | undefined;
    let also: MptcpSubflow | undefined;
    if (isIt(second, also)) session.sndBurst = 7;
    for (const one of session.subflows(4)) {
      if (one.subflowId !== 2) continue;
      second = one;
      also = one;
    }
    if (second !== also || isIt(second, undefined) === (second !== undefined)) return false;
    for (const one of session.subflows(4)) {
      const isSecond = one === second;
      if (isSecond !== isIt(second, one)) return false;
      if (!isSecond) one.schedule();
    }
    return session.sndBurst === 7;`;
  expect(await chosen(4, body, top)).toEqual([1, 3, 4]);
  expect(await chosen(1, body, top)).toEqual([1]);
});

test("a socket that was tested is there when it is asked for anew, in functions and in turns of loops as well", async () => {
  const top = `
function windowOf(tcp: SubflowTcp): u32 { return tcp.sndCwnd; }
function window(one: MptcpSubflow): u32 { if (!one.tcp) return 0; return windowOf(one.tcp); }
function socket(one: MptcpSubflow | undefined): SubflowTcp | undefined { if (one?.tcp) return one.tcp; return undefined; }`;
  const body = `
    let best: MptcpSubflow | undefined;
    for (const one of session.subflows(4)) {
      if (window(one) !== (socket(one)?.sndCwnd ?? 0)) return false;
      if (!best || (one.tcp && best.tcp && one.tcp.sndCwnd > best.tcp.sndCwnd)) best = one;
    }
    best?.schedule();
    return best !== undefined;`;
  const it = await scheduler(body, top);
  const windows = [10, 30, 20].map((sndCwnd) => ({ tcp: { sndCwnd } }));
  const session = it.session({ subflows: windows });
  expect(it.getSend(session)).toEqual([session.subflows[1]]);
});

test("functions that give back a reference or nothing may be called in turns", async () => {
  const top = `
class Count extends struct({ id: u32, turns: u32 }) {}
export const counts = new ArrayMap({ value: Count, maxEntries: 4 });
function countOf(id: u32): Count | undefined { for (const count of counts) if (count.id === id) return count; return undefined; }`;
  const body = `
    for (const one of session.subflows(3)) {
      const count = countOf(one.subflowId - 1);
      if (count) count.turns += 1;
      else one.schedule();
    }
    return true;`;
  expect(await chosen(3, body, top)).toEqual([2, 3]);
});

test("functions that give back a subflow for certain, and those that may be given none, may be called in turns", async () => {
  const top = `
function wider(one: MptcpSubflow, other: MptcpSubflow): MptcpSubflow {
  if (one.tcp && other.tcp && one.tcp.sndCwnd >= other.tcp.sndCwnd) return one;
  return other;
}
function second(one: MptcpSubflow, other: MptcpSubflow = one): u32 { return other.subflowId; }
function choose(one?: MptcpSubflow): boolean {
  if (one) one.schedule();
  return one !== undefined;
}`;
  const body = `
    let best: MptcpSubflow | undefined;
    for (const one of session.subflows(4)) {
      if (second(one, best) > one.subflowId || second(one) !== one.subflowId) return false;
      best = best ? wider(best, one) : one;
    }
    return choose(best) || choose();`;
  expect(await chosen(3, body, top)).toEqual([1]);
  expect(await chosen(0, body, top)).toEqual([]);
});
