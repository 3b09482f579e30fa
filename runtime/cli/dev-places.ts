/** What `tsbpf dev --cgroup` has loaded: puts it in place, and takes it away again. */
import { resolve } from "node:path";
import type { TargetName } from "../../compiler/bpf/kernels.ts";
import { trouble } from "../files/files.ts";
import { RuntimeError } from "../kernel/errors.ts";
import { nameOfFile } from "../kernel/names.ts";
import { pinnedObjects } from "../kernel/pins.ts";
import { detach } from "./detach.ts";
import { load } from "./load.ts";
import { say } from "./output.ts";
import { guarded } from "./report.ts";

interface PlacesOptions {
  readonly cgroup: string;
  readonly pins: string;
  /** Also what somebody has loaded before. */
  readonly replace?: boolean;
  readonly target?: TargetName;
  readonly root?: string;
}
/** A source that is right. */
export interface Placeable {
  readonly file: string;
  readonly hasPrograms: boolean;
  /** Absolute paths of what took part in it. */
  readonly parts: ReadonlySet<string>;
}
interface Places {
  /**
   * Loads what was not loaded, replaces what has changed, each atomically, and removes what has no program any more. Gives the worst exit
   * code; throws TroubleError, with nothing done, when two sources give one object.
   */
  update(sources: readonly Placeable[], changed: readonly string[], signal: AbortSignal): Promise<number>;
  /** Takes away what was loaded, and says what was there before and stays. */
  end(): Promise<void>;
}

export function placesIn({ cgroup, pins, replace, ...compiling }: PlacesOptions): Places {
  const loaded = new Set<string>();
  /** Objects that were pinned before, and are ours now. */
  const taken = new Set<string>();
  const isPinned = (name: string): boolean => pinnedObjects(pins).includes(name);

  const loadOne = (file: string, name: string): Promise<number> =>
    guarded(false, async () => {
      if (!loaded.has(name) && !taken.has(name) && isPinned(name)) {
        if (!replace)
          throw new RuntimeError("pin-exists", `an object named ${name} is pinned already, and not by this command`, {
            help: `tsbpf detach ${name} removes it; --replace puts this one in its place, where it stays`,
          });
        taken.add(name);
      }
      try {
        return await load(file, { cgroup, replace: true, pins, ...compiling });
      } finally {
        // Its exit code may tell of lost output alone.
        if (!taken.has(name) && isPinned(name)) loaded.add(name);
      }
    });
  const remove = (name: string): Promise<number> =>
    guarded(false, async () => {
      loaded.delete(name);
      return isPinned(name) ? detach([name], { pins }) : 0;
    });

  return {
    async update(sources, changed, signal) {
      const byName = new Map<string, Placeable>();
      for (const source of sources) {
        if (!source.hasPrograms) continue;
        const name = nameOfFile(source.file);
        const other = byName.get(name)?.file;
        if (other !== undefined && resolve(other) !== resolve(source.file))
          throw trouble(
            "same-output",
            `${other} and ${source.file} would both be the object ${name}`,
            "rename one of them, or name the files to load",
          );
        byName.set(name, source);
      }
      let worst = 0;
      for (const name of [...loaded]) if (!byName.has(name)) worst = Math.max(worst, await remove(name));
      for (const name of taken) if (!byName.has(name)) say(`${name} has no program any more: what was loaded goes on`);
      for (const [name, { file, parts }] of byName) {
        if (signal.aborted) break;
        const isThere = loaded.has(name) || taken.has(name);
        if (isThere && !changed.some((path) => parts.has(path))) continue;
        worst = Math.max(worst, await loadOne(file, name));
      }
      return worst;
    },
    async end() {
      for (const name of taken)
        say(`${name} was pinned before and stays, as it is now: tsbpf detach ${name} removes it`);
      if (loaded.size > 0) await guarded(false, () => detach([...loaded], { pins }));
    },
  };
}
