// Cgroups and network namespaces that come and go under a service, and cgroups by pattern.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { inNetns } from "../../runtime/kernel/places.ts";
import { MOST_MATCHES, placesNow } from "../../runtime/service/places.ts";
import type { Target } from "../../runtime/service/target.ts";
import { stopAll, tsbpf } from "./command.ts";
import { openLab, sh, until, whyNot, type Lab } from "./lab.ts";
import { EVERY, openRig, type Rig } from "./service-rig.ts";

describe("patterns of cgroups", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "tsbpf-places-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const at = (place: string): Target =>
    ({ name: "web", program: "web", place: join(folder, place) }) as unknown as Target;
  const found = (place: string): readonly (readonly [string, string])[] =>
    placesNow([at(place)]).targets.map((one) => [one.name, String(one.place).slice(folder.length + 1)] as const);

  it("stand for folders, part by part, and leave their names in the program's", () => {
    for (const path of ["a/docker-1.scope/x", "a/docker-2.scope/y", "a/other.scope", "b/docker-3.scope", "a+b"])
      mkdirSync(join(folder, path), { recursive: true });
    expect(found("a/docker-*.scope")).toEqual([
      ["web@docker-1.scope", "a/docker-1.scope"],
      ["web@docker-2.scope", "a/docker-2.scope"],
    ]);
    expect(found("?/docker-*.scope/x")).toEqual([["web@a:docker-1.scope:x", "a/docker-1.scope/x"]]);
    expect(found("a/docker-?.scope/*")).toEqual([
      ["web@docker-1.scope:x", "a/docker-1.scope/x"],
      ["web@docker-2.scope:y", "a/docker-2.scope/y"],
    ]);
    expect(found("a+*")).toEqual([["web@a+b", "a+b"]]);
    expect(placesNow([at("c/*")]).waiting).toMatchObject([{ reason: `no cgroup is called ${folder}/c/*` }]);
    // Where one may come: the open part's folder, or the last that is there.
    expect(placesNow([at("a/docker-*.scope")]).folders).toEqual(new Set([join(folder, "a")]));
    expect(placesNow([at("c/d/*")]).folders).toEqual(new Set([folder]));
  });

  it("take names as they come, kept apart, and no more than so many", () => {
    for (const name of ["a b", "a\nb", "a\u001b[31mb", "x".repeat(200)]) mkdirSync(join(folder, name));
    const names = found("*").map(([name]) => name);
    expect(new Set(names).size).toBe(4);
    for (const name of names) expect(name).toMatch(/^web@[\w~]{1,110}$/);
    for (let one = 0; one <= MOST_MATCHES; one++) mkdirSync(join(folder, `n${one}`));
    expect(found("n*").length).toBe(MOST_MATCHES);
  });
});

const skip = whyNot();
const COUNTING = `
import { HashMap, license, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const seen = new HashMap({ key: u32, value: u32, maxEntries: 8 });
export const counting = sockOps((ctx) => {
  seen.set(ctx.localPort, 1);
  return 1;
});
`;
describe.skipIf(skip)(skip ? `places of a service (skipped: ${skip})` : "places of a service", () => {
  let lab: Lab;
  let rig: Rig;
  let web: string;
  beforeAll(() => {
    lab = openLab();
    rig = openRig(lab);
    web = lab.cgroup("web");
    rig.build("every", EVERY());
    rig.build("counting", COUNTING);
    expect(tsbpf(["build", "programs/fullmesh.ts", "-o", rig.folder]).err).toBe("");
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
  const pinned = (): string[] => {
    const objects = join(rig.pins, "objects");
    return existsSync(objects) ? readdirSync(objects).map((name) => decodeURIComponent(name)) : [];
  };
  const make = (path: string): void => {
    mkdirSync(path);
    lab.defer(() => {
      if (existsSync(path)) rmdirSync(path);
    });
  };
  const states = (): string[] => rig.list().map(({ name, state }) => `${name} ${state}`);

  it("a cgroup that is not there, goes and comes back is waited for; what is in the maps stays", async () => {
    const later = join(web, "..", `${lab.prefix}-later`);
    rig.says({
      programs: {
        web: { file: "every.o", cgroup: web },
        mail: { file: "counting.o", cgroup: later, whenGone: "wait" },
      },
    });
    const running = await rig.serve();
    expect(running.lines).toContain(`mail: waits: the cgroup ${later} is not there`);
    expect(states()).toEqual(["web attached", "mail waiting"]);
    make(later);
    await running.line(/^mail: attached to/);
    expect([rig.attached(later), states()]).toEqual([["counting"], ["web attached", "mail attached"]]);
    expect(tsbpf(["map", "set", "mail/seen", "1", "2", "--pins", rig.pins]).code).toBe(0);
    rmdirSync(later);
    await running.line(new RegExp(`^mail: the cgroup ${later} was removed: waits for it to come back`));
    expect(states()).toEqual(["web attached", "mail waiting"]);
    // A reload meanwhile changes nothing of that.
    expect(rig.ask("reload").out).toBe("same: web\n");
    make(later);
    await until("it is attached again", () => rig.attached(later).length === 1);
    expect(tsbpf(["map", "get", "mail/seen", "1", "--pins", rig.pins]).out.trim()).toBe("2");
    // As a service that is restarted does with its own.
    rmdirSync(later);
    make(later);
    await until("it is attached to the new one", () => rig.attached(later).length === 1);
    expect(running.errors).toEqual([]);
    expect(await running.stop()).toBe(0);
    expect([rig.attached(later), rig.attached(web), pinned(), records()]).toEqual([[], [], [], []]);
  }, 90_000);

  it("what others have detached from a cgroup that is there is not taken back before a reload", async () => {
    rig.says({ programs: { web: { file: "every.o", cgroup: web, whenGone: "wait" } } });
    const running = await rig.serve();
    expect(tsbpf(["detach", "web", "--pins", rig.pins]).code).toBe(0);
    await until("it is said", () =>
      running.errors.some((one) => /^warning: web: .*reload attaches it again$/.test(one)),
    );
    expect([rig.attached(web), states()]).toEqual([[], []]);
    expect(rig.ask("reload").out).toBe("added: web\n");
    expect(rig.attached(web)).toEqual(["every"]);
    expect(await running.stop()).toBe(0);
  });

  it("cgroups by pattern get a program each as they come, which ends as they go", async () => {
    const [slice, first] = [join(web, "pods"), join(web, "pods/docker-1.scope")];
    make(slice);
    make(first);
    rig.says({ keep: true, programs: { pods: { file: "counting.o", cgroup: `${slice}/docker-*.scope` } } });
    const running = await rig.serve();
    expect(states()).toEqual(["pods@docker-1.scope attached"]);
    const second = join(slice, "docker-2.scope");
    make(second);
    make(join(slice, "other.scope"));
    await running.line(/^pods@docker-2\.scope: attached/);
    expect([rig.attached(second), rig.attached(join(slice, "other.scope"))]).toEqual([["counting"], []]);
    rmdirSync(second);
    await running.line(/^pods@docker-2\.scope: .* was removed: ended/);
    expect(pinned()).toEqual(["pods@docker-1.scope"]);
    // Kept over a kill; what came and went meanwhile is found.
    await running.stop("SIGKILL");
    const third = join(slice, "docker-3.scope");
    make(third);
    rmdirSync(first);
    const next = await rig.serve();
    expect(states()).toEqual(["pods@docker-3.scope attached"]);
    expect(pinned()).toEqual(["pods@docker-3.scope"]);
    rmdirSync(third);
    await next.line(/^pods@docker-3\.scope: .* was removed: ended/);
    expect(states()).toEqual(["pods waiting"]);
    expect(await next.stop()).toBe(0);
    expect([pinned(), records()]).toEqual([[], []]);
  }, 90_000);

  it.skipIf(!existsSync("/proc/sys/net/mptcp/pm_type"))(
    "a network namespace that comes and goes: waited for, or the end with the reason",
    async () => {
      const name = `${lab.prefix}-fleeting`;
      lab.defer(() => existsSync(`/run/netns/${name}`) && sh("ip", "netns", "del", name));
      const pmType = (): string => inNetns(name, () => readFileSync("/proc/sys/net/mptcp/pm_type", "utf8").trim());
      const says = (whenGone: "wait" | "exit"): void =>
        rig.says({ programs: { paths: { file: "fullmesh.o", netns: name, backend: "netlink", whenGone } } });
      says("wait");
      const running = await rig.serve();
      expect(states()).toEqual(["paths waiting"]);
      for (let turn = 0; turn < 2; turn++) {
        sh("ip", "netns", "add", name);
        await until("it is managed", () => states()[0] === "paths managing", 20_000);
        expect(pmType()).toBe("1");
        sh("ip", "netns", "del", name);
        await until("it waits", () => states()[0] === "paths waiting", 20_000);
      }
      expect(await running.stop()).toBe(0);
      sh("ip", "netns", "add", name);
      says("exit");
      const other = await rig.serve();
      sh("ip", "netns", "del", name);
      expect(await other.ended).toBe(1);
      expect(other.errors[0]).toBe(`error: paths: the network namespace ${name} was removed`);
      expect(records()).toEqual([]);
    },
    90_000,
  );
});
