// The unit of a service: what systemd's own checks say of it, and that the service works with no more than its rights.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { unitText, type UnitFacts } from "../../runtime/service/unit.ts";
import { tsbpf } from "./command.ts";
import { openLab, whyNot, type Lab } from "./lab.ts";
import { repository } from "./repository.ts";
import { EVERY, openRig, type Rig } from "./service-rig.ts";

const analyze = (...args: string[]): { code: number | null; said: string } => {
  const { status, stdout, stderr } = spawnSync("systemd-analyze", args, { encoding: "utf8", timeout: 60_000 });
  return { code: status, said: stdout + stderr };
};
const noAnalyze = analyze("--version").code === 0 ? undefined : "no systemd-analyze";
const FACTS: UnitFacts = {
  command: join(repository, "bin/tsbpf"),
  file: "/etc/tsbpf/service.json",
  socket: "/run/tsbpf/serve.sock",
  pins: "/sys/fs/bpf/tsbpf",
  inKernel: true,
  overNetlink: true,
  entersNamespaces: true,
};

it("asks for the rights that its programs take, and no more", () => {
  const rights = (facts: Partial<UnitFacts>): string | undefined =>
    /^CapabilityBoundingSet=(.*)$/m.exec(unitText({ ...FACTS, ...facts }))?.[1];
  expect(rights({})).toBe("CAP_BPF CAP_PERFMON CAP_NET_ADMIN CAP_SYS_ADMIN");
  expect(rights({ inKernel: false })).toBe("CAP_NET_ADMIN CAP_SYS_ADMIN");
  expect(rights({ inKernel: false, entersNamespaces: false })).toBe("CAP_NET_ADMIN");
  const written = (facts: Partial<UnitFacts>): string[] =>
    [...unitText({ ...FACTS, ...facts }).matchAll(/^ReadWritePaths=(.*)$/gm)].map((match) => match[1]!);
  expect(written({})).toEqual(["-/sys/fs/bpf"]);
  expect(written({ inKernel: false })).toEqual(["-/proc/sys"]);
  const closed = (facts: Partial<UnitFacts>): boolean =>
    /^ReadOnlyPaths=.* \/proc\/sys$/m.test(unitText({ ...FACTS, ...facts }));
  expect([closed({}), closed({ overNetlink: false })]).toEqual([false, true]);
  expect(unitText({ ...FACTS, pins: "/srv/bpf/tsbpf" })).toMatch(/^ReadWritePaths=-\/srv\/bpf$/m);
  expect(unitText({ ...FACTS, file: '/etc/a "b" 100%$x/s.json' })).toContain(
    'serve "/etc/a \\"b\\" 100%%$$x/s.json"\n',
  );
});

describe.skipIf(noAnalyze)(noAnalyze ? `systemd-analyze (skipped: ${noAnalyze})` : "systemd-analyze", () => {
  let lab: Lab;
  let rig: Rig;
  beforeAll(() => {
    lab = openLab();
    rig = openRig(lab);
  });
  afterAll(() => lab.close());

  it("verifies it, and finds it no more exposed than its work takes", () => {
    const path = join(rig.folder, "tsbpf.service");
    writeFileSync(path, unitText(FACTS));
    expect(analyze("verify", "--man=no", path)).toEqual({ code: 0, said: "" });
    // Of 100; a service without a word about it has 96.
    expect(analyze("security", "--offline=yes", "--no-pager", "--threshold=25", path)).toMatchObject({ code: 0 });
    writeFileSync(path, unitText(FACTS).replace("Type=notify", "Type=notfy"));
    expect(analyze("verify", "--man=no", path).said).toContain("notfy");
  });
});

const skip = whyNot();
describe.skipIf(skip)(skip ? `the command (skipped: ${skip})` : "the command", () => {
  let lab: Lab;
  let rig: Rig;
  beforeAll(() => {
    lab = openLab();
    rig = openRig(lab);
    rig.build("every", EVERY());
  });
  afterAll(() => lab.close());

  it("prints the unit of a file, and says what is wrong with one before", () => {
    rig.says({ programs: { web: { file: "every.o", cgroup: "web.slice" } } });
    const file = join(rig.folder, "service.json");
    const { code, out } = tsbpf(["serve", "unit", file]);
    expect(code).toBe(0);
    expect(out).toContain(`ExecStart=${join(repository, "bin/tsbpf")} serve ${file}\n`);
    expect(out).toContain(`ExecReload=${join(repository, "bin/tsbpf")} serve reload --socket ${rig.socket}\n`);
    expect(out).toContain(`ReadWritePaths=-${join(rig.folder, "run")}\n`);
    rig.says({ programs: { web: { file: "absent.o", cgroup: "web.slice" } } });
    expect(tsbpf(["serve", "unit", file])).toMatchObject({ code: 1, out: "" });
    rig.says({ programs: { web: { file: "every.o" } } });
    expect(tsbpf(["serve", "check", file]).err).toMatch(/^error\[bad-argument\]: web: a cgroup to attach to is needed/);
  });
});
