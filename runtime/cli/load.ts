/** `tsbpf load`: load, attach, pin, return. */
import type { TargetName } from "../../compiler/bpf/kernels.ts";
import type { Version } from "../../compiler/bpf/verifier-rules.ts";
import { printable } from "../../compiler/printable.ts";
import { byKind, needPlaces, openPlace, type Place } from "../kernel/attach-points.ts";
import {
  attachAll,
  attachesAnything,
  confirmAttached,
  neighbourTexts,
  pinnedHolders,
  placeFor,
  placesOf,
  registeredNames,
} from "../kernel/attached.ts";
import { RuntimeError } from "../kernel/errors.ts";
import { loadModule } from "../kernel/load.ts";
import type { LinkHandle } from "../kernel/links.ts";
import type { LoadedObject } from "../kernel/object.ts";
import { closeFd } from "../kernel/fd.ts";
import { cgroupDirectory } from "../kernel/made.ts";
import { checkObjectName, nameOfFile } from "../kernel/names.ts";
import type { ObjectToLoad } from "../kernel/object-file.ts";
import { needBpffs } from "../kernel/pin-folder.ts";
import { openObject, pinnedObjects, pinObject, removeObject, type PinnedObject } from "../kernel/pins.ts";
import { putInPlace } from "../kernel/replace.ts";
import { undoList, type Undo } from "../kernel/undo.ts";
import { followLocalAddresses } from "../mptcp/daemon.ts";
import { outputFailed, tellLoss, whenLost, written } from "./output.ts";
import { readInput, readParams } from "./input.ts";
import { jsonText, warn } from "./report.ts";
import { uninterrupted } from "./stop.ts";

export interface LoadCommandOptions {
  readonly cgroup?: string;
  readonly name?: string;
  readonly replace?: boolean;
  readonly param?: readonly string[];
  readonly netns?: string;
  readonly pins: string;
  readonly target?: TargetName;
  readonly kernel?: Version;
  readonly root?: string;
  readonly json?: boolean;
}

export async function load(file: string, given: LoadCommandOptions): Promise<number> {
  const options = given.cgroup === undefined ? given : { ...given, cgroup: cgroupDirectory(given.cgroup) };
  const input = readInput(file, options);
  if (!input) return 1;
  const { module } = input;
  const name = checkObjectName(options.name ?? nameOfFile(file), "--name");
  const params = readParams(module, options.param);
  if (options.cgroup !== undefined && !attachesAnything(module))
    throw new RuntimeError("bad-argument", "nothing in it attaches to a cgroup", { help: "leave --cgroup out" });
  const place = placeFor(module, options);
  if (place !== undefined) {
    needPlaces(place);
    closeFd(openPlace(place));
  }
  needBpffs(options.pins);
  const there = pinnedObjects(options.pins).includes(name);
  if (there && !options.replace)
    throw new RuntimeError("pin-exists", `an object named ${name} is pinned already`, {
      help: `--replace puts this one in its place; --name gives it another name; tsbpf detach ${name} removes the old one`,
    });
  return uninterrupted((signal) => loadAndPin(input, name, params, there, options, signal));
}

async function loadAndPin(
  { module, kernelInfo }: ObjectToLoad,
  name: string,
  params: Readonly<Record<string, unknown>>,
  there: boolean,
  options: LoadCommandOptions,
  signal: () => Promise<NodeJS.Signals | undefined>,
): Promise<number> {
  const place = placeFor(module, options);
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
      followLocalAddresses(object, options.netns, (text) => warn(options, text))?.close();
      const { links, keep } = pinned
        ? placed(pinned, object, place, options.pins, undo)
        : attachAndPin(object, place, options.pins, undo);
      if (place !== undefined) confirmAttached(object, links, place);
      const places = placesOf(links.values());
      const interrupted = await signal();
      if (interrupted !== undefined)
        throw new RuntimeError("ended", `ended by ${interrupted}: all is as it was before`);
      if (!(await isTold(object, there, places, options))) {
        // Nobody would know of it.
        undo.run();
        return 1;
      }
      undo.keep();
      keep();
      if (outputFailed()) return 1;
      const own = new Set(Object.values(object.programs).map((program) => program.info().id));
      const shared = typeof place === "object" ? [place] : places.filter((path) => path.startsWith("/"));
      for (const one of shared)
        for (const text of neighbourTexts(one, own, pinnedHolders(options.pins))) warn(options, text);
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

interface Attached {
  readonly links: ReadonlyMap<string, LinkHandle>;
  readonly keep: () => void;
}

function placed(
  pinned: PinnedObject,
  object: LoadedObject,
  place: Place | undefined,
  pins: string,
  undo: Undo,
): Attached {
  const made = putInPlace(pinned, object, pins, place);
  undo.step(() => made.undo());
  return { links: made.links, keep: () => made.keep() };
}

function attachAndPin(object: LoadedObject, place: Place | undefined, pins: string, undo: Undo): Attached {
  const links = attachAll(object, place);
  pinObject(object, [...links], pins);
  undo.step(() => void removeObject(object.name, pins));
  return { links, keep: () => undefined };
}

/** Says what was done: if not where it belongs, then beside the word about lost output. Whether anybody can know of it. */
async function isTold(
  object: LoadedObject,
  replaced: boolean,
  places: readonly string[],
  options: LoadCommandOptions,
): Promise<boolean> {
  const { name } = object;
  const programs = Object.values(object.programs).map((program) => ({ name: program.name, id: program.info().id }));
  const what = programs.map((program) => `${program.name} (program ${program.id})`).join(", ");
  const structs = registeredNames(object);
  const done =
    places.length > 0
      ? `attached to ${places.join(", ")}`
      : structs.length > 0
        ? `registered as ${structs.join(", ")}`
        : "loaded, attached to nothing";
  const { cgroups, namespaces } = byKind(places);
  const text = `${name}: ${what} ${replaced ? "took the place of what was pinned, " : ""}${done}, pinned under ${options.pins}`;
  const loss = await written(
    options.json
      ? jsonText({
          name,
          programs,
          ...(structs.length > 0 ? { structs } : {}),
          replaced,
          cgroup: cgroups[0] ?? null,
          cgroups,
          namespaces,
          pins: options.pins,
        })
      : printable(text),
  );
  if (!loss) return true;
  whenLost(`${text}; tsbpf detach ${name} ends it`);
  return tellLoss(loss);
}
