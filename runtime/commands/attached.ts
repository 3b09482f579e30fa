/** Where programs are attached, as the kernel says at this moment: nothing is called attached that it does not confirm. */
import { statSync } from "node:fs";
import { RuntimeError } from "../kernel/errors.ts";
import type { LinkHandle } from "../kernel/links.ts";
import type { LoadedObject } from "../kernel/object.ts";

/** Throws unless each program of an object is attached, by the link of its name, to one cgroup-v2 directory. */
export function confirmAttached(object: LoadedObject, links: ReadonlyMap<string, LinkHandle>, cgroup: string): void {
  const id = statSync(cgroup, { bigint: true, throwIfNoEntry: false })?.ino;
  for (const program of Object.values(object.programs)) {
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

/** The cgroups that links are attached to; those that are gone are left out, those out of sight are "(hidden)". */
export function cgroupsOf(links: Iterable<LinkHandle>): readonly string[] {
  const found = [...links].flatMap((link) =>
    (link.info().cgroupId ?? 0n) === 0n ? [] : [link.cgroup() ?? "(hidden)"],
  );
  return [...new Set(found)];
}
