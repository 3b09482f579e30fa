/** Files that somebody else may have put where we look. */
import { dirname } from "node:path";
import { status } from "./disk.ts";

/** Whether somebody else may have put a file there: what lies in a folder of everybody's, such as /tmp, and is not ours. */
export function isOthers(path: string): boolean {
  if (status(dirname(path))?.everybodys !== true) return false;
  const owner = status(path)?.owner;
  return owner !== 0 && owner !== process.getuid?.();
}
