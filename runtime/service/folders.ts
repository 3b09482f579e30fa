/** Tells when something comes or goes in folders: at once where the file system has events, and within two seconds anyway. */
import { watch, type FSWatcher } from "node:fs";

export interface FolderWatch {
  /** From now on these. */
  follow(folders: ReadonlySet<string>): void;
  close(): void;
}
const EVERY_MS = 2000;
/** Systemd and container engines make several folders at once. */
const QUIET_MS = 20;

export function watchFolders(look: () => void): FolderWatch {
  const watchers = new Map<string, FSWatcher>();
  let soon: NodeJS.Timeout | undefined;
  const timer = setInterval(look, EVERY_MS);
  const changed = (): void => {
    soon ??= setTimeout(() => {
      soon = undefined;
      look();
    }, QUIET_MS);
  };
  const drop = (folder: string): void => {
    watchers.get(folder)?.close();
    watchers.delete(folder);
  };
  return {
    follow(folders) {
      for (const folder of [...watchers.keys()]) if (!folders.has(folder)) drop(folder);
      for (const folder of folders) {
        if (watchers.has(folder)) continue;
        try {
          watchers.set(
            folder,
            watch(folder, changed).on("error", () => drop(folder)),
          );
        } catch {
          // It has gone, or there are too many watches: the timer looks.
        }
      }
    },
    close() {
      clearInterval(timer);
      clearTimeout(soon);
      for (const folder of [...watchers.keys()]) drop(folder);
    },
  };
}
