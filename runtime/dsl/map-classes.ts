/** Maps in Node: their definitions. What lies in a map is known to the kernel, or to `load` of tsbpf/testing. */
import type { MapTypeName } from "../../compiler/bpf/map-types.ts";
import type { Schema } from "./schema.ts";

export interface MapDefinition {
  readonly key?: Schema;
  readonly value: Schema;
  readonly maxEntries?: number;
  /** Ring buffers only. */
  readonly bytes?: number;
  readonly pinned?: boolean;
  readonly initial?: readonly unknown[];
}

/** Thrown by whatever only means something in bytecode. */
export function onlyInBytecode(what: string): never {
  throw new Error(
    `${what} has a meaning in bytecode only: load the program with load() of "tsbpf/testing", or attach it`,
  );
}

const mapClass = (
  type: MapTypeName,
  operations: readonly string[],
): new (definition: MapDefinition) => { readonly definition: MapDefinition } => {
  class MapSchema {
    readonly type = type;
    readonly definition: MapDefinition;
    constructor(definition: MapDefinition) {
      this.definition = definition;
    }
    get length(): number {
      return this.definition.maxEntries ?? 0;
    }
    [Symbol.iterator](): never {
      return onlyInBytecode("iterating over a map");
    }
  }
  for (const name of operations)
    Object.defineProperty(MapSchema.prototype, name, { value: () => onlyInBytecode(`${name}() of a map`) });
  return MapSchema;
};

export const ArrayMap = mapClass("array", ["get", "ref", "set"]);
export const PerCpuArray = mapClass("percpu_array", ["get", "ref", "set"]);
export const HashMap = mapClass("hash", ["get", "ref", "set", "delete"]);
export const LruHashMap = mapClass("lru_hash", ["get", "ref", "set", "delete"]);
export const Ipv4Trie = mapClass("lpm_trie", ["get"]);
export const Ipv6Trie = mapClass("lpm_trie", ["get"]);
export const IpTrie = mapClass("lpm_trie", ["get"]);
export const SkStorage = mapClass("sk_storage", ["get", "getOrCreate", "delete"]);
export const RingBuf = mapClass("ringbuf", ["output"]);
