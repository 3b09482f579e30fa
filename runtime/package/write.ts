/** Writes packages: whole, or not at all, and over nothing that is there. */
import { lstatSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { randomBytes } from "node:crypto";
import { reason, trouble, writeWhole } from "../files/files.ts";
import { inOrder, type PackedFile } from "./files.ts";
import { tarOf } from "./tar.ts";

/** A link that leads nowhere is there. What no path leads to is found out when it is written. */
function isThere(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Throws where something is at the path. */
export function refuseExisting(path: string): void {
  if (isThere(path)) throw trouble("output-exists", `${path} is there already`, "remove it, or name another: -o PATH");
}

/** One file, an archive, or a folder. */
export function writePackage(
  path: string,
  files: readonly PackedFile[],
  as: "file" | "archive" | "folder",
  seconds: number,
): void {
  refuseExisting(path);
  if (as === "archive") return writeWhole(path, tarOf(files, seconds));
  if (as === "file") return writeWhole(path, files[0]!.bytes);
  writeFolder(path, files);
}

/** Into a neighbour that takes the name at the end. */
function writeFolder(path: string, files: readonly PackedFile[]): void {
  const part = join(dirname(path), `.${basename(path)}.${randomBytes(4).toString("hex")}.part`);
  try {
    mkdirSync(dirname(path), { recursive: true });
    mkdirSync(part);
    for (const { path: name, bytes, runs, link } of inOrder(files)) {
      const file = join(part, name);
      mkdirSync(dirname(file), { recursive: true });
      if (link === undefined) writeFileSync(file, bytes, { flag: "wx", mode: runs ? 0o755 : 0o644 });
      else symlinkSync(link, file);
    }
    renameSync(part, path);
  } catch (error) {
    if (isThere(part)) rmSync(part, { recursive: true, force: true });
    throw trouble("cannot-write", `cannot write ${path}: ${reason(error)}`, "choose another place: -o PATH");
  }
}
