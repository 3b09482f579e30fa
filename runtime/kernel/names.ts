/** Names as the kernel takes them. */
import { printable } from "../../compiler/printable.ts";
import { OBJECT_NAME_LENGTH } from "./abi.ts";
import { RuntimeError } from "./errors.ts";

/** Program and map names: letters, digits, `_` and `.`, at most 15 (bpf_obj_name_cpy in kernel/bpf/syscall.c). */
export const objectName = (name: string): string => name.replace(/[^A-Za-z0-9_.]/g, "_").slice(0, OBJECT_NAME_LENGTH);

/** NAME_MAX of include/uapi/linux/limits.h, less the mark of a pin that takes another's place. */
const LONGEST_PIN = 254;

/**
 * A file name on a bpffs, which refuses dots (bpf_lookup in kernel/bpf/inode.c): other bytes than letters, digits, `_` and
 * `-` are written as in URLs, so that no two names share a pin. Throws on names that are empty or too long.
 */
export function pinName(name: string): string {
  const encoded = [...Buffer.from(name, "utf8")]
    .map((byte) => {
      const char = String.fromCharCode(byte);
      return /[A-Za-z0-9_-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    })
    .join("");
  if (encoded === "") throw new RuntimeError("bad-argument", "a pin needs a name, and this one is empty");
  if (encoded.length > LONGEST_PIN)
    throw new RuntimeError("bad-argument", `the name ${name.slice(0, 40)}… is too long to pin under`);
  return encoded;
}

/** The inverse of pinName; a file that no name of ours would have made stands for itself. */
export function nameOfPin(file: string): string {
  try {
    const name = decodeURIComponent(file);
    return pinName(name) === file ? name : file;
  } catch {
    return file;
  }
}

/** Refuses names that an object cannot be called by: OBJECT/MAP must be told apart. `option` gives another. Gives the name. */
export function checkObjectName(name: string, option: "--name" | "--pin"): string {
  if (name.includes("/"))
    throw new RuntimeError("bad-argument", `the name of an object has no slash: ${name}`, {
      help: `choose another: ${option} NAME`,
    });
  if (printable(name) !== name)
    throw new RuntimeError("bad-argument", `the name of an object has no control characters: ${printable(name)}`, {
      help: `choose another: ${option} NAME`,
    });
  pinName(name);
  return name;
}

/** The object's name from its file: "out/fullmesh.o" is "fullmesh". */
export const nameOfFile = (path: string): string =>
  (path.split("/").pop() ?? path).replace(/\.(bpf\.)?(o|ts|mts)$/, "") || "object";
