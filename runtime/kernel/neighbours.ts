/**
 * The programs of a cgroup and of those above it, of the kinds that we compile and however they were attached, and what follows
 * from that for each other (kernel/bpf/cgroup.c: hierarchy_allows_attach and compute_effective_progs).
 */
import { closeSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { printable } from "../../compiler/printable.ts";
import { ATTACH_TYPES } from "../../compiler/bpf/kinds/attach-types.ts";
import { HOOKS, kindOf, type AttachedHook, type CgroupKindName } from "../../compiler/bpf/kinds/index.ts";
import { ATTACH_FLAGS, ATTR, BPF, MOST_PROGRAMS } from "./abi.ts";
import { openPlace, placeText, type Place } from "./attach-points.ts";
import { attrBlock, call, fdById } from "./bpf.ts";
import { closeFd } from "./fd.ts";
import { programInfo } from "./info.ts";
import { cgroupRoot, openCgroup } from "./places.ts";

/** How a program lets others beside it: all run; one below takes its place; nobody else may. */
export type Sharing = "multi" | "override" | "alone";
export interface Neighbour {
  /** Or the network namespace, for people. */
  readonly cgroup: string;
  readonly programId: number;
  /** Undefined where the caller may not see it, which takes CAP_SYS_ADMIN. */
  readonly program: string | undefined;
  /** User that loaded it; undefined as above. */
  readonly uid: number | undefined;
  readonly sharing: Sharing;
  readonly hook: AttachedHook;
}

/** The programs of one cgroup itself, hook by hook in the order in which they run. Empty where the caller may not ask. */
export function programsOf(cgroup: string): readonly Neighbour[] {
  const fd = openCgroup(cgroup);
  try {
    return HOOKS.flatMap((hook) => programsAt(fd, cgroup, hook));
  } finally {
    closeSync(fd);
  }
}

function programsAt(fd: number, cgroup: string, hook: AttachedHook, onCgroup = true): readonly Neighbour[] {
  const ids = new Uint8Array(MOST_PROGRAMS * 4);
  const block = attrBlock("query", {
    target_fd: fd,
    attach_type: hook.attach,
    prog_ids: ids,
    prog_cnt: MOST_PROGRAMS,
  });
  if (call(BPF.progQuery, block) < 0) return [];
  const count = block.view.getUint32(ATTR.query.prog_cnt[0], true);
  const flags = block.view.getUint32(ATTR.query.attach_flags[0], true);
  // On a network namespace all run, and no flag says so.
  const sharing: Sharing =
    !onCgroup || (flags & ATTACH_FLAGS.multi) !== 0
      ? "multi"
      : (flags & ATTACH_FLAGS.override) !== 0
        ? "override"
        : "alone";
  return [...new Uint32Array(ids.buffer, 0, count)].flatMap((programId) => {
    const names = namesOf(programId);
    return names ? [{ cgroup, programId, ...names, sharing, hook }] : [];
  });
}

const EPERM = -1;
const ENOENT = -2;
const ON_CGROUPS = Object.entries(ATTACH_TYPES).flatMap(([name, number]) =>
  /^(cgroup_|lsm_cgroup$)/.test(name) ? [number] : [],
);
/** How many programs of any type are attached to a cgroup itself; undefined where the caller may not ask (CAP_NET_ADMIN). */
export function attachedTo(cgroup: string): number | undefined {
  const fd = openCgroup(cgroup);
  try {
    let count = 0;
    for (const type of ON_CGROUPS) {
      const block = attrBlock("query", { target_fd: fd, attach_type: type });
      const result = call(BPF.progQuery, block);
      if (result === EPERM) return undefined;
      // Older kernels do not have them all.
      if (result === 0) count += block.view.getUint32(ATTR.query.prog_cnt[0], true);
    }
    return count;
  } finally {
    closeSync(fd);
  }
}

/** Undefined when it is gone by now. */
function namesOf(id: number): Pick<Neighbour, "program" | "uid"> | undefined {
  const fd = fdById(BPF.progFdById, id);
  if (fd === ENOENT) return undefined;
  if (fd < 0) return { program: undefined, uid: undefined };
  try {
    const { name, uid } = programInfo(fd);
    return { program: name || "(no name)", uid };
  } finally {
    closeFd(fd);
  }
}

/** The cgroup and those above it, the nearest first. */
function upwards(cgroup: string): readonly string[] {
  const root = cgroupRoot();
  const paths: string[] = [];
  for (let at = realpathSync(cgroup); root !== undefined && `${at}/`.startsWith(`${root}/`); at = dirname(at))
    paths.push(at);
  return paths;
}

/**
 * Programs on a cgroup and above it, but for those of the caller: at one attach type, or at those of the caller's own programs
 * there (at all, where it has none yet).
 */
export function neighbours(
  cgroup: string,
  own: ReadonlySet<number> = new Set(),
  attachType?: number,
): readonly Neighbour[] {
  const all = upwards(cgroup).flatMap(programsOf);
  const mine = all.filter((one) => own.has(one.programId)).map((one) => one.hook.attach);
  const wanted = new Set(attachType === undefined ? mine : [attachType]);
  return all.filter((one) => !own.has(one.programId) && (wanted.size === 0 || wanted.has(one.hook.attach)));
}

/** The hooks of network namespaces, by the number of the attach type there. */
const NETNS_HOOKS: readonly AttachedHook[] = HOOKS.flatMap((hook) => {
  const attach = kindOf(hook.kind)?.onNetns;
  return attach ? [{ ...hook, attach: ATTACH_TYPES[attach] }] : [];
});

/** `neighbours` of a cgroup; of a network namespace, the other programs there in the order in which they run. */
export function neighboursAt(place: Place, own: ReadonlySet<number>): readonly Neighbour[] {
  if (typeof place === "string") return neighbours(place, own);
  const fd = openPlace(place);
  try {
    const all = NETNS_HOOKS.flatMap((hook) => programsAt(fd, placeText(place), hook, false));
    return all.filter((one) => !own.has(one.programId));
  } finally {
    closeFd(fd);
  }
}

/** Every cgroup that has programs of its own. */
export function cgroupsWithPrograms(): ReadonlyMap<string, readonly Neighbour[]> {
  const found = new Map<string, readonly Neighbour[]>();
  const visit = (path: string): void => {
    try {
      const own = programsOf(path);
      if (own.length > 0) found.set(path, own);
      for (const entry of readdirSync(path, { withFileTypes: true }))
        if (entry.isDirectory()) visit(join(path, entry.name));
    } catch {
      // A cgroup may vanish while we look, or be closed to the caller.
    }
  };
  const root = cgroupRoot();
  if (root !== undefined) visit(root);
  return found;
}

/**
 * Processes that hold programs (or links), by their number: pid and name. Those that the caller may not see are missing.
 */
export function holdersOf(
  wanted: ReadonlySet<number>,
  what: "prog_id" | "link_id" = "prog_id",
): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  const line = new RegExp(`^${what}:\\s*(\\d+)`, "m");
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      for (const fd of readdirSync(`/proc/${pid}/fdinfo`)) {
        const id = Number(line.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, "latin1"))?.[1]);
        if (wanted.has(id))
          found.set(id, `process ${pid} (${printable(readFileSync(`/proc/${pid}/comm`, "utf8").trim())})`);
      }
    } catch {
      // It has ended, or is another user's.
    }
  }
  return found;
}

/** "NAME (program 7 of user 0, held by process 12 (node)) on /sys/fs/cgroup/x" */
export function whose(one: Neighbour, holders: ReadonlyMap<number, string>): string {
  const holder = holders.get(one.programId);
  const way =
    one.sharing === "multi" ? "" : `, attached ${one.sharing === "alone" ? "alone" : "with BPF_F_ALLOW_OVERRIDE"}`;
  const who = one.uid === undefined ? "; whose it is takes CAP_SYS_ADMIN to see" : ` of user ${one.uid}`;
  return printable(
    `${one.program ?? "another"} (program ${one.programId}${who}${holder ? `, held by ${holder}` : ""}${way}) on ${one.cgroup}`,
  );
}

/** What programs that run one after the other have in common. */
const SHARED = {
  sock_ops: "share the socket's callback flags",
  cgroup_sock_addr: "see the address that the one before left; one refusal is enough",
  cgroup_sockopt: "see the option that the one before left; one refusal is enough",
} as const satisfies Record<CgroupKindName, string>;

/** What another program means for one that is attached to a place by a link. */
export function consequence(one: Neighbour, place: Place): string {
  if (typeof place !== "string")
    return `both run, in the order in which they were attached, and ${SHARED[one.hook.kind]}`;
  const cgroup = place;
  const there = printable(cgroup);
  if (one.sharing === "multi")
    return `both run, ${one.cgroup === realpathSync(cgroup) ? "in the order in which they were attached" : "this one afterwards"}, and ${SHARED[one.hook.kind]}`;
  if (one.cgroup !== realpathSync(cgroup) && one.sharing === "override")
    return `it does not run for sockets of ${there} as long as this one is attached`;
  return `nothing else can be attached to ${there}`;
}
