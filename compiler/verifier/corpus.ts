/** Programs in the format of the verifier corpus: raw instructions in hex with their maps, and one answer per program. */
import { DEFAULT_TARGET, kernels } from "../bpf/kernels.ts";
import { decodeSlots, type RawInsn } from "../bpf/raw.ts";
import { NEWEST, type Version } from "../bpf/verifier-rules.ts";
import { MAP_TYPES, type MapTypeName } from "../bpf/map-types.ts";
import { isGplCompatible } from "../bpf/licenses.ts";
import { bytesOfHex } from "../hex.ts";
import { isKfuncCall } from "./decode.ts";
import { entryOf } from "./kernel-structs.ts";
import { verify, type Options, type Program, type Result, type VerifierMap } from "./verify.ts";

export interface CorpusMap {
  /** Number of enum bpf_map_type. */
  readonly type: number;
  readonly key: number;
  readonly value: number;
  readonly max: number;
  readonly flags: number;
  /** Hex content of a frozen map. */
  readonly frozen?: string;
}
export interface CorpusProgram {
  readonly name: string;
  /** Program type as libbpf names it, and expected attach type. */
  readonly type: string;
  readonly attach: number;
  /** Flags of BPF_PROG_LOAD. */
  readonly flags: number;
  /** Hex, 8 bytes an instruction. */
  readonly insns: string;
  /** By the file descriptor that stands in the `lddw` immediates. */
  readonly maps?: Readonly<Record<string, CorpusMap>>;
  readonly license?: string;
  /** Of struct_ops: which member of which of the kernel's structs it is. */
  readonly ops?: { readonly struct: string; readonly member: string };
  /** Names of the kernel's functions; the immediate of a call is the position in this list. */
  readonly calls?: readonly string[];
}

/** One line of `tsbpf verify --corpus … --json`. */
export interface CorpusAnswer {
  readonly name: string;
  readonly verdict: "accept" | "reject" | "unsupported";
  readonly failingInsn: number | null;
  readonly category: string | null;
  readonly message: string | null;
}

const mapNames = new Map<number, MapTypeName>(
  Object.entries(MAP_TYPES).map(([name, { number }]) => [number, name as MapTypeName]),
);

function corpusMap(map: CorpusMap): VerifierMap | undefined {
  const type = mapNames.get(map.type);
  if (type === undefined) return undefined;
  const { key, value, max, flags } = map;
  const frozen = map.frozen === undefined ? {} : { frozen: bytesOfHex(map.frozen) };
  return { type, key, value, max, flags, ...frozen };
}

/** The verifier's input for a program of a corpus. Throws RangeError where the hex is not whole instructions. */
export function corpusProgram(program: CorpusProgram, release: Version = NEWEST): Program {
  const maps = new Map<number, VerifierMap>();
  for (const [fd, map] of Object.entries(program.maps ?? {})) {
    const made = corpusMap(map);
    if (made !== undefined) maps.set(Number(fd), made);
  }
  const insns = decodeSlots(bytesOfHex(program.insns));
  const entry = program.ops && entryOf(program.ops);
  return {
    insns,
    ...(entry ? { entry } : {}),
    ...(program.calls ? { kfuncs: callsIn(insns, program.calls) } : {}),
    type: program.type,
    attach: program.attach,
    flags: program.flags,
    maps,
    typed: false,
    gpl: isGplCompatible(program.license ?? "GPL"),
    release,
    features: kernels[DEFAULT_TARGET].features,
  };
}

/** Names of functions by the calls of them, whose immediates are positions in the list. */
export const callsIn = (insns: readonly RawInsn[], names: readonly string[]): ReadonlyMap<number, string> =>
  new Map(
    insns.flatMap((insn, slot) => {
      const name = isKfuncCall(insn) ? names[insn.imm] : undefined;
      return name === undefined ? [] : [[slot, name] as const];
    }),
  );

/** Verifies one program of a corpus. */
export interface CorpusOptions extends Options {
  /** The kernel that is asked; absent: the newest. */
  readonly release?: Version;
}

export function verifyCorpusProgram(program: CorpusProgram, options: CorpusOptions = {}): Result {
  return verify(corpusProgram(program, options.release), options);
}

/** The answer as it is printed. */
export function corpusAnswer(program: CorpusProgram, options: CorpusOptions = {}): CorpusAnswer {
  const result = verifyCorpusProgram(program, options);
  return {
    name: program.name,
    verdict: result.verdict,
    failingInsn: result.verdict === "reject" ? (result.failingInsn ?? null) : null,
    category: result.verdict === "reject" ? result.category : null,
    message: result.verdict === "reject" ? result.message : result.verdict === "unsupported" ? result.feature : null,
  };
}
