/** Map types of the language and of objects we read: numbers of the kernel's enum bpf_map_type. */
export const MAP_TYPES = {
  hash: { number: 1 },
  array: { number: 2 },
  prog_array: { number: 3 },
  perf_event_array: { number: 4 },
  percpu_hash: { number: 5 },
  percpu_array: { number: 6 },
  stack_trace: { number: 7 },
  cgroup_array: { number: 8 },
  lru_hash: { number: 9 },
  lru_percpu_hash: { number: 10 },
  lpm_trie: { number: 11 },
  array_of_maps: { number: 12 },
  hash_of_maps: { number: 13 },
  devmap: { number: 14 },
  sockmap: { number: 15 },
  cpumap: { number: 16 },
  xskmap: { number: 17 },
  sockhash: { number: 18 },
  cgroup_storage: { number: 19 },
  reuseport_sockarray: { number: 20 },
  percpu_cgroup_storage: { number: 21 },
  queue: { number: 22 },
  stack: { number: 23 },
  sk_storage: { number: 24 },
  devmap_hash: { number: 25 },
  struct_ops: { number: 26 },
  ringbuf: { number: 27 },
  inode_storage: { number: 28 },
  task_storage: { number: 29 },
  bloom_filter: { number: 30 },
  user_ringbuf: { number: 31 },
  cgrp_storage: { number: 32 },
  arena: { number: 33 },
} as const;
export type MapTypeName = keyof typeof MAP_TYPES;

/** Flags of BPF_MAP_CREATE. */
export const MAP_FLAGS = { noPrealloc: 1, readOnlyProgram: 0x80, writeOnlyProgram: 0x100, mmapable: 0x400 } as const;

/** Maps whose values exist once per possible CPU. */
export const PER_CPU_MAPS: ReadonlySet<string> = new Set([
  "percpu_hash",
  "percpu_array",
  "lru_percpu_hash",
  "percpu_cgroup_storage",
]);
/** Maps without keys or values that user space could look up. */
export const RING_MAPS: ReadonlySet<string> = new Set(["ringbuf", "user_ringbuf"]);
