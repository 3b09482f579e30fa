/** Ranges of memory as single accesses. */
import type { AccessBytes } from "../bpf/opcodes.ts";

/** Pieces of a range: naturally aligned, the widest first that fits. */
export function pieces(offset: number, bytes: number, align: number): { offset: number; bytes: AccessBytes }[] {
  const made: { offset: number; bytes: AccessBytes }[] = [];
  const end = offset + bytes;
  for (let at = offset; at < end;) {
    const size = ([8, 4, 2, 1] as const).find((s) => s <= align && s <= end - at && at % s === 0) ?? 1;
    made.push({ offset: at, bytes: size });
    at += size;
  }
  return made;
}
