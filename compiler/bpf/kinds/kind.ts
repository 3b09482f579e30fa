/** What there is to know of one kind of program: the shape of the rows in this folder. */
import type { Helper, HelperName } from "../helpers.ts";
import type { Feature } from "../kernels.ts";
import type { Version } from "../verifier-rules.ts";
import type { AccessRule, ContextLayout } from "./access.ts";
import type { AttachTypeName } from "./attach-types.ts";
import type { OpsStruct } from "./ops-struct.ts";

/** An ELF section by which libbpf knows type and attach type (its documentation, "Program Types and ELF Sections"). */
export interface Section {
  /** Absent: attach types do not matter to the kind. */
  readonly attach?: AttachTypeName;
  /** The section's name goes on after a slash ("kprobe/tcp_connect"); what follows says where to attach. */
  readonly prefix?: true;
}

/** What r0 may be at exit, inclusive; undefined: anything. */
export type ReturnRange = readonly [least: number, most: number] | undefined;

/** A field of the context, for the passes, the virtual machine and whoever fills contexts. */
export interface ContextField {
  /** Offset in bytes. */
  readonly offset: number;
  readonly bytes: 4 | 8;
  /** Number of elements; absent: one. */
  readonly count?: number;
  readonly writable?: true;
  /** The value cannot change while the program runs, whatever it calls. */
  readonly stable?: true;
  /** How it may be read, and written where it is writable; absent: as a whole. */
  readonly read?: AccessRule;
  readonly write?: AccessRule;
  /** What a load gives; absent: a number. */
  readonly pointer?: "socket" | "socket-or-null" | "packet" | "packet-end";
  /** Read as 0 when the socket is not a full TCP socket (is_fullsock is 0). */
  readonly full?: true;
  /** Value lies in network byte order. */
  readonly be?: true;
  readonly needs?: Feature;
  /** The first version of Linux that has it; absent: all that we know. */
  readonly since?: Version;
  /** Where it is there; absent: at every attach type of the kind. */
  readonly at?: readonly AttachTypeName[];
  /** Where it may be written, if not wherever it is there. */
  readonly writableAt?: readonly AttachTypeName[];
}

/** One function of a kind that is compiled: what the kernel calls, and where. */
export interface Hook {
  /** One of the kind's sections. */
  readonly section: string;
  /** What the program's name has after that of the exported constant: an export with several hooks is several programs. */
  readonly suffix: string;
  /** What bpftool calls the attach type. */
  readonly bpftool: string;
}
/** What a kind has besides when programs of it are compiled, run by the virtual machine and attached. */
export type CompiledKind = CgroupKind | StructOpsKind;
export interface CgroupKind extends Kind {
  readonly attaches: "cgroup";
  readonly fields: NonNullable<Kind["fields"]>;
  /** What a kernel must have to run it. */
  readonly needs: Feature;
  /** By the name of the handler. */
  readonly hooks: Readonly<Record<string, Hook>>;
}
export interface StructOpsKind extends Kind {
  readonly attaches: "struct_ops";
  readonly fields: NonNullable<Kind["fields"]>;
  /** By the kernel's name. What a kernel must have is said of each, and its hooks are its members. */
  readonly structs: Readonly<Record<string, OpsStruct>>;
}

export interface Kind {
  /** The kernel's number (enum bpf_prog_type). */
  readonly number: number;
  /** struct that r1 points to, by its name in the uapi headers; absent: varies or is not a struct. */
  readonly context?: string;
  readonly sections: Readonly<Record<string, Section>>;
  /** Where programs are attached, by a link: to a cgroup, or as members of a struct that is registered; absent: they are not attached by us. */
  readonly attaches?: "cgroup" | "struct_ops";
  /** The attach type by which a link attaches them to a network namespace instead (the patched kernel); absent: they are not. */
  readonly onNetns?: AttachTypeName;
  /** Which bytes of the context may be accessed, by the number of the attach type; absent: the verifier does not judge such programs. */
  readonly layout?: ContextLayout | ((attach: number, features: ReadonlySet<Feature>) => ContextLayout);
  /** The context's fields, for kinds that are compiled or run. */
  readonly fields?: Readonly<Record<string, ContextField>>;
  readonly returns?: ReturnRange | ((attach: number) => ReturnRange);
  /** What programs may do with packet bytes through pointers; absent: nothing. */
  readonly packet?: "read" | "read-write";
  /** Every helper takes pointers into the packet, not those alone that say so. */
  readonly packetForHelpers?: true;
  /** `ld_abs` and `ld_ind` work. */
  readonly packetLoads?: true;
  /**
   * Helpers besides those of every kind: what a Linux 6.18 kernel answers a privileged loader (each helper loaded in a program
   * of each type). Absent: not known.
   */
  readonly helpers?: readonly HelperName[] | ((attach: number) => readonly HelperName[]);
  /** Helpers that came to this kind later than to the kernel, with the first version in which they may be called. */
  readonly later?: Readonly<Partial<Record<HelperName, Version>>>;
  /** Helpers that take other arguments than elsewhere. */
  readonly signatures?: Readonly<Partial<Record<HelperName, Helper["args"]>>>;
  /** What programs may do with socket maps by the general helpers; absent: nothing. */
  readonly socketMaps?: "write" | "delete";
}
