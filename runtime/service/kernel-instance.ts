/**
 * A program in the kernel, always pinned: whatever ends the service, the attachment stays for the next start, and goes
 * when the service ends in order and does not keep it.
 */
import { confirmAttached, attachAll, watchLinks } from "../kernel/attached.ts";
import { inodeIfThere, needPlaces } from "../kernel/attach-points.ts";
import type { Claim } from "../kernel/claims.ts";
import { RuntimeError } from "../kernel/errors.ts";
import type { LinkHandle } from "../kernel/links.ts";
import { loadModule } from "../kernel/load.ts";
import type { LoadedObject } from "../kernel/object.ts";
import { openObject, pinnedObjects, pinObject, removeObject, type PinnedObject } from "../kernel/pins.ts";
import { putInPlace, type Placed } from "../kernel/replace.ts";
import { undoList } from "../kernel/undo.ts";
import { followLocalAddresses } from "../mptcp/daemon.ts";
import { allOf, type Instance, type Prepared } from "./instance.ts";
import { claimObject } from "./ownership.ts";
import { nounOf } from "./places.ts";
import type { Host, Target } from "./target.ts";

interface KernelInstance extends Instance {
  readonly pinned: PinnedObject;
  readonly claim: Claim;
  /** Looks at it no more. */
  unwatch(): void;
  /** Lets go of all that this process has of it. The attachment stays. */
  letGo(): void;
}
const isKernel = (instance: Instance): instance is KernelInstance => "pinned" in instance;

/** Loads the programs, beside those that run. `old`: the instance whose place it takes. Throws RuntimeError. */
export function prepareKernel(target: Target, host: Host, old?: Instance): Prepared {
  const { name, place, input, netns } = target;
  const { pins, socket } = host;
  const before = old && isKernel(old) ? old : undefined;
  const steps: (() => void)[] = [];
  const undo = (): void => void allOf(steps.splice(0));
  try {
    if (place !== undefined) needPlaces(place);
    const claim = before?.claim ?? claimObject(pins, name, socket, target.file);
    if (!before) steps.push(() => (claim.left ? claim.leave() : claim.end()));
    const there = before ? before.pinned : openLeft(name, pins);
    if (there && !before) {
      steps.push(there.close);
      if (!claim.left && !host.replace)
        throw new RuntimeError("pin-exists", `an object named ${name} is pinned already, and not by this service`, {
          help: `tsbpf detach ${name} removes it; --replace takes its place; or give the program another name`,
        });
    }
    const made = undoList();
    steps.push(() => made.run());
    const object = loadModule(
      input.module,
      { name, params: target.params, pinRoot: pins, undo: made, ...(there ? { reuse: there.object } : {}) },
      input.kernelInfo,
    );
    steps.push(object.close);
    const warn = (text: string): void => host.log({ level: "warning", program: name, text });
    const follow = followLocalAddresses(object, netns, warn);
    if (follow) steps.push(follow.close);
    let placed: Placed | undefined;
    let fresh: KernelInstance | undefined;
    return {
      undo,
      place() {
        // Said before the pins are made: whoever finds them knows whose they are.
        if (!before) claim.write({ name, pins, socket });
        let links: ReadonlyMap<string, LinkHandle>;
        if (there) {
          const put = putInPlace(there, object, pins, place);
          placed = put;
          links = put.links;
          steps.push(() => put.undo());
        } else {
          links = attachAll(object, place);
          steps.push(() => {
            for (const link of links.values()) link.close();
          });
          pinObject(object, [...links], pins);
          steps.push(() => void removeObject(name, pins));
        }
        if (place !== undefined) confirmAttached(object, links, place);
        // All that may fail is done here: what is committed stays.
        fresh = instanceOf(target, host, claim, object, follow?.close);
        steps.push(fresh.unwatch);
        if (there && !before)
          host.log({
            level: "info",
            program: name,
            text: `takes over what ${claim.left ? `process ${claim.left.pid} has left` : "was pinned"}; its maps are kept`,
          });
      },
      commit() {
        steps.length = 0;
        const failed = allOf([
          () => (before ?? { letGo: () => there?.close() }).letGo(),
          () => placed?.keep(),
          made.keep,
        ]);
        if (failed !== undefined) warn((failed as Error).message);
        return fresh!;
      },
    };
  } catch (error) {
    undo();
    throw error;
  }
}

/** What is pinned under the name, whoever has done it. */
const openLeft = (name: string, pins: string): PinnedObject | undefined =>
  pinnedObjects(pins).includes(name) ? openObject(name, pins) : undefined;

function instanceOf(
  target: Target,
  { pins }: Host,
  claim: Claim,
  object: LoadedObject,
  unfollow: (() => void) | undefined,
): KernelInstance {
  const { name, place } = target;
  // The links by their pins: those that were taken over belonged to the object before.
  const pinned = openObject(name, pins);
  const inode = place === undefined ? undefined : inodeIfThere(place);
  const watch = watchLinks(pinned.links, place);
  let isLost = false;
  const isGone = (): boolean => place !== undefined && inodeIfThere(place) !== inode;
  const unwatch = (): void => {
    watch.close();
    pinned.close();
  };
  const letGo = (): void => {
    const failed = allOf([object.close, ...(unfollow ? [unfollow] : []), unwatch]);
    if (failed !== undefined) throw failed as Error;
  };
  return {
    target,
    since: new Date(),
    lost: watch.lost.then((error) => {
      isLost = true;
      watch.close();
      return new RuntimeError(error.key, isGone() ? `${nounOf(target)} was removed` : error.message);
    }),
    isLost: () => isLost,
    isGone,
    pinned,
    claim,
    unwatch,
    letGo,
    facts: () => ({
      params: target.paramTexts,
      programs: Object.values(object.programs).map((program) => ({ name: program.name, id: program.info().id })),
      pins,
    }),
    end(keep) {
      const failed = allOf([
        () => (keep ? claim.leave() : claim.end()),
        ...(keep ? [] : [() => void removeIfThere(name, pins)]),
        letGo,
      ]);
      if (failed !== undefined) throw failed as Error;
    },
  };
}

/** Somebody may have detached it: then there is nothing to remove. */
function removeIfThere(name: string, pins: string): void {
  if (pinnedObjects(pins).includes(name)) removeObject(name, pins);
}
