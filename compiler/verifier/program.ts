/** From a program of a module, with relocations in place of map descriptors, to the verifier's input. */
import type { KernelTypes } from "../bpf/kernel-types.ts";
import { kernelNamed, isTarget } from "../bpf/kernels.ts";
import { KFUNCS } from "../bpf/kfuncs.ts";
import { MAP_FLAGS, MAP_TYPES, type MapTypeName } from "../bpf/map-types.ts";
import { CALL, PSEUDO } from "../bpf/opcodes.ts";
import type { Version } from "../bpf/verifier-rules.ts";
import { sizeOf } from "../layout.ts";
import type { BpfModule, BpfProgram, Extern, GlobalSection, GlobalVar, MapSpec } from "../module.ts";
import { isGplCompatible } from "../bpf/licenses.ts";
import { link } from "../link.ts";
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
  };
}

/** A section of global variables is an array of one element; that of constants is frozen before the program is loaded. */
function sectionMap(section: GlobalSection, globals: readonly GlobalVar[]): VerifierMap {
  const members = globals.filter((global) => global.section === section);
  const bytes = members.reduce((end, global) => Math.max(end, global.offset + sizeOf(global.layout)), 0);
  const base = { name: section, type: "array", key: 4, value: bytes, max: 1 } as const;
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
function externOf({ externs }: BpfProgram): Program["unknown"] {
  const first = externs?.find((one) => !isKnownFunction(one));
  return first && { what: `${first.name}, a ${first.kind} of the kernel (an extern)`, insn: first.slot };
}

/** Offsets in programs of other compilers are those of whatever kernel they were compiled with, until a loader has corrected them. */
const foreignOf = (module: BpfModule, program: BpfProgram): Program["unknown"] =>
  program.type === "struct_ops" && !isTarget(module.target)
    ? { what: "struct_ops programs of other compilers", insn: 0 }
    : undefined;

/** What the verifier needs to know of a program; `target` names the kernel, as in compiler/bpf/kernels.ts, `release` its verifier. */
export function verifierProgram(
  module: BpfModule,
  program: BpfProgram,
  target: string,
  release: Version,
  types?: KernelTypes,
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
  let unknown = externOf(program) ?? foreignOf(module, program);
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
  const kfuncs = new Map((program.externs ?? []).filter(isKnownFunction).map(({ slot, name }) => [slot, name]));
  for (const slot of kfuncs.keys()) insns[slot] = { ...insns[slot]!, src: CALL.kfunc, imm: 0 };
  const entry = program.implements && entryOf(program.implements);
  return {
    insns,
    ...(types ? { types } : {}),
    ...(entry ? { entry } : {}),
    ...(kfuncs.size > 0 ? { kfuncs } : {}),
    type: program.type,
    attach: program.attachType,
    flags: 0,
    maps,
    typed: true,
    ...(unknown === undefined ? {} : { unknown }),
    gpl: isGplCompatible(module.license),
    release,
    features: kernelNamed(target).features,
  };
}
