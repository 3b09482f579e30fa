/** A loaded object: its maps, params, globals, ring buffers and programs as handles, until closed. */
import type { Layout } from "../../compiler/layout.ts";
import type { BpfModule, GlobalSection, GlobalVar } from "../../compiler/module.ts";
import { kindOf } from "../../compiler/bpf/kinds/index.ts";
import { isKeyless, isRingType } from "../../compiler/bpf/map-types.ts";
import { BPF } from "./abi.ts";
import type { Place } from "./attach-points.ts";
import { bpf } from "./bpf.ts";
import { codecFor, type Value } from "./codec.ts";
import { keyLayout } from "./create-maps.ts";
import { failed, RuntimeError } from "./errors.ts";
import { closeFd } from "./fd.ts";
import { programInfo, type ProgramInfo } from "./info.ts";
import { sectionEnd } from "./kernel-btf.ts";
import { attachTo, type LinkHandle } from "./links.ts";
import { mapHandle, type MapHandle } from "./maps.ts";
import type { StructHandle } from "./struct-ops.ts";
import { streamRing, type RingStream } from "./ring-stream.ts";
import { openRing, ringBytes, type RingReader } from "./ringbuf.ts";
import { syscalls, type Mapping } from "./syscalls.ts";

export interface RingHandle<T = Value> {
  readonly name: string;
  /** Bytes of the ring. */
  readonly size: number;
  readonly layout: Layout | undefined;
  /** Records as they come. `limit`: most records decoded and not yet taken. */
  stream(limit?: number): RingStream<T>;
  /** Reads what is there without decoding or copying; see RingReader. */
  reader(): RingReader;
  /**
   * Records that did not fit, as the program counted them in a global or a one-entry array map named
   * `<ring>Dropped`; undefined when it does not count.
   */
  dropped(): bigint | undefined;
}
export interface GlobalHandle<T = Value> {
  readonly name: string;
  readonly layout: Layout;
  /** A `param`: fixed once the object is loaded. */
  readonly constant: boolean;
  get(): T;
  /** Throws on constants. */
  set(value: T): void;
}
export interface ProgramHandle {
  readonly name: string;
  readonly fd: number;
  readonly type: string;
  info(): ProgramInfo;
  /**
   * Attaches to a cgroup-v2 directory, or on the patched kernel to a network namespace, where it runs after those of the
   * sockets' cgroups; the attachment ends with the returned link.
   */
  attach(place: Place): LinkHandle;
}
export interface LoadedObject {
  readonly name: string;
  readonly module: BpfModule;
  /** Maps with keys by name; ring buffers are under `rings`. */
  readonly maps: Readonly<Record<string, MapHandle>>;
  readonly rings: Readonly<Record<string, RingHandle>>;
  /** Params and mutable globals by name. */
  readonly globals: Readonly<Record<string, GlobalHandle>>;
  readonly programs: Readonly<Record<string, ProgramHandle>>;
  /** Structs of functions that the kernel may be given. */
  readonly structs: Readonly<Record<string, StructHandle>>;
  /** Descriptors of maps by name, of global sections by theirs. */
  readonly mapFds: ReadonlyMap<string, number>;
  /** Attaches every program but those of structs; on failure none stays attached. */
  attach(place: Place): readonly LinkHandle[];
  /** Registers every struct, by its name; on failure none stays registered. */
  register(): ReadonlyMap<string, LinkHandle>;
  /** Closes links, streams and descriptors. What is pinned stays. */
  close(): void;
}

export interface ObjectParts {
  readonly name: string;
  readonly module: BpfModule;
  readonly maps: ReadonlyMap<string, number>;
  readonly sections: ReadonlyMap<GlobalSection, number>;
  readonly programs: ReadonlyMap<string, number>;
  readonly structs?: readonly StructHandle[];
  /** Descriptors that `close` closes. */
  readonly owned: readonly number[];
}

export function loadedObject(parts: ObjectParts): LoadedObject {
  const { module } = parts;
  const links = new Set<LinkHandle>();
  const closers = new Set<() => void>();
  const mappings = new Map<GlobalSection, Mapping | undefined>();
  let open = true;

  // Without a prototype: a map may be called "constructor".
  const maps = Object.create(null) as Record<string, MapHandle>;
  const rings = Object.create(null) as Record<string, RingHandle>;
  const globals = Object.create(null) as Record<string, GlobalHandle>;
  for (const map of module.maps) {
    const fd = parts.maps.get(map.name);
    if (fd === undefined) continue;
    if (isRingType(map.type)) {
      rings[map.name] = ringHandle(
        fd,
        map.name,
        ringBytes(map.maxEntries),
        map.value,
        () => dropped(maps, globals, map.name),
        closers,
      );
    } else if (!isKeyless(map.type)) {
      const value = map.value ?? { kind: "array", of: { kind: "int", bits: 8, signed: false }, length: 0 };
      maps[map.name] = mapHandle(fd, {
        name: map.name,
        type: map.type,
        key: keyLayout(map),
        value,
        maxEntries: map.maxEntries,
      });
    }
  }
  const bytesOf = (section: GlobalSection): Mapping | undefined => {
    const fd = parts.sections.get(section);
    if (!mappings.has(section)) {
      const size = Math.ceil(sectionEnd(module, section) / 4096) * 4096;
      const made = fd === undefined || section === ".rodata" ? -1 : syscalls().mmap(fd, size, "read-write", 0);
      mappings.set(section, typeof made === "number" ? undefined : made);
    }
    return mappings.get(section);
  };
  for (const variable of module.globals) {
    const fd = parts.sections.get(variable.section);
    if (fd === undefined) continue;
    globals[variable.name] = globalHandle(fd, module, variable, () => {
      if (!open) throw new RuntimeError("closed", `${parts.name} is closed`);
      return bytesOf(variable.section);
    });
  }
  const programs = Object.create(null) as Record<string, ProgramHandle>;
  for (const program of module.programs) {
    const fd = parts.programs.get(program.name);
    if (fd === undefined) continue;
    programs[program.name] = {
      name: program.name,
      fd,
      type: program.type,
      info: () => programInfo(fd),
      attach(place) {
        const link = attachTo(fd, program, place);
        links.add(link);
        return link;
      },
    };
  }

  return {
    name: parts.name,
    module,
    maps,
    rings,
    globals,
    programs,
    structs: Object.fromEntries((parts.structs ?? []).map((one) => [one.name, one])),
    mapFds: new Map<string, number>([...parts.maps, ...parts.sections]),
    attach(place) {
      const made: LinkHandle[] = [];
      try {
        for (const program of Object.values(programs))
          if (attachesAlone(program.type)) made.push(program.attach(place));
        return made;
      } catch (error) {
        for (const link of made) link.close();
        throw error;
      }
    },
    register() {
      const made = new Map<string, LinkHandle>();
      try {
        for (const one of parts.structs ?? []) {
          const link = one.register();
          links.add(link);
          made.set(one.name, link);
        }
        return made;
      } catch (error) {
        for (const link of made.values()) link.close();
        throw error;
      }
    },
    close() {
      if (!open) return;
      open = false;
      for (const link of links) link.close();
      for (const close of closers) close();
      for (const mapping of mappings.values()) if (mapping) syscalls().munmap(mapping);
      for (const fd of parts.owned) closeFd(fd);
    },
  };
}

/** Whether programs of a type are attached one by one; those of structs are registered with their struct. */
export const attachesAlone = (type: string): boolean => kindOf(type)?.attaches !== "struct_ops";

function ringHandle(
  fd: number,
  name: string,
  size: number,
  layout: Layout | undefined,
  droppedRecords: () => bigint | undefined,
  closers: Set<() => void>,
): RingHandle {
  return {
    name,
    size,
    layout,
    stream(limit) {
      const reader = openRing(fd, size, name);
      const stream = streamRing(fd, reader, layout, limit);
      closers.add(() => {
        stream.close();
        reader.close();
      });
      return stream as RingStream<Value>;
    },
    reader() {
      const reader = openRing(fd, size, name);
      closers.add(reader.close);
      return reader;
    },
    dropped: droppedRecords,
  };
}

function dropped(
  maps: Readonly<Record<string, MapHandle>>,
  globals: Readonly<Record<string, GlobalHandle>>,
  ring: string,
): bigint | undefined {
  const name = `${ring}Dropped`;
  const variable = globals[name];
  if (variable) return BigInt(variable.get() as number | bigint);
  const map = maps[name];
  if (!map) return undefined;
  const value = map.get(0) as number | bigint | readonly (number | bigint)[] | undefined;
  const each = Array.isArray(value) ? (value as readonly (number | bigint)[]) : [value as number | bigint];
  return each.reduce<bigint>((sum, count) => sum + BigInt(count ?? 0), 0n);
}

/** Variables are read and written in place through the mapping, or through the system call where it cannot be mapped. */
function globalHandle(
  fd: number,
  module: BpfModule,
  variable: GlobalVar,
  mapping: () => Mapping | undefined,
): GlobalHandle {
  const codec = codecFor(variable.layout);
  const constant = variable.section === ".rodata";
  const whole = (): Uint8Array => {
    const bytes = new Uint8Array(Math.ceil(sectionEnd(module, variable.section) / 8) * 8);
    const result = bpf(BPF.mapLookup, "element", { map_fd: fd, key: new Uint8Array(4), value: bytes });
    if (result < 0) throw failed("map-operation", `reading ${variable.name}`, result);
    return bytes;
  };
  const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    name: variable.name,
    layout: variable.layout,
    constant,
    get: () => codec.read(viewOf(mapping()?.bytes ?? whole()), variable.offset),
    set(value) {
      if (constant)
        throw new RuntimeError("bad-param", `${variable.name} is fixed once the object is loaded`, {
          help: "give it when loading: load(object, { params: { … } })",
        });
      const fresh = new Uint8Array(codec.size);
      codec.write(viewOf(fresh), 0, value, variable.name);
      const mapped = mapping();
      if (mapped) {
        mapped.bytes.set(fresh, variable.offset);
        return;
      }
      const bytes = whole();
      bytes.set(fresh, variable.offset);
      const result = bpf(BPF.mapUpdate, "element", { map_fd: fd, key: new Uint8Array(4), value: bytes });
      if (result < 0) throw failed("map-operation", `writing ${variable.name}`, result);
    },
  };
}
