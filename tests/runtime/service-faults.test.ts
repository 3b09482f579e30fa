// What a service does where the machine gives out: a disk that is full, maps that are, memory that is not there, a clock that jumps.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { startDaemon } from "../../runtime/mptcp/netlink-daemon.ts";
import { stopAll, tsbpf } from "./command.ts";
import { compiled } from "./compiled.ts";
import { kernel } from "./kernel-of-tables.ts";
import { openLab, pause, sh, until, whyNot, type Lab } from "./lab.ts";
import { repository } from "./repository.ts";
import { EVERY, openRig, type Rig } from "./service-rig.ts";

const skip = whyNot();
const MAP = (size: number): string => `
import { HashMap, license, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const seen = new HashMap({ key: u32, value: u32, maxEntries: ${size} });
export const counting = sockOps((ctx) => {
  seen.set(ctx.localPort, 1);
  return 1;
});
`;
/** More bytes than any machine has. */
const HUGE = `
import { ArrayMap, license, struct, u64 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Line extends struct({ a: u64, b: u64, c: u64, d: u64 }) {}
export const seen = new ArrayMap({ value: Line, maxEntries: 4294967295 });
export const counting = sockOps((ctx) => {
  const one = seen.get(ctx.localPort);
  if (one) one.a += 1n;
  return 1;
});
`;

describe.skipIf(skip)(skip ? `faults (skipped: ${skip})` : "faults", () => {
  let lab: Lab;
  let rig: Rig;
  let web: string;
  let mail: string;
  let file: string;
  beforeAll(() => {
    lab = openLab();
    rig = openRig(lab);
    [web, mail] = [lab.cgroup("web"), lab.cgroup("mail")];
    file = join(rig.folder, "service.json");
    rig.build("every", EVERY());
    rig.build("small", MAP(8));
    rig.build("huge", HUGE);
  });
  afterEach(() => {
    stopAll();
    rig.clean();
  });
  afterAll(() => lab?.close());

  /** A file system of some pages, which can be filled. */
  function tinyDisk(pages: number): { folder: string; fill(): void; free(): void } {
    const folder = mkdtempSync(join(tmpdir(), "tsbpf-tiny-"));
    sh("mount", "-t", "tmpfs", "-o", `mode=0700,size=${pages * 4}k`, "tmpfs", folder);
    lab.defer(() => {
      sh("umount", "-l", folder);
      rmSync(folder, { recursive: true });
    });
    const filler = join(folder, "filler");
    return {
      folder,
      fill() {
        for (let size = 0; size < pages; size++)
          try {
            writeFileSync(filler, Buffer.alloc(4096, 0x61), { flag: "a" });
          } catch {
            return;
          }
      },
      free: () => rmSync(filler),
    };
  }

  it("where records find no room nothing is changed, and what runs goes on", async () => {
    const disk = tinyDisk(8);
    const before = process.env["TSBPF_RUN_DIR"];
    process.env["TSBPF_RUN_DIR"] = disk.folder;
    try {
      const records = (): string[] => readdirSync(disk.folder).filter((name) => name.endsWith(".json"));
      const says = (version: number, more: object = {}): void =>
        rig.says({ programs: { web: { file: "every.o", cgroup: web, params: { version } }, ...more } });
      says(1);
      disk.fill();
      expect(tsbpf(["serve", file])).toEqual({
        code: 1,
        out: "",
        err: expect.stringMatching(
          /^error\[system\]: keeping the record .*\.json, so that the change can be undone: ENOSPC\n {2}help: make room there: df /,
        ),
      });
      expect([rig.attached(web), records()]).toEqual([[], []]);
      disk.free();
      const running = await rig.serve();
      disk.fill();
      says(2, { mail: { file: "every.o", cgroup: mail } });
      expect(rig.ask("reload").err).toMatch(
        /^error\[system\]: mail: keeping the record .*: ENOSPC\n {2}help: make room/,
      );
      expect([rig.attached(web), rig.attached(mail), records().length]).toEqual([["every"], [], 2]);
      // What needs no new record can be done.
      says(2);
      expect(rig.ask("reload").out).toBe("replaced: web\n");
      expect(await running.stop()).toBe(0);
      expect([rig.attached(web), records()]).toEqual([[], []]);
    } finally {
      process.env["TSBPF_RUN_DIR"] = before;
    }
  }, 60_000);

  it("where its log finds no room it serves on, and says later how many lines are missing", async () => {
    const disk = tinyDisk(3);
    rig.says({ programs: { web: { file: "every.o", cgroup: web } } });
    const log = join(disk.folder, "log");
    const bin = join(repository, "bin/tsbpf.cjs");
    const child = spawn("sh", ["-c", `exec ${process.execPath} ${bin} serve ${file} >>${log} 2>&1`], {
      cwd: repository,
      stdio: "ignore",
    });
    const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
    lab.defer(() => child.kill("SIGKILL"));
    const text = (): string => (existsSync(log) ? readFileSync(log, "utf8") : "");
    await until("it serves", () => text().includes("serving 1 program"), 20_000);
    disk.fill();
    // The last page has room for some lines yet.
    for (let isFull = false; !isFull;)
      try {
        writeFileSync(log, "-\n", { flag: "a" });
      } catch {
        isFull = true;
      }
    child.kill("SIGHUP");
    await pause(500);
    expect([rig.ask("list").code, rig.attached(web)]).toEqual([0, ["every"]]);
    disk.free();
    await until(
      "it says what is missing",
      async () => {
        child.kill("SIGHUP");
        await pause(200);
        return /^warning: \d+ lines? before the last one found no room on the disk$/m.test(text());
      },
      10_000,
    );
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
    expect(rig.attached(web)).toEqual([]);
  }, 60_000);

  it("where there is no memory for a map, a start and a reload change nothing and say so", async () => {
    rig.says({ programs: { web: { file: "every.o", cgroup: web }, mail: { file: "huge.o", cgroup: mail } } });
    const expected = /mail: .*seen.*: (ENOMEM|E2BIG)[^]*\n {2}help: /;
    expect(tsbpf(["serve", file]).err).toMatch(expected);
    expect([rig.attached(web), existsSync(rig.pins)]).toEqual([[], false]);
    rig.says({ programs: { web: { file: "every.o", cgroup: web } } });
    const running = await rig.serve();
    rig.says({ programs: { web: { file: "every.o", cgroup: mail }, mail: { file: "huge.o", cgroup: mail } } });
    expect(rig.ask("reload").err).toMatch(expected);
    expect([rig.attached(web), rig.attached(mail)]).toEqual([["every"], []]);
    expect(await running.stop()).toBe(0);
  }, 60_000);

  it("a map that is full takes no more keys, and connections go on", async () => {
    const netns = lab.netns("full");
    rig.says({ programs: { web: { file: "small.o", cgroup: web } } });
    const running = await rig.serve();
    const peer = await lab.peer(netns, web);
    await peer.call("listen", { host: "127.0.0.1", port: 7990, mode: "echo" });
    for (let turn = 0; turn < 20; turn++) await peer.call("connect", { host: "127.0.0.1", port: 7990 });
    await until("all are accepted", () => peer.accepted.length === 20);
    const entries = JSON.parse(tsbpf(["map", "dump", "web/seen", "--json", "--pins", rig.pins]).out) as unknown[];
    expect(entries.length).toBe(8);
    expect(await running.stop()).toBe(0);
  }, 60_000);
});

describe("clocks", () => {
  afterEach(() => void vi.useRealTimers());

  it("that jump move no timer of a path manager, and no look at the kernel's list", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.UTC(2026, 0, 1) });
    const world = kernel();
    const module = compiled(
      "clocks",
      "patched",
      `
import { ArrayMap, license, u32 } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";
license("GPL");
export const rang = new ArrayMap({ value: u32, maxEntries: 1 });
export const clocks = pathManager({
  fullyEstablished(session) { session.setTimer(200); },
  timer() { rang.set(0, 1); },
});
`,
    );
    const daemon = startDaemon(module, world.doors, { surveySeconds: 0.3 });
    const rang = (): boolean => daemon.machine.maps.get("rang")!.read(new Uint8Array(4))![0]![0] === 1;
    world.open(1);
    vi.setSystemTime(0);
    world.open(2, true);
    await until("the timer", rang);
    vi.setSystemTime(Date.UTC(2100, 0, 1));
    await until("the one that nobody told of", () => daemon.sessions.size === 2);
    daemon.close();
  });

  it("are asked for what people are told alone: since when, and at what time", () => {
    const uses = ["service", "mptcp", "kernel", "vm"].flatMap((folder) =>
      readdirSync(join(repository, "runtime", folder), { recursive: true, encoding: "utf8" }).flatMap((name) =>
        name.endsWith(".ts")
          ? readFileSync(join(repository, "runtime", folder, name), "utf8")
              .split("\n")
              .filter((line) => /new Date\b|Date\.now/.test(line))
              .map((line) => `${folder}/${name}: ${line.trim()}`)
          : [],
      ),
    );
    for (const use of uses) expect(use).toMatch(/\bsince(:| =) new Date\(\)|^service\/log\.ts: .*now = new Date\(\)/);
  });
});
