/**
 * `npm run bench:cc`: our congestion controls beside clang's builds of the same in C (tests/bench/c): slots, what this machine's kernel's verifier
 * processed, JITed bytes, and the fewest nanoseconds for each acknowledgement of transfers over loopback in a namespace of its own. Ratios count.
 * The kernel's own functions are run as well where it lets programs call them (native-cubic.c): handlers that do nothing else, so that the entry into a
 * program and the kernel's statistics, which are most of the nanoseconds, are in all figures alike.
 *
 *   --rounds N   transfers of each variant (default 18; 0: no traffic)
 *   --quick      10 of them
 *   --json       the figures as one JSON document
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { release, tmpdir } from "node:os";
import { join } from "node:path";
import { versionIn } from "../../compiler/bpf/verifier-rules.ts";
import { compile } from "../../compiler/compile.ts";
import { enableStats } from "../../runtime/kernel/bpf.ts";
import { closeFd } from "../../runtime/kernel/fd.ts";
import { allPrograms, type ProgramInfo } from "../../runtime/kernel/info.ts";
import { loadModule } from "../../runtime/kernel/load.ts";
import { runningTypes } from "../../runtime/kernel/running-types.ts";
import { openLab, until, whyNot, type Peer } from "../runtime/lab.ts";
import { CLANGS, cFile, compileC, hasClang, programFile, type Clang } from "./clang.ts";

const args = process.argv.slice(2);
const rounds = args.includes("--rounds")
  ? Number(args[args.indexOf("--rounds") + 1])
  : args.includes("--quick")
    ? 10
    : 18;
const asJson = args.includes("--json");
/** Of a transfer: many short ones, since one that nothing disturbs is what counts. */
const BYTES = 10_000_000;

const skip = whyNot() ?? (CLANGS.some(hasClang) ? undefined : "no clang-16 or clang-19 with a BPF backend");
if (skip) {
  console.error(`bench:cc cannot run here: ${skip}`);
  process.exit(2);
}

/** The name in the files, and the handler that runs once for each acknowledgement. */
const CONTROLS = [
  { file: "cubic", perAck: "pkts_acked", native: "cubictcp_acked" },
  { file: "dctcp", perAck: "in_ack_event", native: undefined },
] as const;
/** In the place of a compiler: the kernel's own functions. */
const NATIVE = "kernel";
type Figure = "slots" | "processed" | "jited" | "nsPerAck";
interface Variant {
  readonly file: string;
  readonly compiler: string;
  /** What sockets choose it by. */
  readonly name: string;
  readonly ids: ReadonlySet<number>;
  readonly figures: Partial<Record<Figure, number>>;
  readonly end: () => void;
}

const isClang = ({ compiler }: Variant): boolean => compiler !== "tsbpf" && compiler !== NATIVE;

const folder = mkdtempSync(join(tmpdir(), "tsbpf-bench-"));
const programs = (): Map<number, ProgramInfo> => new Map([...allPrograms()].map((one) => [one.id, one]));
/** Ids of programs of this name's that were not there before. */
function added(file: string, before: ReadonlyMap<number, ProgramInfo>): ProgramInfo[] {
  return [...programs().values()].filter(
    ({ id, type, name }) => !before.has(id) && type === "struct_ops" && name.startsWith(`${file}_`),
  );
}
function variant(
  file: string,
  compiler: string,
  name: string,
  found: readonly ProgramInfo[],
  end: () => void,
): Variant {
  const sum = (of: (one: ProgramInfo) => number): number => found.reduce((all, one) => all + of(one), 0);
  return {
    file,
    compiler,
    name,
    ids: new Set(found.map(({ id }) => id)),
    figures: { slots: sum((p) => p.slots), processed: sum((p) => p.verifiedInsns), jited: sum((p) => p.jitedBytes) },
    end,
  };
}

function ours(file: string): Variant {
  const path = programFile(file);
  const { module, diagnostics } = compile(
    { path, text: readFileSync(path, "utf8") },
    { target: "mainline", kernel: versionIn(release())! },
  );
  if (!module) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  const before = programs();
  const object = loadModule(module, { name: `bench_${file}` });
  const found = added(file, before);
  object.register();
  return variant(file, "tsbpf", `ts_${file}`, found, () => object.close());
}

/** By bpftool, from a copy whose struct has a name of its own: the struct is ended by it. */
function clangs(file: string, compiler: Clang, as: string = compiler): Variant {
  const tag = as.replace("clang-", "");
  const text = readFileSync(cFile(as === NATIVE ? `native-${file}` : file), "utf8")
    .replace(`"c_${file}"`, `"c${tag}_${file}"`)
    .replace('#include "congestion.h"', `#include "${cFile("congestion").replace(/\.c$/, ".h")}"`);
  const source = join(folder, `${file}-${tag}.c`);
  writeFileSync(source, text);
  const object = join(folder, `${file}-${tag}.o`);
  writeFileSync(object, compileC(source, compiler, "v3", "mainline"));
  const before = programs();
  // It says what it has done on its error output.
  const { stderr } = spawnSync("bpftool", ["struct_ops", "register", object], { encoding: "utf8" });
  const id = /^Registered .* id (\d+)/m.exec(stderr)?.[1];
  if (id === undefined) throw new Error(stderr);
  return variant(file, as, `c${tag}_${file}`, added(file, before), () =>
    execFileSync("bpftool", ["struct_ops", "unregister", "id", id], { stdio: "pipe" }),
  );
}

const variants: Variant[] = [];
const lab = openLab();
try {
  const present = CLANGS.filter(hasClang);
  for (const { file, native } of CONTROLS) {
    variants.push(ours(file), ...present.map((compiler) => clangs(file, compiler)));
    if (native !== undefined && runningTypes().functionId(native) !== undefined)
      // What stands around the kernel's own functions is nobody's figure.
      variants.push({ ...clangs(file, present.at(-1)!, NATIVE), figures: {} });
  }
  if (rounds > 0) await traffic();
  report();
} finally {
  for (const { end } of variants) end();
  lab.close();
  rmSync(folder, { recursive: true });
}
process.exit(0);

async function traffic(): Promise<void> {
  const netns = lab.netns("bench");
  // Segment by segment: one acknowledgement for each two, and not for each 64 kB.
  lab.ip(netns, "link", "set", "lo", "mtu", "1500", "gso_max_segs", "1");
  const peer = await lab.peer(netns);
  const stats = enableStats();
  const seen = new Map<Variant, number[]>(variants.map((one) => [one, []]));
  try {
    // One after the other in each round, and another first in each: what else the machine does meets all of them.
    for (let round = 0; round <= rounds; round++)
      for (const at of variants.keys()) {
        const one = variants[(at + round) % variants.length]!;
        const ns = await transfer(peer, one, 7200 + round * variants.length + at);
        if (round > 0) seen.get(one)!.push(ns);
      }
  } finally {
    closeFd(stats);
  }
  // What else runs makes a transfer slower, never faster.
  for (const [one, values] of seen) one.figures.nsPerAck = Math.min(...values);
}

/** Nanoseconds in all handlers for each acknowledgement of one transfer. */
async function transfer(peer: Peer, { file, name, ids }: Variant, port: number): Promise<number> {
  const count = (): { ns: number; acks: number } => {
    const own = [...allPrograms()].filter(({ id }) => ids.has(id));
    const perAck = `${file}_${CONTROLS.find((one) => one.file === file)!.perAck}`.slice(0, 15);
    return {
      ns: own.reduce((all, { runTimeNs }) => all + Number(runTimeNs), 0),
      acks: own.reduce((all, one) => all + (one.name === perAck ? Number(one.runCount) : 0), 0),
    };
  };
  const options = [[6, 13, [...Buffer.from(name)]]];
  await peer.call("listen", { host: "127.0.0.1", port, options });
  const accepted = peer.accepted.length;
  const id = await peer.call<number>("connect", { host: "127.0.0.1", port, options });
  await until("it is accepted", () => peer.accepted.length > accepted);
  const server = peer.accepted.at(-1)!;
  const before = count();
  await peer.call("send", { id, length: BYTES });
  await until(
    "all of it arrives",
    async () => (await peer.call<{ received: number }>("state", { id: server })).received === BYTES,
    60_000,
  );
  const after = count();
  await peer.call("end", { id });
  return (after.ns - before.ns) / (after.acks - before.acks);
}

function report(): void {
  const FIGURES: readonly Figure[] = ["slots", "processed", "jited", "nsPerAck"];
  /** Ours to the best clang. */
  const ratios = CONTROLS.map(({ file }) => {
    const own = variants.find((one) => one.file === file && one.compiler === "tsbpf")!;
    const others = variants.filter((one) => one.file === file && isClang(one));
    const ratio = (figure: Figure): number | undefined => {
      const best = Math.min(...others.map(({ figures }) => figures[figure] ?? NaN));
      const mine = own.figures[figure];
      return mine === undefined || Number.isNaN(best) ? undefined : mine / best;
    };
    return {
      file,
      ...(Object.fromEntries(FIGURES.map((one) => [one, ratio(one)])) as Record<Figure, number | undefined>),
    };
  });
  /** Ours to the kernel's own, in nanoseconds. */
  const native = CONTROLS.flatMap(({ file }) => {
    const of = (compiler: string): number | undefined =>
      variants.find((one) => one.file === file && one.compiler === compiler)?.figures.nsPerAck;
    const [mine, theirs] = [of("tsbpf"), of(NATIVE)];
    return mine === undefined || theirs === undefined ? [] : [{ file, nsPerAck: mine / theirs }];
  });
  const means = Object.fromEntries(
    FIGURES.map((figure) => {
      const all = ratios.map((one) => one[figure]).filter((one) => one !== undefined);
      const log = all.reduce((sum, one) => sum + Math.log(one), 0);
      return [figure, all.length > 0 ? Math.exp(log / all.length) : undefined];
    }),
  );
  if (asJson) {
    const rows = variants.map(({ file, compiler, figures }) => ({ file, compiler, ...figures }));
    return console.log(JSON.stringify({ rows, ratios, means, native }, undefined, 1));
  }
  const line = (cells: readonly string[]): void =>
    console.log(cells.map((cell, at) => (at < 2 ? cell.padEnd(12) : cell.padStart(11))).join(""));
  const show = (value: number | undefined, digits: number): string =>
    value === undefined ? "–" : value.toFixed(digits);
  line(["control", "compiler", "slots", "processed", "JITed", "ns per ACK"]);
  for (const { file, compiler, figures } of variants)
    line([file, compiler, ...FIGURES.map((one) => show(figures[one], one === "nsPerAck" ? 1 : 0))]);
  console.log("\ntsbpf / best clang");
  for (const row of ratios) line([row.file, "", ...FIGURES.map((one) => show(row[one], 2))]);
  line(["mean", "geometric", ...FIGURES.map((one) => show(means[one], 2))]);
  for (const { file, nsPerAck } of native)
    console.log(`\n${file}: ${nsPerAck.toFixed(2)} of the kernel's own functions in ns per ACK`);
}
