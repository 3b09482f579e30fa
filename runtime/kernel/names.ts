/** Names as the kernel takes them. */
import { OBJECT_NAME_LENGTH } from "./abi.ts";

/** Program and map names: letters, digits, `_` and `.`, at most 15 (bpf_obj_name_cpy in kernel/bpf/syscall.c). */
export const objectName = (name: string): string => name.replace(/[^A-Za-z0-9_.]/g, "_").slice(0, OBJECT_NAME_LENGTH);

/** A file name on a bpffs, which refuses dots (bpf_lookup in kernel/bpf/inode.c). */
export const pinName = (name: string): string => name.replace(/[^A-Za-z0-9_-]/g, "_");

/** The object's name from its file: "out/fullmesh.o" is "fullmesh". */
export const nameOfFile = (path: string): string =>
  (path.split("/").pop() ?? path).replace(/\.(bpf\.)?(o|ts|mts)$/, "") || "object";
