/** What the kernel's own test of congestion controls (bpf_tcp_ca) asks, of our objects: used by sockets, replaced under traffic, refused. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import { compile } from "../../compiler/compile.ts";
import type { BpfModule, BpfProgram } from "../../compiler/module.ts";
import { verifyProgram } from "../../compiler/verifier/module.ts";
import { writeObject } from "../../compiler/object/write.ts";
import { BPF } from "../../runtime/kernel/abi.ts";
import { fdById } from "../../runtime/kernel/bpf.ts";
import { closeFd } from "../../runtime/kernel/fd.ts";
import { allPrograms } from "../../runtime/kernel/info.ts";
import { loadModule } from "../../runtime/kernel/load.ts";
import { parseObject } from "../../runtime/kernel/object-file.ts";
import { runningSetting } from "../../runtime/kernel/running-config.ts";
import { ticksPerSecond } from "../../runtime/kernel/ticks.ts";
import type { LoadedObject } from "../../runtime/kernel/object.ts";
import { probe } from "../../runtime/kernel/probe.ts";
import { runningRelease } from "../differential/kernel.ts";
import { call, copy, exit, load, mov, op, storeImm } from "../verifier/assemble.ts";
import { CLANGS, cFile, compileC, hasClang } from "../bench/clang.ts";
import { compiled } from "./compiled.ts";
import { openLab, until, whyNot, type Lab, type Peer } from "./lab.ts";

const lacking = (): string | undefined => {
  const answer = probe("struct-ops-links");
  return answer.ok ? undefined : answer.reason;
};
const skip = whyNot() ?? lacking();
const title = (what: string): string => (skip ? `${what} (skipped: ${skip})` : what);

const SOL_TCP = 6;
const TCP_INFO = 11;
const TCP_CONGESTION = 13;
const text = (name: string): number[] => [...Buffer.from(name)];

/** Counts what it is asked for; the increase is a number of its own, so that an update shows. */
const counting = (name: string, constant: string, more = ""): string => `
import { license, u64 } from "tsbpf";
import { congestionControl, renoCongAvoid, renoSsthresh, renoUndoCwnd } from "tsbpf/cc";
license("GPL");
let avoids: u64 = 0n;
let releases: u64 = 0n;
export const ${constant} = congestionControl({
  name: "${name}",
  congAvoid(sk, ack, acked) {
    avoids += 1n;
    renoCongAvoid(sk, ack, acked);
  },
  release(_sk) {
    releases += 1n;
  },
  ssthresh: (sk) => renoSsthresh(sk),
  undoCwnd: (sk) => renoUndoCwnd(sk),
  ${more}
});
`;
/** Its own window and pace, in place of the kernel's. */
const PACED = `
import { license, u64 } from "tsbpf";
import { congestionControl, renoSsthresh, renoUndoCwnd } from "tsbpf/cc";
license("GPL");
let samples: u64 = 0n;
let delivered: u64 = 0n;
export const paced = congestionControl({
  name: "ts_paced",
  init(sk) {
    sk.pacingRate = 3_000_000n;
    sk.pacingStatus = 1;
  },
  congControl(sk, _ack, _flag, sample) {
    samples += 1n;
    if (sample.delivered > 0) delivered += u64(sample.delivered);
    sk.sndCwnd = 40;
    sk.pacingRate = 20_000_000n;
  },
  ssthresh: (sk) => renoSsthresh(sk),
  undoCwnd: (sk) => renoUndoCwnd(sk),
});
`;

describe.skipIf(skip)(title("what bpf_tcp_ca asks"), () => {
  let lab: Lab;
  let netns: string;
  let peer: Peer;
  const objects: LoadedObject[] = [];
  let port = 7100;
  const available = (): string[] =>
    lab.inside(netns, "cat", "/proc/sys/net/ipv4/tcp_available_congestion_control").trim().split(" ");
  const loaded = (module: BpfModule, name: string): LoadedObject => {
    const object = loadModule(module, { name });
    objects.push(object);
    return object;
  };
  const count = ({ globals }: LoadedObject, name: string): number => Number(globals[name]!.get());

  beforeAll(async () => {
    lab = openLab();
    netns = lab.netns("ca");
    peer = await lab.peer(netns);
  });
  afterEach(() => {
    for (const object of objects.splice(0)) object.close();
  });
  afterAll(() => lab?.close());

  /** A connection whose two ends have chosen it. */
  async function open(name: string): Promise<{ id: number; server: number; listener: number }> {
    const options = [[SOL_TCP, TCP_CONGESTION, text(name)]];
    port += 1;
    const listener = await peer.call<number>("listen", { host: "127.0.0.1", port, options });
    const before = peer.accepted.length;
    const id = await peer.call<number>("connect", { host: "127.0.0.1", port, options });
    await until("it is accepted", () => peer.accepted.length > before);
    return { id, server: peer.accepted.at(-1)!, listener };
  }
  const chosen = async (id: number): Promise<string> => {
    const asked = { id, level: SOL_TCP, option: TCP_CONGESTION, length: 16 };
    const { bytes } = await peer.call<{ bytes: number[] }>("getsockopt", asked);
    return Buffer.from(bytes).toString().replace(/\0.*$/s, "");
  };
  const info = async (id: number): Promise<DataView> => {
    const { bytes } = await peer.call<{ bytes: number[] }>("getsockopt", {
      id,
      level: SOL_TCP,
      option: TCP_INFO,
      length: 200,
    });
    return new DataView(Uint8Array.from(bytes).buffer);
  };
  async function transfer({ id, server }: { id: number; server: number }, length: number): Promise<void> {
    const received = async (): Promise<number> =>
      (await peer.call<{ received: number }>("state", { id: server })).received;
    const before = await received();
    await peer.call("send", { id, length });
    await until("all of it arrives", async () => (await received()) === before + length, 30_000);
  }

  it.each(["cubic", "dctcp", "vegas", "ledbat", "reno"])(
    "%s carries ten megabytes, and sockets say its name",
    async (file) => {
      loaded(compiled(file, "mainline"), file).register();
      const ends = await open(`ts_${file}`);
      expect([await chosen(ends.id), await chosen(ends.server)]).toEqual([`ts_${file}`, `ts_${file}`]);
      await transfer(ends, 10_000_000);
      // What asks for ECN gets it: tcpi_options, TCPI_OPT_ECN.
      if (file === "dctcp") expect((await info(ends.id)).getUint8(5) & 8).toBe(8);
      await peer.call("end", { id: ends.id });
    },
  );

  it("a connection keeps what it began with, new ones get what the link was given", async () => {
    const first = loaded(compiled("one", "mainline", counting("ts_update", "one")), "one");
    const second = loaded(compiled("two", "mainline", counting("ts_update", "two")), "two");
    const other = loaded(compiled("three", "mainline", counting("ts_other", "three")), "three");
    const link = first.register().get("one")!;
    const early = await open("ts_update");
    await transfer(early, 2_000_000);
    expect(count(first, "avoids")).toBeGreaterThan(0);
    // Another name is another congestion control, and a program no struct.
    expect(() => link.replace(other.structs["three"]!.fd)).toThrow(/EINVAL/);
    const sending = transfer(early, 20_000_000);
    link.replace(second.structs["two"]!.fd);
    const before = count(first, "avoids");
    const late = await open("ts_update");
    await transfer(late, 2_000_000);
    await sending;
    expect(count(second, "avoids")).toBeGreaterThan(0);
    expect(count(first, "avoids")).toBeGreaterThan(before);
    expect(available().filter((name) => name === "ts_update")).toHaveLength(1);
    for (const { id } of [early, late]) await peer.call("end", { id });
    await until("each is released by its own", () => count(first, "releases") > 0 && count(second, "releases") > 0);
  });

  it("a link is given another struct only where it holds the one that is expected", () => {
    const [first, second, third] = (["one", "two", "three"] as const).map(
      (name) => loaded(compiled(name, "mainline", counting("ts_expected", name)), name).structs[name]!,
    );
    const link = first!.register();
    try {
      const before = link.info().mapId;
      expect(() => link.replace(second!.fd, third!.fd)).toThrow(/holds something else by now/);
      expect(link.info().mapId).toBe(before);
      link.replace(second!.fd, first!.fd);
      expect(link.info().mapId).not.toBe(before);
      expect(() => link.replace(third!.fd, first!.fd)).toThrow(/holds something else by now/);
    } finally {
      link.close();
    }
    expect(available()).not.toContain("ts_expected");
  });

  it("a struct that is registered without a link lives beside one with a link, and is none to give to it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tsbpf-mixed-"));
    lab.defer(() => rmSync(folder, { recursive: true }));
    const path = join(folder, "unlinked.o");
    const { module } = compile({ path: "unlinked.ts", text: counting("ts_unlinked", "unlinked") }, { kernel: "6.1" });
    writeFileSync(path, writeObject(module!));
    const linked = loaded(compiled("linked", "mainline", counting("ts_linked", "linked")), "linked");
    const link = linked.register().get("linked")!;
    const { stderr, status } = spawnSync("bpftool", ["struct_ops", "register", path], { encoding: "utf8" });
    expect(status, stderr).toBe(0);
    const id = Number(/ id (\d+)/.exec(stderr)![1]);
    const fd = fdById(BPF.mapFdById, id);
    try {
      expect(available()).toEqual(expect.arrayContaining(["ts_linked", "ts_unlinked"]));
      for (const name of ["ts_linked", "ts_unlinked"]) {
        const ends = await open(name);
        expect(await chosen(ends.id)).toBe(name);
        await transfer(ends, 1_000_000);
        await peer.call("end", { id: ends.id });
      }
      expect(() => link.replace(fd)).toThrow(/EINVAL/);
    } finally {
      closeFd(fd);
      execFileSync("bpftool", ["struct_ops", "unregister", "id", String(id)], { stdio: "pipe" });
    }
    await until("it is gone", () => !available().includes("ts_unlinked"));
    expect(available()).toContain("ts_linked");
  });

  it("dctcp goes over to reno where the peer refuses ECN, and its segments are not capable of it any more", async () => {
    loaded(compiled("dctcp", "mainline"), "dctcp").register();
    lab.inside(netns, "sysctl", "-qw", "net.ipv4.tcp_ecn=0");
    port += 1;
    await peer.call("listen", { host: "127.0.0.1", port });
    const id = await peer.call<number>("connect", {
      host: "127.0.0.1",
      port,
      options: [[SOL_TCP, TCP_CONGESTION, text("ts_dctcp")]],
    });
    await until("it is accepted", () => peer.accepted.length > 0);
    expect(await chosen(id)).toBe("reno");
    // The last two bits of the header's first word: 0 is "not capable" (IP_TOS of the socket has them, too).
    const { bytes } = await peer.call<{ bytes: number[] }>("getsockopt", { id, level: 0, option: 1, length: 4 });
    expect(bytes[0]! & 3).toBe(0);
    await transfer({ id, server: peer.accepted.at(-1)! }, 1_000_000);
    await peer.call("end", { id });
    lab.inside(netns, "sysctl", "-qw", "net.ipv4.tcp_ecn=2");
  });

  it.each(["cubic", "dctcp"])("clang's %s is registered from its object, and carries data", async (file) => {
    const clang = CLANGS.find(hasClang);
    if (!clang) return;
    const { module, kernelInfo } = parseObject(compileC(cFile(file), clang, "v3", "mainline"), file);
    const object = loadModule(module, { name: `c_${file}` }, kernelInfo);
    objects.push(object);
    object.register();
    const ends = await open(`c_${file}`);
    expect(await chosen(ends.id)).toBe(`c_${file}`);
    await transfer(ends, 3_000_000);
    await peer.call("end", { id: ends.id });
  });

  it("an object that asks how long a tick is is told", () => {
    const clang = CLANGS.find(hasClang);
    if (!clang) return;
    const folder = mkdtempSync(join(tmpdir(), "tsbpf-kconfig-"));
    lab.defer(() => rmSync(folder, { recursive: true }));
    const source = join(folder, "asks.c");
    const header = cFile("congestion").replace(/\.c$/, ".h");
    writeFileSync(
      source,
      `#include "${header}"
char LICENSE[] SEC("license") = "GPL";
extern unsigned int CONFIG_HZ __kconfig;
OPS(ssthresh) __u32 BPF_PROG(asks_ssthresh, struct sock *sk) { return CONFIG_HZ; }
OPS(cong_avoid) void BPF_PROG(asks_cong_avoid, struct sock *sk, __u32 ack, __u32 acked) { tcp_reno_cong_avoid(sk, ack, acked); }
OPS(undo_cwnd) __u32 BPF_PROG(asks_undo_cwnd, struct sock *sk) { return tcp_reno_undo_cwnd(sk); }
SEC(".struct_ops") struct tcp_congestion_ops asks = { .ssthresh = (void *)asks_ssthresh,
	.cong_avoid = (void *)asks_cong_avoid, .undo_cwnd = (void *)asks_undo_cwnd, .name = "c_asks" };
`,
    );
    const bytes = compileC(source, clang, "v3", "mainline");
    // Seen by the clock where the kernel does not tell it.
    const told = runningSetting("CONFIG_HZ");
    if (told !== undefined) expect(ticksPerSecond()).toBe(Number(told));
    loaded(parseObject(bytes, "asks.o").module, "asks").register();
    expect(available()).toContain("c_asks");
  });

  it("comes and goes under load: connections keep what they have, all bytes arrive, and nothing stays", async () => {
    const ROUNDS = 12;
    const AT_ONCE = 8;
    const PATIENCE = 60_000;
    const load = [];
    const ids: number[] = [];
    const steady = await open("reno");
    const background = transfer(steady, 30_000_000);
    for (let round = 0; round < ROUNDS; round++) {
      const name = `ts_churn${round % 3}`;
      const before = new Set([...allPrograms()].map((one) => one.id));
      const object = loadModule(compiled(`churn${round % 3}`, "mainline", counting(name, `churn${round % 3}`)), {
        name,
      });
      ids.push(...[...allPrograms()].filter((one) => !before.has(one.id)).map((one) => one.id));
      object.register();
      for (let each = 0; each < AT_ONCE; each++) {
        const one = await open(name);
        load.push({ one, done: transfer(one, 500_000) });
      }
      // It is taken away in the middle of it; what uses it goes on.
      object.close();
      expect(available()).not.toContain(name);
      expect(await chosen(load.at(-1)!.one.id)).toBe(name);
    }
    await background;
    for (const { done } of load) await done;
    for (const { one } of load) {
      await peer.call("close", { id: one.id });
      // A listener uses what it has chosen, too.
      await peer.call("closeServer", { id: one.listener });
    }
    const left = (): number => [...allPrograms()].filter((one) => ids.includes(one.id)).length;
    await until("the programs of all rounds are gone", () => left() === 0, PATIENCE);
    expect(ids.length).toBe(ROUNDS * 4);
  }, 120_000);

  it("one struct has one link at a time, and another when it has ended", () => {
    const object = loaded(compiled("one", "mainline", counting("ts_again", "one")), "one");
    const struct = object.structs["one"]!;
    const link = struct.register();
    expect(() => struct.register()).toThrow(/EEXIST|EBUSY/);
    link.detach();
    link.close();
    expect(available()).not.toContain("ts_again");
    const again = struct.register();
    expect(available()).toContain("ts_again");
    again.close();
    expect(available()).not.toContain("ts_again");
  });

  it("what a program writes is the socket's pace and window", async () => {
    const object = loaded(compiled("paced", "mainline", PACED), "paced");
    object.register();
    const ends = await open("ts_paced");
    const rate = async (): Promise<bigint> => (await info(ends.id)).getBigUint64(104, true); // tcpi_pacing_rate
    expect(await rate()).toBe(3_000_000n);
    await transfer(ends, 3_000_000);
    expect(await rate()).toBe(20_000_000n);
    expect((await info(ends.id)).getUint32(80, true)).toBe(40); // tcpi_snd_cwnd
    expect(count(object, "samples")).toBeGreaterThan(0);
    expect(count(object, "delivered")).toBeGreaterThan(10);
  });

  it.each([
    ["ssthresh", ["ssthresh"]],
    ["undo_cwnd", ["undo_cwnd"]],
    ["cong_avoid and cong_control", ["cong_avoid"]],
  ])("without %s it is refused", (_, missing) => {
    const module = compiled("one", "mainline", counting("ts_incomplete", "one"));
    const [struct] = module.structOps!;
    const programs = Object.fromEntries(
      Object.entries(struct!.programs).filter(([member]) => !missing.includes(member)),
    );
    const whole = { ...module, structOps: [{ ...struct!, programs }] };
    expect(() => loaded(whole, "incomplete").register()).toThrow(/EINVAL/);
    expect(available()).not.toContain("ts_incomplete");
  });

  it("without a license for it, and as a member that takes no program, it is refused", () => {
    const module = compiled("one", "mainline", counting("ts_refused", "one"));
    expect(() => loaded({ ...module, license: "Proprietary" }, "license")).toThrow(/GPL/i);
    const asInfo = (one: BpfProgram): BpfProgram =>
      one.name === "one_release" ? { ...one, implements: { struct: "tcp_congestion_ops", member: "get_info" } } : one;
    const unknown = { ...module, structOps: [], programs: module.programs.map(asInfo) };
    expect(() => loaded(unknown, "info")).toThrow();
    const info = unknown.programs.find(({ name }) => name === "one_release")!;
    expect(verifyProgram(unknown, info, "mainline", runningRelease()).result.verdict).not.toBe("accept");
  });

  it("options of the socket may be set and asked for, but not while it is released: our verifier says so, too", () => {
    const { module } = compile({
      path: "one.ts",
      text: counting("ts_options", "one", "init(sk) { sk.sndCwnd = 10; },"),
    });
    const SETSOCKOPT = 49;
    const GETSOCKOPT = 57;
    const body = (helper: number): RawInsn[] => [
      load(8, 1, 1, 0),
      storeImm(8, 10, -16, 0x6f6e6572),
      storeImm(8, 10, -8, 0),
      mov(2, SOL_TCP),
      mov(3, TCP_CONGESTION),
      copy(4, 10),
      op("add", 4, -16),
      mov(5, 16),
      call(helper),
      mov(0, 0),
      exit,
    ];
    for (const [member, helper, verdict] of [
      ["init", SETSOCKOPT, "accept"],
      ["init", GETSOCKOPT, "accept"],
      ["release", SETSOCKOPT, "reject"],
      ["release", GETSOCKOPT, "reject"],
    ] as const) {
      const own = module!.programs.find((one) => one.implements?.member === member)!;
      const changed: BpfProgram = {
        ...own,
        insns: body(helper),
        relocations: [],
        lines: [],
        core: [],
        externs: [],
        functions: own.functions.slice(0, 1),
      };
      const one: BpfModule = { ...module!, programs: [changed], structOps: [] };
      const result = verifyProgram(one, changed, "mainline", runningRelease()).result;
      expect(result.verdict, `${member} ${helper}: ${"message" in result ? result.message : ""}`).toBe(verdict);
      const ask = (): void => loaded(one, "options").close();
      if (verdict === "accept") expect(ask, member).not.toThrow();
      else expect(ask, member).toThrow(/cannot use helper|unknown func|program of this type/);
    }
  });
});
