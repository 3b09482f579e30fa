// Path managers through the command, over netlink: what `run` and `show` do, and what is left when they are ended or killed.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { allLinks, allPrograms } from "../../runtime/kernel/info.ts";
import { inNetns } from "../../runtime/kernel/places.ts";
import { start, stopAll, tsbpf } from "./command.ts";
import { repository } from "./repository.ts";
import { openLab, pause, until, whyNot, type Lab, type Peer } from "./lab.ts";

const PM_TYPE = "/proc/sys/net/mptcp/pm_type";
const skip = whyNot() ?? (existsSync(PM_TYPE) ? undefined : "no MPTCP netlink path manager");

describe.skipIf(skip)(skip ? `the daemon (skipped: ${skip})` : "the daemon", () => {
  let lab: Lab;
  let folder: string;
  let nets: { readonly name: string; readonly client: Peer; readonly host: string }[];
  let server: Peer;
  let port = 7500;

  beforeAll(async () => {
    lab = openLab();
    folder = mkdtempSync(join(tmpdir(), "tsbpf-daemon-"));
    lab.defer(() => rmSync(folder, { recursive: true, force: true }));
    // Compiled once: starting is what is tested here.
    expect(tsbpf(["build", "programs/fullmesh.ts", "programs/ndiffports.ts", "-o", folder]).err).toBe("");
    const s = lab.netns("s");
    nets = [];
    for (const [index, name] of ["c", "d"].entries()) {
      const net = lab.netns(name);
      for (const wire of [1, 2])
        lab.wire(net, `v${wire}`, [`10.${index + 1}.${wire}.1/24`], s, `${name}${wire}`, [
          `10.${index + 1}.${wire}.2/24`,
        ]);
      for (const device of ["all", "v1", "v2"]) lab.inside(net, "sysctl", "-qw", `net.ipv4.conf.${device}.rp_filter=0`);
      nets.push({ name: net, client: await lab.peer(net), host: `10.${index + 1}.1.2` });
    }
    for (const device of ["all", "c1", "c2", "d1", "d2"])
      lab.inside(s, "sysctl", "-qw", `net.ipv4.conf.${device}.rp_filter=0`);
    lab.inside(s, "ip", "mptcp", "limits", "set", "subflow", "8", "add_addr_accepted", "8");
    server = await lab.peer(s);
  });
  afterEach(() => stopAll());
  afterAll(() => lab?.close());

  const daemon = (net: number, program = join(folder, "fullmesh.o")) =>
    start(["run", program, "--netns", nets[net]!.name, "--backend", "netlink", "--json"]);
  const pmType = (net: number): string => inNetns(nets[net]!.name, () => readFileSync(PM_TYPE, "utf8").trim());
  const connect = async (net: number): Promise<number> => {
    port++;
    const { client, host } = nets[net]!;
    await server.call("listen", { protocol: "mptcp", host: "0.0.0.0", port });
    const before = server.accepted.length;
    const id = await client.call<number>("connect", { protocol: "mptcp", host, port });
    await client.call("send", { id, length: 100 });
    await until("the connection is accepted", () => server.accepted.length > before);
    return id;
  };
  interface Shown {
    readonly sessions: {
      readonly token: number;
      readonly to: string;
      readonly subflows: { readonly from: string }[];
    }[];
  }
  const shown = (net: number): Shown["sessions"] =>
    (JSON.parse(tsbpf(["show", "--netns", nets[net]!.name, "--for", "0.01", "--json"]).out) as Shown).sessions;

  it("shows open sessions and their subflows, of the namespace that is asked for alone", async () => {
    const [one, two] = [daemon(0), daemon(1)];
    await Promise.all([one.line(/"listening"/), two.line(/"listening"/)]);
    const ids = [await connect(0), await connect(1)];
    await until(
      "both meshes",
      () => one.events.concat(two.events).filter((event) => event["kind"] === "subflow").length === 2,
    );
    for (const net of [0, 1]) {
      const [session, ...more] = shown(net);
      expect(more).toEqual([]);
      expect(session!.to).toBe(`${nets[net]!.host}:${port - 1 + net}`);
      expect(session!.subflows.map((subflow) => subflow.from.replace(/:\d+$/, "")).toSorted()).toEqual([
        `10.${net + 1}.1.1`,
        `10.${net + 1}.2.1`,
      ]);
    }
    const text = tsbpf(["show", "--netns", nets[0]!.name, "--for", "0.01"]).out;
    expect(text).toMatch(/10\.1\.1\.2:\d+ +2 subflows/);
    // Each daemon heard of its own namespace alone.
    for (const running of [one, two])
      expect(new Set(running.events.flatMap((event) => event["token"] ?? [])).size).toBe(1);
    for (const [net, id] of ids.entries()) await nets[net]!.client.call("close", { id });
    await until("the ends are heard", () =>
      [one, two].every((running) => running.events.some((event) => event["event"] === "MptcpCloseSession")),
    );
    for (const running of [one, two]) {
      expect(await running.stop("SIGINT")).toBe(0);
      expect(running.errors).toEqual([]);
      expect(running.events.at(-1)).toMatchObject({ event: "ended", created: 1, refused: 0, overruns: 0 });
    }
    expect([pmType(0), pmType(1)]).toEqual(["0", "0"]);
  });

  it("killed, it leaves sessions alone; the next one manages them, and puts back what the first found", async () => {
    const first = daemon(0);
    await first.line(/"listening"/);
    expect(first.lines.join("\n")).toContain("net.mptcp.path_manager kernel → userspace");
    const old = await connect(0);
    await until("the mesh", () => shown(0)[0]?.subflows.length === 2);
    await first.stop("SIGKILL");
    expect(pmType(0)).toBe("1");
    expect(shown(0)[0]?.subflows).toHaveLength(2);
    const second = daemon(0);
    await second.line(/"listening"/);
    await second.line(/1 MPTCP session is open already: managed from now on/);
    expect(second.lines.join("\n")).toContain(
      `fullmesh (process ${first.child.pid}) was killed: net.mptcp.path_manager of network namespace`,
    );
    const fresh = await connect(0);
    await until("the mesh of the new one", () => shown(0).every((session) => session.subflows.length === 2));
    expect(shown(0)).toHaveLength(2);
    for (const id of [old, fresh]) await nets[0]!.client.call("close", { id });
    expect(await second.stop("SIGTERM")).toBe(0);
    expect(pmType(0)).toBe("0");
  });

  it("a killed one is undone by the next run of any program", async () => {
    const first = daemon(0);
    await first.line(/"listening"/);
    await first.stop("SIGKILL");
    expect(pmType(0)).toBe("1");
    const { code, out } = tsbpf(["run", "programs/user-timeout.ts", "--cgroup", lab.cgroup("next"), "--for", "0.1"]);
    expect(code).toBe(0);
    expect(out).toContain(
      `fullmesh (process ${first.child.pid}) was killed: net.mptcp.path_manager of network namespace /run/netns/${nets[0]!.name} is kernel again`,
    );
    expect(pmType(0)).toBe("0");
  });

  it.each(["SIGQUIT", "SIGUSR2", "SIGHUP"] as const)("%s ends it in order", async (signal) => {
    const running = daemon(0);
    await running.line(/"listening"/);
    expect(await running.stop(signal)).toBe(0);
    expect(pmType(0)).toBe("0");
  });

  it("a namespace has one: a second is told who holds it, and takes over with --replace", async () => {
    const first = daemon(0);
    await first.line(/"listening"/);
    const old = await connect(0);
    await until("the mesh", () => shown(0)[0]?.subflows.length === 2);
    const args = ["run", join(folder, "ndiffports.o"), "--netns", nets[0]!.name, "--backend", "netlink"];
    const refused = tsbpf(args);
    expect(refused.code).toBe(1);
    expect(refused.err).toBe(
      `error[in-use]: fullmesh (process ${first.child.pid}) manages the paths of network namespace ${nets[0]!.name}\n` +
        `  help: --replace puts this one in its place; kill ${first.child.pid} ends it\n`,
    );
    expect(pmType(0)).toBe("1");
    const second = start([...args, "--replace", "--json"]);
    await second.line(/"listening"/);
    expect(await first.ended).toBe(0);
    expect(pmType(0)).toBe("1");
    // The other program's session is this one's now: two more on the same pair of addresses.
    await until("its subflows", () => shown(0)[0]?.subflows.length === 4);
    await nets[0]!.client.call("close", { id: old });
    expect(await second.stop("SIGINT")).toBe(0);
    expect(pmType(0)).toBe("0");
  });

  it("with --make, works in a namespace that it makes, and leaves none behind", async () => {
    const name = `${lab.prefix}-made`;
    const args = ["run", "programs/ndiffports.ts", "--netns", name, "--cgroup", name, "--backend", "netlink", "--make"];
    const path = `/run/netns/${name}`;
    const before = readFileSync(PM_TYPE, "utf8");
    const running = start(args);
    await running.line(/Ctrl-C ends it/);
    expect(running.lines.slice(1, 4)).toEqual([
      `network namespace ${name}: made now, removed when this ends; enter it with: ip netns exec ${name} COMMAND`,
      "over netlink a path manager serves every session of its network namespace, not a cgroup",
      `network namespace ${name}: net.mptcp.path_manager kernel → userspace for new sessions, until this ends`,
    ]);
    expect(lab.inside(name, "cat", PM_TYPE).trim()).toBe("1");
    expect(lab.inside(name, "ip", "-br", "addr", "show", "lo")).toContain("127.0.0.1/8");
    expect(readFileSync(PM_TYPE, "utf8")).toBe(before);
    await running.stop("SIGKILL");
    expect(existsSync(path)).toBe(true);
    // The next one of that name uses it, and removes it.
    const again = start(args);
    await again.line(/Ctrl-C ends it/);
    expect(again.lines.join("\n")).toContain("a run that was killed has made it; removed when this ends");
    expect(await again.stop()).toBe(0);
    expect(existsSync(path)).toBe(false);
  });

  it("says at the start that what acceptSubflow refuses is up for a moment", async () => {
    const file = join(folder, "none.ts");
    writeFileSync(
      file,
      `import { license } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";
license("GPL");
export const none = pathManager({ acceptSubflow: () => false });
`,
    );
    const running = daemon(0, file);
    await running.line(/"listening"/);
    expect(running.lines.join("\n")).toContain("what acceptSubflow refuses is up for a moment");
    expect(await running.stop("SIGINT")).toBe(0);
  });

  it("ends with its error when it cannot start, without --for too", () => {
    // In a namespace of the test: were the caller allowed to, the machine's own would be changed.
    const enter = [`--net=/run/netns/${nets[0]!.name}`, "-S", "65534", "-G", "65534", process.execPath];
    const { status, stderr } = spawnSync(
      "nsenter",
      [...enter, join(repository, "bin/tsbpf.cjs"), "run", "programs/ndiffports.ts", "--backend", "netlink"],
      { cwd: repository, encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } },
    );
    expect(status).toBe(1);
    expect(stderr).toContain(
      "error[not-permitted]: choosing the userspace path manager: EACCES\n  help: run as root, or with CAP_NET_ADMIN\n",
    );
    const needy = tsbpf(["run", "programs/delayed-ack.ts", "--cgroup", lab.cgroup("needy")]);
    expect(needy.code).toBe(1);
    expect(needy.err).toContain("needs the patched kernel");
  });

  it.each(["kernel", "netlink"])("Ctrl-C at any moment leaves nothing behind: %s", async (backend) => {
    const cgroup = backend === "kernel" ? lab.cgroup("interrupted") : undefined;
    const args = cgroup
      ? ["run", "programs/user-timeout.ts", "--cgroup", cgroup, "--json"]
      : ["run", join(folder, "ndiffports.o"), "--netns", nets[1]!.name, "--backend", "netlink", "--json"];
    const programs = (): number => [...allPrograms()].filter((program) => program.name === "userTimeout").length;
    const before = programs();
    // The moments lie closer together where more happens: from the start to a little after the program is attached.
    const whole = start(args);
    const begin = Date.now();
    await whole.line(cgroup ? /"attached"/ : /"listening"/);
    const took = Date.now() - begin;
    await whole.stop("SIGINT");
    for (const part of [0.3, 0.6, 0.8, 0.85, 0.9, 0.95, 1, 1.05, 1.2]) {
      const running = start(args);
      await pause(took * part);
      const code = await running.stop("SIGINT");
      // Ended by the signal itself while there was nothing to clean up, or in order.
      expect([0, null, 130], `after ${part} of the start: ${running.errors.join("\n")}`).toContain(code);
      expect(running.errors).toEqual([]);
    }
    await until("the programs are gone", () => programs() === before);
    if (cgroup) {
      const inode = BigInt(statSync(cgroup).ino);
      expect([...allLinks()].filter((link) => link.cgroupId === inode)).toEqual([]);
    } else expect(pmType(1)).toBe("0");
  });
});
