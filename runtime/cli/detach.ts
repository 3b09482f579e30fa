/** `tsbpf detach`: ends attachments and removes pins. */
import { BPF } from "../kernel/abi.ts";
import { byKind } from "../kernel/attach-points.ts";
import { fdById, SYS_ADMIN } from "../kernel/bpf.ts";
import { failed, RuntimeError } from "../kernel/errors.ts";
import { linkHandle } from "../kernel/links.ts";
import { checkId, pinnedObjects, removeObject } from "../kernel/pins.ts";
import { recoverNamespaces } from "../mptcp/userspace.ts";
import { forgetDetached } from "../service/ownership.ts";
import { out, say, whenLost } from "./output.ts";
import { line, notice, reportError } from "./report.ts";

export interface DetachOptions {
  readonly all?: boolean;
  readonly link?: string;
  readonly pins: string;
  readonly json?: boolean;
}

export function detach(objects: readonly string[], options: DetachOptions): Promise<number> {
  const names = options.all ? pinnedObjects(options.pins) : objects;
  if (names.length === 0 && options.link === undefined && !options.all)
    throw new RuntimeError("bad-argument", "nothing named to detach", {
      help: "name a pinned object, or --all, or --link ID; tsbpf list shows them",
    });
  if (options.link !== undefined) detachLink(options.link, options);
  let failures = 0;
  const removed: string[] = [];
  for (const name of names) {
    try {
      const places = removeObject(name, options.pins);
      removed.push(name);
      whenLost(`removed all the same: ${removed.join(", ")}`);
      if (options.json) line({ detached: name, ...byKind(places) });
      else say(`${name} removed${places.length > 0 ? `, detached from ${places.join(", ")}` : ""}`);
    } catch (error) {
      // One that is broken, or not ours to remove, does not keep the others.
      if (names.length === 1 || !(error instanceof RuntimeError)) throw error;
      failures++;
      reportError(error, options.json ?? false);
    }
  }
  if (names.length === 0 && options.all && !options.json) out("nothing is pinned");
  if (options.all) {
    // What processes have left that are gone: killed runs, and services that keep what they have attached.
    for (const text of recoverNamespaces("all")) notice(options, text);
    forgetDetached();
  }
  return Promise.resolve(failures === 0 ? 0 : 1);
}

function detachLink(text: string, options: DetachOptions): void {
  const id = checkId(text, "a link");
  const fd = fdById(BPF.linkFdById, id);
  if (fd === -2) throw new RuntimeError("not-found", `no link ${id}`, { help: "tsbpf list shows the links" });
  if (fd < 0) throw failed("not-permitted", `opening link ${id}`, fd, SYS_ADMIN);
  const link = linkHandle(fd);
  try {
    link.detach();
  } finally {
    link.close();
  }
  whenLost(`link ${id} is detached all the same`);
  if (options.json) line({ detachedLink: id });
  else say(`link ${id} detached`);
}
