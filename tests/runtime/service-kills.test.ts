// SIGKILL at random moments, while connections come and go: of a service that starts, takes over, runs, or reloads.
// `npm run test:faults` has 100 of them, under 1,000 connections per second.
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { allLinks } from "../../runtime/kernel/info.ts";
import { start, stopAll } from "./command.ts";
import { openLab, pause, whyNot, type Lab } from "./lab.ts";
import { EVERY, openRig, type Rig } from "./service-rig.ts";
import { markOf, openLoad, type Load } from "./service-traffic.ts";

const KILLS = Number(process.env["FAULT_KILLS"] ?? 5);
const RATE = Number(process.env["FAULT_RATE"] ?? 200);
/** What is captured at a time is held in memory. */
const ROUND = 10;
const skip = whyNot();

describe.skipIf(skip)(skip ? `kills of a service (skipped: ${skip})` : "kills of a service", () => {
  let lab: Lab;
  let rig: Rig;
  let web: string;
  let load: Load;
  beforeAll(async () => {
    lab = openLab();
    rig = openRig(lab);
    web = lab.cgroup("web");
    load = await openLoad(lab, web, RATE);
    rig.build("first", EVERY());
    rig.build("second", EVERY("export let unused: u8 = 0;"));
  });
  afterAll(() => {
    stopAll();
    rig?.clean();
    lab?.close();
  });
  const links = (): number => [...allLinks()].filter((one) => one.cgroupId === BigInt(statSync(web).ino)).length;
  const records = (): string[] =>
    readdirSync(process.env["TSBPF_RUN_DIR"]!).filter((name) => /^(served|service)-/.test(name));

  it(
    `at ${KILLS} random moments no segment lacks its option, and the next start takes over`,
    async () => {
      let version = 1;
      const says = (): void => {
        version = (version % 250) + 1;
        const file = version % 2 === 0 ? "first.o" : "second.o";
        rig.says({ keep: true, programs: { web: { file, cgroup: web, params: { version } } } });
      };
      says();
      await (await rig.serve()).stop("SIGKILL");
      let [segments, connections, started, reloading] = [0, 0, 0, 0];
      for (let left = KILLS; left > 0; left -= ROUND) {
        const round = await load.under(async () => {
          for (let turn = 0; turn < Math.min(left, ROUND); turn++) {
            says();
            const running = start(["serve", join(rig.folder, "service.json")]);
            // Before its first step, in the middle of them, and long after them.
            await pause(Math.random() * 3000);
            const runs = running.lines.some((line) => line.startsWith("serving"));
            if (runs) started++;
            if (runs && Math.random() < 0.5) {
              says();
              reloading++;
              running.child.kill("SIGHUP");
              await pause(Math.random() * 300);
            }
            await running.stop("SIGKILL");
            expect(running.errors).toEqual([]);
            expect(links()).toBe(1);
          }
        });
        expect(round.sent.filter((one) => markOf(one) === undefined)).toEqual([]);
        segments += round.sent.length;
        connections += round.connections;
      }
      console.log(
        `${KILLS} kills, ${started} of what ran, ${reloading} in a reload: ${segments} segments of ${connections} connections, 0 without their option`,
      );
      expect(segments).toBeGreaterThan(KILLS * 100);
      says();
      const last = await rig.serve();
      expect(rig.list().map(({ name, state }) => [name, state])).toEqual([["web", "attached"]]);
      expect(rig.ask("stop", "--detach").code).toBe(0);
      expect(await last.ended).toBe(0);
      expect([links(), records(), existsSync(rig.pins)]).toEqual([0, [], false]);
    },
    120_000 + KILLS * 20_000,
  );
});
