/** New programs in place of a pinned object's: each by one atomic update of its link, or none of them. */
import { BPF } from "./abi.ts";
import { inodeOf, isAt, placeIn, pointOfKind, type Place } from "./attach-points.ts";
import { fdById } from "./bpf.ts";
import { RuntimeError } from "./errors.ts";
import { closeFd } from "./fd.ts";
import type { LinkHandle } from "./links.ts";
import { pinName } from "./names.ts";
import { attachesAlone, type LoadedObject, type ProgramHandle } from "./object.ts";
import { makePinFolder, type PinFolder } from "./pin-folder.ts";
import { objectDirectory, type PinnedObject } from "./pins.ts";
import { DEFAULT_PIN_ROOT } from "./places.ts";
import type { StructHandle } from "./struct-ops.ts";
import { undoList, type Undo } from "./undo.ts";

/** New programs in place of old ones, as long as it is open whether that stays so. */
export interface Placed {
  /** They belong to the two objects. */
  readonly links: ReadonlyMap<string, LinkHandle>;
  /** It stays: what was attached elsewhere ends. */
  keep(): void;
  /** Attachments and pins are as before. Call it before the old object is closed. */
  undo(): void;
}

/**
 * Puts the programs of `next` in place of those of the pinned object, then moves the pins. Programs are matched by name;
 * with one on each side, names may differ. With a place, what is attached nowhere or elsewhere is attached there.
 * Throws RuntimeError; what was attached and pinned is so as before then.
 */
export function putInPlace(pinned: PinnedObject, next: LoadedObject, root = DEFAULT_PIN_ROOT, place?: Place): Placed {
  const target = place === undefined ? undefined : inodeOf(place);
  const old = matched(pinned, next);
  const undo = undoList();
  const links = new Map<string, LinkHandle>();
  const left: LinkHandle[] = [];
  try {
    for (const one of Object.values(next.structs)) links.set(one.name, takeOver(pinned.links.get(one.name), one, undo));
    for (const program of Object.values(next.programs)) {
      if (!attachesAlone(program.type)) continue;
      const before = old.get(program.name);
      const where = before && placeIn(before.info());
      if (before && !where?.inode && place === undefined) {
        const { gone, noun, option } = pointOfKind(where?.kind);
        const { name } = pinned.object;
        throw new RuntimeError(gone, `${noun} of ${name} is gone`, {
          help: `load it again with --replace ${option}; or tsbpf detach ${name}`,
        });
      }
      if (before && (place === undefined || isAt(before.info(), place, target))) {
        update(before, program, undo);
        links.set(program.name, before);
      } else if (place !== undefined) {
        const made = program.attach(place);
        undo.step(() => made.detach());
        links.set(program.name, made);
        if (before) left.push(before);
      }
    }
    const directory = objectDirectory(pinned.object.name, root);
    undo.step(() => movePins(pinned.object, pinned.links, makePinFolder(directory, undoList())));
    movePins(next, links, makePinFolder(directory, undo));
  } catch (error) {
    undo.run();
    throw error;
  }
  return {
    links,
    keep() {
      for (const fd of undo.keep()) closeFd(fd);
      for (const link of left) link.detach();
    },
    undo: () => undo.run(),
  };
}

/** `putInPlace` for good; gives the links. */
export function replaceObject(
  pinned: PinnedObject,
  next: LoadedObject,
  root = DEFAULT_PIN_ROOT,
  place?: Place,
): ReadonlyMap<string, LinkHandle> {
  const placed = putInPlace(pinned, next, root, place);
  placed.keep();
  return placed.links;
}

/** The present link of each new program that has one. */
function matched(pinned: PinnedObject, next: LoadedObject): ReadonlyMap<string, LinkHandle> {
  const fresh = Object.values(next.programs);
  const result = new Map<string, LinkHandle>();
  for (const [name, link] of pinned.links) {
    if (next.structs[name]) continue;
    const match = next.programs[name] ?? (fresh.length === 1 && pinned.links.size === 1 ? fresh[0] : undefined);
    if (!match)
      throw new RuntimeError("not-found", `the new object has no program ${name} to replace the attached one`, {
        help: `it has ${fresh.map((program) => program.name).join(", ")}; detach the old object first`,
      });
    result.set(match.name, link);
  }
  return result;
}

/** A struct in place of the one that a link holds, or registered anew where there is none. */
function takeOver(before: LinkHandle | undefined, struct: StructHandle, undo: Undo): LinkHandle {
  if (!before) {
    const made = struct.register();
    undo.step(() => made.detach());
    return made;
  }
  const former = fdById(BPF.mapFdById, before.info().mapId ?? 0);
  if (former < 0) {
    before.replace(struct.fd);
    return before;
  }
  undo.fd(former);
  before.replace(struct.fd, former);
  undo.step(() => before.replace(former, struct.fd));
  return before;
}

function update(link: LinkHandle, program: ProgramHandle, undo: Undo): void {
  const former = fdById(BPF.progFdById, link.info().programId);
  // Without the right to open the former program there is no way back; its pin still names it.
  if (former < 0) return link.replace(program.fd);
  undo.fd(former);
  link.replace(program.fd, former);
  undo.step(() => link.replace(former, program.fd));
}

function movePins(next: LoadedObject, links: ReadonlyMap<string, LinkHandle>, directory: PinFolder): void {
  try {
    for (const [kind, entries] of [
      ["links", [...links].map(([name, link]) => [name, link.fd] as const)],
      ["programs", Object.values(next.programs).map((program) => [program.name, program.fd] as const)],
      ["maps", [...next.mapFds]],
    ] as const) {
      const none = undoList();
      const folder = directory.makeFolder(kind, none);
      none.keep();
      const names = new Set(entries.map(([name]) => pinName(name)));
      for (const [name, fd] of entries) folder.replace(pinName(name), fd);
      for (const file of folder.names()) if (!names.has(file)) folder.remove(file);
      if (entries.length === 0) directory.removeFolder(kind);
    }
  } finally {
    directory.close();
  }
}
