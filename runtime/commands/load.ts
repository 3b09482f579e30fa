/** `tsbpf load`: load, attach, pin, return. */
import { say } from "../../compiler/cli/output.ts";
import type { TargetName } from "../../compiler/bpf/kernels.ts";
import { RuntimeError } from "../kernel/errors.ts";
import { loadModule } from "../kernel/load.ts";
import type { LinkHandle } from "../kernel/links.ts";
import type { LoadedObject } from "../kernel/object.ts";
import { closeFd } from "../kernel/fd.ts";
import { checkObjectName, nameOfFile } from "../kernel/names.ts";
import { needBpffs } from "../kernel/pin-folder.ts";
import { openObject, pinnedObjects, pinObject } from "../kernel/pins.ts";
import { openCgroup } from "../kernel/places.ts";
import { replaceObject } from "../kernel/replace.ts";
import { undoList } from "../kernel/undo.ts";
import { followLocalAddresses } from "../mptcp/daemon.ts";
import { cgroupsOf, confirmAttached, neighbourTexts, pinnedHolders } from "./attached.ts";
import { readInput, readParams } from "./input.ts";
import { line, warn } from "./report.ts";

export interface LoadCommandOptions {
  readonly cgroup?: string;
  readonly name?: string;
  readonly replace?: boolean;
  readonly param?: readonly string[];
  readonly netns?: string;
  readonly pins: string;
  readonly target?: TargetName;
  readonly root?: string;
  readonly json?: boolean;
}

export function load(file: string, options: LoadCommandOptions): Promise<number> {
  return Promise.resolve(loadNow(file, options));
}

function loadNow(file: string, options: LoadCommandOptions): number {
  const input = readInput(file, options);
  if (!input) return 1;
  const { module, kernelInfo } = input;
  const name = checkObjectName(options.name ?? nameOfFile(file));
  const params = readParams(module, options.param);
  if (options.cgroup !== undefined) closeFd(openCgroup(options.cgroup));
  needBpffs(options.pins);
  const there = pinnedObjects(options.pins).includes(name);
  if (there && !options.replace)
    throw new RuntimeError("pin-exists", `an object named ${name} is pinned already`, {
      help: `--replace puts this one in its place; --name gives it another name; tsbpf detach ${name} removes the old one`,
    });
  const pinned = there ? openObject(name, options.pins) : undefined;
  const undo = undoList();
  try {
    const object = loadModule(
      module,
      { name, params, pinRoot: options.pins, undo, ...(pinned ? { reuse: pinned.object } : {}) },
      kernelInfo,
    );
    try {
      // Filled once; `tsbpf run` is what keeps it current.
      followLocalAddresses(object, options.netns, () => undefined)?.close();
      const links = pinned
        ? replaceObject(pinned, object, options.pins, options.cgroup)
        : attachAndPin(object, options.cgroup, options.pins);
      if (options.cgroup !== undefined) confirmAttached(object, links, options.cgroup);
      undo.keep();
      const cgroups = cgroupsOf(links.values());
      report(object, there, cgroups, options);
      const own = new Set(Object.values(object.programs).map((program) => program.info().id));
      for (const cgroup of cgroups.filter((path) => path.startsWith("/")))
        for (const text of neighbourTexts(cgroup, own, pinnedHolders(options.pins))) warn(options, text);
    } finally {
      object.close();
    }
    return 0;
  } catch (error) {
    undo.run();
    throw error;
  } finally {
    pinned?.close();
  }
}

function attachAndPin(object: LoadedObject, cgroup: string | undefined, pins: string): ReadonlyMap<string, LinkHandle> {
  const links = new Map<string, LinkHandle>();
  if (cgroup !== undefined)
    for (const program of Object.values(object.programs)) links.set(program.name, program.attach(cgroup));
  pinObject(object, [...links], pins);
  return links;
}

function report(
  object: LoadedObject,
  replaced: boolean,
  cgroups: readonly string[],
  options: LoadCommandOptions,
): void {
  const { name } = object;
  const programs = Object.values(object.programs).map((program) => ({ name: program.name, id: program.info().id }));
  if (options.json) return line({ name, programs, replaced, cgroup: cgroups[0] ?? null, cgroups, pins: options.pins });
  const what = programs.map((program) => `${program.name} (program ${program.id})`).join(", ");
  const done = cgroups.length > 0 ? `attached to ${cgroups.join(", ")}` : "loaded, attached to nothing";
  say(`${name}: ${what} ${replaced ? "took the place of what was pinned, " : ""}${done}, pinned under ${options.pins}`);
}
