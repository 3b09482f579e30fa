/** `tsbpf list`: pinned objects, and every sock_ops program attached to a cgroup. */
import { out } from "../../compiler/cli/output.ts";
import { allLinks, allPrograms } from "../kernel/info.ts";
import { pinnedLinks, pinnedObjects } from "../kernel/pins.ts";
import { cgroupPath } from "../kernel/places.ts";
import { document, table } from "./report.ts";

export interface ListOptions {
  readonly pins: string;
  readonly json?: boolean;
}
export interface Attachment {
  readonly link: number;
  readonly program: string;
  readonly programId: number;
  readonly cgroup: string | null;
  /** Name of the pinned object that holds it; null when a running process does. */
  readonly object: string | null;
}

export function attachments(pins: string): readonly Attachment[] {
  const holders = new Map<number, string>();
  for (const name of pinnedObjects(pins)) {
    for (const [, link] of pinnedLinks(name, pins)) {
      holders.set(link.id, name);
      link.close();
    }
  }
  const programs = new Map(
    [...allPrograms()].filter((program) => program.type === "sock_ops").map((program) => [program.id, program]),
  );
  return [...allLinks()].flatMap((link) => {
    const program = programs.get(link.programId);
    if (!program) return [];
    const cgroup = link.cgroupId === undefined || link.cgroupId === 0n ? null : (cgroupPath(link.cgroupId) ?? null);
    return [
      { link: link.id, program: program.name, programId: program.id, cgroup, object: holders.get(link.id) ?? null },
    ];
  });
}

export function list(options: ListOptions): Promise<number> {
  const attached = attachments(options.pins);
  const pinned = pinnedObjects(options.pins);
  if (options.json) document({ attached, pinned });
  else {
    const rows = attached.map((one) => [
      String(one.link),
      one.program,
      String(one.programId),
      one.object ?? "(a running process)",
      one.cgroup ?? "(gone)",
    ]);
    const idle = pinned.filter((name) => !attached.some((one) => one.object === name));
    out(table(["LINK", "PROGRAM", "ID", "HELD BY", "CGROUP"], rows) || "nothing is attached");
    if (idle.length > 0) out(`pinned, not attached: ${idle.join(", ")}`);
  }
  return Promise.resolve(0);
}
