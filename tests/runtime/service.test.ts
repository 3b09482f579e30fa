// `tsbpf serve`: many programs in one process, what it is asked, and what is left when it ends, in order or not.
import { existsSync, readdirSync, readFileSync, rmdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { allLinks } from "../../runtime/kernel/info.ts";
import { inNetns } from "../../runtime/kernel/places.ts";
import { start, stopAll, tsbpf } from "./command.ts";
import { openLab, until, whyNot, type Lab, type Peer } from "./lab.ts";
import { EVERY, openRig, type Rig } from "./service-rig.ts";

const PM_TYPE = "/proc/sys/net/mptcp/pm_type";
const skip = whyNot();
const COUNTING = `
import { HashMap, license, param, u8, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const tag = param(u8, 1);
export const seen = new HashMap({ key: u32, value: u32, maxEntries: SIZE });
export const counting = sockOps((ctx) => {
  seen.set(ctx.localPort, tag);
  return 1;
});
`;

describe.skipIf(skip)(skip ? `services (skipped: ${skip})` : "services", () => {
  let lab: Lab;
  let rig: Rig;
  let web: string;
  let mail: string;
  beforeAll(() => {
    lab = openLab();
    rig = openRig(lab);
    [web, mail] = [lab.cgroup("web"), lab.cgroup("mail")];
    rig.build("every", EVERY());
    rig.build("counting", COUNTING.replace("SIZE", "8"));
    rig.build("larger", COUNTING.replace("SIZE", "16"));
  });
  afterEach(() => {
    stopAll();
    rig.clean();
  });
  afterAll(() => lab?.close());

  const linksOf = (cgroup: string): number[] =>
    [...allLinks()].filter((one) => one.cgroupId === BigInt(statSync(cgroup).ino)).map(({ id }) => id);
  const programOf = (cgroup: string): number | undefined =>
    [...allLinks()].find((one) => one.cgroupId === BigInt(statSync(cgroup).ino))?.programId;
  /** Records, the service's own aside. */
  const records = (): string[] => {
    const folder = process.env["TSBPF_RUN_DIR"]!;
    return existsSync(folder) ? readdirSync(folder).filter((name) => /^(served|service|path-manager)-/.test(name)) : [];
  };

  it("runs the programs of its file, tells of them, and leaves nothing when it is stopped", async () => {
    rig.says({
      programs: {
        web: { file: "every.o", cgroup: web, params: { version: 3 } },
        mail: { file: "counting.o", cgroup: mail },
      },
    });
    const running = await rig.serve();
    expect(running.lines).toEqual([
      `web: attached to ${web}`,
      `mail: attached to ${mail}`,
      `serving 2 programs, asked at ${rig.socket}`,
    ]);
    expect([rig.attached(web), rig.attached(mail)]).toEqual([["every"], ["counting"]]);
    expect(rig.list()).toMatchObject([
      { name: "web", backend: "kernel", state: "attached", at: web, file: join(rig.folder, "every.o") },
      { name: "mail", backend: "kernel", state: "attached", at: mail, file: join(rig.folder, "counting.o") },
    ]);
    expect(JSON.parse(rig.ask("show", "web", "--json").out)).toMatchObject({
      params: { version: "3" },
      programs: [{ name: "every", id: programOf(web) }],
      pins: rig.pins,
    });
    expect(rig.ask("show", "ftp")).toMatchObject({
      code: 1,
      err: "error[not-found]: the service has no program ftp\n  help: it has web, mail\n",
    });
    // What is pinned is known to the other commands by the same names.
    expect(tsbpf(["map", "dump", "mail/seen", "--pins", rig.pins]).code).toBe(0);
    const { mode } = statSync(rig.socket);
    expect(mode & 0o777).toBe(0o600);
    expect(rig.ask("stop").out).toBe("the service has ended; web, mail: detached\n");
    expect(await running.ended).toBe(0);
    expect(running.lines.at(-1)).toBe("ended; web, mail: detached");
    expect([linksOf(web), linksOf(mail), records(), existsSync(rig.pins)]).toEqual([[], [], [], false]);
    expect(rig.ask("list").err).toMatch(/^error\[not-found\]: no service answers at .*serve.sock\n {2}help: /);
  });

  it.each(["SIGTERM", "SIGKILL"] as const)(
    "with keep, %s leaves all attached, and the next start takes it over",
    async (signal) => {
      rig.says({ keep: true, programs: { mail: { file: "counting.o", cgroup: mail, params: { tag: 7 } } } });
      const running = await rig.serve();
      const [link] = linksOf(mail);
      const program = programOf(mail);
      expect(tsbpf(["map", "set", "mail/seen", "1", "2", "--pins", rig.pins]).code).toBe(0);
      expect(await running.stop(signal)).toBe(signal === "SIGTERM" ? 0 : null);
      expect([linksOf(mail), programOf(mail)]).toEqual([[link], program]);
      // Runs of others leave it alone.
      expect(tsbpf(["run", "programs/user-timeout.ts", "--cgroup", web, "--for", "0.1"]).code).toBe(0);
      const next = await rig.serve();
      expect(next.lines[0]).toBe(`mail: takes over what process ${running.child.pid} has left; its maps are kept`);
      // The same link, with another program, and the same map.
      expect(linksOf(mail)).toEqual([link]);
      expect(programOf(mail)).not.toBe(program);
      expect(tsbpf(["map", "get", "mail/seen", "1", "--pins", rig.pins]).out.trim()).toBe("2");
      expect(rig.ask("stop", "--detach").out).toBe("the service has ended; mail: detached\n");
      expect([linksOf(mail), records()]).toEqual([[], []]);
    },
  );

  it("without keep, what a kill has left is taken over, or detached where it is wanted no more", async () => {
    rig.says({
      programs: { web: { file: "every.o", cgroup: web }, mail: { file: "counting.o", cgroup: mail } },
    });
    const running = await rig.serve();
    const [link] = linksOf(mail);
    await running.stop("SIGKILL");
    rig.says({ programs: { post: { file: "every.o", cgroup: web }, mail: { file: "counting.o", cgroup: mail } } });
    const next = await rig.serve();
    expect(linksOf(mail)).toEqual([link]);
    expect(next.lines).toContain(`web, left by process ${running.child.pid}, is wanted no more: detached from ${web}`);
    expect([rig.attached(web), rig.list().map(({ name }) => name)]).toEqual([["every"], ["post", "mail"]]);
  });

  it("detach --all undoes what a killed service has left", async () => {
    rig.says({ keep: true, programs: { web: { file: "every.o", cgroup: web } } });
    const running = await rig.serve();
    await running.stop("SIGKILL");
    expect(tsbpf(["detach", "--all", "--pins", rig.pins]).out).toBe(`web removed, detached from ${web}\n`);
    expect([linksOf(web), records().filter((name) => name.startsWith("served-"))]).toEqual([[], []]);
  });

  it("a second service is told who holds the socket, and one elsewhere who holds the name", async () => {
    rig.says({ programs: { web: { file: "every.o", cgroup: web } } });
    const running = await rig.serve();
    const second = tsbpf(["serve", join(rig.folder, "service.json")]);
    expect(second).toMatchObject({ code: 1, out: "" });
    expect(second.err).toMatch(
      new RegExp(`^error\\[in-use\\]: process ${running.child.pid} serves .*service.json at ${rig.socket}\n {2}help: `),
    );
    const elsewhere = tsbpf(["serve", join(rig.folder, "service.json"), "--socket", join(rig.folder, "other.sock")]);
    expect(elsewhere.err).toMatch(
      new RegExp(
        `^error\\[in-use\\]: web: the object web under ${rig.pins} belongs to the service at ${rig.socket} \\(process ${running.child.pid}\\)\n`,
      ),
    );
    expect(rig.attached(web)).toEqual(["every"]);
    expect(await running.stop()).toBe(0);
  });

  it("what others have pinned is not taken without being told to", async () => {
    expect(
      tsbpf(["load", join(rig.folder, "every.o"), "--name", "web", "--cgroup", web, "--pins", rig.pins]).code,
    ).toBe(0);
    const [link] = linksOf(web);
    rig.says({ programs: { web: { file: "every.o", cgroup: web } } });
    expect(tsbpf(["serve", join(rig.folder, "service.json")]).err).toMatch(
      /^error\[pin-exists\]: web: an object named web is pinned already, and not by this service\n {2}help: .*--replace/,
    );
    expect(linksOf(web)).toEqual([link]);
    const running = await rig.serve("--replace");
    expect(linksOf(web)).toEqual([link]);
    expect(await running.stop()).toBe(0);
    expect(linksOf(web)).toEqual([]);
  });

  it("reload adds, replaces, moves and removes; what is the same is not touched", async () => {
    rig.says({
      programs: {
        web: { file: "every.o", cgroup: web },
        mail: { file: "counting.o", cgroup: mail, params: { tag: 1 } },
      },
    });
    const running = await rig.serve();
    const same = programOf(web);
    const [link] = linksOf(mail);
    const other = lab.cgroup("other");
    rig.says({
      programs: {
        web: { file: "every.o", cgroup: web },
        mail: { file: "counting.o", cgroup: mail, params: { tag: 2 } },
        more: { file: "every.o", cgroup: other },
      },
    });
    expect(rig.ask("reload").out).toBe("added: more\nreplaced: mail\nsame: web\n");
    expect([programOf(web), linksOf(mail), rig.attached(other)]).toEqual([same, [link], ["every"]]);
    rig.says({ programs: { mail: { file: "counting.o", cgroup: other, params: { tag: 2 } } } });
    expect(JSON.parse(rig.ask("reload", "--json").out)).toEqual({
      added: [],
      replaced: ["mail"],
      removed: ["web", "more"],
      same: [],
    });
    expect([linksOf(web), linksOf(mail), rig.attached(other)]).toEqual([[], [], ["counting"]]);
    // As managers of services ask for it.
    rig.says({ programs: { mail: { file: "counting.o", cgroup: mail, params: { tag: 2 } } } });
    running.child.kill("SIGHUP");
    await running.line(/^reloaded: 1 replaced/);
    expect([rig.attached(mail), rig.attached(other)]).toEqual([["counting"], []]);
    expect(await running.stop()).toBe(0);
  });

  describe("a reload with something wrong in the middle changes nothing", () => {
    const good = (): Record<string, { file: string; cgroup: string }> => ({
      web: { file: "every.o", cgroup: web },
      mail: { file: "counting.o", cgroup: mail },
    });
    it.each([
      ["text", () => rig.write("service.json", '{ "programs": '), /service-file.*service\.json:1:14/],
      [
        "a program that is wrong",
        () => {
          rig.write("wrong.ts", "export const wrong: string = 1;\n");
          rig.says({
            programs: { ...good(), more: { file: "wrong.ts", cgroup: web }, web: { file: "every.o", cgroup: mail } },
          });
        },
        /\[bad-object\]: more: the program is wrong:[^]*wrong\.ts:1/,
      ],
      [
        "an object that is none",
        () => {
          rig.write("none.o", "nothing");
          rig.says({ programs: { web: { file: "every.o", cgroup: mail }, mail: { file: "none.o", cgroup: mail } } });
        },
        /\[bad-object\]: mail: .*none\.o cannot be loaded/,
      ],
      [
        "a cgroup that is not there",
        () =>
          rig.says({
            programs: {
              web: { file: "every.o", cgroup: web, params: { version: 9 } },
              mail: { file: "counting.o", cgroup: "absent" },
            },
          }),
        /\[no-cgroup\]: mail: no such cgroup/,
      ],
      [
        "a param that is none",
        () => rig.says({ programs: { ...good(), web: { ...good()["web"]!, params: { colour: 1 } } } }),
        /\[bad-param\]: web: no param colour/,
      ],
      [
        "maps that do not fit those in use",
        () =>
          rig.says({ programs: { web: { file: "every.o", cgroup: mail }, mail: { file: "larger.o", cgroup: mail } } }),
        /\[pin-differs\]: mail: /,
      ],
      [
        "a namespace that is not there",
        () => rig.says({ programs: { ...good(), paths: { file: "every.o", netns: "absent" } } }),
        /paths: /,
      ],
    ])("%s", async (_, write, expected) => {
      rig.says({ programs: good() });
      const running = await rig.serve();
      const before = [linksOf(web), programOf(web), linksOf(mail), programOf(mail), rig.list(), records()];
      write();
      const { code, err } = rig.ask("reload");
      expect(code).toBeGreaterThan(0);
      expect(err).toMatch(expected);
      running.child.kill("SIGHUP");
      await until("the log says so", () =>
        running.errors.some((one) => one.startsWith("error: not reloaded, all runs on")),
      );
      expect([linksOf(web), programOf(web), linksOf(mail), programOf(mail), rig.list(), records()]).toEqual(before);
      expect(await running.stop()).toBe(0);
      expect([linksOf(web), linksOf(mail), records()]).toEqual([[], [], []]);
    });
  });

  it("a start with something wrong leaves what was kept as it was", async () => {
    rig.says({
      keep: true,
      programs: { web: { file: "every.o", cgroup: web }, mail: { file: "counting.o", cgroup: mail } },
    });
    await (await rig.serve()).stop();
    const before = [linksOf(web), programOf(web), linksOf(mail), programOf(mail), records()];
    rig.says({ programs: { web: { file: "every.o", cgroup: web }, mail: { file: "larger.o", cgroup: mail } } });
    expect(tsbpf(["serve", join(rig.folder, "service.json")])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^error\[pin-differs\]: mail: /),
    });
    expect([linksOf(web), programOf(web), linksOf(mail), programOf(mail), records()]).toEqual(before);
  });

  it("ends with the reason when its cgroup is removed, or somebody detaches its program", async () => {
    const fleeting = lab.cgroup("fleeting");
    rig.says({ programs: { web: { file: "every.o", cgroup: fleeting } } });
    const running = await rig.serve();
    rmdirSync(fleeting);
    expect(await running.ended).toBe(1);
    expect(running.errors).toContain(`error: web: the cgroup ${fleeting} was removed`);
    expect(records()).toEqual([]);
    rig.says({ programs: { web: { file: "every.o", cgroup: web } } });
    const next = await rig.serve();
    expect(tsbpf(["detach", "web", "--pins", rig.pins]).code).toBe(0);
    expect(await next.ended).toBe(1);
    expect(next.errors[0]).toBe(`error: web: every is attached no more: somebody else has detached it from ${web}`);
    expect(records()).toEqual([]);
  });

  it("its file may be written by nobody else", async () => {
    rig.says({ programs: { web: { file: "every.o", cgroup: web } } });
    const file = join(rig.folder, "service.json");
    const { chmodSync, chownSync } = await import("node:fs");
    chmodSync(file, 0o666);
    expect(tsbpf(["serve", file]).err).toMatch(/^error\[not-permitted\]: .*service.json may be written by others/);
    chmodSync(file, 0o644);
    chownSync(file, 65534, 0);
    expect(tsbpf(["serve", file]).err).toMatch(/may be written by others, .*\n {2}help: it belongs to user 65534/);
    chownSync(file, 0, 0);
    chmodSync(rig.folder, 0o777);
    expect(tsbpf(["serve", file]).err).toMatch(/lies below .*tsbpf-serve-\w+, which others may change/);
    chmodSync(rig.folder, 0o700);
  });

  it("says all in one shape with --json: time, level, program, text", async () => {
    rig.says({ programs: { web: { file: "every.o", cgroup: web } } });
    const running = start(["serve", join(rig.folder, "service.json"), "--json"]);
    await running.line(/serving/);
    await running.stop();
    expect(running.events[0]).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      level: "info",
      program: "web",
      text: `attached to ${web}`,
    });
  });

  describe.skipIf(!existsSync(PM_TYPE))("path managers over netlink", () => {
    let a: string;
    let b: string;
    let client: Peer;
    let server: Peer;
    let port = 7900;
    beforeAll(async () => {
      [a, b] = [lab.netns("a"), lab.netns("b")];
      const s = lab.netns("s");
      for (const wire of [1, 2]) lab.wire(a, `v${wire}`, [`10.77.${wire}.1/24`], s, `s${wire}`, [`10.77.${wire}.2/24`]);
      for (const [netns, devices] of [
        [a, ["all", "v1", "v2"]],
        [s, ["all", "s1", "s2"]],
      ] as const)
        for (const device of devices) lab.inside(netns, "sysctl", "-qw", `net.ipv4.conf.${device}.rp_filter=0`);
      lab.inside(s, "ip", "mptcp", "limits", "set", "subflow", "8", "add_addr_accepted", "8");
      client = await lab.peer(a);
      server = await lab.peer(s);
      expect(tsbpf(["build", "programs/fullmesh.ts", "programs/ndiffports.ts", "-o", rig.folder]).err).toBe("");
    });
    const pmType = (netns: string): string => inNetns(netns, () => readFileSync(PM_TYPE, "utf8").trim());
    const connect = async (): Promise<void> => {
      port++;
      await server.call("listen", { protocol: "mptcp", host: "0.0.0.0", port });
      const before = server.accepted.length;
      const id = await client.call<number>("connect", { protocol: "mptcp", host: "10.77.1.2", port });
      await client.call("send", { id, length: 100 });
      await until("the connection is accepted", () => server.accepted.length > before);
    };
    const subflows = (): number =>
      lab.inside(a, "ss", "-tnH", "state", "established", `( dport = :${port} )`).split("\n").filter(Boolean).length;

    it("one process manages several namespaces beside programs in the kernel", async () => {
      rig.says({
        programs: {
          web: { file: "every.o", cgroup: web },
          a: { file: "fullmesh.o", netns: a, backend: "netlink" },
          b: { file: "ndiffports.o", netns: b, backend: "netlink", params: { extraSubflows: 1 } },
        },
      });
      const before = [pmType(a), pmType(b)];
      const running = await rig.serve();
      expect([pmType(a), pmType(b), rig.attached(web)]).toEqual(["1", "1", ["every"]]);
      expect(rig.list().map(({ name, state, at }) => [name, state, at])).toEqual([
        ["web", "attached", web],
        ["a", "managing", `the network namespace ${a}`],
        ["b", "managing", `the network namespace ${b}`],
      ]);
      await connect();
      await until("the mesh is up", () => subflows() === 2);
      expect(JSON.parse(rig.ask("show", "a", "--json").out)).toMatchObject({ sessions: 1, counts: { created: 1 } });
      // Nobody takes one of its namespaces, or ends it for one.
      const other = tsbpf(["run", join(rig.folder, "ndiffports.o"), "--netns", a, "--backend", "netlink", "--replace"]);
      expect(other.err).toMatch(
        new RegExp(`^error\\[in-use\\]: a of the service at ${rig.socket} \\(process ${running.child.pid}\\) manages `),
      );
      expect(await running.stop()).toBe(0);
      expect([[pmType(a), pmType(b)], records()]).toEqual([before, []]);
    });

    it.each(["SIGTERM", "SIGKILL"] as const)(
      "with keep, sessions that open after %s are managed by the next start",
      async (signal) => {
        rig.says({ keep: true, programs: { a: { file: "fullmesh.o", netns: a, backend: "netlink" } } });
        const running = await rig.serve();
        await running.stop(signal);
        expect(pmType(a)).toBe("1");
        // A run in another namespace does not undo it.
        expect(
          tsbpf(["run", join(rig.folder, "ndiffports.o"), "--netns", b, "--backend", "netlink", "--for", "0.1"]).code,
        ).toBe(0);
        expect(pmType(a)).toBe("1");
        await connect();
        expect(subflows()).toBe(1);
        const next = await rig.serve();
        await until("the session is managed", () => subflows() === 2);
        expect(rig.ask("stop", "--detach").code).toBe(0);
        expect(await next.ended).toBe(0);
        expect([pmType(a), records()]).toEqual(["0", []]);
      },
    );

    it("what is left of a namespace that is wanted no more is put back by the next start, or by detach --all", async () => {
      rig.says({ keep: true, programs: { a: { file: "fullmesh.o", netns: a, backend: "netlink" } } });
      await (await rig.serve()).stop();
      expect(pmType(a)).toBe("1");
      rig.says({ keep: true, programs: { b: { file: "fullmesh.o", netns: b, backend: "netlink" } } });
      const next = await rig.serve();
      expect([pmType(a), pmType(b)]).toEqual(["0", "1"]);
      await next.stop("SIGKILL");
      expect(tsbpf(["detach", "--all", "--pins", rig.pins]).out).toMatch(
        /: net\.mptcp\.\w+ of network namespace .*-b is \w+ again/,
      );
      expect([pmType(b), records().filter((name) => name.startsWith("path-manager-"))]).toEqual(["0", []]);
    });

    it("a reload that changes the program of a namespace keeps its sessions; one that cannot be keeps the program", async () => {
      rig.says({
        programs: { a: { file: "ndiffports.o", netns: a, backend: "netlink", params: { extraSubflows: 0 } } },
      });
      const running = await rig.serve();
      await connect();
      expect(subflows()).toBe(1);
      rig.says({
        programs: {
          paths: { file: "fullmesh.o", netns: a, backend: "netlink" },
          bad: { file: "every.o", cgroup: "absent" },
        },
      });
      expect(rig.ask("reload").code).toBe(1);
      expect(rig.list().map(({ name }) => name)).toEqual(["a"]);
      rig.says({
        programs: {
          paths: { file: "fullmesh.o", netns: a, backend: "netlink" },
          twice: { file: "fullmesh.o", netns: a, backend: "netlink" },
        },
      });
      expect(rig.ask("reload").err).toMatch(/paths and twice would manage the same network namespace/);
      rig.says({ programs: { paths: { file: "fullmesh.o", netns: a, backend: "netlink" } } });
      expect(rig.ask("reload").out).toBe("replaced: paths\n");
      await until("the session has the mesh", () => subflows() === 2);
      expect(pmType(a)).toBe("1");
      expect(await running.stop()).toBe(0);
      expect(pmType(a)).toBe("0");
    });
  });
});
