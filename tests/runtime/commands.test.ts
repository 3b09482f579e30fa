// The commands as users run them, from the built package.
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { allLinks, allPrograms } from "../../runtime/kernel/info.ts";
import { load } from "../../runtime/api.ts";
import { ATTACH_TYPES } from "../../compiler/bpf/kinds/attach-types.ts";
import { ATTACH_FLAGS, BPF } from "../../runtime/kernel/abi.ts";
import { bpf } from "../../runtime/kernel/bpf.ts";
import { openCgroup } from "../../runtime/kernel/places.ts";
import { missing, probe } from "../../runtime/kernel/probe.ts";
import { start, stopAll, tsbpf } from "./command.ts";
import { compiled } from "./compiled.ts";
import { openLab, sh, until, whyNot, type Lab, type Peer } from "./lab.ts";

const skip = whyNot();
const ECHO = `
import { HashMap, license, param, RingBuf, struct, u8, u16, u64, be32 } from "tsbpf";
import { Op, sockOps } from "tsbpf/tcp";
license("GPL");
class Seen extends struct({ port: u16, side: u8, peer: be32, count: u64 }) {}
export const events = new RingBuf({ value: Seen, bytes: 4096 });
export let eventsDropped: u64 = 0n;
export const totals = new HashMap({ key: u16, value: Seen, maxEntries: 64 });
export const tag = param(u8, 1);
export const watcher = sockOps((ctx) => {
  switch (ctx.op) {
    case Op.PassiveEstablished: {
      const seen = new Seen({ port: ctx.localPort, side: tag, peer: ctx.remoteIp4, count: 1n });
      if (events.output(seen) !== 0) eventsDropped += 1n;
      const total = totals.get(ctx.localPort);
      if (total) total.count += 1n;
      else totals.set(ctx.localPort, seen);
      break;
    }
    default:
  }
  return 1;
});
`;

describe.skipIf(skip)(skip ? `commands on the kernel (skipped: ${skip})` : "commands on the kernel", () => {
  let lab: Lab;
  let folder: string;
  let pins: string;
  let cgroup: string;
  let client: Peer;
  let server: Peer;
  let port = 8000;
  const source = (): string => join(folder, "watcher.ts");

  beforeAll(async () => {
    lab = openLab();
    folder = mkdtempSync(join(tmpdir(), "tsbpf-commands-"));
    lab.defer(() => rmSync(folder, { recursive: true, force: true }));
    writeFileSync(join(folder, "watcher.ts"), ECHO);
    const bpffs = mkdtempSync(join(tmpdir(), "tsbpf-bpffs-"));
    sh("mount", "-t", "bpf", "bpf", bpffs);
    lab.defer(() => {
      sh("umount", bpffs);
      rmSync(bpffs, { recursive: true });
    });
    pins = join(bpffs, "tsbpf");
    const c = lab.netns("c");
    const s = lab.netns("s");
    lab.wire(c, "v0", ["10.96.0.1/24"], s, "v1", ["10.96.0.2/24"]);
    cgroup = lab.cgroup("watched");
    client = await lab.peer(c);
    server = await lab.peer(s, cgroup);
  });
  afterEach(() => {
    stopAll();
    tsbpf(["detach", "--all", "--pins", pins]);
  });
  afterAll(() => lab?.close());

  const connections = async (count: number): Promise<number> => {
    port++;
    const listening = await server.call<number>("listen", { host: "10.96.0.2", port, mode: "close" });
    const result = await client.call<{ done: number; failed: number }>("storm", {
      host: "10.96.0.2",
      port,
      rate: Math.min(count * 10, 1000),
      seconds: Math.max(0.1, count / 1000),
    });
    expect(result.failed).toBe(0);
    await server.call("closeServer", { id: listening });
    return result.done;
  };
  const attached = (): string[] => {
    const names = new Map([...allPrograms()].map((program) => [program.id, program.name]));
    const id = BigInt(statSync(cgroup).ino);
    return [...allLinks()].filter((link) => link.cgroupId === id).map((link) => names.get(link.programId) ?? "?");
  };
  const gone = (): Promise<boolean> => until("the program is gone", () => attached().length === 0);

  it("run compiles, attaches, shows records as they come, and leaves nothing behind on Ctrl-C", async () => {
    const running = start(["run", source(), "--cgroup", cgroup, "--param", "tag=7", "--json"]);
    await running.line(/"attached"/);
    expect(attached()).toEqual(["watcher"]);
    const done = await connections(5);
    await until(
      "the records are printed",
      () => running.events.filter((event) => event["ring"] === "events").length === done,
    );
    expect(running.events.find((event) => event["ring"] === "events")).toEqual({
      ring: "events",
      record: { port, side: 7, peer: "10.96.0.1", count: 1 },
    });
    expect(await running.stop("SIGINT")).toBe(0);
    expect(running.events.at(-1)).toEqual({ event: "detached", name: "watcher" });
    await gone();
    expect(running.errors).toEqual([]);
  });

  it("run ends by itself after --for, and prints text for people", async () => {
    const { code, out, err } = tsbpf(["run", source(), "--cgroup", cgroup, "--for", "0.2"]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toBe(`watcher attached to ${cgroup}; Ctrl-C detaches\ndetached\n`);
    await gone();
  });

  it("run ends with an error when its cgroup is removed, or its program detached", async () => {
    const mine = `${lab.prefix}-fleeting`;
    const running = start(["run", source(), "--cgroup", mine, "--make", "--json"]);
    await running.line(/"attached"/);
    const path = JSON.parse(running.lines.find((one) => one.includes('"attached"'))!) as { cgroup: string };
    expect(statSync(path.cgroup).isDirectory()).toBe(true);
    rmdirSync(path.cgroup);
    expect(await running.ended).toBe(1);
    expect(running.events.at(-1)).toMatchObject({
      error: { key: "ended", message: `the cgroup ${path.cgroup} was removed, and watcher is attached to nothing now` },
    });
    const other = start(["run", source(), "--cgroup", cgroup, "--json"]);
    await other.line(/"attached"/);
    const id = BigInt(statSync(cgroup).ino);
    const link = [...allLinks()].find((one) => one.cgroupId === id)!;
    expect(tsbpf(["detach", "--link", String(link.id)]).err).toBe("");
    expect(await other.ended).toBe(1);
    expect(other.events.at(-1)).toMatchObject({
      error: { message: `watcher is attached no more: somebody else has detached it from ${cgroup}` },
    });
  });

  it("run, load and list name other programs on the cgroup and above it, however they were attached", async () => {
    const below = join(cgroup, "below");
    mkdirSync(below);
    const legacy = legacyAttach(cgroup, ATTACH_FLAGS.override);
    try {
      const run = tsbpf(["run", source(), "--cgroup", below, "--for", "0.1"]);
      expect({ code: run.code, err: run.err }).toEqual({
        code: 0,
        err: `warning: watcher (program ${legacy.id} of user 0, held by process ${process.pid} (${comm()}), attached with BPF_F_ALLOW_OVERRIDE) on ${cgroup}: it does not run for sockets of ${below} as long as this one is attached\n`,
      });
      const listed = tsbpf(["list", "--pins", pins]).out;
      expect(listed).toMatch(
        new RegExp(`^- +watcher +${legacy.id} +\\(nobody: attached without a link\\) +${cgroup}$`, "m"),
      );
      const refused = tsbpf(["run", source(), "--cgroup", cgroup, "--for", "0.1"]);
      expect(refused.code).toBe(1);
      expect(refused.err).toContain(`nothing else can be attached to ${cgroup}`);
      expect(refused.err).toContain(`bpftool cgroup detach ${cgroup} sock_ops id ${legacy.id}`);
    } finally {
      legacy.detach();
    }
    const alone = legacyAttach(cgroup, 0);
    try {
      const refused = tsbpf(["run", source(), "--cgroup", below, "--for", "0.1"]);
      expect(refused.err).toContain(`attached alone) on ${cgroup}: nothing else can be attached to ${below}`);
    } finally {
      alone.detach();
    }
    try {
      expect(tsbpf(["load", source(), "--cgroup", cgroup, "--pins", pins]).err).toBe("");
      const second = tsbpf(["load", source(), "--cgroup", below, "--name", "second", "--pins", pins]);
      expect(second.err).toMatch(
        new RegExp(
          `^warning: watcher \\(program \\d+ of user 0, held by the pinned object watcher\\) on ${cgroup}: both run, this one afterwards, and share the socket's callback flags\n$`,
        ),
      );
      expect(tsbpf(["list", "--pins", pins]).out).toMatch(/^watcher and watcher \(program \d+ of user 0/m);
      tsbpf(["detach", "--all", "--pins", pins]);
    } finally {
      rmdirSync(below);
    }
  });

  it("load of a path manager on a kernel that cannot run it says what can", () => {
    if (missing(["helper:mptcp-open-subflow"]).length === 0) return;
    const { code, err } = tsbpf(["load", "programs/ndiffports.ts", "--cgroup", cgroup, "--pins", pins]);
    expect(code).toBe(1);
    expect(err).toContain("`tsbpf run FILE` serves a network namespace over netlink");
    expect(err).not.toContain("--backend");
  });

  it("load pins; list, show, map and trace find it; load --replace keeps the maps; detach removes it", async () => {
    const loaded = tsbpf(["load", source(), "--cgroup", cgroup, "--pins", pins]);
    expect(loaded.err).toBe("");
    expect(loaded.out).toMatch(/^watcher: watcher \(program \d+\) attached to /);
    const again = tsbpf(["load", source(), "--cgroup", cgroup, "--pins", pins]);
    expect(again.code).toBe(1);
    expect(again.err).toContain("error[pin-exists]: an object named watcher is pinned already\n  help: --replace");

    const { attached: links, pinned } = JSON.parse(tsbpf(["list", "--pins", pins, "--json"]).out) as {
      attached: { program: string; cgroup: string; object: string; link: number }[];
      pinned: string[];
    };
    expect(pinned).toEqual(["watcher"]);
    expect(links.filter((link) => link.object === "watcher")).toMatchObject([{ program: "watcher", cgroup }]);

    const tracing = start(["trace", "watcher", "--pins", pins, "--json"]);
    await tracing.line(/"tracing"/);
    const done = await connections(10);
    await until(
      "trace prints the records",
      () => tracing.events.filter((event) => event["ring"] === "events").length === done,
    );
    expect(await tracing.stop()).toBe(0);

    expect(tsbpf(["map", "get", "watcher/totals", String(port), "--pins", pins]).out).toBe(
      `{ port: ${port}, side: 1, peer: 10.96.0.1, count: ${done} }\n`,
    );
    expect(
      tsbpf([
        "map",
        "set",
        "watcher/totals",
        "9",
        '{"port":9,"peer":"192.0.2.1","count":"18446744073709551615"}',
        "--pins",
        pins,
      ]).code,
    ).toBe(0);
    expect(JSON.parse(tsbpf(["map", "dump", "watcher/totals", "--pins", pins, "--json"]).out)).toContainEqual({
      key: 9,
      value: { port: 9, side: 0, peer: "192.0.2.1", count: "18446744073709551615" },
    });
    expect(tsbpf(["map", "get", "watcher/totals", "1", "--pins", pins]).code).toBe(1);
    expect(tsbpf(["map", "get", "watcher/events", "1", "--pins", pins]).err).toContain(
      "events is a ring buffer\n  help: tsbpf trace watcher",
    );

    const replaced = tsbpf(["load", source(), "--replace", "--param", "tag=9", "--pins", pins]);
    expect(replaced.err).toBe("");
    await connections(1);
    expect(tsbpf(["map", "get", "watcher/totals", "9", "--pins", pins]).out).toContain("192.0.2.1");
    expect(tsbpf(["map", "get", "watcher/totals", String(port), "--pins", pins]).out).toContain("side: 9");
    const remove = (...more: string[]) => tsbpf(["map", "delete", "watcher/totals", "9", "--pins", pins, ...more]);
    expect(remove()).toMatchObject({ code: 0, out: "" });
    expect(remove()).toMatchObject({ code: 1, out: expect.stringContaining("has no such key") as unknown });
    expect(JSON.parse(remove("--json").out)).toEqual({ deleted: false });

    const showing = start(["show", "watcher", "--pins", pins, "--for", "3", "--json"]);
    await until(
      "show has turned statistics on",
      () =>
        [...allPrograms()].some((program) => program.name === "watcher" && program.runCount > 0n) ||
        connections(1).then(() => false),
    );
    const more = await connections(10);
    expect(await showing.ended).toBe(0);
    const shown = JSON.parse(showing.lines.join("\n")) as {
      programs: { name: string; runs: number; nsPerRun: number }[];
      maps: { name: string }[];
    };
    expect(shown.programs[0]).toMatchObject({ name: "watcher" });
    expect(shown.programs[0]!.runs).toBeGreaterThanOrEqual(more);
    expect(shown.programs[0]!.nsPerRun).toBeGreaterThan(0);
    expect(shown.maps.map((map) => map.name)).toEqual(expect.arrayContaining(["totals", "events"]));

    const detached = tsbpf(["detach", "watcher", "--pins", pins]);
    expect(detached.out).toBe(`watcher removed, detached from ${cgroup}\n`);
    await gone();
    expect(existsSync(pins)).toBe(false);
  });

  it("takes a program killed with SIGKILL over: pins keep it working, and the next run has its maps", async () => {
    const args = ["run", source(), "--cgroup", cgroup, "--pin", "taken", "--pins", pins, "--json"];
    const first = start(args);
    await first.line(/"attached"/);
    await connections(3);
    const before = port;
    await first.stop("SIGKILL");
    expect(attached()).toEqual(["watcher"]);
    const unwatched = await connections(4);

    const second = start(args);
    await second.line(/"taken-over"/);
    await second.line(/"attached"/);
    // The records of the time without a daemon are still in the ring.
    await until(
      "the old records are printed",
      () => second.events.filter((event) => event["ring"] === "events").length === unwatched,
    );
    expect(tsbpf(["map", "get", "taken/totals", String(before), "--pins", pins]).out).toContain("count: 3");
    expect(await second.stop("SIGTERM")).toBe(0);
    await gone();
    expect(existsSync(join(pins, "objects"))).toBe(false);
  });

  it("loses no connection and no record when the program is replaced under traffic", async () => {
    expect(tsbpf(["load", source(), "--cgroup", cgroup, "--pins", pins]).code).toBe(0);
    const tracing = start(["trace", "watcher", "--pins", pins, "--json"]);
    await tracing.line(/"tracing"/);
    port++;
    const target = port;
    const listening = await server.call<number>("listen", { host: "10.96.0.2", port: target, mode: "close" });
    // Connections for as long as it takes to replace it three times.
    const replaced = (async (): Promise<void> => {
      for (let turn = 0; turn < 3; turn++) {
        const loading = start(["load", source(), "--replace", "--param", `tag=${turn + 2}`, "--pins", pins]);
        expect(await loading.ended).toBe(0);
        expect(loading.errors).toEqual([]);
      }
    })();
    let made = 0;
    let under = true;
    void replaced.finally(() => (under = false)).catch(() => undefined);
    while (under) {
      const args = { host: "10.96.0.2", port: target, rate: 100, seconds: 1 };
      const { done, failed } = await client.call<{ done: number; failed: number }>("storm", args);
      expect(failed).toBe(0);
      made += done;
    }
    await replaced;
    const records = (): { side: number }[] =>
      tracing.events
        .map((event) => event["record"] as { port: number; side: number })
        .filter((record) => record?.port === target);
    await until("every connection has its record", () => records().length === made, 30_000);
    expect(new Set(records().map((record) => record.side)).size).toBeGreaterThan(1);
    await tracing.stop();
    await server.call("closeServer", { id: listening });
    expect(tsbpf(["detach", "--all", "--pins", pins]).code).toBe(0);
    await gone();
  });

  it("doctor lists features and programs, and says so in JSON", () => {
    const { code, out } = tsbpf(["doctor", "--json"]);
    const report = JSON.parse(out) as {
      features: { feature: string; ok: boolean }[];
      programs: { program: string; target: string; runs: boolean; missing: string[] }[];
      summary: { ok: boolean; text: string };
    };
    expect(report.features.find((one) => one.feature === "sock-ops")).toMatchObject({ ok: true });
    expect(report.programs.find((one) => `${one.program} ${one.target}` === "user-timeout.ts mainline")).toMatchObject({
      runs: true,
    });
    const lacking = report.programs.find((one) => one.program === "ndiffports.ts")!;
    const patched = report.features.find((one) => one.feature === "helper:mptcp-open-subflow")!.ok;
    expect(lacking.missing.includes("helper:mptcp-open-subflow")).toBe(!patched);
    // All that this kernel can run runs here: what only another one has is no fault of the machine.
    expect(code).toBe(0);
    expect(report.summary.ok).toBe(true);
    if (!patched) expect(report.summary.text).toMatch(/delayed-ack\.ts[^:]*: with the patched kernel/);
  });

  it("doctor looks at programs of one's own, and its exit code says whether they run", () => {
    const own = (file: string) => tsbpf(["doctor", "--json", file]);
    const good = own("programs/user-timeout.ts");
    expect(good.code).toBe(0);
    expect(JSON.parse(good.out)).toMatchObject({ programs: [{ program: "programs/user-timeout.ts", runs: true }] });
    const { programs } = JSON.parse(own("programs/delayed-ack.ts").out) as { programs: { runs: boolean }[] };
    expect(programs.map((one) => one.runs)).toEqual([probe("delayed-ack-options").ok]);
    expect(own("tests/errors/cases/var.ts").code).toBe(1);
  });
});

const comm = (): string => readFileSync("/proc/self/comm", "utf8").trim();
/** Attaches without a link, as older loaders do. */
function legacyAttach(cgroup: string, flags: number): { readonly id: number; detach(): void } {
  const object = load(compiled("watcher", undefined, ECHO));
  const program = object.programs["watcher"]!;
  const target = openCgroup(cgroup);
  const fields = { target_fd: target, attach_bpf_fd: program.fd, attach_type: ATTACH_TYPES.cgroup_sock_ops };
  expect(bpf(BPF.progAttach, "attach", { ...fields, attach_flags: flags })).toBe(0);
  return {
    id: program.info().id,
    detach() {
      expect(bpf(BPF.progDetach, "attach", fields)).toBe(0);
      closeSync(target);
      object.close();
    },
  };
}

describe("errors of the commands", () => {
  const help = (args: readonly string[]): string => tsbpf(args).err;

  it("name what is missing and what to do", () => {
    expect(help(["run", "programs/user-timeout.ts"])).toContain(
      "error[bad-argument]: a cgroup-v2 directory to attach to is needed\n  help: --cgroup DIR",
    );
    expect(help(["run", "absent.ts", "--cgroup", "/tmp"])).toContain("cannot read absent.ts: no such file");
    expect(help(["run", "programs/user-timeout.ts", "--cgroup", "/tmp", "--param", "nope=1"])).toContain(
      "no param nope in this program\n  help: it has timeoutSeconds",
    );
    expect(help(["run", "programs/user-timeout.ts", "--cgroup", "/tmp", "--param", "timeoutSeconds=x"])).toContain(
      'param timeoutSeconds: "x" is not a number',
    );
    const twice = ["--param", "timeoutSeconds=1", "--param", "timeoutSeconds=2"];
    expect(help(["run", "programs/user-timeout.ts", "--cgroup", "/tmp", ...twice])).toContain(
      "param timeoutSeconds is given twice",
    );
    expect(help(["run", "programs/user-timeout.ts", "--backend", "netlink"])).toContain(
      "only path managers run on the netlink backend",
    );
    expect(tsbpf(["run", "programs/user-timeout.ts", "--netns", "tsbpf-absent"])).toMatchObject({ code: 1 });
    expect(tsbpf(["detach"])).toMatchObject({ code: 2 });
  });

  const onNamespaces = skip || probe("netns-sock-ops").ok;
  it.skipIf(onNamespaces)("say what works where the kernel attaches nothing to a network namespace", () => {
    for (const command of ["run", "load"]) {
      const text = help([command, "programs/user-timeout.ts", "--netns", "/proc/self/ns/net"]);
      expect(text).toContain(
        "error[kernel-lacks]: this kernel attaches programs to cgroups, and not to network namespaces",
      );
      expect(text).toContain(
        "help: --cgroup DIR attaches them to a cgroup; a path manager serves a namespace over netlink",
      );
    }
    expect(help(["load", "programs/user-timeout.ts", "--netns", "tsbpf-absent"])).toContain("error[kernel-lacks]");
  });

  it.skipIf(skip)("say that a directory is no cgroup, that pins need a bpffs, that an object is damaged", () => {
    expect(help(["run", "programs/user-timeout.ts", "--cgroup", "/tmp"])).toContain(
      "/tmp is not a cgroup-v2 directory\n  help: cgroup2 is mounted on",
    );
    expect(help(["load", "programs/user-timeout.ts", "--pins", "/tmp/tsbpf-none"])).toContain("error[no-bpffs]");
    const folder = mkdtempSync(join(tmpdir(), "tsbpf-bad-"));
    try {
      const bad = join(folder, "bad.o");
      writeFileSync(bad, readFileSync(process.execPath).subarray(0, 5000));
      const { code, err } = tsbpf(["load", bad, "--pins", "/tmp"]);
      expect(code).toBe(1);
      expect(err).toMatch(/^error\[bad-object\]: .*bad\.o cannot be loaded: /);
      expect(err).not.toContain("    at ");
      writeFileSync(bad, "");
      expect(help(["load", bad])).toContain("error[bad-object]");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it.skipIf(skip)("tell a caller without rights what it lacks, and leave nothing behind", () => {
    // Of this name alone: others load programs of theirs meanwhile.
    const programs = (): number => [...allPrograms()].filter(({ name }) => name === "userTimeout").length;
    const before = programs();
    const nobody = { uid: 65534, gid: 65534 };
    const { code, err } = tsbpf(
      ["run", "programs/user-timeout.ts", "--cgroup", "/sys/fs/cgroup/unified", "--for", "1"],
      nobody,
    );
    expect(code).toBe(1);
    expect(err).toContain("error[not-permitted]");
    expect(err).toContain("help: run as root");
    expect(err).not.toContain("    at ");
    // Not the machine's own pins: whether a stranger may look there is not for this test to know.
    expect(tsbpf(["list", "--pins", "/tsbpf-absent"], nobody).err).toContain("seeing the rest takes CAP_SYS_ADMIN");
    expect(tsbpf(["doctor"], nobody).out).toContain("not root: run as root, or with CAP_BPF and CAP_NET_ADMIN");
    expect(programs()).toBe(before);
  });
});
