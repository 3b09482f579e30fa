/** Every program of a kind that we compile where it is attached: by a link, or without one. */
import { isCompiled } from "../../compiler/bpf/kinds/index.ts";
import { byKind, linkPlace } from "./attach-points.ts";
import type { InSight } from "./in-sight.ts";
import type { LinkInfo } from "./info.ts";
import { cgroupsWithPrograms, type Neighbour } from "./neighbours.ts";

export interface Attachment {
  /** False for programs of others without CAP_SYS_ADMIN: only their number and their cgroup are known then. */
  readonly visible: boolean;
  /** Null when it was attached without a link (BPF_PROG_ATTACH), or cannot be seen. */
  readonly link: number | null;
  /** Null when it cannot be seen. */
  readonly program: string | null;
  readonly programId: number;
  /** A path, or "(hidden)" where it is out of the caller's sight; null when it is gone, or a network namespace. */
  readonly cgroup: string | null;
  /** Name of the network namespace, "net:[INODE]" for one without; null when it is gone, or a cgroup. */
  readonly netns: string | null;
  /** Name of the pinned object that holds it; null when something else does, or it cannot be seen. */
  readonly object: string | null;
}

type Listed = Omit<Attachment, "cgroup" | "netns"> & { readonly place: string | undefined };

export function attachments(sight: InSight): readonly Attachment[] {
  const holders = new Map(sight.pinned.flatMap(({ name, links }) => links.map((link) => [link.id, name] as const)));
  const known = sight.programs();
  const programs = new Map(
    known.flatMap((program) => (isCompiled(program.type) ? [[program.id, program] as const] : [])),
  );
  const linkOf = (link: LinkInfo): Listed[] => {
    const program = programs.get(link.programId);
    if (!program) return [];
    const object = holders.get(link.id) ?? null;
    return [
      { visible: true, link: link.id, program: program.name, programId: program.id, place: linkPlace(link), object },
    ];
  };
  const linked = sight.links().flatMap(linkOf);
  const isLinked = ({ cgroup, programId }: Neighbour): boolean =>
    linked.some((one) => one.place === cgroup && one.programId === programId);
  const others = [...cgroupsWithPrograms().values()].flat().filter((one) => !isLinked(one));
  return [
    ...linked,
    ...others.map(({ cgroup, program, programId }): Listed => ({
      visible: sight.complete,
      link: null,
      program: program ?? programs.get(programId)?.name ?? null,
      programId,
      place: cgroup,
      object: null,
    })),
  ].map(({ place, ...one }) => {
    const { cgroups, namespaces } = byKind(place === undefined ? [] : [place]);
    return { ...one, cgroup: cgroups[0] ?? null, netns: namespaces[0] ?? null };
  });
}

/** Where a program is attached, for people. */
export const attachmentPlace = ({ cgroup, netns }: Attachment): string =>
  cgroup ?? (netns === null ? "(gone)" : `netns ${netns}`);
