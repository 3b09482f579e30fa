/** From a program of a module, with relocations in place of map descriptors, to the verifier's input. */
import type { KernelTypes } from "../bpf/kernel-types.ts";
import { kernelNamed, isTarget } from "../bpf/kernels.ts";
import { CERTAIN_TRACEPOINTS } from "../bpf/kernel-calls.ts";
import { KFUNCS } from "../bpf/kfuncs.ts";
import { MAP_FLAGS, MAP_TYPES, type MapTypeName } from "../bpf/map-types.ts";
import { CALL, PSEUDO } from "../bpf/opcodes.ts";
import { isOpsStruct } from "../bpf/kinds/struct-ops.ts";
import { isAtLeast, NEWEST, type Version } from "../bpf/verifier-rules.ts";
import type { WholeKernel } from "../bpf/whole-kernel.ts";
import { sizeOf } from "../layout.ts";
import type { BpfModule, BpfProgram, Extern, GlobalSection, GlobalVar, MapSpec } from "../module.ts";
import { isGplCompatible } from "../bpf/licenses.ts";
import { link } from "../link.ts";
import { LOAD_FLAGS } from "./env.ts";
import { entryOf } from "./kernel-structs.ts";
import type { Program, VerifierMap } from "./verify.ts";

/** Descriptors that stand for maps and sections; any numbers do that no real instruction needs. */
const FIRST_FD = 1_000_000;

const isMapType = (name: string): name is MapTypeName => Object.hasOwn(MAP_TYPES, name);

/** The map as the kernel would see it; undefined for map types that are not known here. */
function verifierMap(map: MapSpec): VerifierMap | undefined {
  if (!isMapType(map.type)) return undefined;
  return {
    name: map.name,
    type: map.type,
    key: map.key === undefined ? 0 : sizeOf(map.key),
    value: map.value === undefined ? 0 : sizeOf(map.value),
    max: map.maxEntries,
    flags: map.flags,
    ...(map.kept ? { kept: map.kept } : {}),
  };
}

/** A section of global variables is an array of one element; that of constants is frozen before the program is loaded. */
function sectionMap(section: GlobalSection, globals: readonly GlobalVar[]): VerifierMap {
  const members = globals.filter((global) => global.section === section);
  const bytes = members.reduce((end, global) => Math.max(end, global.offset + sizeOf(global.layout)), 0);
  const kept = members.flatMap((one) =>
    (one.kept ?? []).map((part) => ({ ...part, offset: one.offset + part.offset })),
  );
  const base = {
    name: section,
    type: "array",
    key: 4,
    value: bytes,
    max: 1,
    ...(kept.length > 0 ? { kept } : {}),
  } as const;
  if (section !== ".rodata") return { ...base, flags: MAP_FLAGS.mmapable };
  const frozen = new Uint8Array(bytes);
  for (const { offset, init } of members) frozen.set(init.subarray(0, bytes - offset), offset);
  // The loader may give a parameter another value: what holds must hold for every one.
  const varying = members
    .filter((global) => global.param)
    .map((global) => ({ start: global.offset, end: global.offset + sizeOf(global.layout) }));
  return { ...base, flags: MAP_FLAGS.mmapable | MAP_FLAGS.readOnlyProgram, frozen, varying };
}

const isKnownFunction = ({ kind, name }: Extern): boolean => kind === "function" && Object.hasOwn(KFUNCS, name);
/** The first reference to something of the running kernel that is not known here. */
function externOf({ externs }: BpfProgram, kernel: WholeKernel | undefined): Program["unknown"] {
  // What is known of a function is asked where it is called.
  const first = externs?.find((one) => (kernel ? one.kind !== "function" : !isKnownFunction(one)));
  return first && { what: `${first.name}, a ${first.kind} of the kernel (an extern)`, insn: first.slot };
}

/** Offsets in programs of other compilers are those of whatever kernel they were compiled with, until a loader has corrected them. */
function foreignOf(module: BpfModule, program: BpfProgram, kernel: WholeKernel | undefined): Program["unknown"] {
  if (program.type !== "struct_ops" || isTarget(module.target)) return undefined;
  if (!kernel) return { what: "struct_ops programs of other compilers without the kernel's types", insn: 0 };
  return program.implements ? undefined : { what: "struct_ops programs that no struct refers to", insn: 0 };
}

/** Whether libbpf loads it as one that may sleep. */
const sleeps = ({ section, type }: BpfProgram): boolean => type === "syscall" || /^\??[a-z_.]+\.s(\/|$)/.test(section);
/** What a tracepoint hands to the program; undefined where that is not known for certain. */
function tracedBy({ section, type }: BpfProgram, kernel: WholeKernel): Program["traced"] {
  const name = /^\??tp_btf\/(\w+)$/.exec(section)?.[1];
  if (type !== "tracing" || name === undefined || !CERTAIN_TRACEPOINTS.has(name)) return undefined;
  const found = kernel.tracepoint(name);
  return found && { ...found, tracepoint: name };
}

/** A member that is not in the tables: of a struct that is, the kernels up to the newest known refuse it. */
const isRefused = (struct: string, release: Version): boolean => isOpsStruct(struct) && isAtLeast(NEWEST, release);

/** What the verifier needs to know of a program; `target` names the kernel, as in compiler/bpf/kernels.ts, `release` its verifier. */
export function verifierProgram(
  module: BpfModule,
  program: BpfProgram,
  target: string,
  release: Version,
  types?: KernelTypes,
  kernel?: WholeKernel,
): Program {
  const maps = new Map<number, VerifierMap>();
  const descriptors = new Map<string, number>();
  const describe = (key: string, make: () => VerifierMap | undefined): number => {
    const known = descriptors.get(key);
    if (known !== undefined) return known;
    const fd = FIRST_FD + descriptors.size;
    descriptors.set(key, fd);
    const map = make();
    if (map !== undefined) maps.set(fd, map);
    return fd;
  };
  let unknown = externOf(program, kernel) ?? foreignOf(module, program, kernel);
  const insns = link(program, (relocation) => {
    if (relocation.kind === "global") {
      const fd = describe(relocation.section, () => sectionMap(relocation.section, module.globals));
      return { src: PSEUDO.mapValue, low: fd, high: relocation.offset };
    }
    const spec = module.maps.find((map) => map.name === relocation.map);
    const known = spec === undefined ? undefined : verifierMap(spec);
    // A map that could not be read (it holds maps or programs, or is in libbpf's old form), or of a type that is not known here.
    if (known === undefined)
      unknown ??= {
        what: `the map ${relocation.map}${spec === undefined ? ", whose definition it does not read" : ` of type ${spec.type}`}`,
        insn: relocation.slot,
      };
    return { src: PSEUDO.mapFd, low: describe(`map ${relocation.map}`, () => known), high: 0 };
  });
  const called = (program.externs ?? []).filter((one) => (kernel ? one.kind === "function" : isKnownFunction(one)));
  const kfuncs = new Map(called.map(({ slot, name }) => [slot, name.replace(/___.*$/, "")]));
  for (const slot of kfuncs.keys()) insns[slot] = { ...insns[slot]!, src: CALL.kfunc, imm: 0 };
  const entry = program.implements && entryOf(program.implements);
  const place = entry ? undefined : program.implements;
  const refused = place !== undefined && isRefused(place.struct, release);
  if (place && !refused) unknown ??= { what: `${place.member} of struct ${place.struct}`, insn: 0 };
  const traced = kernel && tracedBy(program, kernel);
  return {
    insns,
    ...(types ? { types } : {}),
    ...(kernel ? { kernel } : {}),
    ...(entry ? { entry } : {}),
    ...(kfuncs.size > 0 ? { kfuncs } : {}),
    type: program.type,
    attach: program.attachType,
    flags: kernel && sleeps(program) ? LOAD_FLAGS.sleepable : 0,
    ...(traced ? { traced } : {}),
    ...(refused ? { refused: `attach to unsupported member ${place.member} of struct ${place.struct}` } : {}),
    maps,
    typed: true,
    ...(unknown === undefined ? {} : { unknown }),
    gpl: isGplCompatible(module.license),
    release,
    features: kernelNamed(target).features,
  };
}
