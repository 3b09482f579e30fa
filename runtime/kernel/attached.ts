/** Where programs are attached, as the kernel says at this moment: nothing is called attached that it does not confirm. */
import { watch as watchFile, type FSWatcher } from "node:fs";
import type { BpfModule } from "../../compiler/module.ts";
import { inodeIfThere, isAt, placeIn, placeNoun, placeText, pointOf, type Place } from "./attach-points.ts";
import { RuntimeError } from "./errors.ts";
import type { LinkHandle } from "./links.ts";
import { consequence, holdersOf, neighboursAt, whose } from "./neighbours.ts";
import { STRUCT_OPS_LINK } from "./info.ts";
import { attachesAlone, type LoadedObject } from "./object.ts";
import { readPinned, type PinnedInfo } from "./in-sight.ts";

/** Throws unless each program of an object is attached, by the link of its name, to one place. */
export function confirmAttached(object: LoadedObject, links: ReadonlyMap<string, LinkHandle>, place: Place): void {
  const inode = inodeIfThere(place);
  for (const program of Object.values(object.programs)) {
    if (!attachesAlone(program.type)) continue;
    const link = links.get(program.name)?.info();
    if (link && isAt(link, place, inode) && link.programId === program.info().id) continue;
    throw inode === undefined
      ? new RuntimeError(pointOf(place).gone, `${placeNoun(place)} is gone`)
      : new RuntimeError("attach", `the kernel does not have ${program.name} attached to ${placeText(place)}`);
  }
}

/** Attaches what is attached, where a place for it is given, and registers the structs; the links by name. */
export function attachAll(object: LoadedObject, place: Place | undefined): ReadonlyMap<string, LinkHandle> {
  const programs = Object.values(object.programs).filter((program) => attachesAlone(program.type));
  return new Map([
    ...(place === undefined ? [] : programs.map((program) => [program.name, program.attach(place)] as const)),
    ...object.register(),
  ]);
}

/** What it is to attach: programs to a cgroup or a network namespace, structs to the kernel. */
export const attachesAnything = ({ programs }: BpfModule): boolean => programs.some(({ type }) => attachesAlone(type));

/**
 * Where a module's programs go: to the cgroup that is named, else to the network namespace that is. With both, the namespace
 * is the one whose addresses and sessions count.
 */
export function placeFor(
  module: BpfModule,
  { cgroup, netns }: { readonly cgroup?: string | undefined; readonly netns?: string | undefined },
): Place | undefined {
  if (cgroup !== undefined) return cgroup;
  return netns !== undefined && attachesAnything(module) ? { netns } : undefined;
}

/** "ts_reno" for the structs of an object, as users choose them. */
export const registeredNames = (object: LoadedObject): readonly string[] =>
  Object.values(object.structs).map(({ name, registered }) => registered ?? name);

/** Where links are attached, for people; places that are gone are left out, those out of sight are "(hidden)". */
export function placesOf(links: Iterable<LinkHandle>): readonly string[] {
  return [...new Set([...links].flatMap((link) => link.place() ?? []))];
}

/**
 * Who else is attached to a cgroup or above it, or to a network namespace, and what follows: a line for people for each.
 * `own`: the caller's programs.
 */
export function neighbourTexts(
  place: Place,
  own: ReadonlySet<number>,
  pinned: readonly PinnedInfo[],
): readonly string[] {
  const found = neighboursAt(place, own);
  if (found.length === 0) return [];
  const pins = pinned.flatMap(({ name, links }) =>
    links.map((link) => [link.programId, `the pinned object ${name}`] as const),
  );
  const holders = new Map([...holdersOf(new Set(found.map((one) => one.programId))), ...pins]);
  const programs = new Map(pinned.flatMap((one) => one.programs.map((program) => [program.id, program] as const)));
  return found.map((one) => {
    // What is pinned for the caller can be read from there.
    const known = programs.get(one.programId);
    const named = { ...one, program: one.program ?? known?.name, uid: one.uid ?? known?.uid };
    return `${whose(named, holders)}: ${consequence(one, place)}`;
  });
}

/** What is pinned, for naming who holds what. Pins that cannot be believed name nobody; the commands that use them say why. */
export function pinnedHolders(pins: string): readonly PinnedInfo[] {
  try {
    return readPinned(pins);
  } catch {
    return [];
  }
}

const LINKS_EVERY_MS = 2000;
/**
 * Resolves with an error when a link has lost its place: the kernel ends attachments with it, and tells nobody. The
 * directory's own events wake us at once where the file system has them; looking now and then finds the rest. A network
 * namespace may outlive its name, by its sockets; then the name is what ends it here.
 */
export function watchLinks(
  links: ReadonlyMap<string, LinkHandle>,
  place: Place | undefined,
): { readonly lost: Promise<RuntimeError>; close(): void } {
  let found: (error: RuntimeError) => void = () => undefined;
  const lost = new Promise<RuntimeError>((resolve) => (found = resolve));
  const look = (): void => {
    try {
      lookAtAll();
    } catch {
      // No descriptor is left, say: what could not be seen is looked at again.
    }
  };
  const lookAtAll = (): void => {
    for (const [name, link] of links) {
      const info = link.info();
      if (info.type === STRUCT_OPS_LINK) {
        if (info.mapId === 0)
          found(new RuntimeError("ended", `${name} is registered no more: somebody else has ended it`));
        continue;
      }
      if (place === undefined) continue;
      const inode = placeIn(info)?.inode ?? 0n;
      if (inode !== 0n && (typeof place === "string" || inodeIfThere(place) === inode)) continue;
      found(
        inode === 0n && inodeIfThere(place) !== undefined
          ? new RuntimeError(
              "ended",
              `${name} is attached no more: somebody else has detached it from ${placeText(place)}`,
            )
          : new RuntimeError("ended", `${placeNoun(place)} was removed, and ${name} is attached to nothing now`, {
              help: `make it again and start anew; with --make, run makes it itself`,
            }),
      );
    }
  };
  const timer = setInterval(look, LINKS_EVERY_MS);
  const events = typeof place === "string" ? watchOf(place, look) : undefined;
  // What was gone before anybody watched is told of, too.
  look();
  return {
    lost,
    close() {
      clearInterval(timer);
      events?.close();
    },
  };
}

/** Undefined where there is nothing to watch any more, or the user has no watch left: then the timer finds out. */
function watchOf(path: string, look: () => void): FSWatcher | undefined {
  try {
    return watchFile(path, look).on("error", () => undefined);
  } catch {
    return undefined;
  }
}
