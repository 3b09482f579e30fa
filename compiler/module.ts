/**
 * What the backend hands to the verifier, the object writer, the VM and the loader: one BPF object, before it is ELF.
 * The object reader gives the same shape back, so that tools work alike on our objects and on clang's.
 */
import type { CoreKind } from "./bpf/core-kinds.ts";
import type { RawInsn } from "./bpf/raw.ts";
import type { Layout } from "./layout.ts";
import type { SourceFile, Span } from "./span.ts";

export interface BpfModule {
  readonly license: string;
  /** Name of the target in compiler/bpf/kernels.ts; "unknown" for objects of other compilers. */
  readonly target: string;
  /** The oldest kernel release for whose verifier it was proved; absent for objects of other compilers. */
  readonly kernel?: string;
  /** What a kernel must have to run this object, as feature keys of compiler/bpf/kernels.ts. */
  readonly needs: readonly string[];
  readonly maps: readonly MapSpec[];
  readonly globals: readonly GlobalVar[];
  readonly programs: readonly BpfProgram[];
  /** Structs of functions that the kernel is given. */
  readonly structOps?: readonly StructOps[];
  readonly sources: readonly SourceFile[];
}

/** A struct of the kernel's whose functions are programs ("tcp_congestion_ops"). */
export interface StructOps {
  /** Symbol and map name: the exported constant. */
  readonly name: string;
  readonly struct: string;
  /** Whether it stays registered by a link (Linux 6.4); before, until its map's element is deleted. */
  readonly link: boolean;
  /** Programs by member. */
  readonly programs: Readonly<Record<string, string>>;
  /** Bytes of the members that hold data. */
  readonly values: Readonly<Record<string, Uint8Array>>;
  /** What its programs keep for each object that they are called with, where that is known. */
  readonly state?: Layout;
  readonly span?: Span;
}

/** A map as user space creates it. `type` is a name of compiler/bpf/map-types.ts ("hash", "array", …). */
export interface MapSpec {
  readonly name: string;
  readonly type: string;
  /** Absent where the map type has no key (ring buffers). */
  readonly key?: Layout;
  readonly value?: Layout;
  /** In bytes for ring buffers. */
  readonly maxEntries: number;
  readonly flags: number;
  /** Pinned by name under the bpffs root of the loader. */
  readonly pinned: boolean;
  /** Values that the loader stores before anything is attached. */
  readonly initial: readonly { readonly key: Uint8Array; readonly value: Uint8Array }[];
  /** Parts of a value that the kernel keeps to itself; in objects of other compilers only. */
  readonly kept?: readonly KeptPart[];
  /** What its numbers are to people and to Prometheus, where it is a `metric`: a slot for each value of the label. */
  readonly metric?: Metric;
  readonly span?: Span;
}

/** A number that a program declares for those who watch it. */
export interface Metric {
  /** By the rules of Prometheus. */
  readonly name: string;
  readonly help: string;
  /** A counter only grows. */
  readonly type: "counter" | "gauge";
  /** What its slots differ in. */
  readonly label?: MetricLabel;
}
export interface MetricLabel {
  readonly name: string;
  /** By slot. */
  readonly values: readonly string[];
}

/** Bytes of a map's value with rules of their own: a lock, a timer, a list, or a pointer that keeps an object of the kernel's (kptr). */
export interface KeptPart {
  /** In bytes. */
  readonly offset: number;
  readonly bytes: number;
  /** Of a pointer: the struct of the kernel's, and whether it owns what it leads to. */
  readonly pointer?: { readonly struct: string; readonly owned: boolean };
}

/** A variable in .rodata (constants and params), .data or .bss. Sections become one-entry array maps. */
export interface GlobalVar {
  readonly name: string;
  readonly section: GlobalSection;
  /** Offset in its section, in bytes. */
  readonly offset: number;
  readonly layout: Layout;
  readonly init: Uint8Array;
  /** A `param`: the loader may set it before the program is loaded. */
  readonly param: boolean;
  /** As of a map's value; offsets from the variable's start. */
  readonly kept?: readonly KeptPart[];
  readonly span?: Span;
}
export type GlobalSection = ".rodata" | ".data" | ".bss";

/** The module with params set: by name, their bytes. A variable that is no param keeps its value. */
export const withParams = (module: BpfModule, values: ReadonlyMap<string, Uint8Array>): BpfModule =>
  values.size === 0
    ? module
    : {
        ...module,
        globals: module.globals.map((one) => {
          const init = one.param ? values.get(one.name) : undefined;
          return init ? { ...one, init } : one;
        }),
      };

export interface BpfProgram {
  /** Symbol name: the exported constant. */
  readonly name: string;
  /** ELF section as libbpf expects it ("sockops"). */
  readonly section: string;
  /** Program type as libbpf names it ("sock_ops"). */
  readonly type: string;
  /** expected_attach_type, a number of the kernel's enum bpf_attach_type. */
  readonly attachType: number;
  readonly insns: readonly RawInsn[];
  /** Slots whose immediate the loader fills in. */
  readonly relocations: readonly Relocation[];
  /** One per slot that starts an instruction, in order; slots of one instruction share a span. */
  readonly lines: readonly LineEntry[];
  /** Functions in this program, the entry first (slot 0). */
  readonly functions: readonly FunctionEntry[];
  /** What the kernel itself has to put in: its functions and variables, by the slot that refers to them. */
  readonly externs?: readonly Extern[];
  /** Numbers that the loader corrects for the kernel that runs. */
  readonly core?: readonly CoreRelocation[];
  /** Of struct_ops: which member of which of the kernel's structs it is. */
  readonly implements?: { readonly struct: string; readonly member: string };
  /** Bytes of stack used. */
  readonly stack: number;
  readonly span?: Span;
}
export interface LineEntry {
  readonly slot: number;
  readonly span: Span;
}
/** A reference that the loader resolves against the running kernel (`__ksym`, `__kconfig`). */
export interface Extern {
  readonly slot: number;
  readonly name: string;
  readonly kind: "function" | "variable";
}
/**
 * What a kernel says of a member of one of its structs (CO-RE, enum bpf_core_relo_kind): where it lies in bytes; of a bit field how far the
 * word that holds it is shifted up and then down to have it alone.
 */
export interface CoreFact {
  readonly kind: CoreKind;
  readonly struct: string;
  /** The member as `findMember` of compiler/bpf/kernel-types.ts finds it. */
  readonly member: string;
}
/** A number in an instruction (its offset, else its immediate) that a fact of the kernel stands for. */
export interface CoreRelocation {
  readonly slot: number;
  readonly fact: CoreFact;
}
export interface FunctionEntry {
  readonly name: string;
  readonly slot: number;
  /** What it takes and gives. Absent: of the entry, whose kind says it, and in objects of other compilers. */
  readonly signature?: Signature;
}
/** Types as those of the IR are written: "w32", "w64", "ptr map-value", "ptr ctx(sock_ops)". */
export interface Signature {
  readonly params: readonly { readonly name: string; readonly type: string }[];
  /** Absent: nothing. */
  readonly returns?: string;
}
/**
 * An `lddw` at `slot` that must point to a map, or into a global section. Until it is loaded the instruction holds
 * src = PSEUDO.mapFd and immediates 0 and 0 for a map, src = PSEUDO.mapValue and immediates 0 and the offset for a global.
 */
export type Relocation =
  | { readonly slot: number; readonly kind: "map"; readonly map: string }
  | { readonly slot: number; readonly kind: "global"; readonly section: GlobalSection; readonly offset: number };
