/** Descriptors that the kernel handed out. Node's own close serves them all. */
import { closeSync } from "node:fs";

export function closeFd(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // A descriptor that is closed already is what the caller wanted.
  }
}
