/** `tsbpf list`: pinned objects, and every program of a kind that we compile attached to a cgroup or a network namespace. */
import { attachments, attachmentPlace, type Attachment } from "../kernel/attachments.ts";
import { cgroupsWithPrograms, holdersOf } from "../kernel/neighbours.ts";
import { neighbourTexts } from "../kernel/attached.ts";
import { inSight, onlyPinned, type PinnedInfo } from "../kernel/in-sight.ts";
import { err, out, say } from "./output.ts";
import { document, errorJson, reportError, table } from "./report.ts";

export interface ListOptions {
  readonly pins: string;
  readonly json?: boolean;
}
/** Who holds each attachment, for people; links that no process in sight holds are pinned elsewhere. */
export function holderTexts(attached: readonly Attachment[]): readonly string[] {
  const unpinned = attached.flatMap((one) => (one.object === null && one.link !== null ? [one.link] : []));
  const processes = unpinned.length > 0 ? holdersOf(new Set(unpinned), "link_id") : new Map<number, string>();
  return attached.map((one) => {
    if (!one.visible) return "(not visible)";
    if (one.object !== null) return one.object;
    if (one.link === null) return "(nobody: attached without a link)";
    return processes.get(one.link) ?? "(a pin elsewhere, or a process out of sight)";
  });
}

/** For each cgroup with programs that has others above it or beside it: who they are and what follows. */
function together(
  pinned: readonly PinnedInfo[],
): readonly { readonly cgroup: string; readonly notes: readonly string[] }[] {
  return [...cgroupsWithPrograms()].flatMap(([cgroup, own]) => {
    // Seen from the one of each hook that was attached first; the others of this cgroup are neighbours of it, too.
    const first = own.filter((one, at) => own.findIndex(({ hook }) => hook.attach === one.hook.attach) === at);
    const notes = first.flatMap(({ programId, program }) => {
      const known = pinned.flatMap((one) => one.programs).find(({ id }) => id === programId);
      const name = program ?? known?.name ?? `program ${programId}`;
      return neighbourTexts(cgroup, new Set([programId]), pinned).map((text) => `${name} and ${text}`);
    });
    return notes.length > 0 ? [{ cgroup, notes }] : [];
  });
}

export function list(options: ListOptions): Promise<number> {
  const sight = inSight(options.pins);
  const attached = attachments(sight);
  const pinned = sight.pinned.map(({ name }) => name);
  const shared = together(sight.pinned);
  const broken = sight.pinned.flatMap(({ name, problem }) => (problem ? [{ name, problem }] : []));
  if (options.json)
    document({
      attached,
      pinned,
      shared,
      complete: sight.complete,
      broken: broken.map(({ name, problem }) => ({ object: name, error: errorJson(problem) })),
    });
  else {
    const holders = holderTexts(attached);
    const rows = attached.map((one, index) => [
      one.link === null ? (one.visible ? "-" : "?") : String(one.link),
      one.program ?? "?",
      String(one.programId),
      holders[index]!,
      attachmentPlace(one),
    ]);
    const idle = pinned.filter((name) => !attached.some((one) => one.object === name));
    const none = sight.complete ? "nothing is attached" : "nothing in sight is attached";
    out(table(["LINK", "PROGRAM", "ID", "HELD BY", "ATTACHED TO"], rows) || none);
    for (const { notes } of shared) for (const text of notes) say(text);
    if (!sight.complete) err(onlyPinned(options.pins));
    const isBroken = (name: string): boolean => broken.some((one) => one.name === name);
    const whole = idle.filter((name) => !isBroken(name));
    if (whole.length > 0) say(`pinned, not attached: ${whole.join(", ")}`);
    for (const { problem } of broken) reportError(problem, false);
  }
  return Promise.resolve(broken.length === 0 ? 0 : 1);
}
