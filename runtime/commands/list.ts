/** `tsbpf list`: pinned objects, and every sock_ops program attached to a cgroup. */
import { err, out } from "../../compiler/cli/output.ts";
import { closeFd } from "../kernel/fd.ts";
import { linkInfo } from "../kernel/info.ts";
import { cgroupsWithPrograms } from "../kernel/neighbours.ts";
import { pinnedFds, pinnedObjects } from "../kernel/pins.ts";
import { cgroupPath } from "../kernel/places.ts";
import { neighbourTexts } from "./attached.ts";
import { inSight, onlyPinned, type InSight } from "./in-sight.ts";
import { document, table } from "./report.ts";

export interface ListOptions {
  readonly pins: string;
  readonly json?: boolean;
}
export interface Attachment {
  /** Null when it was attached without a link (BPF_PROG_ATTACH). */
  readonly link: number | null;
  readonly program: string;
  readonly programId: number;
  readonly cgroup: string | null;
  /** Name of the pinned object that holds it; null when a running process does. */
  readonly object: string | null;
}

export function attachments(pins: string, sight: InSight = inSight(pins)): readonly Attachment[] {
  const holders = new Map<number, string>();
  for (const name of pinnedObjects(pins)) {
    for (const [, fd] of pinnedFds(name, "links", pins)) {
      holders.set(linkInfo(fd).id, name);
      closeFd(fd);
    }
  }
  const programs = new Map(
    sight.programs().flatMap((program) => (program.type === "sock_ops" ? [[program.id, program] as const] : [])),
  );
  const linked = sight.links().flatMap((link): Attachment[] => {
    const program = programs.get(link.programId);
    if (!program) return [];
    const cgroup = link.cgroupId === undefined || link.cgroupId === 0n ? null : (cgroupPath(link.cgroupId) ?? null);
    return [
      { link: link.id, program: program.name, programId: program.id, cgroup, object: holders.get(link.id) ?? null },
    ];
  });
  const isLinked = (cgroup: string, id: number): boolean =>
    linked.some((one) => one.cgroup === cgroup && one.programId === id);
  const others = [...cgroupsWithPrograms().values()].flat().filter((one) => !isLinked(one.cgroup, one.programId));
  return [
    ...linked,
    ...others.map(({ cgroup, program, programId }) => ({ link: null, program, programId, cgroup, object: null })),
  ];
}

/** For each cgroup with programs that has others above it or beside it: who they are and what follows. */
function together(pins: string): readonly { readonly cgroup: string; readonly notes: readonly string[] }[] {
  return [...cgroupsWithPrograms()].flatMap(([cgroup, own]) => {
    // Seen from the one that was attached first; the others of this cgroup are neighbours of it, too.
    const notes = neighbourTexts(cgroup, new Set([own[0]!.programId]), pins);
    return notes.length > 0 ? [{ cgroup, notes: notes.map((text) => `${own[0]!.program} and ${text}`) }] : [];
  });
}

export function list(options: ListOptions): Promise<number> {
  const sight = inSight(options.pins);
  const attached = attachments(options.pins, sight);
  const pinned = pinnedObjects(options.pins);
  const shared = together(options.pins);
  if (options.json) document({ attached, pinned, shared, complete: sight.complete });
  else {
    const rows = attached.map((one) => [
      one.link === null ? "-" : String(one.link),
      one.program,
      String(one.programId),
      one.object ?? (one.link === null ? "(nobody: attached without a link)" : "(a running process)"),
      one.cgroup ?? "(gone)",
    ]);
    const idle = pinned.filter((name) => !attached.some((one) => one.object === name));
    out(table(["LINK", "PROGRAM", "ID", "HELD BY", "CGROUP"], rows) || "nothing is attached");
    for (const { notes } of shared) for (const text of notes) out(text);
    if (!sight.complete) err(onlyPinned(options.pins));
    if (idle.length > 0) out(`pinned, not attached: ${idle.join(", ")}`);
  }
  return Promise.resolve(0);
}
