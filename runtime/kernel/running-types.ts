/** The running kernel's own types: its structs, and the numbers of its functions and types. Read once, when first asked for. */
import { readFileSync } from "node:fs";
import { decodeBtf, sizeOfType, type Btf } from "../../compiler/object/btf.ts";
import { RuntimeError } from "./errors.ts";

const VMLINUX = "/sys/kernel/btf/vmlinux";

export interface RunningMember {
  readonly name: string;
  /** Position among the members. */
  readonly index: number;
  /** In bytes. */
  readonly offset: number;
  readonly bytes: number;
}
export interface RunningStruct {
  readonly id: number;
  readonly bytes: number;
  readonly members: readonly RunningMember[];
}
export interface RunningTypes {
  readonly btf: Btf;
  /** The number of a function; undefined where the kernel itself (not a module of it) has none of that name. */
  functionId(name: string): number | undefined;
  struct(name: string): RunningStruct | undefined;
}

let known: RunningTypes | undefined;
/** Throws RuntimeError where the kernel does not tell. */
export function runningTypes(): RunningTypes {
  return (known ??= open());
}

function open(): RunningTypes {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(VMLINUX);
  } catch {
    throw new RuntimeError("kernel-lacks", "this kernel does not tell its types, which the object is loaded by", {
      help: `${VMLINUX} is missing: the kernel must be built with CONFIG_DEBUG_INFO_BTF`,
    });
  }
  const decoded = decodeBtf(bytes);
  if ("problem" in decoded) throw new RuntimeError("system", `${VMLINUX}: ${decoded.problem.text}`);
  const { value: btf } = decoded;
  const index = (kind: "func" | "struct"): ReadonlyMap<string, number> => {
    const found = new Map<string, number>();
    btf.types.forEach((type, id) => {
      if (type?.kind === kind && !found.has(type.name)) found.set(type.name, id);
    });
    return found;
  };
  let functions: ReadonlyMap<string, number> | undefined;
  let structs: ReadonlyMap<string, number> | undefined;
  return {
    btf,
    functionId: (name) => (functions ??= index("func")).get(name),
    struct(name) {
      const id = (structs ??= index("struct")).get(name);
      const type = id === undefined ? undefined : btf.types[id];
      if (id === undefined || type?.kind !== "struct") return undefined;
      const members = type.members.map((member, position) => ({
        name: member.name,
        index: position,
        offset: member.offset / 8,
        bytes: sizeOfType(btf, member.type),
      }));
      return { id, bytes: type.size, members };
    },
  };
}
