/** The maps of an object in the kernel: made, reused from pins or from an earlier load, and filled. */
import { join } from "node:path";
import { isRingType, MAP_FLAGS, MAP_TYPES, mapType, type MapTypeName } from "../../compiler/bpf/map-types.ts";
import { sizeOf, type Layout } from "../../compiler/layout.ts";
import type { BpfModule, GlobalSection, MapSpec } from "../../compiler/module.ts";
import { BPF } from "./abi.ts";
import { bpf, type AttrFields } from "./bpf.ts";
import { failed, RuntimeError } from "./errors.ts";
import { mapInfo, type MapInfo } from "./info.ts";
import { SECTIONS, sectionSize, type KernelBtf } from "./kernel-btf.ts";
import { objectName, pinName } from "./names.ts";
import { makePinFolder, openPinFolder } from "./pin-folder.ts";
import { ringBytes } from "./ringbuf.ts";
import type { Undo } from "./undo.ts";

export interface MapContext {
  readonly module: BpfModule;
  readonly btf: KernelBtf;
  /** Absent when the kernel took no BTF. */
  readonly btfFd: number | undefined;
  /** Where maps that are declared `pinned` live. */
  readonly pinRoot: string;
  /** Descriptors of maps to use instead of new ones, by name (a program is being replaced). */
  readonly reuse: ReadonlyMap<string, number>;
  readonly undo: Undo;
}

const INT: Layout = { kind: "int", bits: 32, signed: true };
export const keyLayout = (map: MapSpec): Layout => map.key ?? INT;

interface Wanted {
  readonly type: MapTypeName;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
}

function wanted(map: MapSpec): Wanted {
  if (!(map.type in MAP_TYPES)) throw new RuntimeError("bad-object", `map ${map.name}: unknown map type "${map.type}"`);
  const type = map.type as MapTypeName;
  const { keyless, ring, ownedStorage: storage, noPrealloc } = mapType(type)!;
  return {
    type,
    keySize: keyless ? 0 : map.key ? sizeOf(map.key) : storage ? 4 : 0,
    valueSize: ring || !map.value ? 0 : sizeOf(map.value),
    maxEntries: storage ? 0 : ring ? ringBytes(map.maxEntries) : map.maxEntries,
    flags: map.flags | (noPrealloc ? MAP_FLAGS.noPrealloc : 0),
  };
}

/** Makes (or reuses) one map and gives its descriptor, registered with `undo`. */
export function createMap(context: MapContext, map: MapSpec): number {
  const want = wanted(map);
  const given = context.reuse.get(map.name);
  if (given !== undefined) {
    checkSame(map.name, want, mapInfo(given), "the map in use");
    return given;
  }
  if (!map.pinned) return filled(context, map, want);
  const name = pinName(map.name);
  const path = join(context.pinRoot, "maps");
  const before = openPinFolder(path);
  try {
    if (before?.has(name)) {
      const fd = context.undo.fd(before.open(name));
      checkSame(map.name, want, mapInfo(fd), `the map pinned at ${join(path, name)}`);
      return fd;
    }
  } finally {
    before?.close();
  }
  const fd = filled(context, map, want);
  const folder = makePinFolder(path, context.undo);
  try {
    folder.pin(name, fd, context.undo);
  } finally {
    folder.close();
  }
  return fd;
}

function filled(context: MapContext, map: MapSpec, want: Wanted): number {
  const fd = context.undo.fd(create(context, map, want));
  fill(fd, map);
  return fd;
}

function create({ btf, btfFd }: MapContext, map: MapSpec, want: Wanted): number {
  const fields: AttrFields<"mapCreate"> = {
    map_type: MAP_TYPES[want.type].number,
    key_size: want.keySize,
    value_size: want.valueSize,
    max_entries: want.maxEntries,
    map_flags: want.flags,
    map_name: objectName(map.name),
  };
  const ids = isRingType(want.type) ? undefined : btf.maps.get(map.name);
  if (btfFd !== undefined && ids) {
    const fd = bpf(BPF.mapCreate, "mapCreate", {
      ...fields,
      btf_fd: btfFd,
      btf_key_type_id: ids.key,
      btf_value_type_id: ids.value,
    });
    if (fd >= 0) return fd;
    // Some map types take no BTF; per-socket storage takes nothing else.
    if (mapType(want.type)?.ownedStorage || fd === -1) throw mapError(map, want, fd);
  }
  const fd = bpf(BPF.mapCreate, "mapCreate", fields);
  if (fd < 0) throw mapError(map, want, fd);
  return fd;
}

function mapError(map: MapSpec, want: Wanted, errno: number): RuntimeError {
  const about = `creating map ${map.name} (${want.type}, key ${want.keySize} bytes, value ${want.valueSize} bytes, ${want.maxEntries} entries)`;
  if (isRingType(want.type) && errno === -22)
    return failed("map-create", about, errno, "a ring buffer's size is a power of two and a multiple of the page size");
  return failed("map-create", about, errno);
}

function checkSame(name: string, want: Wanted, have: MapInfo, where: string): void {
  const differences = [
    have.type !== want.type && `type ${have.type} instead of ${want.type}`,
    have.keySize !== want.keySize && `keys of ${have.keySize} instead of ${want.keySize} bytes`,
    have.valueSize !== want.valueSize && `values of ${have.valueSize} instead of ${want.valueSize} bytes`,
    have.maxEntries !== want.maxEntries &&
      want.maxEntries !== 0 &&
      `${have.maxEntries} instead of ${want.maxEntries} entries`,
  ].filter((text) => text !== false);
  if (differences.length > 0)
    throw new RuntimeError("pin-differs", `${where} does not fit ${name}: ${differences.join(", ")}`, {
      help: "remove the old pin, or rename the map",
    });
}

function fill(fd: number, map: MapSpec): void {
  for (const { key, value } of map.initial) {
    const result = bpf(BPF.mapUpdate, "element", { map_fd: fd, key, value });
    if (result < 0) throw failed("map-operation", `storing an initial value of ${map.name}`, result);
  }
}

/** A global section as a one-entry array that user space can map; constants are frozen before any program is loaded. */
export function createSection(
  context: MapContext,
  section: GlobalSection,
  content: Uint8Array,
  objectLabel: string,
): number {
  const { btf, btfFd, undo } = context;
  const given = context.reuse.get(section);
  if (given !== undefined) return given;
  const constant = section === ".rodata";
  const datasec = btfFd === undefined ? undefined : btf.sections.get(section);
  const fields: AttrFields<"mapCreate"> = {
    map_type: MAP_TYPES.array.number,
    key_size: 4,
    value_size: content.length,
    max_entries: 1,
    map_flags: MAP_FLAGS.mmapable | (constant ? MAP_FLAGS.readOnlyProgram : 0),
    map_name: objectName(`${objectLabel.slice(0, 8)}${section}`),
  };
  let fd = -1;
  if (datasec !== undefined)
    fd = bpf(BPF.mapCreate, "mapCreate", { ...fields, btf_fd: btfFd, btf_key_type_id: 0, btf_value_type_id: datasec });
  if (fd < 0) fd = bpf(BPF.mapCreate, "mapCreate", fields);
  // Kernels before 5.5 cannot map arrays; reading through the system call works as well.
  if (fd === -22)
    fd = bpf(BPF.mapCreate, "mapCreate", { ...fields, map_flags: constant ? MAP_FLAGS.readOnlyProgram : 0 });
  if (fd < 0) throw failed("map-create", `creating the map for ${section} (${content.length} bytes)`, fd);
  undo.fd(fd);
  const result = bpf(BPF.mapUpdate, "element", { map_fd: fd, key: new Uint8Array(4), value: content });
  if (result < 0) throw failed("map-operation", `storing ${section}`, result);
  if (constant) {
    const frozen = bpf(BPF.mapFreeze, "element", { map_fd: fd });
    if (frozen < 0) throw failed("map-operation", `freezing ${section}`, frozen);
  }
  return fd;
}

/** The bytes of a section: the initial values of its variables. */
export function sectionContent(module: BpfModule, section: GlobalSection): Uint8Array {
  const bytes = new Uint8Array(sectionSize(module, section));
  for (const variable of module.globals) {
    if (variable.section !== section) continue;
    bytes.set(variable.init.subarray(0, sizeOf(variable.layout)), variable.offset);
  }
  return bytes;
}

/** The sections that the module has, in a fixed order. */
export const usedSections = (module: BpfModule): readonly GlobalSection[] =>
  SECTIONS.filter((section) => sectionSize(module, section) > 0);
