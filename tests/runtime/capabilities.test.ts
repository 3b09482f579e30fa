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
  function as(capabilities: readonly Capability[], ...args: string[]): Finished {
    const set = ["-all", ...capabilities.map((one) => `+${one.slice("CAP_".length).toLowerCase()}`)].join(",");
    const { status, stdout, stderr } = spawnSync(
      "setpriv",
      [
        ...[`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", `--inh-caps=${set}`, `--ambient-caps=${set}`],
        ...[`--bounding-set=${set}`, process.execPath, join(repository, "bin/tsbpf.cjs"), ...args],
      ],
      { encoding: "utf8", timeout: 60_000, env: { ...process.env, NO_COLOR: "1", HOME: "/nonexistent" } },
    );
    return { code: status, out: stdout, err: stderr };
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
    expect(loud(loading).err).toBe(
      "error[not-permitted]: not permitted to load BPF programs that log\n  help: run as root, or with CAP_PERFMON as well; or leave the log lines out\n",
    );
    expect(loud([...loading, "CAP_PERFMON"]).code).toBe(0);
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
