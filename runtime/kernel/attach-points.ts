/** Where links attach programs: a cgroup-v2 directory, or a network namespace (the patched kernel). */
import { closeSync, fstatSync } from "node:fs";
import { ATTACH_TYPES } from "../../compiler/bpf/kinds/attach-types.ts";
import { kindOf, onlyAttachType } from "../../compiler/bpf/kinds/index.ts";
import { printable } from "../../compiler/printable.ts";
import { RuntimeError, type RuntimeErrorKey } from "./errors.ts";
import type { LinkInfo } from "./info.ts";
import { openNetns } from "./netns-names.ts";
import { cgroupPath, netnsName, openCgroup } from "./places.ts";
import { probe } from "./probe.ts";

/** A cgroup-v2 directory; or a network namespace: a name made by `ip netns add`, a path, or a process id. */
export type Place = string | { readonly netns: string };

/** What a program has to say for itself where it is attached. */
export interface ToAttach {
  readonly name: string;
  readonly type: string;
  /** The attach type that it was compiled for. */
  readonly attachType: number;
}

interface AttachPoint {
  /** For people: "the cgroup /sys/fs/cgroup/lab". */
  readonly noun: string;
  /** A descriptor, which the caller closes. Throws RuntimeError. */
  readonly open: (name: string) => number;
  /** Undefined where programs of the type do not attach. */
  readonly attachType: (program: ToAttach) => number | undefined;
  /** The inode number of the place, as a link tells it: 0 when it is gone; undefined for links to places of other kinds. */
  readonly inodeIn: (link: LinkInfo) => bigint | undefined;
  /** Its name, for people: by inode number; undefined when it is out of sight. */
  readonly nameOf: (inode: bigint) => string | undefined;
  readonly gone: RuntimeErrorKey;
  /** How the command is told a place. */
  readonly option: string;
  /** What EINVAL of a link means there. */
  readonly invalid: string;
}

/** Before the name of a network namespace, where a cgroup's path may stand as well. */
const NETNS = "netns ";
const POINTS = {
  cgroup: {
    noun: "the cgroup",
    open: openCgroup,
    attachType: ({ type, attachType }) =>
      kindOf(type)?.attaches === "cgroup" ? (onlyAttachType(type) ?? attachType) : undefined,
    inodeIn: ({ cgroupId }) => cgroupId,
    nameOf: cgroupPath,
    gone: "no-cgroup",
    option: "--cgroup DIR",
    invalid: "the kernel may be without CONFIG_CGROUP_BPF, or older than 5.7 (no links)",
  },
  netns: {
    noun: "the network namespace",
    open: openNetns,
    attachType: ({ type }) => {
      const name = kindOf(type)?.onNetns;
      return name && ATTACH_TYPES[name];
    },
    inodeIn: ({ netnsInode }) => netnsInode,
    nameOf: (inode) => `${NETNS}${netnsName(inode)}`,
    gone: "no-netns",
    option: "--netns NAME",
    invalid: "a program with storage in its cgroup has none in a network namespace",
  },
} as const satisfies Record<string, AttachPoint>;
type PlaceKind = keyof typeof POINTS;
const KINDS = Object.keys(POINTS) as readonly PlaceKind[];

const kindOfPlace = (place: Place): PlaceKind => (typeof place === "string" ? "cgroup" : "netns");
const nameIn = (place: Place): string => (typeof place === "string" ? place : place.netns);
export const pointOf = (place: Place): AttachPoint => POINTS[kindOfPlace(place)];
/** What is known of places of a kind; of cgroups where a link tells none. */
export const pointOfKind = (kind: PlaceKind = "cgroup"): AttachPoint => POINTS[kind];

/** For people: "/sys/fs/cgroup/lab", "the network namespace lab". */
export const placeText = (place: Place): string =>
  printable(typeof place === "string" ? place : `${POINTS.netns.noun} ${place.netns}`);
/** The same with the word for it: "the cgroup /sys/fs/cgroup/lab". */
export const placeNoun = (place: Place): string => printable(`${pointOf(place).noun} ${nameIn(place)}`);

/** A descriptor of a place, which the caller closes. Throws RuntimeError where there is none. */
export const openPlace = (place: Place): number => pointOf(place).open(nameIn(place));

/** The inode number by which links know a place. Throws RuntimeError when it is not there. */
export function inodeOf(place: Place): bigint {
  const fd = openPlace(place);
  try {
    return fstatSync(fd, { bigint: true }).ino;
  } finally {
    closeSync(fd);
  }
}
const ENOENT = 2;
/** The same; undefined when it is not there. */
export function inodeIfThere(place: Place): bigint | undefined {
  try {
    return inodeOf(place);
  } catch (error) {
    // It may go while it is looked at.
    const isGone =
      error instanceof RuntimeError
        ? error.key === pointOf(place).gone || error.errno === ENOENT
        : (error as NodeJS.ErrnoException).code === "ENOENT";
    if (isGone) return undefined;
    throw error;
  }
}

/** Whether a link is attached to the place with this inode number. */
export const isAt = (link: LinkInfo, place: Place, inode: bigint | undefined): boolean =>
  inode !== undefined && pointOf(place).inodeIn(link) === inode;

/** The kind of place that a link is for, and its inode number there: 0 when it is attached no more. */
export function placeIn(link: LinkInfo): { readonly kind: PlaceKind; readonly inode: bigint } | undefined {
  for (const kind of KINDS) {
    const inode = POINTS[kind].inodeIn(link);
    if (inode !== undefined) return { kind, inode };
  }
  return undefined;
}

/** Stands for a place that exists and has no name here: below a closed folder, or outside of the cgroup namespace. */
export const HIDDEN = "(hidden)";
/** The place of a link for people, or HIDDEN: a cgroup's path, "netns NAME"; undefined when it is gone. */
export function linkPlace(link: LinkInfo): string | undefined {
  const found = placeIn(link);
  return found && found.inode !== 0n ? (POINTS[found.kind].nameOf(found.inode) ?? HIDDEN) : undefined;
}

/** Places as `linkPlace` gives them, by kind: paths of cgroups, names of network namespaces. */
export const byKind = (
  places: readonly string[],
): { readonly cgroups: readonly string[]; readonly namespaces: readonly string[] } => ({
  cgroups: places.filter((place) => !place.startsWith(NETNS)),
  namespaces: places.flatMap((place) => (place.startsWith(NETNS) ? [place.slice(NETNS.length)] : [])),
});

/** The attach type of a program at a place. Throws where it does not attach there, and where this kernel attaches nothing there. */
export function attachTypeAt(program: ToAttach, place: Place): number {
  const type = pointOf(place).attachType(program);
  const kind = kindOfPlace(place);
  if (type === undefined)
    throw new RuntimeError(
      "attach",
      `${program.name} is a ${program.type} program, which does not attach to a ${kind === "cgroup" ? "cgroup" : "network namespace"}`,
      kind === "netns" && POINTS.cgroup.attachType(program) !== undefined
        ? { help: "it attaches to a cgroup: --cgroup DIR" }
        : {},
    );
  needPlaces(place);
  return type;
}

/** The kernel must attach programs to places of this kind: said before anything is loaded. */
export function needPlaces(place: Place): void {
  if (typeof place === "string") return;
  const { ok, reason = "" } = probe("netns-sock-ops");
  if (ok) return;
  if (reason.startsWith("not permitted"))
    throw new RuntimeError("not-permitted", `not permitted to attach programs to ${placeText(place)}`, {
      errno: 1,
      help: "run as root, or with CAP_BPF and CAP_NET_ADMIN",
    });
  throw new RuntimeError("kernel-lacks", "this kernel attaches programs to cgroups, and not to network namespaces", {
    help: "--cgroup DIR attaches them to a cgroup; a path manager serves a namespace over netlink (tsbpf run --netns NAME, or --backend netlink); or boot the kernel of kernel/ (kernel/run.sh COMMAND)",
  });
}
