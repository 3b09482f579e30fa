/**
 * Objects that outlive their loader: programs, maps and links pinned in a directory per object on a bpffs, and opened
 * again from there by any process.
 *
 *   ROOT/objects/NAME/programs/PROGRAM   ROOT/objects/NAME/maps/MAP   ROOT/objects/NAME/links/PROGRAM
 */
import { existsSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import type { Layout } from "../../compiler/layout.ts";
import { sizeOf } from "../../compiler/layout.ts";
import type { BpfModule, BpfProgram, GlobalSection, GlobalVar, MapSpec } from "../../compiler/module.ts";
import { decodeBtf, type Btf } from "../../compiler/object/btf.ts";
import { layoutOfSize, layoutReader } from "../../compiler/object/type-layouts.ts";
import { BPF } from "./abi.ts";
import { fdById, openPin, pin } from "./bpf.ts";
import { failed, RuntimeError } from "./errors.ts";
import { closeFd } from "./fd.ts";
import { ringTypedef } from "./kernel-btf.ts";
import { kernelBtf, mapInfo, programInfo } from "./info.ts";
import { linkHandle, openPinnedLink, removePin, type LinkHandle } from "./links.ts";
import { mapHandle, type MapHandle } from "./maps.ts";
import { pinName } from "./names.ts";
import { loadedObject, type LoadedObject } from "./object.ts";
import { DEFAULT_PIN_ROOT, needBpffs } from "./places.ts";
import { makeDirectory, undoList } from "./undo.ts";

const objectsOf = (root: string): string => join(root, "objects");
export const objectDirectory = (name: string, root = DEFAULT_PIN_ROOT): string => join(objectsOf(root), pinName(name));

/** Names of the objects pinned under a root. */
export function pinnedObjects(root = DEFAULT_PIN_ROOT): readonly string[] {
  const directory = objectsOf(root);
  return existsSync(directory) ? readdirSync(directory).toSorted() : [];
}

/** Pins all of an object, and the links given. On failure nothing of it stays pinned. */
export function pinObject(
  object: LoadedObject,
  links: readonly (readonly [program: string, link: LinkHandle])[],
  root = DEFAULT_PIN_ROOT,
): string {
  needBpffs(root);
  const directory = objectDirectory(object.name, root);
  if (existsSync(directory))
    throw new RuntimeError("pin-exists", `an object named ${object.name} is pinned already`, {
      help: `tsbpf detach ${object.name}, or load with --replace, or choose another --name`,
    });
  const undo = undoList();
  const put = (kind: string, name: string, fd: number): void => {
    makeDirectory(join(directory, kind), undo);
    const path = join(directory, kind, pinName(name));
    const result = pin(fd, path);
    if (result < 0) throw failed("system", `pinning ${path}`, result);
    undo.file(path);
  };
  try {
    for (const [name, fd] of object.mapFds) put("maps", name, fd);
    for (const program of Object.values(object.programs)) put("programs", program.name, program.fd);
    for (const [program, link] of links) put("links", program, link.fd);
    undo.keep();
    return directory;
  } catch (error) {
    undo.run();
    throw error;
  }
}

export interface PinnedObject {
  readonly object: LoadedObject;
  readonly links: ReadonlyMap<string, LinkHandle>;
  close(): void;
}

/** Opens a pinned object; layouts come from the BTF that the kernel keeps with the maps. */
export function openObject(name: string, root = DEFAULT_PIN_ROOT): PinnedObject {
  const directory = objectDirectory(name, root);
  if (!existsSync(directory))
    throw new RuntimeError("not-found", `no object named ${name} is pinned under ${root}`, {
      help:
        pinnedObjects(root).length > 0
          ? `pinned: ${pinnedObjects(root).join(", ")}`
          : "tsbpf list shows what is attached",
    });
  const undo = undoList();
  const each = (kind: string): readonly (readonly [string, number])[] => {
    const at = join(directory, kind);
    return (existsSync(at) ? readdirSync(at).toSorted() : []).map((file) => {
      const fd = openPin(join(at, file));
      if (fd < 0) throw failed("system", `opening ${join(at, file)}`, fd);
      return [file, undo.fd(fd)] as const;
    });
  };
  try {
    const maps = new Map<string, number>();
    const sections = new Map<GlobalSection, number>();
    const specs: MapSpec[] = [];
    const globals: GlobalVar[] = [];
    for (const [file, fd] of each("maps")) {
      const read = describeMap(file, fd);
      if ("spec" in read) {
        maps.set(read.spec.name, fd);
        specs.push(read.spec);
      } else {
        sections.set(read.section, fd);
        globals.push(...read.globals);
      }
    }
    const programs = each("programs");
    const types = programs.map(([, fd]) => programInfo(fd).btfId).flatMap((id) => (id === 0 ? [] : [typesOf(id)]));
    const withRecords = specs.map((spec) =>
      spec.type === "ringbuf" ? { ...spec, ...ringValue(spec.name, types) } : spec,
    );
    const module: BpfModule = {
      license: "",
      target: "unknown",
      needs: [],
      maps: withRecords,
      globals,
      programs: programs.map(([file, fd]) => describeProgram(file, fd)),
      sources: [],
    };
    const links = new Map(each("links").map(([file, fd]) => [file, linkHandle(fd)]));
    const object = loadedObject({ name, module, maps, sections, programs: new Map(programs), owned: undo.keep() });
    return { object, links, close: object.close };
  } catch (error) {
    undo.run();
    throw error;
  }
}

const INT: Layout = { kind: "int", bits: 32, signed: true };

function describeMap(
  file: string,
  fd: number,
): { readonly spec: MapSpec } | { readonly section: GlobalSection; readonly globals: GlobalVar[] } {
  const info = mapInfo(fd);
  const btf = info.btfId === 0 ? undefined : typesOf(info.btfId);
  // Sections are pinned as _rodata, _data and _bss, because a bpffs takes no dots.
  const section = ([".rodata", ".data", ".bss"] as const).find((name) => pinName(name) === file);
  if (section) return { section, globals: btf ? variables(btf, info.btfValueType, section) : [] };
  const layoutOf = btf ? layoutReader(btf) : () => undefined;
  const ring = info.type === "ringbuf";
  return {
    spec: {
      name: file,
      type: info.type,
      ...(ring
        ? {}
        : {
            key: layoutOf(info.btfKeyType) ?? layoutOfSize(info.keySize),
            value: layoutOf(info.btfValueType) ?? layoutOfSize(info.valueSize),
          }),
      maxEntries: info.maxEntries,
      flags: info.flags,
      pinned: false,
      initial: [],
    },
  };
}

function typesOf(id: number): Btf | undefined {
  const decoded = decodeBtf(kernelBtf(id));
  return "value" in decoded ? decoded.value : undefined;
}

/** The layout of a ring buffer's records, from the types of the programs that write them. */
function ringValue(name: string, types: readonly (Btf | undefined)[]): { readonly value?: Layout } {
  for (const btf of types) {
    const id = btf?.types.findIndex((type) => type?.kind === "typedef" && type.name === ringTypedef(name)) ?? -1;
    const value = btf && id > 0 ? layoutReader(btf)(id) : undefined;
    if (value) return { value };
  }
  return {};
}

function variables(btf: Btf, datasec: number, section: GlobalSection): GlobalVar[] {
  const type = btf.types[datasec];
  if (type?.kind !== "datasec") return [];
  const layoutOf = layoutReader(btf);
  return type.vars.flatMap((entry) => {
    const variable = btf.types[entry.type];
    if (variable?.kind !== "var") return [];
    const layout = layoutOf(variable.type) ?? INT;
    return [
      {
        name: variable.name,
        section,
        offset: entry.offset,
        layout,
        init: new Uint8Array(sizeOf(layout)),
        param: section === ".rodata",
      },
    ];
  });
}

function describeProgram(name: string, fd: number): BpfProgram {
  const { type } = programInfo(fd);
  return { name, section: "", type, attachType: 0, insns: [], relocations: [], lines: [], functions: [], stack: 0 };
}

/** Detaches a pinned object's links and removes all its pins. Gives the cgroups that it was attached to. */
export function removeObject(name: string, root = DEFAULT_PIN_ROOT): readonly string[] {
  const directory = objectDirectory(name, root);
  if (!existsSync(directory)) openObject(name, root);
  const cgroups: string[] = [];
  const links = join(directory, "links");
  for (const file of existsSync(links) ? readdirSync(links) : []) {
    const link = openPinnedLink(join(links, file));
    const cgroup = link.cgroup();
    if (cgroup !== undefined) cgroups.push(cgroup);
    link.detach();
    link.close();
  }
  for (const kind of ["links", "programs", "maps"]) {
    const at = join(directory, kind);
    if (!existsSync(at)) continue;
    for (const file of readdirSync(at)) removePin(join(at, file));
    rmdirSync(at);
  }
  rmdirSync(directory);
  removeIfEmpty(objectsOf(root));
  removeIfEmpty(root);
  return cgroups;
}

function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // Other objects or pinned maps live there.
  }
}

/**
 * Puts the programs of `next` in place of those of the pinned object, each by one atomic update of its link, then moves
 * the pins. Programs are matched by name; with one on each side, names may differ.
 */
export function replaceObject(pinned: PinnedObject, next: LoadedObject, root = DEFAULT_PIN_ROOT): void {
  const fresh = Object.values(next.programs);
  const links = [...pinned.links];
  for (const [name, link] of links) {
    const match = next.programs[name] ?? (fresh.length === 1 && links.length === 1 ? fresh[0] : undefined);
    if (!match)
      throw new RuntimeError("not-found", `the new object has no program ${name} to replace the attached one`, {
        help: `it has ${fresh.map((program) => program.name).join(", ")}; detach the old object first`,
      });
    link.replace(match.fd);
  }
  const directory = objectDirectory(pinned.object.name, root);
  for (const [kind, entries] of [
    ["programs", fresh.map((program) => [program.name, program.fd] as const)],
    ["maps", [...next.mapFds]],
  ] as const) {
    const at = join(directory, kind);
    const undo = undoList();
    makeDirectory(at, undo);
    undo.keep();
    const names = new Set(entries.map(([name]) => pinName(name)));
    for (const file of readdirSync(at)) if (!names.has(file)) removePin(join(at, file));
    for (const [name, fd] of entries) {
      const path = join(at, pinName(name));
      removePin(path);
      const result = pin(fd, path);
      if (result < 0) throw failed("system", `pinning ${path}`, result);
    }
  }
}

/** A map by "id:N" or by the path of its pin, with layouts from its BTF. */
export function openMap(where: string): { readonly map: MapHandle; close(): void } {
  const fd = where.startsWith("id:") ? fdById(BPF.mapFdById, Number(where.slice(3))) : openPin(where);
  if (fd < 0) throw failed(fd === -2 ? "not-found" : "system", `opening map ${where}`, fd);
  try {
    const read = describeMap(mapInfo(fd).name || where, fd);
    const spec = "spec" in read ? read.spec : undefined;
    if (!spec?.key || !spec.value) throw new RuntimeError("not-found", `${where} is not a map with keys and values`);
    const map = mapHandle(fd, {
      name: spec.name,
      type: spec.type,
      key: spec.key,
      value: spec.value,
      maxEntries: spec.maxEntries,
    });
    return { map, close: () => closeFd(fd) };
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}
