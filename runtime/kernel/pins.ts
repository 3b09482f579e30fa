/**
 * Objects that outlive their loader: programs, maps and links pinned in a directory per object on a bpffs, and opened
 * again from there by any process.
 *
 *   ROOT/objects/NAME/programs/PROGRAM   ROOT/objects/NAME/maps/MAP   ROOT/objects/NAME/links/PROGRAM
 */
import { join } from "node:path";
import { type Layout, sizeOf } from "../../compiler/layout.ts";
import type { BpfModule, BpfProgram, GlobalSection, GlobalVar, MapSpec } from "../../compiler/module.ts";
import { decodeBtf, type Btf } from "../../compiler/object/btf.ts";
import { layoutOfSize, layoutReader } from "../../compiler/object/type-layouts.ts";
import { BPF } from "./abi.ts";
import { fdById, SYS_ADMIN } from "./bpf.ts";
import { failed, RuntimeError } from "./errors.ts";
import { closeFd } from "./fd.ts";
import { ringTypedef } from "./kernel-btf.ts";
import { isKind, kernelBtf, mapInfo, programInfo, type Kind } from "./info.ts";
import { linkHandle, type LinkHandle } from "./links.ts";
import { mapHandle, type MapHandle } from "./maps.ts";
import { nameOfPin, pinName } from "./names.ts";
import { loadedObject, type LoadedObject } from "./object.ts";
import { makePinFolder, openPinFolder, openPinParent, type PinFolder } from "./pin-folder.ts";
import { DEFAULT_PIN_ROOT } from "./places.ts";
import { undoList } from "./undo.ts";

const OBJECTS = "objects";
export const objectDirectory = (name: string, root = DEFAULT_PIN_ROOT): string => join(root, OBJECTS, pinName(name));

/** Runs a function over the folder of all objects under a root; undefined without one. */
function inObjects<T>(root: string, use: (objects: PinFolder) => T): T | undefined {
  const folder = openPinFolder(root);
  try {
    const objects = folder?.folder(OBJECTS);
    return objects && use(objects);
  } finally {
    folder?.close();
  }
}

/** The file that an object's name stands for: of ours, or made by somebody else. */
const fileOf = (folder: PinFolder, name: string): string => {
  const ours = pinName(name);
  return !folder.has(ours) && folder.names().includes(name) ? name : ours;
};

/** Names of the objects pinned under a root. Throws where it may not be looked into, or may not be believed. */
export function pinnedObjects(root = DEFAULT_PIN_ROOT): readonly string[] {
  return inObjects(root, (objects) => objects.names().map(nameOfPin)) ?? [];
}

function notPinned(name: string, root: string): RuntimeError {
  const there = pinnedObjects(root);
  return new RuntimeError("not-found", `no object named ${name} is pinned under ${root}`, {
    help: there.length > 0 ? `pinned: ${there.join(", ")}` : "tsbpf list shows what is attached",
  });
}

/** Pins all of an object, and the links given. On failure nothing of it stays pinned. */
export function pinObject(
  object: LoadedObject,
  links: readonly (readonly [program: string, link: LinkHandle])[],
  root = DEFAULT_PIN_ROOT,
): string {
  const undo = undoList();
  const folder = makePinFolder(join(root, OBJECTS), undo);
  try {
    if (folder.has(pinName(object.name)))
      throw new RuntimeError("pin-exists", `an object named ${object.name} is pinned already`, {
        help: `tsbpf detach ${object.name}, or load with --replace, or choose another --name`,
      });
    const directory = folder.makeFolder(pinName(object.name), undo);
    const put = (kind: string, entries: Iterable<readonly [name: string, fd: number]>): void => {
      for (const [name, fd] of entries) directory.makeFolder(kind, undo).pin(pinName(name), fd, undo);
    };
    put("maps", object.mapFds);
    put(
      "programs",
      Object.values(object.programs).map((program) => [program.name, program.fd] as const),
    );
    put(
      "links",
      links.map(([program, link]) => [program, link.fd] as const),
    );
    undo.keep();
    return directory.path;
  } catch (error) {
    undo.run();
    throw error;
  } finally {
    folder.close();
  }
}

export interface PinnedObject {
  readonly object: LoadedObject;
  readonly links: ReadonlyMap<string, LinkHandle>;
  /** The types of maps and globals could not be read, which takes CAP_SYS_ADMIN: values are bytes, globals are left out. */
  readonly untyped: boolean;
  close(): void;
}

/**
 * Opens a pinned object; layouts come from the BTF that the kernel keeps with the maps. A caller who may not open BTF gets
 * the object without them.
 */
export function openObject(name: string, root = DEFAULT_PIN_ROOT): PinnedObject {
  const opened = inObjects(root, (objects) => openIn(objects.folder(fileOf(objects, name)), name));
  if (!opened) throw notPinned(name, root);
  return opened;
}

function openIn(directory: PinFolder | undefined, name: string): PinnedObject | undefined {
  if (!directory) return undefined;
  const undo = undoList();
  let untyped = false;
  const typesOf = (id: number): Btf | undefined => {
    try {
      return readTypes(id);
    } catch (error) {
      if (!(error instanceof RuntimeError) || error.key !== "not-permitted") throw error;
      untyped = true;
      return undefined;
    }
  };
  const each = (kind: Kind): readonly (readonly [string, number])[] => {
    const folder = directory.folder(kind);
    return (folder?.names() ?? []).map((file) => [nameOfPin(file), undo.fd(openAs(folder!, file, kind))] as const);
  };
  try {
    const maps = new Map<string, number>();
    const sections = new Map<GlobalSection, number>();
    const specs: MapSpec[] = [];
    const globals: GlobalVar[] = [];
    for (const [file, fd] of each("maps")) {
      const read = describeMap(file, fd, typesOf);
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
    return { object, links, untyped, close: object.close };
  } catch (error) {
    undo.run();
    throw error;
  }
}

const INT: Layout = { kind: "int", bits: 32, signed: true };

function describeMap(
  file: string,
  fd: number,
  typesOf: (id: number) => Btf | undefined,
): { readonly spec: MapSpec } | { readonly section: GlobalSection; readonly globals: GlobalVar[] } {
  const info = mapInfo(fd);
  const btf = info.btfId === 0 ? undefined : typesOf(info.btfId);
  const section = ([".rodata", ".data", ".bss"] as const).find((name) => name === file);
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

function readTypes(id: number): Btf | undefined {
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

/** Attachments end first. */
const KINDS = ["links", "programs", "maps"] as const satisfies readonly Kind[];

/** Opens a pin, which must be of the kind that its folder is for: the kernel tells of each in its own structure. */
function openAs(folder: PinFolder, file: string, kind: Kind): number {
  const fd = folder.open(file);
  if (isKind(fd, kind)) return fd;
  closeFd(fd);
  throw new RuntimeError("bad-object", `${join(folder.path, file)} is pinned among the ${kind} and is none of them`);
}

/**
 * Calls back with a descriptor of each pin of an object, in turn, and closes it. What cannot be opened or read is left
 * out: the first error of that kind is given back.
 */
export function eachPin(
  name: string,
  root: string,
  use: (kind: Kind, name: string, fd: number) => void,
): RuntimeError | undefined {
  let problem: RuntimeError | undefined;
  const attempt = (step: () => void): void => {
    try {
      step();
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      problem ??= error;
    }
  };
  attempt(() =>
    inObjects(root, (objects) => {
      const directory = objects.folder(fileOf(objects, name));
      for (const kind of KINDS)
        attempt(() => {
          const folder = directory?.folder(kind);
          for (const file of folder?.names() ?? [])
            attempt(() => {
              const fd = openAs(folder!, file, kind);
              try {
                use(kind, nameOfPin(file), fd);
              } finally {
                closeFd(fd);
              }
            });
        });
    }),
  );
  return problem;
}

/**
 * Detaches a pinned object's links and removes all its pins, whatever state they are in. Gives the places that it was
 * attached to, as `place()` of a link does. Throws what went wrong first, after everything else is done.
 */
export function removeObject(name: string, root = DEFAULT_PIN_ROOT): readonly string[] {
  const places: string[] = [];
  let problem: unknown;
  const attempt = (step: () => void): void => {
    try {
      step();
    } catch (error) {
      problem ??= error;
    }
  };
  const folder = openPinFolder(root);
  try {
    const objects = folder?.folder(OBJECTS);
    const file = objects && fileOf(objects, name);
    const directory = file !== undefined ? objects?.folder(file) : undefined;
    if (!objects || !directory || file === undefined) throw notPinned(name, root);
    for (const kind of KINDS) attempt(() => emptyFolder(directory, kind, places, attempt));
    if (!objects.removeFolder(file) && problem === undefined)
      throw new RuntimeError(
        "system",
        `${directory.path} holds files that are not ours: ${directory.names().join(", ")}`,
      );
    folder?.removeFolder(OBJECTS);
  } finally {
    folder?.close();
  }
  // eslint-disable-next-line @typescript-eslint/only-throw-error -- what was caught
  if (problem !== undefined) throw problem;
  attempt(() => removeIfEmpty(root));
  return places;
}

function emptyFolder(directory: PinFolder, kind: Kind, places: string[], attempt: (step: () => void) => void): void {
  const folder = directory.folder(kind);
  if (!folder) return;
  for (const file of folder.names()) {
    attempt(() => {
      if (kind !== "links") return;
      const fd = folder.open(file);
      // What is no link has nothing to end.
      if (!isKind(fd, kind)) return closeFd(fd);
      const link = linkHandle(fd);
      try {
        const place = link.place();
        link.detach();
        if (place !== undefined) places.push(place);
      } finally {
        link.close();
      }
    });
    attempt(() => folder.remove(file));
  }
  directory.removeFolder(kind);
}

/** Other objects or pinned maps may live there. */
function removeIfEmpty(root: string): void {
  const { folder, name } = openPinParent(root);
  try {
    folder.removeFolder(name);
  } finally {
    folder.close();
  }
}

/** A map by "id:N" or by the path of its pin, with layouts from its BTF. */
export function openMap(where: string): { readonly map: MapHandle; close(): void } {
  const fd = where.startsWith("id:") ? mapById(where.slice(3)) : mapByPath(where);
  try {
    if (!isKind(fd, "maps")) throw new RuntimeError("bad-argument", `${where} is not a map`);
    const read = describeMap(mapInfo(fd).name || where, fd, readTypes);
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

function mapById(text: string): number {
  const fd = fdById(BPF.mapFdById, checkId(text, "a map"));
  if (fd === -2) throw new RuntimeError("not-found", `no map ${text}`, { help: "tsbpf show lists maps" });
  if (fd < 0) throw failed("system", `opening map ${text}`, fd, SYS_ADMIN);
  return fd;
}

function mapByPath(path: string): number {
  const { folder, name } = openPinParent(path);
  try {
    return folder.open(name);
  } finally {
    folder.close();
  }
}

/** The id of a program, map or link from text: the kernel counts them in 32 bits. */
export function checkId(text: string, what: string): number {
  const id = Number(text);
  if (!/^\d+$/.test(text) || id < 1 || id > 0xffff_ffff)
    throw new RuntimeError("bad-argument", `${text} is not the id of ${what}`, { help: "ids go from 1 to 4294967295" });
  return id;
}
