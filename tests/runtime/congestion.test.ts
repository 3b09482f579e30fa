/** Congestion controls on this machine's kernel: registered, chosen by a socket, seen at work, and gone at the end. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { compile } from "../../compiler/compile.ts";
import { readObject } from "../../compiler/object/read.ts";
import { verifyProgram } from "../../compiler/verifier/module.ts";
import type { BpfModule, BpfProgram } from "../../compiler/module.ts";
import { loadModule } from "../../runtime/kernel/load.ts";
import type { LoadedObject } from "../../runtime/kernel/object.ts";
import { probe } from "../../runtime/kernel/probe.ts";
import { runningRelease } from "../differential/kernel.ts";
import { start, stopAll, tsbpf } from "./command.ts";
import { compiled } from "./compiled.ts";
import { openLab, until, whyNot, type Lab, type Peer } from "./lab.ts";
import { repository } from "./repository.ts";

const lacking = (): string | undefined => {
  const answer = probe("struct-ops-links");
  return answer.ok ? undefined : answer.reason;
};
const skip = whyNot() ?? lacking();
const title = (what: string): string => (skip ? `${what} (skipped: ${skip})` : what);

const SOL_TCP = 6;
const TCP_CONGESTION = 13;
const text = (name: string): number[] => [...Buffer.from(name)];

/** Counts its calls, for all connections and for each. */
const COUNTED = `
import { license, struct, u32, u64 } from "tsbpf";
import { CaEvent, congestionControl, jiffies, renoCongAvoid, renoSsthresh, renoUndoCwnd } from "tsbpf/cc";
license("GPL");
class Own extends struct({ acks: u32, lowestRttUs: u32 }) {}
let inits: u64 = 0n;
let releases: u64 = 0n;
let starts: u64 = 0n;
let losses: u64 = 0n;
let acked: u64 = 0n;
let avoids: u64 = 0n;
let lastAcks: u32 = 0;
let lastRttUs: u32 = 0;
let lastMss: u32 = 0;
let ticks: u32 = 0;
export const counted = congestionControl({
  name: "ts_counted",
  state: Own,
  init(sk) {
    inits += 1n;
    sk.state.lowestRttUs = 0xffffffff;
  },
  release(sk) {
    releases += 1n;
    lastAcks = sk.state.acks;
    lastRttUs = sk.state.lowestRttUs;
  },
  ssthresh(sk) {
    losses += 1n;
    return renoSsthresh(sk);
  },
  congAvoid(sk, ack, n) {
    avoids += 1n;
    lastMss = sk.mssCache;
    renoCongAvoid(sk, ack, n);
  },
  cwndEvent(_sk, event) {
    if (event === CaEvent.TxStart) starts += 1n;
    ticks = jiffies();
  },
  pktsAcked(sk, sample) {
    const own = sk.state;
    own.acks += 1;
    acked += u64(sample.pktsAcked);
    if (sample.rttUs > 0 && u32(sample.rttUs) < own.lowestRttUs) own.lowestRttUs = u32(sample.rttUs);
  },
  undoCwnd: (sk) => renoUndoCwnd(sk),
});
`;

/** State without alignment, lists in it, copies of it, storage of the socket, a function that stays one. */
const ODD = `
import { array, HashMap, i64, license, range, RingBuf, SkStorage, struct, u16, u32, u64, u8 } from "tsbpf";
import { congestionControl, renoCongAvoid, renoSsthresh, renoUndoCwnd, type TcpSock } from "tsbpf/cc";
license("GPL");
class Part extends struct({ bytes: u64, at: u8 }) {}
class Kept extends struct(
  { first: u8, acks: u32, mask: u64, small: u16, list: array(u32, 5), part: Part, negative: i64, n: u8 },
  { packed: true },
) {}
const seen = new HashMap({ key: u32, value: Part, maxEntries: 4 });
const told = new RingBuf({ value: Part, bytes: 4096 });
const own = new SkStorage({ value: Part });
function sum(kept: Kept, sk: TcpSock<Kept>): u32 {
  let all: u32 = kept.acks;
  for (const i of range(5)) if (kept.small !== i) all += kept.list[i];
  return all + sk.sndCwnd + renoSsthresh(sk);
}
export const odd = congestionControl({
  name: "ts_odd",
  state: Kept,
  init(sk) {
    sk.state.mask = 1n << 40n;
    sk.state.negative = -5n;
    sk.state.part = new Part({ bytes: 4n });
    const mine = own.getOrCreate(sk);
    if (mine) mine.bytes += 1n;
  },
  ssthresh: (sk) => sum(sk.state, sk),
  congAvoid(sk, ack, acked) {
    const kept = sk.state;
    for (const i of range(5)) if (kept.n === i) kept.list[i] = acked;
    kept.negative -= 1n;
    kept.part.bytes = sk.bytesAcked;
    seen.set(1, kept.part);
    told.output(sk.state.part);
    renoCongAvoid(sk, ack, acked + sum(kept, sk));
  },
  undoCwnd: (sk) => renoUndoCwnd(sk),
  release(sk) {
    own.delete(sk);
  },
});
export const plain = congestionControl({
  name: "ts_odd_2",
  ssthresh: (sk) => renoSsthresh(sk),
  congAvoid: (sk, ack, acked) => renoCongAvoid(sk, ack, acked),
  undoCwnd: (sk) => renoUndoCwnd(sk),
});
`;
/** What the kernel takes nowhere, beside the program that it takes. */
const VARYING = ODD.replace(
  "kept.small !== i) all += kept.list[i]",
  "kept.small !== i) all += kept.list[kept.n & 3] ?? 0",
);

describe.skipIf(skip)(title("congestion control on this kernel"), () => {
  let lab: Lab;
  let netns: string;
  let peer: Peer;
  let pins: string;
  let folder: string;
  const objects: LoadedObject[] = [];
  const available = (): string[] =>
    lab.inside(netns, "cat", "/proc/sys/net/ipv4/tcp_available_congestion_control").trim().split(" ");

  beforeAll(async () => {
    lab = openLab();
    netns = lab.netns("cc");
    peer = await lab.peer(netns);
    await peer.call("listen", { host: "127.0.0.1", port: 7000 });
    folder = mkdtempSync(join(tmpdir(), "tsbpf-cc-"));
    lab.defer(() => rmSync(folder, { recursive: true, force: true }));
    const bpffs = lab.bpffs();
    pins = join(bpffs, "tsbpf");
  });
  afterEach(() => {
    stopAll();
    tsbpf(["detach", "--all", "--pins", pins]);
    for (const object of objects.splice(0)) object.close();
  });
  afterAll(() => lab?.close());

  const transfer = async (name: string, length: number): Promise<number> => {
    const options = [[SOL_TCP, TCP_CONGESTION, text(name)]];
    const id = await peer.call<number>("connect", { host: "127.0.0.1", port: 7000, options });
    const chosen = await peer.call<{ bytes: number[] }>("getsockopt", {
      id,
      level: SOL_TCP,
      option: TCP_CONGESTION,
      length: 16,
    });
    expect(Buffer.from(chosen.bytes).toString().replace(/\0+$/, "")).toBe(name);
    await peer.call("send", { id, length });
    const server = peer.accepted.at(-1)!;
    await until(
      "all of it arrives",
      async () => (await peer.call<{ received: number }>("state", { id: server })).received === length,
      20_000,
    );
    await peer.call("end", { id });
    return id;
  };

  it("a socket chooses it, every callback runs, and each connection has a state of its own", async () => {
    const object = loadModule(compiled("counted", "mainline", COUNTED), { name: "counted" });
    objects.push(object);
    expect(available()).not.toContain("ts_counted");
    object.register();
    expect(available()).toContain("ts_counted");
    const LENGTH = 4_000_000;
    await transfer("ts_counted", LENGTH);
    const { globals } = object;
    const count = (name: string): number => Number(globals[name]!.get());
    await until("the connection is released", () => count("releases") === 1);
    expect(count("inits")).toBe(1);
    expect(count("starts")).toBeGreaterThan(0);
    expect(count("avoids")).toBeGreaterThan(0);
    // Segments as the sample counts them are of the sender's size.
    expect(count("acked")).toBeGreaterThanOrEqual(Math.ceil(LENGTH / count("lastMss")));
    expect(count("lastMss")).toBeGreaterThan(500);
    expect(count("lastAcks")).toBeGreaterThan(0);
    expect(count("lastRttUs")).toBeLessThan(1_000_000);
    expect(count("ticks")).toBeGreaterThan(0);
    object.close();
    expect(available()).not.toContain("ts_counted");
  });

  it("states of any form, copies of them, storage of sockets, and two in one object", async () => {
    const object = loadModule(compiled("odd", "mainline", ODD), { name: "odd" });
    objects.push(object);
    object.register();
    expect(available()).toEqual(expect.arrayContaining(["ts_odd", "ts_odd_2"]));
    await transfer("ts_odd", 200_000);
    await transfer("ts_odd_2", 200_000);
    const { maps } = object;
    const [[, part]] = [...maps["seen"]!.entries()] as [[number, { bytes: bigint }]];
    expect(part.bytes).toBeGreaterThan(100_000n);
  });

  it("an offset that varies is refused by the kernel as by us", () => {
    const { module } = compile({ path: "odd.ts", text: VARYING }, { verify: false, functions: "inline" });
    expect(() => loadModule(module!, { name: "varying" })).toThrow(/invalid variable offset|variable offset/);
    const verdicts = module!.programs.map((one) => verifyProgram(module!, one, "mainline", runningRelease()).result);
    expect(verdicts.filter(({ verdict }) => verdict === "reject").length).toBeGreaterThan(0);
    expect(verdicts.map(({ verdict }) => verdict)).not.toContain("unsupported");
  });

  it("two of one name cannot be registered", () => {
    const [first, second] = [0, 1].map((at) => loadModule(compiled("reno", "mainline"), { name: `reno${at}` }));
    objects.push(first!, second!);
    first!.register();
    expect(() => second!.register()).toThrow(/registering reno as ts_reno: EEXIST/);
    first!.close();
    second!.register();
    expect(available()).toContain("ts_reno");
  });

  it("run registers until it is stopped; programs for cgroups are another matter", async () => {
    const run = start(["run", "programs/reno.ts"]);
    await run.line(/ts_reno registered/);
    expect(available()).toContain("ts_reno");
    await transfer("ts_reno", 500_000);
    expect(await run.stop()).toBe(0);
    expect(available()).not.toContain("ts_reno");
    const wrong = tsbpf(["run", "programs/reno.ts", "--cgroup", lab.cgroup("none")]);
    expect(wrong).toMatchObject({
      code: 2,
      err: expect.stringMatching(/nothing in it attaches to a cgroup/) as string,
    });
  });

  it("load leaves it registered, --replace puts a new one in its place, detach ends it", async () => {
    const object = join(folder, "reno.o");
    expect(tsbpf(["build", "programs/reno.ts", "-o", folder])).toMatchObject({ code: 0, err: "" });
    expect(tsbpf(["load", object, "--pins", pins])).toMatchObject({
      code: 0,
      out: expect.stringContaining("registered as ts_reno") as string,
    });
    await transfer("ts_reno", 100_000);
    const changed = join(folder, "changed.ts");
    writeFileSync(
      changed,
      readFileSync(join(repository, "programs/reno.ts"), "utf8").replace(
        "max(sk.sndCwnd >> 1, 2)",
        "max(sk.sndCwnd >> 2, 2)",
      ),
    );
    expect(tsbpf(["load", changed, "--name", "reno", "--replace", "--pins", pins])).toMatchObject({ code: 0, err: "" });
    expect(available()).toContain("ts_reno");
    await transfer("ts_reno", 100_000);
    expect(tsbpf(["detach", "reno", "--pins", pins])).toMatchObject({ code: 0 });
    expect(available()).not.toContain("ts_reno");
  });

  it("bpftool registers an object for older kernels, and ends it", () => {
    expect(tsbpf(["build", "programs/reno.ts", "--kernel", "6.1", "-o", folder])).toMatchObject({ code: 0, err: "" });
    execFileSync("bpftool", ["struct_ops", "register", join(folder, "reno.o")], { stdio: "pipe" });
    expect(available()).toContain("ts_reno");
    execFileSync("bpftool", ["struct_ops", "unregister", "name", "reno"], { stdio: "pipe" });
    expect(available()).not.toContain("ts_reno");
  });

  it("the kernel's verifier and ours say the same of accesses that are moved", () => {
    const { object } = compile({ path: "counted.ts", text: COUNTED }, { kernel: runningRelease() });
    const { module } = readObject(object!);
    const verdicts = mutants(module!).map(({ what, mutant, program }) => {
      const ours = verifyProgram(mutant, program, "mainline", runningRelease()).result.verdict;
      let kernel = "accept";
      try {
        loadModule({ ...mutant, structOps: [] }, { name: "mutant", programs: [program.name] }).close();
      } catch {
        kernel = "reject";
      }
      return { what, ours, kernel };
    });
    expect(verdicts.length).toBeGreaterThan(200);
    expect(verdicts.filter(({ ours, kernel }) => ours !== "unsupported" && ours !== kernel)).toEqual([]);
    expect(verdicts.filter(({ ours }) => ours === "unsupported").length).toBeLessThan(0.1 * verdicts.length);
    // Each side says both.
    for (const kernel of ["accept", "reject"])
      expect(verdicts.filter((one) => one.ours === kernel).length).toBeGreaterThan(20);
  }, 240_000);
});

/** Programs in which one access to the kernel's structs, or to the arguments, lies elsewhere or is of another size. */
function mutants(module: BpfModule): { what: string; mutant: BpfModule; program: BpfProgram }[] {
  const LDX = 1;
  const ST = 2;
  const STX = 3;
  let seed = 7;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    return (seed >> 8) % below;
  };
  return module.programs.flatMap((program) =>
    program.insns.flatMap((insn, slot) => {
      const kind = insn.code & 7;
      const mode = insn.code & 0xe0;
      const base = kind === LDX ? insn.src : insn.dst;
      if (![LDX, ST, STX].includes(kind) || mode !== 0x60 || base === 10) return [];
      return Array.from({ length: 9 }, (_, turn) => {
        const size = [0x00, 0x08, 0x10, 0x18][random(4)]!;
        const code = turn % 3 === 0 ? (insn.code & ~0x18) | size : insn.code;
        const off = turn % 3 === 0 ? insn.off : turn % 2 === 0 ? insn.off + random(9) - 4 : random(2304);
        const insns = program.insns.map((one, at) => (at === slot ? { ...one, code, off } : one));
        // What the loader would put in goes by the instruction as it is now.
        const changed: BpfProgram = {
          ...program,
          insns,
          core: (program.core ?? []).filter((one) => one.slot !== slot),
        };
        const programs = module.programs.map((one) => (one === program ? changed : one));
        return {
          what: `${program.name} slot ${slot}: code ${code.toString(16)} off ${off}`,
          mutant: { ...module, programs },
          program: changed,
        };
      });
    }),
  );
}
