/** What every map of the machine can do, in bytes. Values lie in the machine's memory, where programs reach them. */
import { latin1 } from "../bytes.ts";
import type { Memory } from "../memory.ts";

export interface MapShape {
  readonly name: string;
  /** A name of compiler/bpf/map-types.ts. */
  readonly type: string;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly maxEntries: number;
  readonly flags: number;
}

/** Update modes (include/uapi/linux/bpf.h). */
export const UPDATE = { any: 0n, noExist: 1n, exist: 2n } as const;

export interface MapHost {
  readonly memory: Memory;
  readonly cpus: number;
  /** The CPU on which the program runs. */
  cpu(): number;
}

export interface VmMap {
  readonly shape: MapShape;
  /** Address of the value for the program, 0n when there is none. */
  lookup(key: Uint8Array): bigint;
  /** Per-CPU maps only: the value on another CPU. */
  lookupOn?(key: Uint8Array, cpu: number): bigint;
  /** 0 or a negative errno. */
  update(key: Uint8Array, value: Uint8Array, flags: bigint): number;
  remove(key: Uint8Array): number;
  /** What user space reads: one value, or one per CPU. */
  read(key: Uint8Array): readonly Uint8Array[] | undefined;
  /** What user space stores; a per-CPU map takes one value per CPU. */
  write(key: Uint8Array, values: readonly Uint8Array[], flags?: bigint): number;
  /** Keys in the map, in the order in which they came. */
  keys(): Iterable<Uint8Array>;
  /** Address of the value that an `lddw` of kind map_value points into; undefined where the type has none. */
  direct?(): bigint;
}

/** Makes bytes usable as a key of a JavaScript Map. */
export const keyText = (key: Uint8Array): string => String.fromCharCode(...key);
export const keyBytes = (text: string): Uint8Array => latin1(text);
/** "07 00 00 00" */
export const keyWords = (key: Uint8Array): string =>
  [...key].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
