/** `tsbpf detach`: ends attachments and removes pins. */
import { out } from "../../compiler/cli/output.ts";
import { BPF } from "../kernel/abi.ts";
import { fdById } from "../kernel/bpf.ts";
import { failed, RuntimeError } from "../kernel/errors.ts";
import { linkHandle } from "../kernel/links.ts";
import { pinnedObjects, removeObject } from "../kernel/pins.ts";
import { line } from "./report.ts";

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
  for (const name of names) {
    const cgroups = removeObject(name, options.pins);
    if (options.json) line({ detached: name, cgroups });
    else out(`${name} removed${cgroups.length > 0 ? `, detached from ${cgroups.join(", ")}` : ""}`);
  }
  if (names.length === 0 && options.all && !options.json) out("nothing is pinned");
  return Promise.resolve(0);
}

function detachLink(text: string, options: DetachOptions): void {
  const id = Number(text);
  if (!Number.isInteger(id) || id < 1) throw new RuntimeError("bad-argument", `${text} is not the number of a link`);
  const fd = fdById(BPF.linkFdById, id);
  if (fd === -2) throw new RuntimeError("not-found", `no link ${id}`, { help: "tsbpf list shows the links" });
  if (fd < 0) throw failed("not-permitted", `opening link ${id}`, fd);
  const link = linkHandle(fd);
  try {
    link.detach();
  } finally {
    link.close();
  }
  if (options.json) line({ detachedLink: id });
  else out(`link ${id} detached`);
}
