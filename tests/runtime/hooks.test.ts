/** Hooks of system calls on this machine's kernel: what an application's connect, setsockopt and getsockopt become. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LoadedObject } from "../../runtime/api.ts";
import { loadModule } from "../../runtime/kernel/load.ts";
import { start, stopAll, tsbpf } from "./command.ts";
import { compiled } from "./compiled.ts";
import { openLab, sh, whyNot, type Lab } from "./lab.ts";
import { repository } from "./repository.ts";

const skip = whyNot();
const title = (what: string): string => (skip ? `${what} (skipped: ${skip})` : what);

type Step = readonly [call: string, ...args: readonly (string | number | readonly number[])[]];
const TCP4: Step = ["socket", 2, 1, 0];
const TCP6: Step = ["socket", 10, 1, 0];
const UDP4: Step = ["socket", 2, 2, 0];
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SOL_TCP = 6;
const int = (value: number): number[] => [...new Uint8Array(Int32Array.of(value).buffer)];

/** Hand-written hooks, for what the bundled programs do not do. */
const HOOKS = `
import { htons, ipv4, license, u32, cstring } from "tsbpf";
import { connectHook } from "tsbpf/connect";
import { Level, sockOptHook, TcpSocketOption } from "tsbpf/sockopt";
license("GPL");
export const elsewhere = connectHook({
  connect4(ctx) {
    if (ctx.protocol === 17) {
      if (ctx.type !== 2 || ctx.family !== 2) return false;
      ctx.remoteIp4 = ipv4("10.77.0.2");
      return true;
    }
    if (ctx.remotePort === htons(22)) return false;
    if (ctx.remotePort === htons(9)) return ctx.bindSource(ipv4("10.77.0.9")) === 0;
    if (ctx.remotePort === htons(10)) return ctx.bindSource(ipv4("10.77.0.3"), htons(7777)) === 0;
    return true;
  },
});
export const options = sockOptHook({
  setsockopt(ctx) {
    if (ctx.level === Level.Tcp && ctx.optname === TcpSocketOption.KeepIdle) {
      ctx.optname = TcpSocketOption.KeepInterval; // another option of the same shape
      return true;
    }
    if (ctx.level === Level.Tcp && ctx.optname === TcpSocketOption.KeepCount) {
      const value = ctx.optval(u32);
      if (value) value.value = 3;
      return true;
    }
    return !(ctx.level === Level.Tcp && ctx.optname === TcpSocketOption.MaxSegment);
  },
  getsockopt(ctx) {
    if (ctx.level !== Level.Tcp) return true;
    if (ctx.optname === TcpSocketOption.SynCount) return false;
    if (ctx.optname === TcpSocketOption.Congestion) {
      const name = ctx.optval(cstring(16));
      if (name) ctx.optlen = 2;
      return true;
    }
    if (ctx.optname === 9999) {
      // The kernel knows no such option: this one is the program's own.
      const value = ctx.optval(u32);
      if (!value || ctx.retval === 0) return true;
      value.value = 4711;
      ctx.optlen = 4;
      ctx.retval = 0;
    }
    return true;
  },
});
`;

describe.skipIf(skip)(title("hooks of system calls"), () => {
  let lab: Lab;
  let netns: string;
  const objects: LoadedObject[] = [];
  const attached = (name: string, cgroup: string, text?: string): LoadedObject => {
    const object = loadModule(compiled(name, "mainline", text));
    objects.push(object);
    object.attach(cgroup);
    return object;
  };
  /** The calls of one process in the namespace, and in a cgroup. */
  const call = (cgroup: string | undefined, ...steps: readonly Step[]): unknown[] => {
    const script = join(repository, "tests/runtime/caller.mjs");
    const enter = cgroup ? `echo $$ > ${cgroup}/cgroup.procs; ` : "";
    const text = `${enter}exec nsenter --net=/run/netns/${netns} ${process.execPath} ${script} "$0"`;
    return JSON.parse(execFileSync("sh", ["-c", text, JSON.stringify(steps)], { encoding: "utf8" })) as unknown[];
  };

  beforeAll(async () => {
    lab = openLab();
    netns = lab.netns("hooks");
    for (const address of ["10.77.0.1/32", "10.77.0.2/32", "10.77.0.3/32"])
      lab.ip(netns, "addr", "add", address, "dev", "lo");
    for (const address of ["fd77::1/128", "fd77::2/128"]) lab.ip(netns, "addr", "add", address, "dev", "lo", "nodad");
    const server = await lab.peer(netns);
    await server.call("listen", { host: "10.77.0.2", port: 8443 });
    await server.call("listen", { host: "fd77::2", port: 8443 });
    await server.call("listen", { host: "10.77.0.1", port: 9 });
    await server.call("listen", { host: "10.77.0.1", port: 10 });
  });
  afterAll(() => {
    for (const object of objects) object.close();
    stopAll();
    lab.close();
  });

  it("a service's address leads to its backend, from the source that it expects; a service that is down is refused", () => {
    const cgroup = lab.cgroup("service");
    const object = attached("service-address", cgroup);
    const services = object.maps["backends4"]!;
    const backend = { addr: "10.77.0.2", port: 8443, up: 1, source: "10.77.0.3", lastPid: 0, connections: 0n };
    services.set({ addr: "10.77.0.1", port: 443, zero: 0 }, backend);
    services.set({ addr: "10.77.0.1", port: 444, zero: 0 }, { ...backend, up: 0 });
    const sent = call(cgroup, TCP4, ["connect", "$0", "10.77.0.1", 443], ["peername", "$0"], ["sockname", "$0"]);
    expect(sent.slice(1)).toEqual([0, "10.77.0.2:8443", expect.stringMatching(/^10\.77\.0\.3:\d+$/)]);
    expect(call(cgroup, TCP4, ["connect", "$0", "10.77.0.1", 444])[1]).toBe("errno 1"); // EPERM
    // No service of ours, and processes of other cgroups: nobody listens there.
    expect(call(cgroup, TCP4, ["connect", "$0", "10.77.0.1", 445])[1]).toBe("errno 111");
    expect(call(undefined, TCP4, ["connect", "$0", "10.77.0.1", 443])[1]).toBe("errno 111");
    const seen = services.get({ addr: "10.77.0.1", port: 443, zero: 0 }) as unknown as typeof backend;
    expect({ connections: seen.connections, isPid: seen.lastPid > 1 }).toEqual({ connections: 1n, isPid: true });

    const six = object.maps["backends6"]!;
    const words = (last: string): string[] => ["253.119.0.0", "0.0.0.0", "0.0.0.0", last];
    six.set(
      { addr: words("0.0.0.1"), port: 443, zero: 0 },
      { addr: words("0.0.0.2"), port: 8443, up: 1, lastPid: 0, connections: 0n },
    );
    const sent6 = call(cgroup, TCP6, ["connect", "$0", "fd77::1", 443], ["peername", "$0"]);
    expect(sent6.slice(1)).toEqual([0, "[fd77::2]:8443"]);

    object.close();
    expect(call(cgroup, TCP4, ["connect", "$0", "10.77.0.1", 443])[1]).toBe("errno 111");
  });

  it("refuses, binds address and port, tells errors of binding, and UDP is asked too", () => {
    const cgroup = lab.cgroup("elsewhere");
    const object = attached("elsewhere", cgroup, HOOKS);
    expect(call(cgroup, TCP4, ["connect", "$0", "10.77.0.1", 22])[1]).toBe("errno 1");
    const bound = call(cgroup, TCP4, ["connect", "$0", "10.77.0.1", 10], ["sockname", "$0"]);
    expect(bound.slice(1)).toEqual([0, "10.77.0.3:7777"]);
    // 10.77.0.9 is no address of this namespace, so that the program refuses.
    expect(call(cgroup, TCP4, ["connect", "$0", "10.77.0.1", 9])[1]).toBe("errno 1");
    const udp = call(cgroup, UDP4, ["connect", "$0", "10.77.0.1", 53], ["peername", "$0"]);
    expect(udp.slice(1)).toEqual([0, "10.77.0.2:53"]);
    object.close();
  });

  it("an application's buffer size is kept from the kernel, and shown to it; a short user timeout is longer", () => {
    const cgroup = lab.cgroup("buffers");
    const object = attached("buffer-sizes", cgroup);
    const TCP_CONGESTION = 13;
    const TCP_USER_TIMEOUT = 18;
    const steps: Step[] = [
      TCP4,
      ["get", "$0", SOL_SOCKET, SO_SNDBUF],
      ["set", "$0", SOL_SOCKET, SO_SNDBUF, int(5000)],
      ["get", "$0", SOL_SOCKET, SO_SNDBUF],
      ["set", "$0", SOL_TCP, TCP_USER_TIMEOUT, int(1000)],
      ["get", "$0", SOL_TCP, TCP_USER_TIMEOUT],
      ["set", "$0", SOL_TCP, TCP_USER_TIMEOUT, int(60000)],
      ["get", "$0", SOL_TCP, TCP_USER_TIMEOUT],
      ["set", "$0", SOL_TCP, TCP_CONGESTION, [...Buffer.from("reno")]],
      ["set", "$0", SOL_SOCKET, SO_SNDBUF, [1, 2]],
    ];
    const [, before, ...rest] = call(cgroup, ...steps);
    expect(before).not.toEqual(int(10000));
    expect(rest).toEqual([0, int(10000), 0, int(30000), 0, int(60000), "errno 1", "errno 22"]);
    // The kernel's own size was not touched: without the program it shows.
    const own = call(undefined, ...steps.slice(0, 6)) as number[][];
    expect(own[1]).toEqual(before);
    expect(own.slice(2)).toEqual([0, int(10000), 0, int(1000)]);
    object.close();
  });

  it("options become others, get other values, are refused, and programs have options of their own", () => {
    const cgroup = lab.cgroup("options");
    const object = attached("options", cgroup, HOOKS);
    const [, ...results] = call(
      cgroup,
      TCP4,
      ["set", "$0", SOL_TCP, 4, int(77)], // TCP_KEEPIDLE
      ["get", "$0", SOL_TCP, 5], // TCP_KEEPINTVL
      ["set", "$0", SOL_TCP, 6, int(7)], // TCP_KEEPCNT
      ["get", "$0", SOL_TCP, 6],
      ["set", "$0", SOL_TCP, 2, int(500)], // TCP_MAXSEG
      ["get", "$0", SOL_TCP, 7], // TCP_SYNCNT
      ["get", "$0", SOL_TCP, 13, 16], // TCP_CONGESTION
      ["get", "$0", SOL_TCP, 9999],
      ["get", "$0", SOL_TCP, 9998],
    );
    const [first, second, ...more] = results[6] as number[];
    expect(more).toEqual([]);
    expect(String.fromCharCode(first!, second!)).toMatch(/^[a-z]{2}$/);
    expect(results.toSpliced(6, 1)).toEqual([0, int(77), 0, int(3), "errno 1", "errno 1", int(4711), "errno 92"]);
    object.close();
  });

  it("load, list, show, run, detach and doctor know them", async () => {
    const cgroup = lab.cgroup("commands");
    const pins = mkdtempSync(join(tmpdir(), "tsbpf-bpffs-"));
    sh("mount", "-t", "bpf", "bpf", pins);
    lab.defer(() => {
      sh("umount", pins);
      rmdirSync(pins);
    });
    chmodSync(pins, 0o700);
    const at = (...args: string[]) => tsbpf([...args, "--pins", pins]);
    expect(at("load", "programs/service-address.ts", "--cgroup", cgroup)).toMatchObject({ code: 0, err: "" });
    const listed = at("list").out;
    for (const name of ["service4", "service6"])
      expect(listed).toMatch(new RegExp(`${name} +\\d+ +service-address +${cgroup}`));
    const key = JSON.stringify({ addr: "10.77.0.1", port: 443, zero: 0 });
    const value = { addr: "10.77.0.2", port: 8443, up: 1, source: "0.0.0.0", lastPid: 0, connections: 0 };
    expect(at("map", "set", "service-address/backends4", key, JSON.stringify(value)).err).toBe("");
    expect(call(cgroup, TCP4, ["connect", "$0", "10.77.0.1", 443], ["peername", "$0"])[2]).toBe("10.77.0.2:8443");
    expect(at("show", "service-address", "--for", "0.1").out).toContain("service4");

    const running = start(["run", "programs/buffer-sizes.ts", "--cgroup", cgroup, "--pins", pins]);
    expect(await running.line(/attached to/)).toContain("buffers_set, buffers_get attached");
    expect(at("list").out).toContain("buffers_get");
    expect(call(cgroup, TCP4, ["set", "$0", SOL_TCP, 13, [...Buffer.from("reno")]])[1]).toBe("errno 1");
    expect(await running.stop()).toBe(0);
    expect(call(cgroup, TCP4, ["set", "$0", SOL_TCP, 13, [...Buffer.from("reno")]])[1]).toBe(0);

    expect(at("detach", "service-address").out).toContain(`detached from ${cgroup}`);
    expect(call(cgroup, TCP4, ["connect", "$0", "10.77.0.1", 443])[1]).toBe("errno 111");
    const { features, programs } = JSON.parse(at("doctor", "--json").out) as {
      features: { feature: string; ok: boolean }[];
      programs: { program: string; target: string; runs: boolean }[];
    };
    for (const feature of ["connect-hooks", "sockopt-hooks"])
      expect(features.find((one) => one.feature === feature)).toMatchObject({ ok: true });
    expect(programs.find((one) => `${one.program} ${one.target}` === "buffer-sizes.ts mainline")?.runs).toBe(true);
  });

  it("of several programs each sees what the one before left: those of the cgroup itself before those above it", () => {
    const parent = lab.cgroup("several");
    const child = join(parent, "below");
    mkdirSync(child);
    try {
      const made = [
        attached("above", parent, changing("above", "* 2")),
        attached("first", child, changing("first", "+ 5")),
        attached("second", child, changing("second", "* 3")),
      ];
      const [, , left] = call(child, TCP4, ["set", "$0", SOL_TCP, 6, int(2)], ["get", "$0", SOL_TCP, 6]);
      expect(left).toEqual(int((2 + 5) * 3 * 2));
      for (const object of made) object.close();
    } finally {
      rmdirSync(child);
    }
  });
});

/** A hook that changes the value of TCP_KEEPCNT. */
const changing = (name: string, how: string): string => `
import { license, u32 } from "tsbpf";
import { Level, sockOptHook, TcpSocketOption } from "tsbpf/sockopt";
license("GPL");
export const ${name} = sockOptHook({
  setsockopt(ctx) {
    if (ctx.level !== Level.Tcp || ctx.optname !== TcpSocketOption.KeepCount) return true;
    const value = ctx.optval(u32);
    if (value) value.value = value.value ${how};
    return true;
  },
});
`;
