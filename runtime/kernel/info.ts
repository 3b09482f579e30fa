/** What the kernel tells about its BPF objects: struct bpf_prog_info, bpf_map_info, bpf_link_info (uapi/linux/bpf.h). */
import { readlinkSync } from "node:fs";
import { MAP_TYPES } from "../../compiler/bpf/map-types.ts";
import { KINDS } from "../../compiler/bpf/kinds/index.ts";
import { BPF } from "./abi.ts";
import { fdById, ids, info, SYS_ADMIN } from "./bpf.ts";
import { failed } from "./errors.ts";
import { closeFd } from "./fd.ts";
import { syscalls } from "./syscalls.ts";

/** enum bpf_link_type, of those that we make. */
const LINK_TYPES = { cgroup: 3, netns: 5, structOps: 9 } as const;
/** BPF_LINK_TYPE_STRUCT_OPS. */
export const STRUCT_OPS_LINK = LINK_TYPES.structOps;
/** How the kernel calls the descriptors of each kind of its objects. */
const DESCRIPTORS = { links: "bpf-link", programs: "bpf-prog", maps: "bpf-map" } as const;
export type Kind = keyof typeof DESCRIPTORS;
/** Whether a descriptor is of a kind: the kernel tells of each in its own structure, whatever was expected. */
export const isKind = (fd: number, kind: Kind): boolean =>
  readlinkSync(`/proc/self/fd/${fd}`).replace("_", "-").endsWith(DESCRIPTORS[kind]);

export interface ProgramInfo {
  readonly id: number;
  /** libbpf's name ("sock_ops"), or the number of a type this table does not have. */
  readonly type: string;
  readonly name: string;
  readonly tag: string;
  /** 0 where the caller may not know (CAP_BPF), like the slots, of which no program has none. */
  readonly jitedBytes: number;
  readonly slots: number;
  readonly mapIds: readonly number[];
  readonly btfId: number;
  /** Nanoseconds spent and times run while statistics were on. */
  readonly runTimeNs: bigint;
  readonly runCount: bigint;
  readonly recursionMisses: bigint;
  /** Instructions the verifier processed (Linux 5.16); 0 before. */
  readonly verifiedInsns: number;
  /** Nanoseconds since boot. */
  readonly loadTime: bigint;
  /** Who loaded it. */
  readonly uid: number;
}
export interface MapInfo {
  readonly id: number;
  readonly type: string;
  readonly name: string;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  readonly btfId: number;
  readonly btfKeyType: number;
  readonly btfValueType: number;
}
export interface LinkInfo {
  readonly id: number;
  /** Number of enum bpf_link_type; 3 is a cgroup, 5 a network namespace. */
  readonly type: number;
  readonly programId: number;
  /** Inode number of the cgroup directory, for links to cgroups. */
  readonly cgroupId?: bigint;
  /** Inode number of the network namespace, for links to those; 0 when it is gone, or the link is detached. */
  readonly netnsInode?: bigint;
  readonly attachType?: number;
  /** Of a registered struct: the map that holds it; 0 when it is registered no more. */
  readonly mapId?: number;
}

const nameOf = (table: Readonly<Record<string, number>>, number: number): string =>
  Object.entries(table).find(([, value]) => value === number)?.[0] ?? String(number);
const numbers = (table: Readonly<Record<string, { readonly number: number }>>): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(table).map(([name, row]) => [name, row.number]));
const mapTypeNumbers = numbers(MAP_TYPES);
const programTypeNumbers = numbers(KINDS);
const text = (view: DataView, offset: number, length: number): string => {
  const bytes = new Uint8Array(view.buffer, offset, length);
  const end = bytes.indexOf(0);
  return Buffer.from(bytes.subarray(0, end < 0 ? length : end)).toString("latin1");
};

export function programInfo(fd: number): ProgramInfo {
  // Map ids go to a buffer of our own: one call learns their number, the second fetches them.
  const first = checked(info(fd, 232), "program");
  const count = first.getUint32(52, true);
  const list = new Uint8Array(Math.max(count, 1) * 4);
  const view = checked(
    info(fd, 232, (fill) => {
      fill.setUint32(52, count, true);
      fill.setBigUint64(56, BigInt(syscalls().addressOf(list)), true);
      return [list];
    }),
    "program",
  );
  return {
    id: view.getUint32(4, true),
    type: nameOf(programTypeNumbers, view.getUint32(0, true)),
    name: text(view, 64, 16),
    tag: Buffer.from(view.buffer, 8, 8).toString("hex"),
    jitedBytes: view.getUint32(16, true),
    slots: view.getUint32(20, true) / 8,
    mapIds: [...new Uint32Array(list.buffer, 0, Math.min(count, view.getUint32(52, true)))],
    btfId: view.getUint32(128, true),
    runTimeNs: view.getBigUint64(192, true),
    runCount: view.getBigUint64(200, true),
    recursionMisses: view.getBigUint64(208, true),
    verifiedInsns: view.getUint32(216, true),
    loadTime: view.getBigUint64(40, true),
    uid: view.getUint32(48, true),
  };
}

export function mapInfo(fd: number): MapInfo {
  const view = checked(info(fd, 88), "map");
  return {
    type: nameOf(mapTypeNumbers, view.getUint32(0, true)),
    id: view.getUint32(4, true),
    keySize: view.getUint32(8, true),
    valueSize: view.getUint32(12, true),
    maxEntries: view.getUint32(16, true),
    flags: view.getUint32(20, true),
    name: text(view, 24, 16),
    btfId: view.getUint32(64, true),
    btfKeyType: view.getUint32(68, true),
    btfValueType: view.getUint32(72, true),
  };
}

export function linkInfo(fd: number): LinkInfo {
  const view = checked(info(fd, 64), "link");
  const type = view.getUint32(0, true);
  const base = { type, id: view.getUint32(4, true), programId: view.getUint32(8, true) };
  if (type === STRUCT_OPS_LINK) return { ...base, mapId: view.getUint32(16, true) };
  if (type === LINK_TYPES.netns)
    return { ...base, netnsInode: BigInt(view.getUint32(16, true)), attachType: view.getUint32(20, true) };
  return type === LINK_TYPES.cgroup
    ? { ...base, cgroupId: view.getBigUint64(16, true), attachType: view.getUint32(24, true) }
    : base;
}

/** The BTF blob of an id, as the kernel holds it. */
export function kernelBtf(id: number): Uint8Array {
  const fd = fdById(BPF.btfFdById, id);
  if (fd < 0) throw failed("not-permitted", `opening BTF ${id}`, fd, SYS_ADMIN);
  try {
    const size = checked(info(fd, 32), "BTF").getUint32(8, true);
    const blob = new Uint8Array(size);
    checked(
      info(fd, 32, (fill) => {
        fill.setBigUint64(0, BigInt(syscalls().addressOf(blob)), true);
        fill.setUint32(8, size, true);
        return [blob];
      }),
      "BTF",
    );
    return blob;
  } finally {
    closeFd(fd);
  }
}

function checked(view: DataView | number, what: string): DataView {
  if (typeof view === "number") throw failed("system", `asking the kernel about a ${what}`, view);
  return view;
}

/** Visits every program, map or link of the machine; those that vanish meanwhile are left out. */
function* all<T>(
  next: typeof BPF.progNextId | typeof BPF.mapNextId | typeof BPF.linkNextId,
  open: typeof BPF.progFdById | typeof BPF.mapFdById | typeof BPF.linkFdById,
  read: (fd: number) => T,
): Generator<T> {
  for (const id of ids(next)) {
    const fd = fdById(open, id);
    if (fd < 0) continue;
    try {
      yield read(fd);
    } finally {
      closeFd(fd);
    }
  }
}
export const allPrograms = (): Generator<ProgramInfo> => all(BPF.progNextId, BPF.progFdById, programInfo);
export const allMaps = (): Generator<MapInfo> => all(BPF.mapNextId, BPF.mapFdById, mapInfo);
export const allLinks = (): Generator<LinkInfo> => all(BPF.linkNextId, BPF.linkFdById, linkInfo);
