/** Loops over the addresses of the host: which slots they see, and every way out of them. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { ipv4 } from "../../runtime/dsl/index.ts";
import { createHost, load } from "../../runtime/testing/index.ts";
import type { PathManagerUnderTest } from "../../runtime/dsl/testing.d.ts";

const folder = mkdtempSync(join(tmpdir(), "tsbpf-locals-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let made = 0;
const at = (last: number): symbol => ipv4(`10.0.0.${last}` as "10.0.0.1");

/** The last bytes of the addresses that this body opens subflows from, of a host with 10.0.0.1, … */
async function opened(count: number, body: string, gone: readonly number[] = [], top = ""): Promise<number[]> {
  const path = join(folder, `s${made++}.ts`);
  writeFileSync(
    path,
    `
import { array, ArrayMap, HashMap, license, struct, u32, u64 } from "tsbpf";
import { pathManager, type HostAddress, type MptcpSession } from "tsbpf/mptcp";
license("GPL");
${top}
export const manager = pathManager({ fullyEstablished(session) { ${body} } });
`,
  );
  const localAddresses = Array.from({ length: count }, (_, index) => ({ addr: at(index + 1) }));
  const host = createHost({ localAddresses });
  const { manager } = (await load(path, { host })) as { readonly manager: PathManagerUnderTest };
  for (const last of gone) manager.emit("removeLocalAddress", { addr: at(last) } as never, { token: 1 });
  manager.emit("fullyEstablished", { isMaster: true }, { token: 1, flags: 2 });
  return manager.subflows.map(({ from }) => Number(/\d+$/.exec((from!.addr as unknown as symbol).description!)![0]));
}
const OPEN = "session.openSubflow({ from: { addr: local.addr } });";

test("every address, in the order in which they came; free slots are passed over, and filled again", async () => {
  expect(await opened(3, `for (const local of session.localAddresses()) ${OPEN}`)).toEqual([1, 2, 3]);
  expect(await opened(3, `for (const local of session.localAddresses()) ${OPEN}`, [2])).toEqual([1, 3]);
  expect(await opened(0, `for (const local of session.localAddresses()) ${OPEN}`)).toEqual([]);
});

test("eight at most: those behind wait until one goes, and are forgotten when they go themselves", async () => {
  const every = `for (const local of session.localAddresses()) ${OPEN}`;
  expect(await opened(9, every)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(await opened(10, every, [2])).toEqual([1, 9, 3, 4, 5, 6, 7, 8]);
  expect(await opened(10, every, [9, 2, 4])).toEqual([1, 10, 3, 5, 6, 7, 8]);
});

test("break, continue with a label, return", async () => {
  expect(
    await opened(
      4,
      `let n: u32 = 0; for (const local of session.localAddresses()) { if (n === 2) break; n += 1; ${OPEN} }`,
    ),
  ).toEqual([1, 2]);
  expect(
    await opened(
      3,
      `OUTER: for (const a of session.localAddresses()) for (const local of session.localAddresses()) { if (a.addr === local.addr) continue OUTER; ${OPEN} }`,
    ),
  ).toEqual([1, 1, 2]);
  expect(await opened(3, `for (const local of session.localAddresses()) { ${OPEN} return; }`)).toEqual([1]);
});

test("an address may be given to a function", async () => {
  const top =
    "function open(session: MptcpSession, local: HostAddress) { session.openSubflow({ from: { addr: local.addr } }); }";
  expect(await opened(2, "for (const local of session.localAddresses()) open(session, local);", [], top)).toEqual([
    1, 2,
  ]);
});

test("a map of the program may be called as ours would be", async () => {
  const top = "export const local_addrs = new HashMap({ key: u32, value: u32, maxEntries: 4 });";
  expect(
    await opened(2, `local_addrs.set(1, 5); for (const local of session.localAddresses()) ${OPEN}`, [], top),
  ).toEqual([1, 2]);
});

test("a struct of the program may be called as ours is", async () => {
  const top = `class local_addresses extends struct({ a: u64, rest: array(u64, 23) }) {}
export const own = new ArrayMap({ value: local_addresses, maxEntries: 1 });`;
  const body = `const mine = own.get(0); if (mine && mine.a !== 0n) return; for (const local of session.localAddresses()) ${OPEN}`;
  expect(await opened(2, body, [], top)).toEqual([1, 2]);
});

test("they cannot be written", async () => {
  await expect(opened(1, "for (const local of session.localAddresses()) local.family = 1;")).rejects.toThrow(
    "read-only",
  );
});

test("what is no address of a loop is told with what may be written", async () => {
  const TAKES = "function take(session: MptcpSession, local: HostAddress) { session.setTimer(local.family); }";
  const told = (event: string) =>
    opened(0, `} , addLocalAddress(session, local) { ${event}`, [], TAKES).then(
      () => "",
      (error: unknown) => String(error),
    );
  expect(await told("take(session, local);")).toContain("pass its fields: local.addr, local.family");
  expect(await told("const kept: HostAddress = local; take(session, kept);")).toContain("pass its fields");
  for (const call of ["announceAddress(local)", "withdrawAddress(local)", "openSubflow({ from: local })"])
    expect(await told(`session.${call};`), call).toContain("write { addr: local.addr }");
  expect(await told("session.openSubflow({ to: local });")).toContain("session.remoteIp4");
});
