/** Map types of the language and of objects we read. */
interface MapType {
  /** Of the kernel's enum bpf_map_type. */
  readonly number: number;
  /** Values exist once per possible CPU. */
  readonly perCpu?: true;
  /** Has no keys: nothing in it is looked up. */
  readonly keyless?: true;
  /** Of those without keys: user space reads records in order. */
  readonly ring?: true;
  /** Keeps an owner's pointer in it: creation needs BTF for key and value. */
  readonly ownedStorage?: true;
  /** Is made with BPF_F_NO_PREALLOC or not at all (kernel/bpf/lpm_trie.c, bpf_local_storage.c). */
  readonly noPrealloc?: true;
}
const RING = { keyless: true, ring: true } as const;
const OWNED = { ownedStorage: true, noPrealloc: true } as const;
export const MAP_TYPES = {
  hash: { number: 1 },
  array: { number: 2 },
  prog_array: { number: 3 },
  perf_event_array: { number: 4 },
  percpu_hash: { number: 5, perCpu: true },
  percpu_array: { number: 6, perCpu: true },
  stack_trace: { number: 7 },
  cgroup_array: { number: 8 },
  lru_hash: { number: 9 },
  lru_percpu_hash: { number: 10, perCpu: true },
  lpm_trie: { number: 11, noPrealloc: true },
  array_of_maps: { number: 12 },
  hash_of_maps: { number: 13 },
  devmap: { number: 14 },
  sockmap: { number: 15 },
  cpumap: { number: 16 },
  xskmap: { number: 17 },
  sockhash: { number: 18 },
  cgroup_storage: { number: 19 },
  reuseport_sockarray: { number: 20 },
  percpu_cgroup_storage: { number: 21, perCpu: true },
  queue: { number: 22, keyless: true },
  stack: { number: 23, keyless: true },
  sk_storage: { number: 24, ...OWNED },
  devmap_hash: { number: 25 },
  struct_ops: { number: 26 },
  ringbuf: { number: 27, ...RING },
  inode_storage: { number: 28, ...OWNED },
  task_storage: { number: 29, ...OWNED },
  bloom_filter: { number: 30, keyless: true },
  user_ringbuf: { number: 31, ...RING },
  cgrp_storage: { number: 32, ...OWNED },
  arena: { number: 33 },
} as const satisfies Readonly<Record<string, MapType>>;
export type MapTypeName = keyof typeof MAP_TYPES;

/** Flags of BPF_MAP_CREATE. */
export const MAP_FLAGS = {
  noPrealloc: 1,
  readOnlyProgram: 0x80,
  writeOnlyProgram: 0x100,
  clone: 0x200,
  mmapable: 0x400,
} as const;

/** What is known of a map type; undefined for a name that is none. */
export const mapType = (name: string): MapType | undefined =>
  Object.hasOwn(MAP_TYPES, name) ? MAP_TYPES[name as MapTypeName] : undefined;
/** Whether values exist once per possible CPU. */
export const isPerCpu = (type: string): boolean => mapType(type)?.perCpu === true;
/** Whether it has no keys, so that nothing in it is looked up. */
export const isKeyless = (type: string): boolean => mapType(type)?.keyless === true;
/** Whether user space reads records in order, and looks nothing up. */
export const isRingType = (type: string): boolean => mapType(type)?.ring === true;
