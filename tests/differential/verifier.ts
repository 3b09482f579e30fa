/**
 * The verifier against the running kernel on seeded mutants of real programs. What counts: programs that we accept and the kernel
 * rejects (none may be), and, as a measure, the reverse and the place of the first complaint.
 */
import { MAP_TYPES } from "../../compiler/bpf/map-types.ts";
import { KINDS, type ProgramTypeName } from "../../compiler/bpf/kinds/index.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import { verify, type Program, type VerifierMap } from "../../compiler/verifier/verify.ts";
import { callsIn } from "../../compiler/verifier/corpus.ts";
import { isKfuncCall } from "../../compiler/verifier/decode.ts";
import { runningTypes } from "../../runtime/kernel/running-types.ts";
import { callNames } from "../verifier/corpus/entry.ts";
import { createMap, loadProgram } from "./kernel.ts";
import { mutate, random, type Random } from "./mutate.ts";
import { complaint, reasonOf } from "./reasons.ts";

export interface Seed {
  readonly name: string;
  readonly program: Program;
}
export interface Mismatch {
  readonly name: string;
  readonly kind: "false-accept" | "false-reject";
  readonly edits: readonly string[];
  readonly program: Program;
  readonly message: string;
}
export interface Comparison {
  readonly mutants: number;
  /** Kernel-rejected mutants that count: no reason more than its share. */
  readonly rejected: number;
  readonly rejectedInAll: number;
  readonly accepted: number;
  readonly unsupported: number;
  readonly falseAccepts: readonly Mismatch[];
  readonly falseRejects: readonly Mismatch[];
  /** Where both reject and the kernel names an instruction: how often we name the same. */
  readonly placesCompared: number;
  readonly placesEqual: number;
  readonly reasons: ReadonlyMap<string, number>;
}

const REGISTRY = new Map<string, number>();
/** A map in the kernel like this one; made once. */
function kernelMap(map: VerifierMap): number {
  const frozen = map.frozen === undefined ? undefined : Buffer.from(map.frozen).toString("hex");
  const key = JSON.stringify([map.type, map.key, map.value, map.max, map.flags, frozen]);
  const known = REGISTRY.get(key);
  if (known !== undefined) return known;
  const { key: keyBytes, value, max, flags } = map;
  const fd = createMap({
    type: MAP_TYPES[map.type].number,
    key: keyBytes,
    value,
    max,
    flags,
    ...(frozen === undefined ? {} : { frozen }),
  });
  REGISTRY.set(key, fd);
  return fd;
}

/** The same program with the kernel's descriptors in place of ours. */
export function withKernelMaps(program: Program): readonly RawInsn[] {
  const insns = [...program.insns];
  for (let at = 0; at < insns.length; at++) {
    const insn = insns[at]!;
    if (insn.code !== 0x18) continue;
    const map = insn.src === 1 || insn.src === 2 ? program.maps.get(insn.imm) : undefined;
    // A number that is no map of ours must not be one of the kernel's by accident.
    if (map !== undefined) insns[at] = { ...insn, imm: kernelMap(map) };
    else if (insn.src === 1 || insn.src === 2) insns[at] = { ...insn, imm: 1_000_000_000 };
    at++;
  }
  return insns;
}

export interface KernelVerdict {
  readonly accepted: boolean;
  readonly errno: number;
  readonly message: string;
  readonly insn: number | undefined;
}
/** Which function of which struct it is, by the running kernel's numbers. */
function attachmentOf({ entry, traced, attach }: Program): { readonly attach: number; readonly attachBtfId?: number } {
  if (traced) {
    const { types } = runningTypes().btf;
    const id = types.findIndex((one) => one?.kind === "typedef" && one.name === `btf_trace_${traced.tracepoint}`);
    return { attach, attachBtfId: id };
  }
  const struct = entry && runningTypes().struct(entry.ops);
  const member = struct?.members.find(({ name }) => name === entry?.member.member);
  return struct && member ? { attach: member.index, attachBtfId: struct.id } : { attach };
}
/** Calls of the kernel's functions by its numbers; of others by one that it does not have. */
function withKernelFunctions({ kfuncs }: Program, insns: readonly RawInsn[]): readonly RawInsn[] {
  if (!kfuncs) return insns;
  return insns.map((insn, slot) => {
    if (!isKfuncCall(insn)) return insn;
    const name = kfuncs.get(slot);
    return { ...insn, imm: (name === undefined ? undefined : runningTypes().functionId(name)) ?? 0x7fff_ffff };
  });
}

/** What the running kernel says: the verdict without a log, and for rejections the message in a second try. */
export function askKernel(program: Program): KernelVerdict {
  const request = {
    type: KINDS[program.type as ProgramTypeName].number,
    flags: program.flags,
    ...attachmentOf(program),
    insns: withKernelFunctions(program, withKernelMaps(program)),
    license: program.gpl ? "GPL" : "Proprietary",
  };
  const { errno } = loadProgram({ ...request, logLevel: 0 });
  if (errno === 0) return { accepted: true, errno, message: "", insn: undefined };
  return { accepted: false, errno, ...complaint(loadProgram({ ...request, logLevel: 1 }).log) };
}

const TYPES: readonly (readonly [ProgramTypeName, number])[] = [
  ["socket_filter", 0],
  ["sched_cls", 0],
  ["xdp", 37],
  ["cgroup_skb", 0],
  ["sock_ops", 3],
  ["cgroup_sock", 2],
  ["sk_msg", 7],
  ["cgroup_sock_addr", 8],
  ["cgroup_sock_addr", 10],
  ["cgroup_sock_addr", 11],
  ["cgroup_sock_addr", 19],
  ["lwt_xmit", 0],
  ["sk_lookup", 36],
  ["cgroup_sockopt", 21],
  ["cgroup_sockopt", 22],
  ["cgroup_sysctl", 18],
  ["sk_reuseport", 39],
  ["flow_dissector", 17],
];

/** A mutant of a seed: other instructions, sometimes another program type. */
export function mutant(
  seed: Seed,
  rng: Random,
  donors: readonly (readonly RawInsn[])[],
): { program: Program; edits: readonly string[] } {
  const { insns, edits } = mutate(seed.program.insns, rng, donors);
  let { type, attach, flags } = seed.program;
  const notes = [...edits];
  if (rng.chance(12)) {
    [type, attach] = rng.pick(TYPES);
    notes.push(`type ${type}`);
  }
  const names = seed.program.kfuncs && callNames(seed.program.kfuncs);
  const { entry, traced, ...rest } = seed.program;
  // Flags of the seed, but not those that only make a test of the kernel slower.
  flags &= ~(4 | 8);
  const program = {
    ...rest,
    ...(type === "struct_ops" && entry ? { entry } : {}),
    ...(type === "tracing" && traced ? { traced } : {}),
    ...(names ? { kfuncs: callsIn(insns, names) } : {}),
    insns,
    type,
    attach,
    flags,
  };
  return { program, edits: notes };
}

export interface CompareOptions {
  readonly seed: number;
  /** Go on until so many kernel-rejected mutants count. */
  readonly rejected: number;
  /** Largest share of one reason among them. */
  readonly share: number;
  /** Called now and then. */
  readonly progress?: (rejected: number, mutants: number) => void;
  /** Stop after so many mutants, whatever was found. */
  readonly most?: number;
}

/** Instructions that we are willing to process for one mutant; what is longer is not compared. */
const BUDGET = 60_000;

export function compare(seeds: readonly Seed[], options: CompareOptions): Comparison {
  const rng = random(options.seed);
  const donors = seeds.map((seed) => seed.program.insns);
  const cap = Math.floor(options.rejected * options.share);
  const reasons = new Map<string, number>();
  const falseAccepts: Mismatch[] = [];
  const falseRejects: Mismatch[] = [];
  let mutants = 0;
  let rejected = 0;
  let rejectedInAll = 0;
  let accepted = 0;
  let unsupported = 0;
  let placesCompared = 0;
  let placesEqual = 0;
  while (rejected < options.rejected && mutants < (options.most ?? Infinity)) {
    mutants++;
    const seed = rng.pick(seeds);
    const { program, edits } = mutant(seed, rng, donors);
    if (program.insns.length === 0) continue;
    const ours = verify(program, { budget: BUDGET });
    if (ours.verdict === "unsupported" && ours.feature === "programs this long to verify") continue;
    const kernel = askKernel(program);
    const mismatch = (kind: Mismatch["kind"], message: string): Mismatch => ({
      name: seed.name,
      kind,
      edits,
      program,
      message,
    });
    if (kernel.accepted) {
      accepted++;
      if (ours.verdict === "unsupported") unsupported++;
      else if (ours.verdict === "reject")
        falseRejects.push(mismatch("false-reject", `${ours.failingInsn}: ${ours.message}`));
      continue;
    }
    rejectedInAll++;
    const reason = reasonOf(kernel.message);
    const count = reasons.get(reason) ?? 0;
    if (ours.verdict === "accept") falseAccepts.push(mismatch("false-accept", `${kernel.insn}: ${kernel.message}`));
    if (ours.verdict === "unsupported") unsupported++;
    if (ours.verdict === "reject" && kernel.insn !== undefined && ours.failingInsn !== undefined) {
      placesCompared++;
      if (kernel.insn === ours.failingInsn) placesEqual++;
    }
    if (count >= cap) continue;
    reasons.set(reason, count + 1);
    rejected++;
    if (rejected % 1000 === 0) options.progress?.(rejected, mutants);
  }
  return {
    mutants,
    rejected,
    rejectedInAll,
    accepted,
    unsupported,
    falseAccepts,
    falseRejects,
    placesCompared,
    placesEqual,
    reasons,
  };
}

/** The comparison as a table. */
export function table(result: Comparison): string {
  const percent = (part: number, whole: number): string =>
    whole === 0 ? "-" : `${((100 * part) / whole).toFixed(2)} %`;
  const rows: readonly (readonly [string, string])[] = [
    ["mutants", String(result.mutants)],
    ["kernel rejects", String(result.rejectedInAll)],
    ["  that count (no reason above its share)", String(result.rejected)],
    ["  reasons", String(result.reasons.size)],
    ["  we accept (must be 0)", String(result.falseAccepts.length)],
    ["kernel accepts", String(result.accepted)],
    ["  we reject", `${result.falseRejects.length} (${percent(result.falseRejects.length, result.accepted)})`],
    ["unsupported", `${result.unsupported} (${percent(result.unsupported, result.accepted + result.rejectedInAll)})`],
    ["same failing instruction", percent(result.placesEqual, result.placesCompared)],
  ];
  const wide = Math.max(...rows.map(([name]) => name.length));
  const reasons = [...result.reasons].sort((a, b) => b[1] - a[1]).slice(0, 25);
  return [
    ...rows.map(([name, value]) => `${name.padEnd(wide)}  ${value}`),
    "",
    "most frequent reasons:",
    ...reasons.map(([reason, count]) => `${String(count).padStart(6)}  ${reason}`),
  ].join("\n");
}
