/**
 * Structs of the kernel that programs look into: where each member lies in one release. What is compiled speaks of members by name (CO-RE),
 * so that other releases may have them elsewhere.
 */
import { LINUX_6_1 } from "./linux-6.1.types.ts";
import { LINUX_6_12 } from "./linux-6.12.types.ts";
import { LINUX_6_18 } from "./linux-6.18.types.ts";
import { isAtLeast, type Release, type Version } from "./verifier-rules.ts";

/** What a member is. `bytes`: something that programs are shown nothing of. */
export type KernelType =
  | { readonly kind: "int"; readonly bytes: 1 | 2 | 4 | 8; readonly signed: boolean; readonly bool?: true }
  | { readonly kind: "enum"; readonly bytes: 1 | 2 | 4 | 8; readonly signed: boolean }
  | { readonly kind: "struct"; readonly name: string }
  | { readonly kind: "pointer"; readonly to?: string }
  | { readonly kind: "array"; readonly of: KernelType; readonly length: number }
  | { readonly kind: "bytes"; readonly bytes: number };

export interface KernelMember {
  /** With dots where it lies in a part of the struct that has no type name of its own ("icsk_ack.pending"). */
  readonly name: string;
  /** In bits from the start of the struct. */
  readonly offset: number;
  /** Width of a bit field. */
  readonly bits?: number;
  readonly type: KernelType;
}
export interface KernelStruct {
  readonly name: string;
  readonly bytes: number;
  readonly members: readonly KernelMember[];
}
export interface KernelTypes {
  /** The release that they were taken from, for people. */
  readonly release: string;
  readonly structs: ReadonlyMap<string, KernelStruct>;
}

/** The structs that the repository's extracts have. */
export const EXTRACTED = [
  "sock_common",
  "sock",
  "inet_sock",
  "inet_connection_sock",
  "tcp_sock",
  "ack_sample",
  "rate_sample",
  "tcp_congestion_ops",
  "mptcp_sock",
  "mptcp_subflow_context",
  "mptcp_sched_ops",
] as const;
export type ExtractedStruct = (typeof EXTRACTED)[number];

const INTEGER = /^([uie])(8|16|32|64)$/;
const typeText = (type: KernelType): string => {
  switch (type.kind) {
    case "int":
      return type.bool ? "bool" : `${type.signed ? "i" : "u"}${type.bytes * 8}`;
    case "enum":
      return `e${type.bytes * 8}`;
    case "struct":
      return `struct ${type.name}`;
    case "pointer":
      return type.to === undefined ? "ptr" : `ptr ${type.to}`;
    case "array":
      return `${typeText(type.of)}[${type.length}]`;
    case "bytes":
      return `bytes ${type.bytes}`;
  }
};
function typeOf(text: string): KernelType {
  const array = /^(.*)\[(\d+)\]$/.exec(text);
  if (array) return { kind: "array", of: typeOf(array[1]!), length: Number(array[2]) };
  const [word = "", name] = text.split(" ");
  if (word === "bool") return { kind: "int", bytes: 1, signed: false, bool: true };
  if (word === "ptr") return { kind: "pointer", ...(name === undefined ? {} : { to: name }) };
  if (word === "struct") return { kind: "struct", name: name! };
  if (word === "bytes") return { kind: "bytes", bytes: Number(name) };
  const [, sign, bits] = INTEGER.exec(word)!;
  const bytes = (Number(bits) / 8) as 1 | 2 | 4 | 8;
  return { kind: sign === "e" ? "enum" : "int", bytes, signed: sign === "i" };
}

/** The text form of the extracts: a line for a struct, and one for each member behind it: offset in bits, width of a bit field, type, name. */
export const printKernelTypes = ({ release, structs }: KernelTypes): string =>
  [
    `release ${release}`,
    ...[...structs.values()].flatMap(({ name, bytes, members }) => [
      `struct ${name} ${bytes}`,
      ...members.map(
        (one) => `  ${one.offset}${one.bits === undefined ? "" : `:${one.bits}`} ${one.name} ${typeText(one.type)}`,
      ),
    ]),
  ].join("\n");

/** Reads what `printKernelTypes` made. */
export function readKernelTypes(text: string): KernelTypes {
  const structs = new Map<string, KernelStruct & { readonly members: KernelMember[] }>();
  let release = "";
  let members: KernelMember[] = [];
  for (const line of text.split("\n")) {
    const head = /^struct (\S+) (\d+)$/.exec(line);
    const member = /^ {2}(\d+)(?::(\d+))? (\S+) (.+)$/.exec(line);
    if (head) {
      members = [];
      structs.set(head[1]!, { name: head[1]!, bytes: Number(head[2]), members });
    } else if (member) {
      const [, offset, bits, name, type] = member;
      const width = bits === undefined ? {} : { bits: Number(bits) };
      members.push({ name: name!, offset: Number(offset), ...width, type: typeOf(type!) });
    } else if (line.startsWith("release ")) release = line.slice("release ".length);
  }
  return { release, structs };
}

/**
 * The extracts of the repository, oldest first: of Debian's 6.1, of 6.12 with kernel/ (mainline's with what the patches add), of the machine that tests run on.
 */
export const EXTRACTS: Readonly<Record<Extracted, string>> = {
  "6.1": LINUX_6_1,
  "6.12": LINUX_6_12,
  "6.18": LINUX_6_18,
};
// Named, or the declarations of the package would hold the texts as their types.
type Extracted = Extract<Release, "6.1" | "6.12" | "6.18">;
const read = new Map<Extracted, KernelTypes>();
function extract(release: Extracted): KernelTypes {
  const known = read.get(release) ?? readKernelTypes(EXTRACTS[release]);
  read.set(release, known);
  return known;
}
/** The types that programs are compiled with unless others are given: where members lie elsewhere, loaders put them right (CO-RE). */
export const kernelTypes = (): KernelTypes => extract("6.18");
/** The types of a version: of the newest extract that is not newer, or of the oldest. */
export function extractedTypes(version: Version): KernelTypes {
  const releases = Object.keys(EXTRACTS) as Extracted[];
  return extract(releases.findLast((one) => isAtLeast(version, one)) ?? releases[0]!);
}

/** Structs that begin with each other, at most: of a broken file one may begin with itself. */
const DEEPEST = 32;

/** Bytes of a type. */
export function sizeOfKernelType(types: KernelTypes, type: KernelType): number {
  switch (type.kind) {
    case "int":
    case "enum":
    case "bytes":
      return type.bytes;
    case "pointer":
      return 8;
    case "array":
      return type.length * sizeOfKernelType(types, type.of);
    case "struct":
      return types.structs.get(type.name)?.bytes ?? 0;
  }
}

/** A member as it is reached from an outer struct, through the structs that lie in it. */
export interface FoundMember {
  /** The struct that the way begins at, and the members on it. */
  readonly root: string;
  readonly path: readonly KernelMember[];
  /** In bits from the start of the root. */
  readonly offset: number;
  readonly bits?: number;
  readonly type: KernelType;
}

/** Finds a member by name in a struct and what it begins with: `tcp_sock` is an `inet_connection_sock`, and so on down to `sock`. */
export function findMember(types: KernelTypes, root: string, name: string): FoundMember | undefined {
  const path: KernelMember[] = [];
  let offset = 0;
  for (let struct = types.structs.get(root); struct && path.length < DEEPEST;) {
    const own = struct.members.find((one) => one.name === name);
    if (own) {
      const { bits, type } = own;
      return { root, path: [...path, own], offset: offset + own.offset, type, ...(bits === undefined ? {} : { bits }) };
    }
    const first: KernelMember | undefined = struct.members[0];
    if (first?.type.kind !== "struct") return undefined;
    path.push(first);
    offset += first.offset;
    struct = types.structs.get(first.type.name);
  }
  return undefined;
}

/** Whether a pointer to one struct may stand where one to another is wanted: the other is what it begins with. */
export function beginsWith(types: KernelTypes, struct: string, wanted: string): boolean {
  let name = struct;
  for (let depth = 0; depth < DEEPEST; depth++) {
    if (name === wanted) return true;
    const first = types.structs.get(name)?.members[0];
    if (first?.type.kind !== "struct" || first.offset !== 0) return false;
    name = first.type.name;
  }
  return false;
}
