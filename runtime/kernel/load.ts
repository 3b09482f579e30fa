/**
 * From a module to running handles: needs, params, BTF, maps, relocations, programs. Whatever fails on the way, nothing
 * that this load made stays in the kernel or on the bpffs.
 */
import { kernels, type Feature, type Kernel } from "../../compiler/bpf/kernels.ts";
import { CALL, PSEUDO } from "../../compiler/bpf/opcodes.ts";
import { kindOf, onlyAttachType } from "../../compiler/bpf/kinds/index.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import { withParams, type BpfModule, type BpfProgram, type GlobalSection } from "../../compiler/module.ts";
import { CORE_RECORD_BYTES, FUNC_RECORD_BYTES, LINE_RECORD_BYTES } from "../../compiler/object/btf-ext.ts";
import type { KernelInfo } from "../../compiler/object/kernel-info.ts";
import { link } from "../../compiler/link.ts";
import { BPF } from "./abi.ts";
import { bpf } from "./bpf.ts";
import { lacking as lackingCapabilities, type Capability } from "./capabilities.ts";
import { encode } from "./codec.ts";
import { withCoreFacts } from "./core.ts";
import { createMap, createSection, sectionContent, usedSections, type MapContext } from "./create-maps.ts";
import { failed, RuntimeError } from "./errors.ts";
import { closeFd } from "./fd.ts";
import { kernelBtf, type DebugInfo } from "./kernel-btf.ts";
import { loadedObject, type LoadedObject } from "./object.ts";
import { needBpffs } from "./pin-folder.ts";
import { DEFAULT_PIN_ROOT } from "./places.ts";
import { missing } from "./probe.ts";
import { capabilitiesOf } from "./program-capabilities.ts";
import { loadProgram, type ProgramToLoad } from "./program.ts";
import { runningTypes } from "./running-types.ts";
import { makeStruct, memberOf, type StructHandle } from "./struct-ops.ts";
import { undoList, type Undo } from "./undo.ts";
import { describe, readRejection } from "./verifier-log.ts";

export interface LoadOptions {
  /** Name under which the object is shown and pinned; names of maps of globals start with it. */
  readonly name?: string;
  /** Values of `param`s, by name. */
  readonly params?: Readonly<Record<string, unknown>>;
  /** Directory on a bpffs for maps that are declared `pinned`. */
  readonly pinRoot?: string;
  /** An object whose maps of the same name are used again, mutable globals included: for replacing its programs. */
  readonly reuse?: LoadedObject;
  /** Names of the programs to load; absent: all. */
  readonly programs?: readonly string[];
  /** Gets to know what was pinned (maps declared `pinned`), for a caller whose next step may fail. */
  readonly undo?: Undo;
}

/** Loads a module. Throws RuntimeError; nothing stays behind then. `kernelInfo` comes with objects read from files. */
export function loadModule(module: BpfModule, options: LoadOptions = {}, kernelInfo?: KernelInfo): LoadedObject {
  const name = options.name ?? module.programs[0]?.name ?? "object";
  const pinRoot = options.pinRoot ?? DEFAULT_PIN_ROOT;
  const programs = chosen(module, options.programs);
  const filled = withParams(module, encodeParams(module, options.params ?? {}));
  checkNeeds(module);
  if (module.maps.some((map) => map.pinned)) needBpffs(pinRoot);

  const undo = undoList();
  let btfFd: number | undefined;
  let relocatableFd: number | undefined;
  try {
    const btf = kernelBtf(module);
    btfFd = loadBtf(btf.blob);
    // CO-RE records speak of the object's own types, so programs that have some come with those.
    if (kernelInfo?.programs.some((program) => program.core.length > 0)) relocatableFd = loadBtf(kernelInfo.btf);
    const reuse = new Map<string, number>([...(options.reuse?.mapFds ?? [])].filter(([key]) => key !== ".rodata"));
    const context: MapContext = { module, btf, btfFd, pinRoot, reuse, undo };
    const maps = new Map(module.maps.map((map) => [map.name, createMap(context, map)]));
    const sections = new Map(
      usedSections(module).map((section) => [
        section,
        createSection(context, section, sectionContent(filled, section), name),
      ]),
    );
    const debugOf = (program: string): ProgramToLoad["debug"] => {
      const own = kernelInfo?.programs.find((candidate) => candidate.name === program);
      if (relocatableFd !== undefined && own && own.core.length > 0) return relocatableDebug(relocatableFd, own);
      return btfFd === undefined ? undefined : madeDebug(btfFd, btf.programs.get(program));
    };
    const loaded = new Map(
      programs.map((program) => [
        program.name,
        undo.fd(loadOne(module, program, debugOf(program.name), maps, sections)),
      ]),
    );
    // With some programs left out, a struct of theirs is not whole.
    const whole = (module.structOps ?? []).filter((one) =>
      Object.values(one.programs).every((name) => loaded.has(name)),
    );
    const structs = whole.map((one): StructHandle => {
      const made = makeStruct(one, loaded, btfFd ?? relocatableFd);
      undo.fd(made.fd);
      return made;
    });
    // From here on the object owns the descriptors; those of reused maps stay with their first owner.
    return loadedObject({
      name,
      module,
      maps,
      sections,
      programs: loaded,
      structs,
      owned: options.undo ? undo.handOver(options.undo) : undo.keep(),
    });
  } catch (error) {
    undo.run();
    throw error;
  } finally {
    // Maps and programs hold their own reference to the BTF.
    if (btfFd !== undefined) closeFd(btfFd);
    if (relocatableFd !== undefined) closeFd(relocatableFd);
  }
}

type Debug = ProgramToLoad["debug"];

function madeDebug(btfFd: number, debug: DebugInfo | undefined): Debug {
  if (!debug) return undefined;
  return {
    prog_btf_fd: btfFd,
    func_info: debug.functions,
    func_info_cnt: debug.functionCount,
    func_info_rec_size: FUNC_RECORD_BYTES,
    ...(debug.lineCount > 0
      ? { line_info: debug.lines, line_info_cnt: debug.lineCount, line_info_rec_size: LINE_RECORD_BYTES }
      : {}),
  };
}

/** The kernel applies CO-RE relocations itself (Linux 5.17), given the object's own BTF and records. */
function relocatableDebug(btfFd: number, own: KernelInfo["programs"][number]): Debug {
  return {
    prog_btf_fd: btfFd,
    func_info: own.functions,
    func_info_cnt: own.functions.length / FUNC_RECORD_BYTES,
    func_info_rec_size: FUNC_RECORD_BYTES,
    ...(own.lines.length > 0
      ? {
          line_info: own.lines,
          line_info_cnt: own.lines.length / LINE_RECORD_BYTES,
          line_info_rec_size: LINE_RECORD_BYTES,
        }
      : {}),
    core_relos: own.core,
    core_relo_cnt: own.core.length / CORE_RECORD_BYTES,
    core_relo_rec_size: CORE_RECORD_BYTES,
  };
}

function chosen(module: BpfModule, names: readonly string[] | undefined): readonly BpfProgram[] {
  if (module.programs.length === 0) throw new RuntimeError("bad-object", "the object has no programs");
  if (!names) return module.programs;
  return names.map((name) => {
    const found = module.programs.find((program) => program.name === name);
    if (!found)
      throw new RuntimeError("not-found", `the object has no program ${name}`, {
        help: `it has ${module.programs.map((program) => program.name).join(", ")}`,
      });
    return found;
  });
}

/** Checks params against the module and encodes them. */
export function encodeParams(
  module: BpfModule,
  given: Readonly<Record<string, unknown>>,
): ReadonlyMap<string, Uint8Array> {
  const known = module.globals.filter((variable) => variable.param);
  const encoded = new Map<string, Uint8Array>();
  for (const [name, value] of Object.entries(given)) {
    const variable = known.find((candidate) => candidate.name === name);
    if (!variable)
      throw new RuntimeError("bad-param", `no param ${name} in this object`, {
        help: known.length > 0 ? `it has ${known.map((candidate) => candidate.name).join(", ")}` : "it has none",
      });
    encoded.set(name, encode(variable.layout, value, `param ${name}`));
  }
  return encoded;
}

/** Helpers that print to the trace pipe: bpf_trace_printk and bpf_trace_vprintk. */
const PRINTING = new Set([6, 177]);
/** Whether a program of the module logs. */
export const prints = (module: BpfModule): boolean =>
  module.programs.some((program) =>
    program.insns.some((insn) => insn.code === 0x85 && insn.src === 0 && PRINTING.has(insn.imm)),
  );

const lacks = (needs: readonly Capability[]): string => {
  const absent = lackingCapabilities(needs);
  return absent.length === 0 || absent.length === needs.length ? "" : ` (lacking: ${absent.join(", ")})`;
};

/** The kernel to boot for what is lacking, where no distribution's has it. */
function targetFor(needs: readonly string[], lacking: readonly { readonly feature: string }[]): Kernel | undefined {
  const has = (kernel: Kernel, features: readonly string[]): boolean =>
    features.every((feature) => kernel.features.has(feature as Feature));
  const all = Object.values<Kernel>(kernels);
  const absent = lacking.map(({ feature }) => feature);
  if (all.some((kernel) => kernel.boot === undefined && has(kernel, absent))) return undefined;
  return all.find((kernel) => has(kernel, needs)) ?? all.find((kernel) => has(kernel, absent));
}

function notPermitted(module: BpfModule, log = ""): RuntimeError {
  const needs = capabilitiesOf(module);
  return new RuntimeError("not-permitted", "not permitted to load BPF programs", {
    errno: 1,
    help: `run as root, or with ${needs.join(", ")}${lacks(needs)}`,
    ...(log.trim() === "" ? {} : { log }),
  });
}

/** The kernel must have what the object needs; said before the verifier says it in its own words. */
export function checkNeeds(module: BpfModule): void {
  // The kernel would call the helper unknown.
  if (
    prints(module) &&
    lackingCapabilities(["CAP_BPF", "CAP_NET_ADMIN"]).length === 0 &&
    lackingCapabilities(["CAP_PERFMON"]).length > 0
  )
    throw new RuntimeError("not-permitted", "not permitted to load BPF programs that log", {
      errno: 1,
      help: "run as root, or with CAP_PERFMON as well; or leave the log lines out",
    });
  const lacking = missing(module.needs);
  const first = lacking[0];
  if (!first) return;
  if (/^not permitted|: EPERM$/.test(first.reason)) throw notPermitted(module);
  const other = targetFor(module.needs, lacking);
  const isPathManager = module.needs.some((need) => /^(event|helper):mptcp/.test(need));
  const hasOthers = module.programs.some(({ type }) => type !== "sock_ops");
  const elsewhere = !isPathManager
    ? ""
    : hasOthers
      ? "; on this one, a path manager in a file of its own is served over netlink by `tsbpf run FILE`"
      : "; on this one, `tsbpf run FILE` serves a network namespace over netlink";
  const list = lacking
    .map((need) => (need.feature.includes(":") ? need.feature.replace(":", " ") : need.about))
    .join(", ");
  throw new RuntimeError(
    "kernel-lacks",
    `${other ? `needs the ${other.name} kernel` : "this kernel lacks what the object needs"}: ${list}`,
    {
      help: other
        ? `boot it (${other.boot})${elsewhere}`
        : `${first.reason}; \`tsbpf doctor\` shows what this kernel offers`,
    },
  );
}

/** Loads the BTF. Without it nothing but names and lines is lost, so a kernel that refuses it is no error. */
function loadBtf(blob: Uint8Array): number | undefined {
  const fd = bpf(BPF.btfLoad, "btfLoad", { btf: blob, btf_size: blob.length });
  if (fd === -1) throw failed("not-permitted", "loading BTF", fd);
  return fd < 0 ? undefined : fd;
}

function loadOne(
  module: BpfModule,
  program: BpfProgram,
  debug: Debug,
  maps: ReadonlyMap<string, number>,
  sections: ReadonlyMap<GlobalSection, number>,
): number {
  const type = kindOf(program.type);
  if (!type) throw new RuntimeError("bad-object", `program ${program.name}: unknown program type "${program.type}"`);
  const member = type.attaches === "struct_ops" ? memberOf(program) : undefined;
  const insns = withKernelFunctions(program, relocate(program, maps, sections));
  const load = (given: Pick<ProgramToLoad, "insns" | "debug">): ReturnType<typeof loadProgram> =>
    loadProgram({
      name: program.name,
      type: type.number,
      attachType: member?.member ?? (program.attachType || (onlyAttachType(program.type) ?? 0)),
      ...(member ? { attachBtfId: member.struct } : {}),
      license: module.license,
      ...given,
    });
  const own = (): ReturnType<typeof loadProgram> =>
    load({ insns: withCoreFacts(program, insns), ...(debug ? { debug: withoutCore(debug) } : {}) });
  let result = debug?.core_relos ? load({ insns, debug }) : own();
  // Kernels before 5.17 know of no relocations: more is asked of them than they have fields for.
  if ("errno" in result && result.errno === E2BIG && program.core) result = own();
  if ("fd" in result) return result.fd;
  // Without CAP_PERFMON the verifier takes comparing pointers for a leak: what it says then is no fault of the program.
  if (lackingCapabilities(capabilitiesOf(module)).length > 0) throw notPermitted(module, result.log);
  if (result.log.trim() === "") throw failed("rejected", `loading program ${program.name}`, result.errno);
  const rejection = readRejection(result.log, module, program);
  throw new RuntimeError("rejected", describe(program.name, rejection), { errno: result.errno, log: result.log });
}

const E2BIG = -7;
const withoutCore = ({
  core_relos: _relos,
  core_relo_cnt: _count,
  core_relo_rec_size: _size,
  ...rest
}: NonNullable<Debug>): NonNullable<Debug> => rest;

/** Calls of the kernel's functions, by the numbers that they have in the kernel that runs. */
function withKernelFunctions(program: BpfProgram, insns: readonly RawInsn[]): readonly RawInsn[] {
  const { externs = [] } = program;
  if (externs.length === 0) return insns;
  const found = [...insns];
  for (const { slot, name, kind } of externs) {
    const insn = found[slot];
    const id = kind === "function" ? runningTypes().functionId(name) : undefined;
    if (!insn || id === undefined)
      throw new RuntimeError(
        "kernel-lacks",
        `program ${program.name}: this kernel has no ${kind} ${name} for programs`,
        {
          help: "it may be in a module of the kernel, which is not looked into, or of a newer kernel",
        },
      );
    found[slot] = { ...insn, src: CALL.kfunc, off: 0, imm: id };
  }
  return found;
}

/** Fills the immediates of `lddw` with map descriptors (BPF_PSEUDO_MAP_FD and BPF_PSEUDO_MAP_VALUE). */
export function relocate(
  program: BpfProgram,
  maps: ReadonlyMap<string, number>,
  sections: ReadonlyMap<GlobalSection, number>,
): readonly RawInsn[] {
  const bad = (text: string): RuntimeError => new RuntimeError("bad-object", `program ${program.name}: ${text}`);
  return link(
    program,
    (relocation) => {
      const isMap = relocation.kind === "map";
      const target = isMap ? relocation.map : relocation.section;
      const fd = isMap ? maps.get(relocation.map) : sections.get(relocation.section);
      if (fd === undefined) throw bad(`refers to ${target}, which the object does not have`);
      return isMap
        ? { src: PSEUDO.mapFd, low: fd, high: 0 }
        : { src: PSEUDO.mapValue, low: fd, high: relocation.offset };
    },
    ({ slot }) => {
      throw bad(`the relocation at slot ${slot} is not at a 64-bit load`);
    },
  );
}
