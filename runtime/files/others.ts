/** Files that somebody else may have put where we look. */
import { statSync } from "node:fs";
import { dirname } from "node:path";

/** Whether somebody else may have put a file there: what lies in a folder of everybody's, such as /tmp, and is not ours. */
export function isOthers(path: string): boolean {
  const folder = statSync(dirname(path), { throwIfNoEntry: false });
  const owner = statSync(path, { throwIfNoEntry: false })?.uid;
  return folder !== undefined && (folder.mode & 0o002) !== 0 && owner !== 0 && owner !== process.getuid?.();
}
