/** `--watch`: a command again whenever one of the files that took part has changed, until Ctrl-C. */
import { statSync, watch, type FSWatcher } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { TroubleError } from "../files/files.ts";
import { colour, err, say, troubleText } from "./output.ts";
import { untilStopped } from "./stop.ts";

/** An editor that saves writes several times, and often into a neighbour that it renames. */
const QUIET_MS = 60;

/** Times of files may be so much older than the clock. */
const CLOCK_MS = 10;

function changedSince(file: string, time: number): boolean {
  const stat = statSync(file, { throwIfNoEntry: false });
  return stat !== undefined && stat.mtimeMs >= time;
}

/**
 * Told of the paths that were read; given those that have changed since the last time, and a signal that is aborted when the whole is to
 * end. Gives the exit code; undefined when it was cut short, and the one before holds.
 */
export type Once = (
  saw: (path: string) => void,
  changed: readonly string[],
  signal: AbortSignal,
) => number | undefined | Promise<number | undefined>;

/**
 * Runs `once` now and after every change of the files that it read, of other TypeScript files in their folders, and of `folders`; a change
 * meanwhile has it run again when it has ended. Resolves to the last exit code when it is stopped. An error of any run that is no
 * TroubleError ends it all: it is thrown.
 */
export function rerun(folders: readonly string[], once: Once): Promise<number> {
  return untilStopped(undefined, async (stopped) => {
    const watchers = new Map<string, FSWatcher>();
    const seen = new Set<string>();
    let timer: NodeJS.Timeout | undefined;
    let code = 0;
    let running: Promise<void> | undefined;
    let failed: { readonly error: unknown } | undefined;
    const over = new AbortController();
    const ended = new Promise<void>((resolve) => over.signal.addEventListener("abort", () => resolve()));
    void stopped.then(() => over.abort());
    const changed = new Set<string>();
    const again = (folder: string, name: string | null): void => {
      // Declarations are what `build --types` writes itself.
      const isSource = name === null || (/\.[mc]?ts$/.test(name) && !/\.d\.[mc]?ts$/.test(name));
      if (!isSource && !seen.has(resolve(folder, name))) return;
      if (name !== null) changed.add(resolve(folder, name));
      clearTimeout(timer);
      timer = setTimeout(() => {
        running = (running ?? Promise.resolve()).then(() => {
          if (over.signal.aborted || (changed.size === 0 && name !== null)) return;
          say(`-- ${new Date().toTimeString().slice(0, 8)}${name === null ? "" : ` ${name} has changed`}`);
          return run();
        });
      }, QUIET_MS);
    };
    async function run(): Promise<void> {
      const before = [...seen];
      const since = [...changed];
      seen.clear();
      changed.clear();
      const began = Date.now() - CLOCK_MS;
      // Not when the run has ended: one with tests takes long, and somebody edits meanwhile.
      const late = new Set<string>();
      const saw = (path: string): void => {
        const file = resolve(path);
        const folder = dirname(file);
        seen.add(file);
        if (watchers.has(folder)) return;
        look(folder);
        late.add(folder);
      };
      try {
        code = (await once(saw, since, over.signal)) ?? code;
      } catch (error) {
        if (!(error instanceof TroubleError)) {
          failed ??= { error };
          over.abort();
          return;
        }
        err(troubleText(error.trouble, colour(process.stderr)));
        code = 1;
      }
      // Between their reading and the first look at their folder.
      for (const file of seen)
        if (late.has(dirname(file)) && changedSince(file, began)) again(dirname(file), basename(file));
      // What went wrong may have hidden files that took part before, and whose next change mends it.
      if (code !== 0) for (const path of before) seen.add(path);
      const wanted = new Set([...folders.map((folder) => resolve(folder)), ...[...seen].map(dirname)]);
      for (const [folder, watcher] of watchers)
        if (!wanted.has(folder)) {
          watcher.close();
          watchers.delete(folder);
        }
      for (const folder of wanted) if (!watchers.has(folder)) look(folder);
    }
    /** A folder that is not there, or goes, is looked for again after the next change elsewhere. */
    function look(folder: string): void {
      try {
        const watcher = watch(folder, (_, name) => again(folder, name));
        watcher.on("error", () => {
          watcher.close();
          watchers.delete(folder);
        });
        watchers.set(folder, watcher);
      } catch {
        return;
      }
    }
    try {
      // Before the first look at a file, so that no change after it is missed.
      for (const folder of new Set(folders.map((one) => resolve(one)))) look(folder);
      running = run();
      await ended;
      clearTimeout(timer);
      await running;
      if (failed !== undefined) throw failed.error;
      return code;
    } finally {
      clearTimeout(timer);
      for (const watcher of watchers.values()) watcher.close();
    }
  });
}
