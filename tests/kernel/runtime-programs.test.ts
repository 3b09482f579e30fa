// The runtime on the patched kernel: bundled programs loaded by our loader inside the virtual machine.
import { describe, expect, it } from "vitest";
import { TARGETS } from "../../compiler/bpf/kernels.ts";
import { FAMILIES } from "../runtime/dropping.ts";
import { limitsTable } from "../runtime/recorder/limits.ts";
import { differences } from "../runtime/recorder/compare.ts";
import { limitsOfModel, recordModel } from "../runtime/recorder/model.ts";
import { EVENT } from "../runtime/recorder/mptcp.ts";
import { replayDifferences } from "../runtime/recorder/replay.ts";
import { SESSIONS, timeouts, type Sides } from "../runtime/recorder/session.ts";
import { wrong as wrongInCompany } from "../runtime/company/judge.ts";
import type { Seen } from "../runtime/company/scenario.ts";
import { SETTINGS, wrong } from "../runtime/shared-writing/judge.ts";
import type { Wire } from "../runtime/shared-writing/scenario.ts";
import { cachedKernel, missingTool, runInVm } from "./kernel.ts";
import { bundleScenario } from "./runtime/bundle.ts";

const kernel = cachedKernel();
const skip = kernel.missing ?? missingTool("qemu-system-x86_64", "ip", "ss", "nsenter");
type Finding = { readonly name: string } & Record<string, unknown>;

/** Findings by name. The virtual machine's own trouble (a kernel warning, a hang) fails the test with its words. */
async function findings(part: string): Promise<ReadonlyMap<string, Finding>> {
  const { code, stdout, stderr } = runInVm(["node", await bundleScenario(), part]);
  const lines = stdout.split("\n").filter((line) => line.startsWith('{"'));
  const found = new Map(lines.map((line) => JSON.parse(line) as Finding).map((one) => [one.name, one]));
  expect(code, `${stdout}\n${stderr}`).toBe(0);
  expect(found.get("error")).toBeUndefined();
  expect(found.has("end")).toBe(true);
  return found;
}
const TWO = ["10.1.0.1", "10.2.0.1"];
const BOTH = ["10.1.0.2", "10.2.0.2"];
const TWO6 = ["[fd01::1]", "[fd02::1]"];
const BOTH6 = ["[fd01::2]", "[fd02::2]"];
const mesh = (from: readonly string[], to: readonly string[]): string[] =>
  from.flatMap((one) => to.map((other) => `${one} ${other}`)).toSorted();

describe.skipIf(skip)(
  skip ? `the runtime on the patched kernel (skipped: ${skip})` : "the runtime on the patched kernel",
  () => {
    it("runs path managers in the kernel", async () => {
      const found = await findings("paths");
      for (const extra of [1, 2, 5])
        expect(found.get(`ndiffports ${extra}`)).toMatchObject({
          pairs: new Array<string>(1 + extra).fill("10.1.0.1 10.1.0.2"),
          joins: extra,
          intact: true,
        });
      expect(found.get("ndiffports IPv6")).toMatchObject({
        pairs: new Array<string>(3).fill("[fd01::1] [fd01::2]"),
        intact: true,
      });
      for (const name of ["fullmesh 2x2", "fullmesh second session"])
        expect(found.get(name), name).toMatchObject({ pairs: mesh(TWO, BOTH), intact: true });
      expect(found.get("fullmesh 2x2")).toMatchObject({ joins: 3 });
      expect(found.get("fullmesh 3x2")).toMatchObject({
        pairs: mesh([...TWO, "10.3.0.1"], BOTH),
        joins: 5,
        intact: true,
      });
      expect(found.get("warning")).toBeUndefined();
    });

    it("opens a backup, and tells the peer", async () => {
      const found = await findings("backup");
      const pairs = ["10.1.0.1 10.1.0.2", "10.2.0.1 10.1.0.2", "10.2.0.1 10.2.0.2"];
      expect(found.get("backup")).toMatchObject({ pairs, intact: true });
      // Bit 0 of the fourth digit is B.
      expect(found.get("backups")).toMatchObject({
        backups: ["10.2.0.1 10.2.0.2"],
        priorities: [expect.stringMatching(/^1e0[34]51/)],
      });
    });

    it("follows addresses that are announced late, removed, and announced again", async () => {
      const found = await findings("removal");
      for (const name of ["fullmesh before", "fullmesh removed"])
        expect(found.get(name), name).toMatchObject({ pairs: mesh(TWO, ["10.1.0.2"]), intact: true });
      for (const name of ["fullmesh late", "fullmesh again"])
        expect(found.get(name), name).toMatchObject({ pairs: mesh(TWO, BOTH), intact: true });
      expect(found.get("fullmesh forgets")).toMatchObject({ left: 0 });
    });

    it("follows local addresses that come late, go, and come back, in sessions that are open", async () => {
      const found = await findings("locals");
      const all = [...TWO, "10.3.0.1"];
      for (const [name, near, far] of [
        ["before", TWO, BOTH],
        ["late", all, BOTH],
        ["gone", TWO, BOTH],
        ["again", all, BOTH],
        ["second session", TWO, BOTH],
        ["first gone", ["10.2.0.1"], BOTH],
        ["first again", TWO, BOTH],
        ["IPv6 before", TWO6, ["[fd01::2]"]],
        ["IPv6 announced", TWO6, BOTH6],
        ["IPv6 late", [...TWO6, "[fd03::1]"], BOTH6],
        ["IPv6 gone", TWO6, BOTH6],
        ["IPv6 again", [...TWO6, "[fd03::1]"], BOTH6],
      ] as const)
        expect(found.get(name), name).toMatchObject({ pairs: mesh(near, far), intact: true });
      // The first subflow is one of the IPv6 socket, and those that joined are of IPv4.
      const [first, ...joined] = mesh(TWO, BOTH);
      expect(first).toBe("10.1.0.1 10.1.0.2");
      expect(found.get("mapped")).toMatchObject({
        pairs: [...joined, "[::ffff:10.1.0.1] [::ffff:10.1.0.2]"].toSorted(),
        intact: true,
      });
      expect(found.get("warning")).toBeUndefined();
    });

    it("runs path managers that need links, a clock, announcements, round-trip times", async () => {
      const found = await findings("managers");
      const [first] = mesh(TWO.slice(0, 1), BOTH.slice(0, 1));
      for (const told of ["1 0 0 0", "1 0 0 3", "1 2 1 3"])
        expect(found.get(`links ${told}`), told).toMatchObject({ told: told.split(" ").map(Number) });
      expect(found.get("thin before")).toMatchObject({ pairs: [first] });
      expect(found.get("thin after")).toMatchObject({ intact: true });
      expect(found.get("thin later")).toMatchObject({ pairs: [first, "10.2.0.1 10.1.0.2"] });
      for (const name of ["announced", "announced again"])
        expect(found.get(name), name).toMatchObject({ pairs: mesh(TWO, BOTH), intact: true });
      expect(found.get("withdrawn")).toMatchObject({ pairs: mesh(TWO, ["10.1.0.2"]) });
      expect(found.get("idle before")).toMatchObject({ pairs: [first, first, first] });
      for (const name of ["idle after", "idle still carries"])
        expect(found.get(name), name).toMatchObject({ pairs: [first] });
      expect(found.get("idle still carries")).toMatchObject({ intact: true });
      expect(found.get("recover tries")).toMatchObject({ pairs: [first] });
      expect(found.get("recovered")).toMatchObject({ pairs: [first, first], intact: true });
      // Those over the second link, in one direction or both.
      const { backups } = found.get("backups by time") as unknown as { backups: string[] };
      expect(backups.length).toBeGreaterThan(0);
      expect(found.get("by time")).toMatchObject({ pairs: mesh(TWO, BOTH), intact: true });
      expect(found.get("warning")).toBeUndefined();
    });

    it("refuses incoming subflows as a program on the server says", async () => {
      const found = await findings("accept");
      expect(found.get("accept")).toMatchObject({
        pairs: new Array<string>(3).fill("10.1.0.1 10.1.0.2"),
        joins: 5,
        intact: true,
      });
    });

    it("keeps options of several programs on a connection apart, through either interface", async () => {
      const found = await findings("shared");
      for (const target of TARGETS)
        for (const setting of SETTINGS)
          expect(wrong(setting, found.get(`${target}: ${setting.name}`) as Wire | undefined), setting.name).toEqual([]);
    });

    it("keeps the company of options apart, by its own events and by mainline's callbacks", async () => {
      const found = await findings("company");
      for (const target of TARGETS)
        expect(wrongInCompany(found.get(target) as unknown as Seen, target), target).toEqual([]);
    });

    it("says where options have no room: a warning of run, and the count of run and show", async () => {
      const found = await findings("room");
      expect(found.get("TCP")).toMatchObject({ warnings: [] });
      expect(found.get("TCP")?.["shown"]).not.toContain("had no room for an option");
      const { warnings, shown } = found.get("MPTCP") as unknown as { warnings: string[]; shown: string };
      expect(warnings).toHaveLength(2);
      // There was an MPTCP socket when it began.
      expect(warnings[0]).toMatch(/^on an MPTCP subflow full segments carry no option of a program/);
      const counted = Number(/^(\d+) segments had no room for an option/.exec(warnings[1] ?? "")?.[1]);
      expect(counted).toBeGreaterThan(0);
      expect(shown).toContain(`\n${counted} segments of this namespace had no room for an option`);
    });

    it("takes the values of socket options that the model takes", async () => {
      const { results, available } = (await findings("limits")).get("limits") as unknown as {
        results: number[];
        available: string[];
      };
      // CONFIG_HZ_1000 in kernel/config.
      expect(limitsTable("patched", results)).toBe(
        limitsTable("patched", await limitsOfModel("patched", 1000, available)),
      );
      expect(new Set(results).size).toBeGreaterThan(2);
    });

    // On an emulated machine that gets no processor, timers fire that the model has no reason to fire: then once more.
    it("shows programs the events, fields and answers that the model shows them", { retry: 2 }, async () => {
      const found = await findings("record");
      for (const session of SESSIONS) {
        const kernel = found.get(session.name) as unknown as Sides | undefined;
        if (!kernel && session.loses) continue;
        const model = await recordModel("patched", session, timeouts(kernel!));
        expect(differences(kernel!, model), session.name).toEqual([]);
      }
      const kernel = found.get("MPTCP") as unknown as Sides;
      expect(await replayDifferences(kernel)).toEqual([]);
      const heard = new Set([...kernel.client, ...kernel.server].map(({ op }) => op));
      expect([...heard].toSorted((a, b) => a - b)).toEqual(Object.values(EVENT));
      const spoiled = { ...kernel, client: kernel.client.map((one) => ({ ...one, closeSubflow: 1 })) };
      expect((await replayDifferences(spoiled)).length).toBe(kernel.client.length);
    });

    it("runs option handlers through either interface, which understand each other", async () => {
      const found = await findings("options");
      for (const family of FAMILIES) {
        for (const ends of ["patched to patched", "mainline to patched", "patched to mainline"]) {
          const of = (program: string): Finding | undefined => found.get(`${program} ${ends} over ${family}`);
          expect(of("user-timeout"), `${ends} ${family}`).toMatchObject({ wire: ["1c040001"], effect: "e8030000" });
          const scheme = of("congestion-control")!;
          expect(scheme["wire"], `${ends} ${family}`).toEqual(["42040003"]);
          const name = Buffer.from(String(scheme["effect"]), "hex").toString("latin1").replace(/\0.*/s, "");
          expect(name, `${ends} ${family}`).toBe("cubic");
          expect(of("initial-window"), `${ends} ${family}`).toMatchObject({ wire: ["42040028"] });
        }
        expect(found.get(`delayed-ack over ${family}`)).toMatchObject({ wire: ["43040264"], effect: "64000000" });
      }
    });
  },
);
