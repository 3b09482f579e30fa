/** The kinds of maps of the language, by the names of their classes: what each is to the kernel, and what its declaration takes. */
import type { Feature } from "../bpf/kernels.ts";
import { MAP_FLAGS, type MapTypeName } from "../bpf/map-types.ts";

/** Prefixes of which addresses; "ip-prefix": of both families, IPv4 in ::ffff:0:0/96. */
export type PrefixKey = "ipv4-prefix" | "ipv6-prefix" | "ip-prefix";
export const isPrefixKey = (key: MapRow["key"]): key is PrefixKey => key.endsWith("-prefix");
export interface MapRow {
  readonly type: MapTypeName;
  /** `index`: the slots are numbered, and all exist. */
  readonly key: "written" | "index" | PrefixKey | "socket" | "none";
  readonly size: "entries" | "bytes" | "none";
  readonly flags: number;
  /** What a kernel must have. */
  readonly needs?: Feature;
  /** The longest value (kernel/bpf/arraymap.c, bpf_local_storage.c, ringbuf.c): bytes. */
  readonly longestValue?: number;
}
const ARRAY = { key: "index", size: "entries", flags: 0 } as const;
const HASH = { key: "written", size: "entries", flags: 0 } as const;
const TRIE = { type: "lpm_trie", size: "entries", flags: MAP_FLAGS.noPrealloc, needs: "lpm-trie" } as const;
export const MAPS = {
  ArrayMap: { type: "array", ...ARRAY },
  PerCpuArray: { type: "percpu_array", ...ARRAY, longestValue: 32 * 1024 },
  HashMap: { type: "hash", ...HASH },
  LruHashMap: { type: "lru_hash", ...HASH },
  Ipv4Trie: { ...TRIE, key: "ipv4-prefix" },
  Ipv6Trie: { ...TRIE, key: "ipv6-prefix" },
  IpTrie: { ...TRIE, key: "ip-prefix" },
  SkStorage: {
    type: "sk_storage",
    key: "socket",
    size: "none",
    flags: MAP_FLAGS.noPrealloc,
    needs: "socket-storage",
    longestValue: 64 * 1024 - 64,
  },
  RingBuf: { type: "ringbuf", key: "none", size: "bytes", flags: 0, needs: "ring-buffer", longestValue: 0x1fff_ffff },
} as const satisfies Readonly<Record<string, MapRow>>;
export type MapKind = keyof typeof MAPS;
export const isMapKind = (name: string): name is MapKind => Object.hasOwn(MAPS, name);
export const mapRow = (kind: MapKind): MapRow => MAPS[kind];
