/** Where programs are attached, as the kernel says at this moment: nothing is called attached that it does not confirm. */
import { existsSync, statSync, watch as watchFile, type FSWatcher } from "node:fs";
import type { BpfModule } from "../../compiler/module.ts";
import { RuntimeError } from "../kernel/errors.ts";
import type { LinkHandle } from "../kernel/links.ts";
import { consequence, holdersOf, neighbours, whose } from "../kernel/neighbours.ts";
import { STRUCT_OPS_LINK } from "../kernel/info.ts";
import { attachesAlone, type LoadedObject } from "../kernel/object.ts";
import { readPinned, type PinnedInfo } from "./in-sight.ts";

/** Throws unless each program of an object is attached, by the link of its name, to one cgroup-v2 directory. */
export function confirmAttached(object: LoadedObject, links: ReadonlyMap<string, LinkHandle>, cgroup: string): void {
  const id = statSync(cgroup, { bigint: true, throwIfNoEntry: false })?.ino;
  for (const program of Object.values(object.programs)) {
    if (!attachesAlone(program.type)) continue;
    const link = links.get(program.name)?.info();
    if (link && link.cgroupId === id && link.programId === program.info().id) continue;
    throw new RuntimeError(
      id === undefined ? "no-cgroup" : "attach",
      id === undefined
        ? `the cgroup ${cgroup} is gone`
        : `the kernel does not have ${program.name} attached to ${cgroup}`,
    );
  }
}

/** Attaches what attaches to cgroups, where there is one, and registers the structs; the links by name. */
export function attachAll(object: LoadedObject, cgroup: string | undefined): ReadonlyMap<string, LinkHandle> {
  const programs = Object.values(object.programs).filter((program) => attachesAlone(program.type));
  return new Map([
    ...(cgroup === undefined ? [] : programs.map((program) => [program.name, program.attach(cgroup)] as const)),
    ...object.register(),
  ]);
}

/** What it is to attach: programs to a cgroup, structs to the kernel. */
export const attachesAnything = ({ programs }: BpfModule): boolean => programs.some(({ type }) => attachesAlone(type));

/** "ts_reno" for the structs of an object, as users choose them. */
export const registeredNames = (object: LoadedObject): readonly string[] =>
  Object.values(object.structs).map(({ name, registered }) => registered ?? name);

/** The cgroups that links are attached to; those that are gone are left out, those out of sight are "(hidden)". */
export function cgroupsOf(links: Iterable<LinkHandle>): readonly string[] {
  return [...new Set([...links].flatMap((link) => link.place() ?? []))];
}

/**
 * Who else is attached to a cgroup or above it, and what follows: a line for people for each. `own`: the caller's programs.
 */
export function neighbourTexts(
  cgroup: string,
  own: ReadonlySet<number>,
  pinned: readonly PinnedInfo[],
): readonly string[] {
  const found = neighbours(cgroup, own);
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
    return `${whose(named, holders)}: ${consequence(one, cgroup)}`;
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
 * Resolves with an error when a link has lost its cgroup: the kernel ends attachments with it, and tells nobody. The
 * directory's own events wake us at once where the file system has them; looking now and then finds the rest.
 */
export function watchLinks(
  links: ReadonlyMap<string, LinkHandle>,
  cgroup: string | undefined,
): { readonly lost: Promise<RuntimeError>; close(): void } {
  let found: (error: RuntimeError) => void = () => undefined;
  const lost = new Promise<RuntimeError>((resolve) => (found = resolve));
  const look = (): void => {
    for (const [name, link] of links) {
      const { type, mapId, cgroupId } = link.info();
      if (type === STRUCT_OPS_LINK) {
        if (mapId === 0) found(new RuntimeError("ended", `${name} is registered no more: somebody else has ended it`));
        continue;
      }
      if ((cgroupId ?? 0n) !== 0n || cgroup === undefined) continue;
      found(
        existsSync(cgroup)
          ? new RuntimeError("ended", `${name} is attached no more: somebody else has detached it from ${cgroup}`)
          : new RuntimeError("ended", `the cgroup ${cgroup} was removed, and ${name} is attached to nothing now`, {
              help: `make it again and start anew; with --make, run makes it itself`,
            }),
      );
    }
  };
  const timer = setInterval(look, LINKS_EVERY_MS);
  const events = cgroup === undefined ? undefined : watchOf(cgroup, look);
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

/** Undefined where there is nothing to watch any more. */
function watchOf(path: string, look: () => void): FSWatcher | undefined {
  try {
    return watchFile(path, look).on("error", () => undefined);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
