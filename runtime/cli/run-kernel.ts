/** `tsbpf run` with a program that runs in the kernel. */
import { needPlaces, openPlace, placeText } from "../kernel/attach-points.ts";
import {
  attachAll,
  attachesAnything,
  confirmAttached,
  neighbourTexts,
  pinnedHolders,
  placeFor,
  registeredNames,
  watchLinks,
} from "../kernel/attached.ts";
import { RuntimeError } from "../kernel/errors.ts";
import { closeFd } from "../kernel/fd.ts";
import type { LinkHandle } from "../kernel/links.ts";
import { loadModule, prints } from "../kernel/load.ts";
import { checkObjectName } from "../kernel/names.ts";
import type { LoadedObject } from "../kernel/object.ts";
import type { ObjectToLoad } from "../kernel/object-file.ts";
import { countWithoutRoom, MPTCP_HAS_NO_ROOM } from "../kernel/option-room.ts";
import { openObject, pinnedObjects, pinObject, removeObject } from "../kernel/pins.ts";
import { putInPlace } from "../kernel/replace.ts";
import { undoList } from "../kernel/undo.ts";
import { followLocalAddresses } from "../mptcp/daemon.ts";
import { openSessions } from "../mptcp/sock-diag.ts";
import { out, say } from "./output.ts";
import { line, warn } from "./report.ts";
import type { RunOptions } from "./run.ts";
import { endAll } from "./stop.ts";
import { watchLog, watchRings } from "./watch.ts";

export async function runKernel(
  input: ObjectToLoad,
  fileName: string,
  params: Readonly<Record<string, unknown>>,
  options: RunOptions,
  stopped: Promise<void>,
): Promise<number> {
  const attaches = attachesAnything(input.module);
  const place = placeFor(input.module, options);
  if (place === undefined && attaches)
    throw new RuntimeError("bad-argument", "a cgroup-v2 directory to attach to is needed", {
      help: "--cgroup DIR; with --make it is made first, and removed at the end: --cgroup lab --make",
    });
  if (place !== undefined && !attaches)
    throw new RuntimeError("bad-argument", "nothing in it attaches to a cgroup", { help: "leave --cgroup out" });
  if (place !== undefined) {
    needPlaces(place);
    closeFd(openPlace(place));
  }
  const { module } = input;
  const name =
    options.pin === undefined ? fileName : checkObjectName(options.pin === true ? fileName : options.pin, "--pin");
  const steps: (() => void)[] = [];
  try {
    // Before anything is attached: what was logged until now is of others.
    const log = prints(module)
      ? watchLog((text) => (options.json ? line({ log: text }) : out(`log  ${text}`)), "from now on")
      : undefined;
    if (typeof log === "string") warn(options, log);
    else if (log) steps.push(log.close);
    const { object, links } = start(input, name, params, options, steps);
    const own = new Set(Object.values(object.programs).map((program) => program.info().id));
    const near = place === undefined ? [] : neighbourTexts(place, own, pinnedHolders(options.pins));
    for (const text of near) warn(options, text);
    const writesOptions = module.needs.some((need) => need === "tcp-option-events" || need === "header-options");
    if (writesOptions && openSessions(options.netns).length > 0) warn(options, MPTCP_HAS_NO_ROOM);
    const roomless = writesOptions ? countWithoutRoom(options.netns) : undefined;
    if (roomless) steps.push(() => roomless.close());
    const rings = watchRings(object, options.json ?? false);
    const programs = Object.keys(object.programs);
    const structs = registeredNames(object);
    if (options.json)
      line({
        event: "attached",
        name,
        programs,
        ...(place === undefined ? { structs } : typeof place === "string" ? { cgroup: place } : place),
        params,
      });
    else if (place === undefined) say(`${structs.join(", ")} registered; Ctrl-C ends it`);
    else say(`${programs.join(", ")} attached to ${placeText(place)}; Ctrl-C detaches`);
    const watch = watchLinks(links, place);
    steps.push(watch.close);
    const lost = await Promise.race([stopped.then(() => undefined), watch.lost]);
    rings.close();
    await rings.done;
    for (const ring of Object.values(object.rings)) {
      const dropped = ring.dropped();
      if (dropped !== undefined && dropped > 0n)
        warn(options, `${ring.name}: ${dropped} records did not fit and were dropped`);
    }
    const lacking = roomless?.more() ?? 0;
    if (lacking > 0) warn(options, `${lacking} segments had no room for an option (tsbpf show counts them)`);
    if (lost) throw lost;
  } finally {
    endAll(steps);
  }
  if (options.json) line({ event: "detached", name });
  else out("detached");
  return 0;
}

interface Started {
  readonly object: LoadedObject;
  readonly links: ReadonlyMap<string, LinkHandle>;
}
/** Loads and attaches; with --pin, takes over what a run before has left. */
function start(
  input: ObjectToLoad,
  name: string,
  params: Readonly<Record<string, unknown>>,
  options: RunOptions,
  steps: (() => void)[],
): Started {
  const { module, kernelInfo } = input;
  const place = placeFor(module, options);
  // What is pinned goes again unless all that follows succeeds.
  const undo = undoList();
  const loading = { name, params, pinRoot: options.pins, undo };
  const follow = (object: LoadedObject): void => {
    const followed = followLocalAddresses(object, options.netns, (text) => warn(options, text));
    if (followed) steps.push(followed.close);
  };
  try {
    if (options.pin !== undefined && pinnedObjects(options.pins).includes(name)) {
      const pinned = openObject(name, options.pins);
      steps.push(pinned.close);
      const object = loadModule(module, { ...loading, reuse: pinned.object }, kernelInfo);
      steps.push(object.close);
      follow(object);
      const { links, keep, undo: putBack } = putInPlace(pinned, object, options.pins, place);
      undo.step(putBack);
      if (place !== undefined) confirmAttached(object, links, place);
      undo.keep();
      keep();
      steps.push(() => void removeObject(name, options.pins));
      if (options.json) line({ event: "taken-over", name });
      else say(`took over ${name}, which was pinned; its maps are kept`);
      return { object, links };
    }
    const object = loadModule(module, loading, kernelInfo);
    steps.push(object.close);
    follow(object);
    const links = attachAll(object, place);
    if (options.pin !== undefined) {
      pinObject(object, [...links], options.pins);
      steps.push(() => void removeObject(name, options.pins));
    }
    if (place !== undefined) confirmAttached(object, links, place);
    undo.keep();
    return { object, links };
  } catch (error) {
    undo.run();
    throw error;
  }
}
