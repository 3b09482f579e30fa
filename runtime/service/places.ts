/** Where the programs of a service go at this moment: cgroups by pattern, and places that are waited for. */
import { closeSync, existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { inodeIfThere, placeNoun } from "../kernel/attach-points.ts";
import { RuntimeError } from "../kernel/errors.ts";
import { NETNS_FOLDER, openNetns } from "../kernel/netns-names.ts";
import type { Target } from "./target.ts";

export interface Found {
  /** What can run now, each at one place. */
  readonly targets: readonly Target[];
  /** What waits, and for what. */
  readonly waiting: readonly { readonly target: Target; readonly reason: string }[];
  /** Folders in which something may come or go that changes this. */
  readonly folders: ReadonlySet<string>;
}

/** As many cgroups a pattern is followed to: who may make cgroups must not make this process grow without end. */
export const MOST_MATCHES = 1024;

export const isPattern = (cgroup: string): boolean => /[*?]/.test(cgroup);

/** Looks where everything is. */
export function placesNow(wanted: readonly Target[]): Found {
  const targets: Target[] = [];
  const waiting: { target: Target; reason: string }[] = [];
  const folders = new Set<string>();
  for (const target of wanted) {
    if (typeof target.place === "string" && isPattern(target.place)) {
      const matches = matching(target.place, folders);
      for (const { path, parts } of matches.slice(0, MOST_MATCHES))
        targets.push({ ...target, name: instanceName(target.name, path, parts), place: path });
      if (matches.length === 0) waiting.push({ target, reason: `no cgroup is called ${target.place}` });
    } else if (target.whenGone === "wait" && !isThere(target)) {
      waiting.push({ target, reason: `${nounOf(target)} is not there` });
    } else targets.push(target);
    for (const folder of foldersOf(target)) folders.add(folder);
  }
  return { targets, waiting, folders };
}

/** "the cgroup /sys/fs/cgroup/lab", "the network namespace lab". */
export const nounOf = ({ place, netns }: Target): string =>
  place === undefined ? placeNoun({ netns: netns ?? "" }) : placeNoun(place);

function isThere({ place, netns }: Target): boolean {
  if (place !== undefined) return inodeIfThere(place) !== undefined;
  if (netns === undefined) return true;
  try {
    // Between the two steps of `ip netns add` there is a file that is no namespace yet.
    closeSync(openNetns(netns));
    return true;
  } catch (error) {
    if (error instanceof RuntimeError && error.key === "no-netns") return false;
    throw error;
  }
}

/** The nearest folder that is there, in which the place or a part of its path would be made. */
function foldersOf({ place, netns }: Target): readonly string[] {
  if (typeof place === "string") {
    if (isPattern(place)) return [];
    let above = dirname(place);
    while (!existsSync(above)) above = dirname(above);
    return [above];
  }
  if (netns === undefined || /^\d+$/.test(netns)) return [];
  const folder = netns.includes("/") ? dirname(netns) : NETNS_FOLDER;
  return [existsSync(folder) ? folder : dirname(folder)];
}

interface Match {
  readonly path: string;
  /** Names from the first that the pattern leaves open. */
  readonly parts: readonly string[];
}

/** Folders that a pattern names, in order; `*` and `?` stand for what is within one name. */
function matching(pattern: string, folders: Set<string>): readonly Match[] {
  let found: Match[] = [{ path: "/", parts: [] }];
  let isOpen = false;
  for (const part of pattern.split("/").filter(Boolean)) {
    isOpen ||= isPattern(part);
    if (!isPattern(part)) {
      const next = found.map(({ path, parts }) => ({
        above: path,
        path: join(path, part),
        parts: isOpen ? [...parts, part] : parts,
      }));
      // What is missing may be made later.
      if (next.some(({ path }) => !isFolder(path)))
        for (const { above, path } of next) if (!isFolder(path)) folders.add(above);
      found = next.filter(({ path }) => isFolder(path));
      continue;
    }
    const expression = new RegExp(
      `^${part
        .replace(/[.+^${}()|[\]\\]/g, "\\$&")
        .replaceAll("*", ".*")
        .replaceAll("?", ".")}$`,
      "s",
    );
    found = found.flatMap(({ path, parts }) => {
      folders.add(path);
      return foldersIn(path).flatMap((name) =>
        expression.test(name) ? [{ path: join(path, name), parts: [...parts, name] }] : [],
      );
    });
  }
  return found;
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
function foldersIn(path: string): readonly string[] {
  try {
    return readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch {
    // It may go while it is looked at.
    return [];
  }
}

/** Of pins: the program's name and what the pattern left open. Containers may be called anything: what is no plain name gets the inode. */
function instanceName(program: string, path: string, parts: readonly string[]): string {
  const plain = parts.join(":");
  if (parts.every((part) => /^[\w.@+=-]{1,100}$/.test(part)) && plain.length <= 120) return `${program}@${plain}`;
  const inode = statSync(path, { throwIfNoEntry: false })?.ino ?? 0;
  return `${program}@${plain.replace(/[^\w.@+=:-]/g, "_").slice(0, 80)}~${inode}`;
}
