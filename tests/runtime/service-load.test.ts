// No segment goes without its option while the service is stopped, killed, restarted and given another program.
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { stopAll } from "./command.ts";
import { openLab, pause, whyNot, type Lab } from "./lab.ts";
import { EVERY, openRig, type Rig } from "./service-rig.ts";
import { markOf, openLoad, type Load } from "./service-traffic.ts";

const skip = whyNot();
describe.skipIf(skip)(skip ? `a service under load (skipped: ${skip})` : "a service under load", () => {
  let lab: Lab;
  let rig: Rig;
  let web: string;
  let load: Load;
  beforeAll(async () => {
    lab = openLab();
    rig = openRig(lab);
    web = lab.cgroup("web");
    load = await openLoad(lab, web);
    rig.build("first", EVERY());
    // The same with a map and another handler: another object, whose map is new.
    rig.build(
      "second",
      EVERY("export const parsed = new ArrayMap({ value: u64, maxEntries: 1 });")
        .replace("import { license", "import { ArrayMap, license, u64")
        .replace(
          "write(conn",
          "parse(conn) { const n = parsed.get(0); if (n !== undefined) parsed.set(0, n + 1n); },\n  write(conn",
        ),
    );
  });
  afterEach(() => {
    stopAll();
    rig.clean();
  });
  afterAll(() => lab?.close());

  const says = (version: number, file: string, keep: boolean): void =>
    rig.says({ keep, programs: { web: { file, cgroup: web, params: { version } } } });

  it("with keep, across reload, stop, upgrade and SIGKILL no segment lacks its option", async () => {
    says(1, "first.o", true);
    let running = await rig.serve();
    const { sent } = await load.under(async () => {
      await pause(300);
      says(2, "first.o", true);
      expect(rig.ask("reload").code).toBe(0);
      await pause(300);
      // In order, and started again with another object.
      expect(await running.stop("SIGTERM")).toBe(0);
      await pause(300);
      says(3, "second.o", true);
      running = await rig.serve();
      await pause(300);
      for (let version = 4; version <= 6; version++) {
        await running.stop("SIGKILL");
        await pause(200);
        says(version, version % 2 === 0 ? "first.o" : "second.o", true);
        running = await rig.serve();
        await pause(200);
      }
    });
    const marks = sent.map(markOf);
    expect(sent.length).toBeGreaterThan(2000);
    expect(sent.filter((one) => markOf(one) === undefined)).toEqual([]);
    // Each of them wrote, and none after the next.
    expect([...new Set(marks)]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(running.lines[0]).toMatch(/^web: takes over what process \d+ has left; its maps are kept$/);
  }, 180_000);

  it("without keep, segments lack it after the stop: this test would see one that does", async () => {
    says(1, "first.o", false);
    const running = await rig.serve();
    const { sent } = await load.under(async () => {
      await pause(300);
      expect(await running.stop("SIGTERM")).toBe(0);
    });
    const marks = sent.map(markOf);
    expect(marks.filter((mark) => mark === 1).length).toBeGreaterThan(100);
    expect(marks.filter((mark) => mark === undefined).length).toBeGreaterThan(100);
    expect(marks.indexOf(undefined)).toBeGreaterThan(marks.indexOf(1));
  }, 120_000);
});
