/** Map types by name, and how much of the machine's memory each needs. */
import type { MapTypeName } from "../../../compiler/bpf/map-types.ts";
import { strideOf } from "../memory.ts";
import { createArray } from "./array.ts";
import { createHash } from "./hash.ts";
import { createLpmTrie } from "./lpm-trie.ts";
import type { MapHost, MapShape, VmMap } from "./map.ts";
import { createRingBuffer } from "./ring-buffer.ts";
import { createSocketStorage } from "./sk-storage.ts";

interface MapKind {
  readonly create: (shape: MapShape, host: MapHost) => VmMap;
  /** Bytes of memory that values may take in the course of a run, gaps included. */
  readonly footprint: (shape: MapShape, cpus: number) => number;
}

/** Elements that a program replaces stay readable until it ends, so twice the table is the worst that a sane event needs. */
const replaced = (shape: MapShape): number => strideOf(shape.valueBytes) * (Math.min(shape.maxEntries, 65536) * 2 + 64);

export const MAP_KINDS: Partial<Record<MapTypeName, MapKind>> = {
  array: { create: createArray, footprint: (shape) => strideOf(shape.valueBytes) * shape.maxEntries },
  percpu_array: {
    create: createArray,
    footprint: (shape, cpus) => strideOf(shape.valueBytes) * shape.maxEntries * cpus,
  },
  hash: { create: createHash, footprint: replaced },
  lru_hash: { create: (shape, host) => createHash(shape, host, true), footprint: replaced },
  lpm_trie: { create: createLpmTrie, footprint: replaced },
  sk_storage: { create: createSocketStorage, footprint: (shape) => strideOf(shape.valueBytes) * 4096 },
  ringbuf: { create: createRingBuffer, footprint: (shape) => shape.maxEntries * 2 },
};
