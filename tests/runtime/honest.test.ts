// What the commands say is so: nothing is called attached, replaced or gone that is not, and what failed leaves nothing.
import { spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  mkdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { release, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { isAtLeast, versionIn } from "../../compiler/bpf/verifier-rules.ts";
import { allLinks, openObject } from "../../runtime/api.ts";
import { cgroupDirectory } from "../../runtime/kernel/made.ts";
import { start, stopAll, tsbpf, type Finished } from "./command.ts";
import { openLab, sh, until, whyNot, type Lab } from "./lab.ts";

const skip = whyNot();
const SOURCE = `
import { HashMap, Ipv4Trie, license, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const windows = new Ipv4Trie({ value: u32, maxEntries: 8 });
export const __proto__ = new HashMap({ key: u32, value: u32, maxEntries: 8 });
export const constructor = new HashMap({ key: u32, value: u32, maxEntries: 8 });
export const a$b = new HashMap({ key: u32, value: u32, maxEntries: 8 });
export const honest = sockOps((ctx) => {
  const found = windows.get(ctx.remoteIp4);
  const key = ctx.localPort;
  const sum = (__proto__.get(key) ?? 0) + (constructor.get(key) ?? 0) + (a$b.get(key) ?? 0);
  if (found !== undefined) ctx.setSockOpt("TCP_BPF_IW", found + sum);
  return 1;
});
`;

describe.skipIf(skip)(skip ? `what commands say (skipped: ${skip})` : "what commands say", () => {
  let lab: Lab;
  let folder: string;
  let pins: string;
  let object: string;
  beforeAll(() => {
    lab = openLab();
    folder = mkdtempSync(join(tmpdir(), "tsbpf-honest-"));
    lab.defer(() => rmSync(folder, { recursive: true, force: true }));
    const bpffs = mkdtempSync(join(tmpdir(), "tsbpf-bpffs-"));
    sh("mount", "-t", "bpf", "-o", "mode=0700", "bpf", bpffs);
    lab.defer(() => {
      sh("umount", bpffs);
      rmSync(bpffs, { recursive: true });
    });
    pins = join(bpffs, "tsbpf");
    writeFileSync(join(folder, "honest.ts"), SOURCE);
    expect(tsbpf(["build", join(folder, "honest.ts"), "-o", folder])).toMatchObject({ code: 0, err: "" });
    object = join(folder, "honest.o");
  });
  afterEach(() => {
    stopAll();
    tsbpf(["detach", "--all", "--pins", pins]);
  });
  afterAll(() => lab?.close());

  const at = (...args: string[]): Finished => tsbpf([...args, "--pins", pins]);
  const load = (...more: string[]): Finished => at("load", object, ...more);
  const attachedTo = (cgroup: string): number => {
    const id = BigInt(statSync(cgroup).ino);
    return [...allLinks()].filter((link) => link.cgroupId === id).length;
  };

  it("load --replace attaches what was not, moves what was elsewhere, and says where it is", () => {
    const [a, b] = [lab.cgroup("a"), lab.cgroup("b")];
    expect(load().out).toContain("loaded, attached to nothing");
    expect(load("--replace").out).toContain("attached to nothing");
    expect(load("--replace", "--cgroup", a).out).toContain(`took the place of what was pinned, attached to ${a}`);
    expect(attachedTo(a)).toBe(1);
    expect(load("--replace", "--cgroup", b).out).toContain(`attached to ${b}, pinned`);
    expect([attachedTo(a), attachedTo(b)]).toEqual([0, 1]);
    expect(load("--replace", "--cgroup", "/sys/fs/cgroup/unified/tsbpf-absent")).toMatchObject({ code: 1 });
    expect(attachedTo(b)).toBe(1);
    expect(load("--replace").out).toContain(`attached to ${b}, pinned`);
    expect(at("detach", "honest").out).toBe(`honest removed, detached from ${b}\n`);
    expect(attachedTo(b)).toBe(0);
  });

  it("load --replace after the cgroup is gone says so, and what to do works", () => {
    const [gone, next] = [lab.cgroup("gone"), lab.cgroup("next")];
    expect(load("--cgroup", gone).code).toBe(0);
    rmdirSync(gone);
    const { code, err } = load("--replace");
    expect(code).toBe(1);
    expect(err).toBe(
      "error[no-cgroup]: the cgroup of honest is gone\n  help: load it again with --replace --cgroup DIR; or tsbpf detach honest\n",
    );
    expect(load("--replace", "--cgroup", next).out).toContain(`attached to ${next}`);
    expect(attachedTo(next)).toBe(1);
    expect(at("detach", "honest").code).toBe(0);
  });

  it("run --pin attaches what an interrupted one has left unattached", async () => {
    const cgroup = lab.cgroup("taken");
    // As a kill between two steps leaves it: pinned, without a link.
    expect(load("--name", "left").code).toBe(0);
    const running = start(["run", object, "--cgroup", cgroup, "--pin", "left", "--pins", pins, "--json"]);
    await running.line(/"attached"/);
    expect(attachedTo(cgroup)).toBe(1);
    expect(await running.stop()).toBe(0);
    expect(existsSync(pins)).toBe(false);
  });

  it("a load that failed leaves no pinned map and no pin", () => {
    const clang = ["clang-19", "clang-16", "clang"].find((name) => existsSync(join("/usr/bin", name)));
    if (clang === undefined) return; // Ours declares no pinned map.
    const compiled = (name: string, section: string, pinning = "int (*pinning)[1];"): string => {
      writeFileSync(
        join(folder, `${name}.c`),
        `#define SEC(name) __attribute__((section(name), used))
struct { int (*type)[1]; int (*max_entries)[4]; unsigned *key; unsigned *value; ${pinning} } shared SEC(".maps");
static void *(*lookup)(void *, const void *) = (void *)1;
SEC("${section}") int honest_shared(void *ctx) { unsigned key = 0; return lookup(&shared, &key) ? 1 : 0; }
char _license[] SEC("license") = "GPL";
`,
      );
      sh(clang, "-O2", "-g", "-target", "bpf", "-c", join(folder, `${name}.c`), "-o", join(folder, `${name}.o`));
      return join(folder, `${name}.o`);
    };
    const shared = compiled("shared", "sockops");
    const filter = compiled("filter", "socket");
    // Somebody else's program that shares the cgroup with none: ours loads, and attaching it fails.
    const taken = lab.cgroup("no-sharing");
    const tool = ["/usr/sbin/bpftool", "/usr/bin/bpftool"].find((path) => existsSync(path));
    const lone = join(pins, "..", "lone");
    if (tool !== undefined) {
      sh(tool, "prog", "load", compiled("lone", "sockops", ""), lone);
      sh(tool, "cgroup", "attach", taken, "sock_ops", "pinned", lone);
    }
    const attempts: readonly (readonly [code: number, args: readonly string[]])[] = [
      [1, ["load", shared, "--cgroup", "/sys/fs/cgroup/unified/tsbpf-absent"]],
      [1, ["load", filter, "--cgroup", lab.cgroup("no-filter")]],
      [1, ["run", filter, "--cgroup", lab.cgroup("no-filter-run")]],
      ...(tool === undefined
        ? []
        : ([
            [1, ["load", shared, "--cgroup", taken]],
            [1, ["run", shared, "--cgroup", taken]],
          ] as const)),
    ];
    for (const [code, args] of attempts) {
      expect(at(...args).code, args.join(" ")).toBe(code);
      expect(existsSync(pins)).toBe(false);
    }
    if (tool !== undefined) {
      sh(tool, "cgroup", "detach", taken, "sock_ops", "pinned", lone);
      rmSync(lone);
    }
    expect(at("load", shared).code).toBe(0);
    expect(readdirSync(join(pins, "maps"))).toEqual(["shared"]);
  });

  it("what a killed run has made stays while others use it, and is called removed only when it was there", async () => {
    const [name, next] = [`${lab.prefix}-made`, lab.cgroup("next-run")];
    const path = cgroupDirectory(name);
    const space = `/run/netns/${name}`;
    const another = (): string => at("run", object, "--cgroup", next, "--for", "0.1").out;
    const killed = async (): Promise<void> => {
      const running = start(["run", object, "--cgroup", name, "--netns", name, "--make"]);
      await running.line(/attached/);
      await running.stop("SIGKILL");
    };
    await killed();
    expect(load("--cgroup", path).code).toBe(0);
    const inside = spawn("nsenter", [`--net=${space}`, "sleep", "100"]);
    await until("it is inside", () => readlinkSync(`/proc/${inside.pid}/ns/net`) !== readlinkSync("/proc/self/ns/net"));
    const kept = another();
    expect(kept).toContain(`the cgroup ${path} stays: 1 BPF program is attached to it (tsbpf list)\n`);
    expect(kept).toContain(`the network namespace ${space} stays: process ${inside.pid} is in it\n`);
    expect(attachedTo(path)).toBe(1);
    expect(existsSync(space)).toBe(true);
    expect(at("detach", "honest").code).toBe(0);
    inside.kill("SIGKILL");
    await until("it has left", () => !existsSync(`/proc/${inside.pid}/ns/net`));
    const removed = another();
    for (const one of [path, space]) expect(removed).toContain(`was killed: ${one}, which it made, is removed`);
    expect([existsSync(path), existsSync(space)]).toEqual([false, false]);
    expect(another()).not.toContain("removed");

    await killed();
    rmdirSync(path);
    const already = another();
    expect(already).not.toContain(path);
    expect(already).toContain(`${space}, which it made, is removed`);
  }, 60_000);

  it("run --make leaves its cgroup where somebody else has attached a program meanwhile", async () => {
    const name = `${lab.prefix}-shared`;
    const path = cgroupDirectory(name);
    const running = start(["run", object, "--cgroup", name, "--make"]);
    await running.line(/attached/);
    expect(load("--cgroup", path).code).toBe(0);
    expect(await running.stop()).toBe(0);
    expect(running.errors.join("\n")).toContain(`warning: the cgroup ${path} stays: 1 BPF program is attached to it`);
    expect(attachedTo(path)).toBe(1);
    expect(at("detach", "honest").code).toBe(0);
    rmdirSync(path);
  });

  it("every signal that people and machines send ends a run in order, and none opens a debugger", async () => {
    const cgroup = lab.cgroup("signals");
    const signals = [
      "SIGINT",
      "SIGTERM",
      "SIGHUP",
      "SIGQUIT",
      "SIGALRM",
      "SIGUSR1",
      "SIGUSR2",
      "SIGXCPU",
      "SIGVTALRM",
      "SIGIO",
      "SIGPWR",
    ] as const;
    for (const signal of signals) {
      const running = start(["run", object, "--cgroup", cgroup, "--pin", "signals", "--pins", pins]);
      await running.line(/attached/);
      expect(await running.stop(signal), signal).toBe(0);
      expect([running.lines.at(-1), ...running.errors], signal).toEqual(["detached"]);
      expect(existsSync(join(pins, "objects/signals")), signal).toBe(false);
    }
  }, 120_000);

  it("a load that a signal ends is undone, or done and told", async () => {
    const many = Array.from(
      { length: 24 },
      (_, index) => `export const m${index} = new HashMap({ key: u32, value: u32, maxEntries: 8 });`,
    );
    const uses = many.map((_, index) => `m${index}.set(1, 2);`).join(" ");
    writeFileSync(
      join(folder, "many.ts"),
      `import { HashMap, license, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
${many.join("\n")}
export const many = sockOps(() => { ${uses} return 1; });
`,
    );
    expect(tsbpf(["build", join(folder, "many.ts"), "-o", folder])).toMatchObject({ code: 0 });
    const cgroup = lab.cgroup("interrupted");
    const there = join(pins, "objects/many");
    for (let turn = 0; turn < 6; turn++) {
      const loading = start(["load", join(folder, "many.o"), "--cgroup", cgroup, "--pins", pins]);
      // Right when it has begun to pin.
      await until("it pins", () => existsSync(there) || loading.child.exitCode !== null, 20_000);
      loading.child.kill("SIGINT");
      const code = await loading.ended;
      // A signal that comes when it is told ends a process that is leaving.
      const done = loading.lines.some((line) => line.includes(`attached to ${cgroup}`));
      expect({ attached: attachedTo(cgroup), pinned: existsSync(there) }).toEqual(
        done ? { attached: 1, pinned: true } : { attached: 0, pinned: false },
      );
      expect(done ? [0, null] : [1]).toContain(code);
      if (done) expect(at("detach", "many").code).toBe(0);
      else expect(loading.errors.join()).toContain("error[ended]: ended by SIGINT: all is as it was before");
    }
  }, 120_000);

  it("names of objects are kept apart, or refused by name", () => {
    expect(load("--name", "a.b").code).toBe(0);
    expect(load("--name", "a_b").code).toBe(0);
    expect(load("--name", "__proto__").code).toBe(0);
    expect(load("--name", "a/b")).toMatchObject({ code: 2 });
    expect(load("--name", "a/b").err).toContain("error[bad-argument]: the name of an object has no slash: a/b");
    expect(load("--name", "").err).toContain("a pin needs a name, and this one is empty");
    // The help is about an option that the command has.
    expect(load("--name", "a/b").err).toContain("help: choose another: --name NAME");
    const pinned = (name: string): string => at("run", object, "--cgroup", lab.cgroup("pin"), "--pin", name).err;
    expect(pinned("a/b")).toContain("help: choose another: --pin NAME");
    expect(at("run", object, "--cgroup", folder, "--pin", "").code).not.toBe(0);
    expect(JSON.parse(at("list", "--json").out)).toMatchObject({ pinned: ["__proto__", "a.b", "a_b"] });
    for (const map of ["__proto__", "constructor", "a$b"]) {
      expect(at("map", "set", `a.b/${map}`, "1", String(map.length)), map).toMatchObject({ code: 0, err: "" });
      expect(at("map", "get", `a.b/${map}`, "1").out, map).toBe(`${map.length}\n`);
    }
    expect(at("map", "get", "a_b/a$b", "1").code).toBe(1);
    expect(at("map", "get", "a.b/toString", "1").err).toContain("a.b has no map toString");
    expect(at("map", "get", "toString/a_b", "1").err).toContain("no object named toString is pinned");
    expect(at("detach", "__proto__").code).toBe(0);
    const beside = join(folder, "beside.ts");
    const twin = "export const a_b = new HashMap({ key: u32, value: u32, maxEntries: 8 });";
    writeFileSync(beside, `${SOURCE}${twin}`);
    expect(tsbpf(["build", beside, "-o", folder]).err).toContain("the maps a$b and a_b are both a_b");
  });

  it("a name alone is a cgroup below the mount, whatever the current folder holds", () => {
    const name = `${lab.prefix}-plain`;
    lab.cgroup("plain");
    const [before, root] = [process.cwd(), cgroupDirectory("x").slice(0, -2)];
    const linked = join(folder, "linked");
    mkdirSync(linked);
    // To the root of all cgroups, and so to the whole machine.
    symlinkSync(root, join(linked, name));
    try {
      process.chdir(linked);
      expect(cgroupDirectory(name)).toBe(join(root, name));
      process.chdir(join(root, name));
      mkdirSync("inner");
      expect(cgroupDirectory("inner")).toBe(join(root, name, "inner"));
      rmdirSync("inner");
    } finally {
      process.chdir(before);
    }
    expect(load("--cgroup", name).out).toContain(`attached to ${join(root, name)}`);
    expect(load("--cgroup", "")).toMatchObject({ code: 2 });
  });

  it("an empty name of a cgroup is not the whole machine, and a name draws no lines of its own", () => {
    // Not by the command: were it taken, the program would be attached to all there is.
    expect(() => cgroupDirectory("")).toThrow("the name of the cgroup is empty");
    expect(at("load", object, "--name", "a\nerror[x]: false").err).toContain("no control characters");
    expect(at("list").out).not.toContain("error[x]");
    for (const args of [["\u001b[8mz"], ["list", "--\u001b[8mz"]]) expect(tsbpf(args).err).not.toContain("\u001b[8m");
  });

  it("keys of tries are prefixes", () => {
    expect(load().code).toBe(0);
    const set = (key: string): Finished => at("map", "set", "honest/windows", key, "20");
    expect(set("10.0.0.0/8")).toMatchObject({ code: 0, err: "" });
    expect(set('{"length":16,"address":"192.168.0.0"}')).toMatchObject({ code: 0, err: "" });
    expect(at("map", "get", "honest/windows", "10.1.2.3").out).toBe("20\n");
    expect(at("map", "get", "honest/windows", "11.0.0.0/8").code).toBe(1);
    expect(at("map", "dump", "honest/windows").out).toMatch(/^10\.0\.0\.0\/8 +20$/m);
    for (const [key, words] of [
      ["{}", "lacks length and address"],
      ['{"length":8}', "lacks address"],
      ['{"length":33,"address":"10.0.0.0"}', "has a length of 33 bits"],
      ["10.0.0.0/33", "its length goes from 0 to 32"],
      ["10.0.0/8", "is neither a prefix nor an address"],
      ["x", "is neither a prefix nor an address"],
    ] as const) {
      const { code, err } = set(key);
      expect(code, key).toBe(1);
      expect(err, key).toContain(words);
      expect(err, key).toContain("help: write a prefix, such as 10.0.0.0/8");
    }
  });

  it("sources are judged by the running kernel's verifier, or by the one that is named", () => {
    const newer = join(folder, "newer.ts");
    writeFileSync(
      newer,
      `import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const newer = sockOps((ctx) => ((ctx.getSockOpt("TCP_USER_TIMEOUT") ?? 0) > 0 ? 1 : 0));
`,
    );
    const cgroup = lab.cgroup("judged");
    const run = (...more: string[]): Finished => at("run", newer, "--cgroup", cgroup, "--for", "0.1", ...more);
    const isNew = isAtLeast(versionIn(release())!, "6.1");
    const refusal = "error[needs-newer-kernel]: reading TCP_USER_TIMEOUT came with Linux 6.1";
    expect(tsbpf(["check", newer]).err).toContain(refusal);
    expect(run().code).toBe(isNew ? 0 : 1);
    expect(at("load", newer).code).toBe(isNew ? 0 : 1);
    for (const refused of [run("--kernel", "5.10"), at("load", newer, "--replace", "--kernel", "5.10.9-generic")]) {
      expect(refused.code).toBe(1);
      expect(refused.err).toContain(refusal);
    }
    expect(run("--kernel", "6.1").code).toBe(isNew ? 0 : 1);
    expect(run("--kernel", "4.19")).toMatchObject({ code: 2 });
    for (const command of ["run", "load"]) {
      const { code, err } = at(command, object, "--cgroup", cgroup, "--kernel", "6.1");
      expect(code).toBe(2);
      expect(err).toContain("--kernel is for sources, and");
    }
  });

  it("ids are 32 bits, and say so", () => {
    for (const id of ["0", "4294967296", "-1", "1e3", "x", "99999999999999999999"]) {
      expect(at("detach", `--link=${id}`), id).toMatchObject({ code: 2 });
      expect(at("map", "dump", `id:${id}`).err, id).toContain("help: ids go from 1 to 4294967295");
    }
    expect(at("detach", "--link", "4294967295").err).toContain("no link 4294967295");
    expect(at("map", "dump", "id:4294967295").err).toContain("no map 4294967295");
  });

  it("a time beyond the timer's range is waited for", async () => {
    for (const seconds of ["3000000", "1e300"]) {
      const running = start(["run", object, "--cgroup", lab.cgroup(`for${seconds}`), "--for", seconds]);
      await running.line(/attached/);
      const ended = await Promise.race([
        running.ended,
        new Promise((resolve) => setTimeout(() => resolve("waits"), 700)),
      ]);
      expect(ended).toBe("waits");
      expect(await running.stop()).toBe(0);
      expect(running.errors).toEqual([]);
    }
  });

  it("detach --all goes on after a broken object, and says which is", () => {
    for (const name of ["first", "second", "third"]) expect(load("--name", name).code).toBe(0);
    sh("mkdir", join(pins, "objects/second/maps/strange"));
    const { code, out, err } = at("detach", "--all");
    expect(code).toBe(1);
    expect(out).toBe("first removed\nthird removed\n");
    expect(err).toContain("strange is a directory, not a pin");
    sh("rmdir", join(pins, "objects/second/maps/strange"));
    expect(at("detach", "--all")).toMatchObject({ code: 0, out: "second removed\n" });
    expect(at("detach", "--all").out).toBe("nothing is pinned\n");
    expect(() => openObject("second", pins)).toThrow("no object named second");
  });

  it("one object that is broken, or another's, does not stop the others", () => {
    const cgroup = lab.cgroup("broken");
    for (const name of ["a", "b", "c", "d", "e"]) expect(load("--name", name, "--cgroup", cgroup).code).toBe(0);
    const objects = join(pins, "objects");
    sh("mkdir", join(objects, "a/links/strange"));
    chownSync(join(objects, "b"), 65534, 65534);
    chmodSync(join(objects, "c/programs"), 0o777);
    // A program among the maps, and a map among the links: the kernel tells of each in its own words.
    renameSync(join(objects, "d/programs/honest"), join(objects, "d/maps/honest"));
    renameSync(join(objects, "d/maps/windows"), join(objects, "d/links/windows"));
    const problems = [
      `${objects}/a/links/strange is a directory, not a pin`,
      `${objects}/b belongs to user 65534`,
      `${objects}/c/programs may be written by others`,
      `${objects}/d/links/windows is pinned among the links and is none of them`,
    ];
    const listed = at("list");
    expect(listed.code).toBe(1);
    // All that can be read is: of the five, one folder is not even opened.
    for (const name of ["a", "c", "d", "e"])
      expect(listed.out).toMatch(new RegExp(`^\\d+ +honest +\\d+ +${name} +${cgroup}$`, "m"));
    expect(listed.out).toMatch(new RegExp(`^\\d+ +honest +\\d+ +\\(a pin elsewhere.*\\) +${cgroup}$`, "m"));
    const json = JSON.parse(at("list", "--json").out) as { attached: object[]; broken: { object: string }[] };
    expect(json.attached).toHaveLength(5);
    expect(json.broken.map((one) => one.object)).toEqual(["a", "b", "c", "d"]);
    const shown = at("show", "--for", "0.1");
    expect(shown.code).toBe(1);
    expect(at("show", "e", "--for", "0.1")).toMatchObject({ code: 0, err: "" });
    expect(at("show", "b", "--for", "0.1")).toMatchObject({ code: 1 });
    for (const { err } of [listed, shown]) for (const text of problems) expect(err).toContain(text);
    expect(at("map", "get", "e/constructor", "1").out).toContain("no such key");
    expect(at("map", "dump", join(objects, "e/programs/honest")).err).toContain("is not a map");
    const { code, out, err } = at("detach", "--all");
    expect(code).toBe(1);
    expect(out).toBe(["d", "e"].map((name) => `${name} removed, detached from ${cgroup}\n`).join(""));
    for (const text of problems.slice(0, 3)) expect(err).toContain(text);
    sh("rmdir", join(objects, "a/links/strange"));
    chownSync(join(objects, "b"), 0, 0);
    chmodSync(join(objects, "c/programs"), 0o700);
    expect(at("detach", "--all").code).toBe(0);
    expect(attachedTo(cgroup)).toBe(0);
  });

  it("names that others have pinned under draw no lines and no colours of their own", () => {
    const cgroup = lab.cgroup("names");
    const evil = "x\u001b[2J\u001b]0;owned\u0007\u009b1m\nerror[forged]: everything is lost\u202e";
    expect(load("--name", "odd", "--cgroup", cgroup).code).toBe(0);
    const objects = join(pins, "objects");
    renameSync(join(objects, "odd/maps/windows"), join(objects, `odd/maps/${evil}`));
    renameSync(join(objects, "odd/programs/honest"), join(objects, `odd/programs/${evil}`));
    renameSync(join(objects, "odd/links/honest"), join(objects, `odd/links/${evil}`));
    renameSync(join(objects, "odd"), join(objects, evil));
    expect(load("--name", "idle").code).toBe(0);
    renameSync(join(objects, "idle"), join(objects, `${evil}2`));
    const said = [
      ["list"],
      ["show", "--for", "0.1"],
      ["show", "absent", "--for", "0.1"],
      ["show", evil, "--for", "0.1"],
      ["map", "get", `${evil}/absent`, "1"],
      ["map", "get", `${evil}/${evil}`, "1"],
      ["map", "dump", `${evil}/${evil}`],
      ["map", "dump", join(objects, evil, "maps", evil)],
      ["map", "dump", join(objects, evil, "programs", evil)],
      ["trace", evil, "--for", "0.1"],
      ["load", object, "--replace", "--name", evil],
      ["detach", "absent"],
      ["detach", "--all"],
    ].flatMap((args) => [args, [...args, "--json"]]);
    for (const args of said) {
      const { out, err } = at(...args);
      // Newlines end lines; nothing else is obeyed by a terminal.
      expect(out + err, args.join(" ")).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/);
      expect(out + err, args.join(" ")).not.toMatch(/^error\[forged\]/m);
    }
    expect(attachedTo(cgroup)).toBe(0);
    expect(existsSync(objects)).toBe(false);
  });

  it("run takes all its steps at the end, whatever goes wrong in one", async () => {
    const cgroup = lab.cgroup("steps");
    const running = start(["run", object, "--cgroup", cgroup, "--pin", "steps", "--pins", pins]);
    await running.line(/attached/);
    sh("mkdir", join(pins, "objects/steps/maps/strange"));
    expect(await running.stop()).toBe(1);
    expect(running.errors.join("\n")).toContain("strange is a directory, not a pin");
    await until("it is detached", () => attachedTo(cgroup) === 0);
    sh("rmdir", join(pins, "objects/steps/maps/strange"));
  });
});
