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
  /** Patterns that more cgroups fit than are followed, and how many are left alone. */
  readonly beyond: readonly { readonly target: Target; readonly count: number }[];
  /** Folders in which something may come or go that changes this. */
  readonly folders: ReadonlySet<string>;
}

/** As many cgroups a pattern is followed to: who may make cgroups must not make this process grow without end. */
export const MOST_MATCHES = 1024;

export const isPattern = (cgroup: string): boolean => /[*?]/.test(cgroup);

/** Looks where everything is. `running`: names of what runs, which of too many has its place before what has come. */
export function placesNow(wanted: readonly Target[], running: ReadonlySet<string> = new Set()): Found {
  const targets: Target[] = [];
  const waiting: { target: Target; reason: string }[] = [];
  const beyond: { target: Target; count: number }[] = [];
  const folders = new Set<string>();
  for (const target of wanted) {
    if (typeof target.place === "string" && isPattern(target.place)) {
      const matches = matching(target.place, folders).map(({ path, parts }) => ({
        ...target,
        name: instanceName(target.name, path, parts),
        place: path,
      }));
      const more = matches.length - MOST_MATCHES;
      if (more <= 0) targets.push(...matches);
      else {
        const runs = ({ name }: Target): number => (running.has(name) ? 0 : 1);
        targets.push(...matches.toSorted((a, b) => runs(a) - runs(b)).slice(0, MOST_MATCHES));
        beyond.push({ target, count: more });
      }
      if (matches.length === 0) waiting.push({ target, reason: `no cgroup is called ${target.place}` });
    } else if (target.whenGone === "wait" && !isThere(target)) {
      waiting.push({ target, reason: `${nounOf(target)} is not there` });
    } else targets.push(target);
    for (const folder of foldersOf(target)) folders.add(folder);
  }
  return { targets, waiting, beyond, folders };
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
    found = found.flatMap(({ path, parts }) => {
      folders.add(path);
      return foldersIn(path).flatMap((name) =>
        fits(name, part) ? [{ path: join(path, name), parts: [...parts, name] }] : [],
      );
    });
  }
  return found;
}

/**
 * Whether a name is what one part of a pattern stands for. Names are chosen by whoever makes cgroups: at most the product of both lengths
 * is done, where an expression may go back and forth for ever.
 */
export function fits(name: string, part: string): boolean {
  let [inName, inPart] = [0, 0];
  /** Behind the last star, and where what it stands for ends. */
  let [star, upTo] = [-1, 0];
  while (inName < name.length) {
    if (part[inPart] === "*") [star, upTo] = [++inPart, inName];
    else if (inPart < part.length && (part[inPart] === "?" || part[inPart] === name[inName])) {
      inName++;
      inPart++;
    } else if (star >= 0) [inPart, inName] = [star, ++upTo];
    else return false;
  }
  return /^\**$/.test(part.slice(inPart));
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
