/** `tsbpf load`: load, attach, pin, return. */
import { out } from "../../compiler/cli/output.ts";
import type { TargetName } from "../../compiler/bpf/kernels.ts";
import { RuntimeError } from "../kernel/errors.ts";
import { loadModule } from "../kernel/load.ts";
import { nameOfFile } from "../kernel/names.ts";
import { openObject, pinnedObjects, pinObject, replaceObject } from "../kernel/pins.ts";
import { needBpffs } from "../kernel/places.ts";
import { followLocalAddresses } from "../mptcp/daemon.ts";
import { readInput, readParams } from "./input.ts";
import { line } from "./report.ts";

export interface LoadCommandOptions {
  readonly cgroup?: string;
  readonly name?: string;
  readonly replace?: boolean;
  readonly param?: readonly string[];
  readonly netns?: string;
  readonly pins: string;
  readonly target?: TargetName;
  readonly json?: boolean;
}

export function load(file: string, options: LoadCommandOptions): Promise<number> {
  return Promise.resolve(loadNow(file, options));
}

function loadNow(file: string, options: LoadCommandOptions): number {
  const input = readInput(file, options);
  if (!input) return 1;
  const { module, kernelInfo } = input;
  const name = options.name ?? nameOfFile(file);
  const params = readParams(module, options.param);
  needBpffs(options.pins);
  const there = pinnedObjects(options.pins).includes(name);
  if (there && !options.replace)
    throw new RuntimeError("pin-exists", `an object named ${name} is pinned already`, {
      help: `--replace puts this one in its place; --name gives it another name; tsbpf detach ${name} removes the old one`,
    });
  const pinned = there ? openObject(name, options.pins) : undefined;
  try {
    const object = loadModule(
      module,
      { name, params, pinRoot: options.pins, ...(pinned ? { reuse: pinned.object } : {}) },
      kernelInfo,
    );
    try {
      // Filled once; `tsbpf run` is what keeps it current.
      followLocalAddresses(object, options.netns, () => undefined)?.close();
      if (pinned) replaceObject(pinned, object, options.pins);
      else {
        const links =
          options.cgroup === undefined
            ? []
            : Object.values(object.programs).map((program) => [program.name, program.attach(options.cgroup!)] as const);
        pinObject(object, links, options.pins);
      }
      const programs = Object.values(object.programs).map((program) => ({ name: program.name, id: program.info().id }));
      if (options.json) line({ name, programs, replaced: there, cgroup: options.cgroup ?? null, pins: options.pins });
      else {
        const what = programs.map((program) => `${program.name} (program ${program.id})`).join(", ");
        out(
          `${name}: ${what} ${there ? "replaced what was attached" : options.cgroup ? `attached to ${options.cgroup}` : "loaded"}, pinned under ${options.pins}`,
        );
      }
    } finally {
      object.close();
    }
    return 0;
  } finally {
    pinned?.close();
  }
}
