// A service against what happens at the wrong moment: an end while clients ask, places that cannot be looked at, two who take over at once.
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { watchLinks } from "../../runtime/kernel/attached.ts";
import { closeFd } from "../../runtime/kernel/fd.ts";
import { inNetns } from "../../runtime/kernel/places.ts";
import { syscalls } from "../../runtime/kernel/syscalls.ts";
import { ask } from "../../runtime/service/control-client.ts";
import { prepareNetlink } from "../../runtime/service/netlink-instance.ts";
import { fits, MOST_MATCHES, placesNow } from "../../runtime/service/places.ts";
import type { Host, Target } from "../../runtime/service/target.ts";
import { start, stopAll, tsbpf } from "./command.ts";
import { compiled } from "./compiled.ts";
import { openLab, pause, sh, until, whyNot, type Lab } from "./lab.ts";
import { EVERY, openRig, type Rig } from "./service-rig.ts";

describe("patterns", () => {
  it.each([
    ["docker-1.scope", "docker-*.scope", true],
    ["docker-.scope", "docker-*.scope", true],
    ["docker-1.scope2", "docker-*.scope", false],
    ["abcabd", "*ab?", true],
    ["abab", "ab*ab", true],
    ["aba", "ab*ab", false],
    ["", "*", true],
    ["", "?", false],
    ["a\nb", "a?b", true],
    ["a.b", "a?b", true],
    ["axb", "a.b", false],
    ["x", "x**", true],
  ])("%j fits %j: %s", (name, part, yes) => expect(fits(name, part)).toBe(yes));

  it("are compared without going back for ever, whatever somebody calls a cgroup", () => {
    expect(fits("a".repeat(255), `${"*a".repeat(30)}*b`)).toBe(false);
  });

  describe("that fit too many", () => {
    let folder: string;
    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), "tsbpf-crowd-"));
      for (let one = 0; one < MOST_MATCHES + 5; one++) mkdirSync(join(folder, `n${one}`));
    });
    afterEach(() => rmSync(folder, { recursive: true }));

    it("keep those that run, and say how many have no place", () => {
      const target = { name: "web", program: "web", place: join(folder, "n*") } as unknown as Target;
      const all = readdirSync(folder).map((name) => `web@${name}`);
      const running = new Set(all.slice(-10));
      const { targets, beyond } = placesNow([target], running);
      expect(targets.length).toBe(MOST_MATCHES);
      expect(targets.filter(({ name }) => running.has(name)).length).toBe(10);
      expect(beyond).toEqual([{ target, count: 5 }]);
    });
  });
});

it("a place that cannot be watched is looked at now and then all the same", () => {
  watchLinks(new Map(), "/etc/passwd/none").close();
});

it.each([["null"], ["7"], ["{}"], ['{"ok":false}'], ['{"ok":"yes"}'], ['{"ok":false,"error":null}']])(
  "a reply that is none (%s) is said to be none",
  async (reply) => {
    const folder = mkdtempSync(join(tmpdir(), "tsbpf-reply-"));
    const path = join(folder, "socket");
    const server = createServer((socket) => socket.end(`${reply}\n`)).listen(path);
    await new Promise((resolve) => server.once("listening", resolve));
    await expect(ask(path, { command: "list" })).rejects.toMatchObject({ key: "ended" });
    server.close();
    rmSync(folder, { recursive: true });
  },
);

const skip = whyNot();
describe.skipIf(skip)(skip ? `races of a service (skipped: ${skip})` : "races of a service", () => {
  let lab: Lab;
  let rig: Rig;
  let web: string;
  beforeAll(() => {
    lab = openLab();
    rig = openRig(lab);
    web = lab.cgroup("web");
    rig.build("every", EVERY());
    expect(tsbpf(["build", "programs/ndiffports.ts", "-o", rig.folder]).err).toBe("");
  });
  afterEach(() => {
    stopAll();
    rig.clean();
  });
  afterAll(() => lab?.close());
  const records = (): string[] => {
    const folder = process.env["TSBPF_RUN_DIR"]!;
    return existsSync(folder) ? readdirSync(folder).filter((name) => /^(served|service|path-manager)-/.test(name)) : [];
  };
  const client = (): Promise<{ socket: Socket; reply: Promise<string> }> =>
    new Promise((resolve, reject) => {
      let text = "";
      const socket = connect({ path: rig.socket }, () =>
        resolve({ socket, reply: new Promise((done) => socket.on("close", () => done(text))) }),
      );
      socket.on("data", (chunk) => (text += chunk.toString()));
      socket.on("error", reject);
    });

  it("who asks for a reload while it ends is told so, and nothing is attached again", async () => {
    rig.says({ programs: { web: { file: "every.o", cgroup: web } } });
    const running = await rig.serve();
    // Somebody who holds the end up, and somebody who has connected before.
    const [idle, late] = [await client(), await client()];
    late.socket.write('{"comm');
    expect(rig.ask("list").code).toBe(0);
    running.child.kill("SIGTERM");
    await running.line(/^ended/);
    running.child.kill("SIGHUP");
    late.socket.write('and":"reload"}\n');
    expect(JSON.parse(await late.reply)).toMatchObject({
      ok: false,
      error: { key: "ended", message: "the service is ending", help: expect.stringContaining("tsbpf serve FILE") },
    });
    idle.socket.destroy();
    expect(await running.ended).toBe(0);
    expect([rig.attached(web), existsSync(rig.pins), records()]).toEqual([[], false, []]);
  });

  it("a start whose socket cannot be made changes nothing of what was kept", async () => {
    rig.says({ keep: true, programs: { web: { file: "every.o", cgroup: web, params: { version: 1 } } } });
    await (await rig.serve()).stop();
    const kept = records();
    rig.says({ programs: { web: { file: "every.o", cgroup: web, params: { version: 2 } } } });
    chmodSync(join(rig.socket, ".."), 0o777);
    try {
      expect(tsbpf(["serve", join(rig.folder, "service.json")]).err).toMatch(
        /^error\[not-permitted\]: the socket would lie below/,
      );
    } finally {
      chmodSync(join(rig.socket, ".."), 0o700);
    }
    expect([rig.attached(web), records()]).toEqual([["every"], kept]);
  });

  it("tells its watchdog between two programs, however long a reload takes", async () => {
    const address = `tsbpf-beats-${process.pid}`;
    const calls = syscalls();
    const fd = calls.socket(1, 2 | 0x80000 | 0x800, 0);
    expect(calls.bind(fd, Buffer.concat([Buffer.from([1, 0, 0]), Buffer.from(address)]))).toBe(0);
    const heard = (): string[] => {
      const all: string[] = [];
      const into = new Uint8Array(4096);
      for (let length = calls.receive(fd, into, 0); length > 0; length = calls.receive(fd, into, 0))
        all.push(Buffer.from(into.subarray(0, length)).toString());
      return all;
    };
    // Its own beats are half an hour apart.
    Object.assign(process.env, { NOTIFY_SOCKET: `@${address}`, WATCHDOG_USEC: "3600000000" });
    try {
      const mail = lab.cgroup("mail");
      rig.says({ programs: { web: { file: "every.o", cgroup: web } } });
      const running = await rig.serve();
      heard();
      rig.says({
        programs: {
          web: { file: "every.o", cgroup: web, params: { version: 2 } },
          mail: { file: "every.o", cgroup: mail },
        },
      });
      expect(rig.ask("reload").code).toBe(0);
      const told = heard();
      expect(told[0]).toMatch(/^RELOADING=1/);
      expect(told.filter((one) => one === "WATCHDOG=1").length).toBeGreaterThanOrEqual(6);
      expect(await running.stop()).toBe(0);
    } finally {
      delete process.env["NOTIFY_SOCKET"];
      delete process.env["WATCHDOG_USEC"];
      closeFd(fd);
    }
  });

  describe.skipIf(!existsSync("/proc/sys/net/mptcp/pm_type"))("of path managers over netlink", () => {
    const pmType = (netns: string): string =>
      inNetns(netns, () => readFileSync("/proc/sys/net/mptcp/pm_type", "utf8").trim());

    it("without a descriptor left it ends nothing, says so once, and goes on when there is one", async () => {
      const name = `${lab.prefix}-late`;
      rig.says({
        programs: {
          web: { file: "every.o", cgroup: web },
          paths: { file: "ndiffports.o", netns: name, backend: "netlink", whenGone: "wait" },
        },
      });
      const running = await rig.serve();
      const pid = String(running.child.pid);
      const used = new Set(readdirSync(`/proc/${pid}/fd`).map(Number));
      const free = [...Array(1024).keys()].find((fd) => !used.has(fd))!;
      sh("prlimit", "--pid", pid, `--nofile=${free}:`);
      lab.netns("late");
      const text = `warning: cannot look for what has come: opening /run/netns/${name}: EMFILE`;
      await until("it is said", () => running.errors.length > 0, 10_000);
      for (let turn = 0; turn < 3; turn++) {
        const { socket, reply } = await client();
        socket.write('{"command":"list"}\n');
        await Promise.race([reply, pause(1500)]);
        socket.destroy();
      }
      expect([running.errors, rig.attached(web)]).toEqual([[text], ["every"]]);
      sh("prlimit", "--pid", pid, "--nofile=1024:");
      await running.line(/^paths: manages/);
      expect(await running.stop()).toBe(0);
    }, 60_000);

    it("of two that take over at once one manages, and the other is told who", async () => {
      const netns = lab.netns("two");
      const args = ["run", "programs/ndiffports.ts", "--netns", netns, "--backend", "netlink"];
      const first = start(args);
      await first.line(/until this ends/);
      // It is busy until both wait.
      first.child.kill("SIGSTOP");
      const both = [start([...args, "--replace"]), start([...args, "--replace"])];
      const folder = process.env["TSBPF_RUN_DIR"]!;
      const waiting = new Set<string>();
      await until(
        "both wait",
        () => {
          for (const file of readdirSync(folder))
            if (file.endsWith(".successor")) waiting.add(readFileSync(join(folder, file), "utf8"));
          return both.every(({ child }) => waiting.has(String(child.pid)));
        },
        20_000,
      );
      first.child.kill("SIGCONT");
      expect(await first.ended).toBe(0);
      // One ends by itself, or is ended by the other, which came later; one is left.
      const isOver = (one: (typeof both)[number]): boolean => one.child.exitCode !== null;
      await until("one of them is over", () => both.some(isOver), 30_000);
      const [over, left] = isOver(both[0]!) ? both : both.toReversed();
      expect(isOver(left!)).toBe(false);
      expect(over!.errors.filter((text) => !/^error\[in-use\]: .*process \d+\) manages|help: /.test(text))).toEqual([]);
      expect(pmType(netns)).toBe("1");
      expect(await left!.stop()).toBe(0);
      expect(pmType(netns)).toBe("0");
    }, 60_000);

    it("one that could not be replaced and cannot go on says so, and is not called managing", async () => {
      const netns = lab.netns("lost");
      const module = compiled("ndiffports");
      const target = (name: string): Target => ({
        ...{ name, program: name, file: name, digest: name, backend: "netlink", params: {}, paramTexts: {} },
        ...{ input: { module }, netns, place: undefined, whenGone: "exit" },
      });
      const host: Host = {
        ...{ pins: rig.pins, socket: rig.socket, replace: false, keeps: () => false },
        log: () => undefined,
        alive: () => undefined,
      };
      const one = prepareNetlink(target("one"), host);
      one.place();
      const before = one.commit();
      const two = prepareNetlink(target("two"), host, before);
      const own = process.env["TSBPF_RUN_DIR"]!;
      const open = mkdtempSync(join(tmpdir(), "tsbpf-open-"));
      chmodSync(open, 0o777);
      process.env["TSBPF_RUN_DIR"] = open;
      try {
        expect(() => two.place()).toThrow(/is not a directory that only user 0 may write/);
        two.undo();
        expect((await before.lost).message).toMatch(
          /^what was to take its place could not, and it could not be started/,
        );
        expect(before.isLost()).toBe(true);
      } finally {
        process.env["TSBPF_RUN_DIR"] = own;
        rmSync(open, { recursive: true });
        before.end(false);
      }
    });
  });
});
