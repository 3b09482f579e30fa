// Which capabilities the commands take: each works with exactly its set, and says by name what is lacking otherwise.
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  CAPABILITIES,
  NEEDS,
  needsText,
  type Capability,
  type CommandWithNeeds,
} from "../../runtime/kernel/capabilities.ts";
import { tsbpf, type Finished } from "./command.ts";
import { openLab, sh, whyNot, type Lab } from "./lab.ts";
import { repository } from "./repository.ts";

const skip = whyNot() ?? (spawnSync("setpriv", ["--version"]).status === 0 ? undefined : "no setpriv");
const NOBODY = 65534;
const SOURCE = `
import { HashMap, license, log, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const table = new HashMap({ key: u32, value: u32, maxEntries: 8 });
export const program = sockOps((ctx) => {
  const found = table.get(ctx.localPort);
  if (found !== undefined) ctx.setSockOpt("TCP_BPF_IW", found);
  LOG
  return 1;
});
`;

describe.skipIf(skip)(skip ? `without root (skipped: ${skip})` : "without root", () => {
  let lab: Lab;
  let folder: string;
  let bpffs: string;
  let cgroup: string;
  beforeAll(() => {
    lab = openLab();
    folder = mkdtempSync(join(tmpdir(), "tsbpf-caps-"));
    chmodSync(folder, 0o755);
    lab.defer(() => rmSync(folder, { recursive: true, force: true }));
    bpffs = mkdtempSync(join(tmpdir(), "tsbpf-bpffs-"));
    chmodSync(bpffs, 0o755);
    sh("mount", "-t", "bpf", "-o", "mode=0755", "bpf", bpffs);
    lab.defer(() => {
      sh("umount", bpffs);
      rmSync(bpffs, { recursive: true });
    });
    for (const [name, uid] of [
      ["own", NOBODY],
      ["roots", 0],
    ] as const) {
      mkdirSync(join(bpffs, name), { mode: 0o700 });
      chownSync(join(bpffs, name), uid, uid);
    }
    cgroup = lab.cgroup("caps");
    for (const [name, log] of [
      ["quiet", ""],
      ["loud", "log`port ${ctx.localPort}`;"],
    ] as const) {
      const imports = SOURCE.replace(log === "" ? "log, " : "", "").replace("LOG", log);
      writeFileSync(join(folder, `${name}.ts`), imports);
      expect(tsbpf(["build", join(folder, `${name}.ts`), "-o", folder])).toMatchObject({ code: 0, err: "" });
      chmodSync(join(folder, `${name}.o`), 0o644);
    }
  });
  afterAll(() => lab?.close());

  /** Runs the command as another user with these capabilities and no others. */
  const as = (capabilities: readonly Capability[], ...args: string[]): Finished => spawnAs(capabilities, args);
  function spawnAs(
    capabilities: readonly Capability[],
    args: readonly string[],
    before: readonly string[] = [],
    env: Readonly<Record<string, string | undefined>> = {},
  ): Finished {
    const set = ["-all", ...capabilities.map((one) => `+${one.slice("CAP_".length).toLowerCase()}`)].join(",");
    const { status, stdout, stderr } = spawnSync(
      "env",
      [
        ...before,
        "setpriv",
        ...[`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", `--inh-caps=${set}`, `--ambient-caps=${set}`],
        ...[`--bounding-set=${set}`, process.execPath, join(repository, "bin/tsbpf.cjs"), ...args],
      ],
      { encoding: "utf8", timeout: 60_000, env: { ...process.env, NO_COLOR: "1", HOME: "/nonexistent", ...env } },
    );
    return { code: status, out: stdout, err: stderr };
  }
  /** In a network namespace of its own, entered before: to enter one takes CAP_SYS_ADMIN. */
  function within(netns: string, capabilities: readonly Capability[], ...args: string[]): Finished {
    return spawnAs(capabilities, args, ["nsenter", `--net=/run/netns/${netns}`], { TSBPF_RUN_DIR: undefined });
  }
  const own = (): string[] => ["--pins", join(bpffs, "own/tsbpf")];
  const quiet = (): string => join(folder, "quiet.o");
  const loading: readonly Capability[] = NEEDS.load.all;

  it("load and run take exactly what their help says", () => {
    expect(as(loading, "run", quiet(), "--cgroup", cgroup, "--for", "0.1", ...own())).toMatchObject({
      code: 0,
      err: "",
    });
    for (const absent of loading) {
      const { code, err } = as(
        loading.filter((one) => one !== absent),
        ...["load", quiet(), "--cgroup", cgroup, ...own()],
      );
      expect(code).toBe(1);
      expect(err).toBe(
        `error[not-permitted]: not permitted to load BPF programs\n  help: run as root, or with CAP_BPF, CAP_NET_ADMIN (lacking: ${absent})\n`,
      );
    }
    const loud = (capabilities: readonly Capability[]): Finished =>
      as(capabilities, "run", join(folder, "loud.o"), "--cgroup", cgroup, "--for", "0.1", ...own());
    // A warning goes before it where log lines cannot be shown.
    expect(loud(loading).err.replace(/^warning: .*\n/, "")).toBe(
      "error[not-permitted]: not permitted to load BPF programs that log\n  help: run as root, or with CAP_PERFMON as well; or leave the log lines out\n",
    );
    expect(loud([...loading, "CAP_PERFMON"]).code).toBe(0);
  }, 120_000);

  it.each([
    ["sock_ops", "user-timeout", ["CAP_BPF", "CAP_NET_ADMIN"]],
    ["cgroup_sock_addr", "client-address", ["CAP_BPF", "CAP_NET_ADMIN"]],
    ["cgroup_sockopt", "buffer-sizes", ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"]],
    ["struct_ops", "reno", ["CAP_BPF", "CAP_PERFMON"]],
    ["sock_ops, with log", "loud", ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"]],
  ] as const)(
    "a program of %s (%s) takes what doctor says, and nothing less",
    (kind, name, expected) => {
      if (name !== "loud") expect(tsbpf(["build", `programs/${name}.ts`, "-o", folder])).toMatchObject({ code: 0 });
      const object = join(folder, `${name}.o`);
      chmodSync(object, 0o644);
      const { programs } = JSON.parse(tsbpf(["doctor", "--json", object]).out) as {
        programs: { capabilities: Capability[] }[];
      };
      const { capabilities } = programs[0]!;
      expect(capabilities).toEqual(expected);
      const where = kind === "struct_ops" ? [] : ["--cgroup", cgroup];
      const run = (set: readonly Capability[]): Finished =>
        as(set, "run", object, ...where, "--for", "0.05", "--backend", "kernel", ...own());
      expect(run(capabilities)).toMatchObject({ code: 0 });
      for (const absent of capabilities) {
        const { code, err } = run(capabilities.filter((one) => one !== absent));
        expect([absent, code]).toEqual([absent, 1]);
        expect(err).toMatch(
          new RegExp(`^error\\[not-permitted\\]: .*\n {2}help: run as root, or with .*${absent}`, "m"),
        );
      }
    },
    120_000,
  );

  it("a path manager over netlink takes CAP_NET_ADMIN alone, and puts back what it changed", () => {
    const netns = lab.netns("caps");
    const chosen = (): string => lab.inside(netns, "sysctl", "-n", "net.mptcp.pm_type").trim();
    const before = chosen();
    const run = (capabilities: readonly Capability[], ...more: string[]): Finished =>
      within(netns, capabilities, "run", "programs/ndiffports.ts", "--backend", "netlink", "--for", "0.1", ...more);
    const { all } = NEEDS["run --backend netlink"];
    expect(all).toEqual(["CAP_NET_ADMIN"]);
    const { code, out } = run(all);
    expect({ code, out }).toMatchObject({ code: 0, out: expect.stringMatching(/^ended: 0 subflows created/m) });
    expect(chosen()).toBe(before);
    const others = (Object.keys(CAPABILITIES) as Capability[]).filter((one) => !all.some((needed) => needed === one));
    const without = run(others);
    expect(without.code).toBe(1);
    expect(without.err).toMatch(/error\[not-permitted\]: .*\n {2}help: run as root, or with CAP_NET_ADMIN\n$/);
    expect(chosen()).toBe(before);
    const another = lab.netns("other");
    const entered = run(all, "--netns", another);
    expect(entered.code).toBe(1);
    expect(entered.err).toMatch(/help: run as root, or with CAP_SYS_ADMIN\n$/);
    expect(run([...all, "CAP_SYS_ADMIN"], "--netns", another).code).toBe(0);
  }, 120_000);

  it("doctor names what is lacking, and what runs without it", () => {
    const netns = lab.netns("doctor");
    const caller = (capabilities: readonly Capability[]): { ok: boolean; detail: string } => {
      const { machine } = JSON.parse(within(netns, capabilities, "doctor", "--json").out) as {
        machine: { what: string; ok: boolean; detail: string }[];
      };
      const { ok, detail } = machine.find((one) => one.what === "caller")!;
      return { ok, detail };
    };
    const both = "not root: run as root, or with CAP_BPF and CAP_NET_ADMIN";
    const netlink = "; path managers run with --backend netlink";
    expect(caller([])).toEqual({ ok: false, detail: both });
    expect(caller(["CAP_BPF"])).toEqual({ ok: false, detail: `${both} (lacking: CAP_NET_ADMIN)` });
    expect(caller(["CAP_NET_ADMIN"])).toEqual({ ok: false, detail: `${both} (lacking: CAP_BPF)${netlink}` });
    for (const set of [NEEDS.doctor.all, ["CAP_NET_ADMIN", "CAP_SYS_ADMIN"]] as const)
      expect(caller(set)).toEqual({ ok: true, detail: "has CAP_BPF and CAP_NET_ADMIN" });
  }, 120_000);

  it("what is pinned in one's own folder is listed, read, replaced and removed with little or nothing", () => {
    expect(as(loading, "load", quiet(), "--cgroup", cgroup, ...own())).toMatchObject({ code: 0, err: "" });
    expect(as(loading, "load", quiet(), "--replace", ...own()).out).toContain(`attached to ${cgroup}`);
    const listed = as([], "list", ...own());
    expect(listed.out).toMatch(new RegExp(`program +\\d+ +quiet +${cgroup}`));
    expect(listed.err).toContain("seeing the rest takes CAP_SYS_ADMIN");
    expect(as([], "show", "quiet", "--for", "0.1", ...own()).code).toBe(0);
    expect(as([], "map", "set", "quiet/table", "3", "4", ...own()).code).toBe(0);
    const got = as([], "map", "get", "quiet/table", "3", ...own());
    expect(got).toMatchObject({ code: 0, out: "4\n" });
    expect(got.err).toContain("which takes CAP_SYS_ADMIN");
    expect(as([], "map", "dump", "quiet/table", "--json", ...own())).toMatchObject({ code: 0 });
    expect(as([], "trace", "quiet", "--for", "0.1", ...own()).code).toBe(0);
    expect(as([], "detach", "--all", ...own())).toMatchObject({
      code: 0,
      out: `quiet removed, detached from ${cgroup}\n`,
    });
    for (const args of [
      ["map", "dump", "id:1"],
      ["detach", "--link", "1"],
    ]) {
      const { code, err } = as(loading, ...args, ...own());
      expect(code).toBe(1);
      expect(err).toContain("help: this takes CAP_SYS_ADMIN");
    }
  }, 120_000);

  it("what cannot be seen is not made up, and what would show it is named", () => {
    const pins = ["--pins", join(bpffs, "roots/tsbpf")];
    expect(tsbpf(["load", quiet(), "--cgroup", cgroup, ...pins]).code).toBe(0);
    const loaded = as(loading, "load", quiet(), "--cgroup", cgroup, ...own());
    expect(loaded.err).toMatch(/another \(program \d+; whose it is takes CAP_SYS_ADMIN to see\) on/);
    for (const capabilities of [[], ["CAP_BPF"], ["CAP_NET_ADMIN"], loading] as const) {
      const sees = capabilities.some((one) => one === "CAP_NET_ADMIN");
      const { out, err } = as(capabilities, "list", ...own());
      expect(out + err).not.toMatch(/user 0|without a link|gone/);
      expect(out).toMatch(new RegExp(`program +\\d+ +quiet +${cgroup}`));
      expect(/\? +\? +\d+ +\(not visible\)/.test(out), capabilities.join()).toBe(sees);
      expect(err).toContain(sees ? "and numbers of other programs" : "is shown: seeing the rest takes CAP_SYS_ADMIN");
      const { attached } = JSON.parse(as(capabilities, "list", "--json", ...own()).out) as {
        attached: { visible: boolean }[];
      };
      expect(attached.filter((one) => one.visible)).toHaveLength(1);
      const hidden = { visible: false, link: null, program: null, object: null, cgroup };
      expect(attached.filter((one) => !one.visible)).toMatchObject(sees ? [hidden] : []);
    }
    // Where nothing at all is in sight, that is not called nothing.
    const elsewhere = ["--pins", join(bpffs, "own/none")];
    expect(as([], "list", ...elsewhere).out).toBe("nothing in sight is attached\n");
    expect(as(["CAP_SYS_ADMIN"], "list", ...elsewhere).out).toMatch(/program +\d+ +\(a pin elsewhere, or/);

    const show = (capabilities: readonly Capability[]): Finished => as(capabilities, "show", "--for", "0.1", ...own());
    const blind = show([]);
    expect(blind.out).toMatch(/program +sock_ops +\? +\? +-/);
    expect(blind.err).toContain("INSNS ?: seeing the size of a program takes CAP_BPF");
    expect(blind.err).toContain("RUNS ?: having runs counted takes CAP_SYS_ADMIN");
    expect(show(loading).out).toMatch(/program +sock_ops +[1-9]\d* +\? +-/);
    expect(show(["CAP_SYS_ADMIN"])).toMatchObject({
      out: expect.stringMatching(/program +sock_ops +[1-9]\d* +0 +-/),
      err: "",
    });
    const json = JSON.parse(as([], "show", "quiet", "--for", "0.1", "--json", ...own()).out) as object;
    expect(json).toMatchObject({ programs: [{ slots: null, jitedBytes: null, runs: null }] });

    expect(as([], "doctor", ...pins).out).toMatch(/✗ +bpffs +needed for pins only: looking into .*: EACCES/);
    expect(as([], "detach", "--all", ...own()).code).toBe(0);
    expect(tsbpf(["detach", "--all", ...pins]).out).toBe(`quiet removed, detached from ${cgroup}\n`);
  }, 180_000);

  it("subflows of a session are not called none where they cannot be seen", async () => {
    const [c, s] = [lab.netns("c"), lab.netns("s")];
    lab.wire(c, "v0", ["10.97.0.1/24"], s, "v1", ["10.97.0.2/24"]);
    const [client, server] = [await lab.peer(c), await lab.peer(s)];
    await server.call("listen", { protocol: "mptcp", host: "10.97.0.2", port: 9000 });
    await client.call("connect", { protocol: "mptcp", host: "10.97.0.2", port: 9000 });
    const sessions = (capabilities: readonly Capability[]): Finished =>
      within(c, capabilities, "show", ...own(), "--for", "0.1");
    expect(sessions(["CAP_NET_ADMIN"]).out).toMatch(/10\.97\.0\.2:9000 +1 subflows/);
    // Since Linux 6.15 everybody may see them.
    const blind = sessions([]);
    const [, count] = /10\.97\.0\.2:9000 +(1|\?) subflows/.exec(blind.out) ?? [];
    expect(count, blind.out).toBeDefined();
    expect(blind.err.includes("? subflows: seeing them takes CAP_NET_ADMIN")).toBe(count === "?");
  }, 60_000);

  it("what may not be seen is not called nothing", () => {
    const pins = join(bpffs, "roots/tsbpf");
    expect(tsbpf(["load", quiet(), "--pins", pins]).code).toBe(0);
    for (const command of [["detach", "--all"], ["detach", "quiet"], ["list"]]) {
      const { code, out, err } = as([], ...command, "--pins", pins);
      expect({ code, out }).toEqual({ code: 1, out: "" });
      expect(err).toContain(`error[not-permitted]: looking into ${pins}`);
    }
    expect(statSync(join(pins, "objects/quiet")).isDirectory()).toBe(true);
    expect(tsbpf(["detach", "--all", "--pins", pins]).out).toBe("quiet removed\n");
  }, 120_000);
});

describe("the help", () => {
  it("names the capabilities of every command", () => {
    for (const command of ["load", "map get", "list"] as const satisfies readonly CommandWithNeeds[]) {
      const { out } = tsbpf([...command.split(" "), "--help"]);
      expect(out.replaceAll("\n", " ")).toContain(needsText(command).trim());
    }
    expect(needsText("load")).toContain("CAP_BPF, CAP_NET_ADMIN; CAP_PERFMON for programs that log");
  });

  it("uses the kernel's numbers", () => {
    const header = "/usr/include/linux/capability.h";
    const text = spawnSync("cat", [header], { encoding: "utf8" }).stdout;
    if (text === "") return;
    for (const [name, number] of Object.entries(CAPABILITIES))
      expect(text).toMatch(new RegExp(`#define ${name}\\s+${number}\\b`));
  });
});
