/** How full a map is, and the memory that it takes. */
import { readFileSync } from "node:fs";
import { ATTR, BPF } from "./abi.ts";
import { attrBlock, call, fdById } from "./bpf.ts";
import { closeFd } from "./fd.ts";
import type { MapInfo } from "./info.ts";

/** Maps whose entries come and go, by their keys. */
const COUNTED = new Set(["hash", "lru_hash", "percpu_hash", "lru_percpu_hash", "lpm_trie"]);
/** Counting is asking for every key: of larger maps it would take too long for who only looks now and then. */
const MOST_ENTRIES = 65_536;
const AT_ONCE = 4096;
const [ENOENT, ENOSPC] = [-2, -28];

function withMap<T>(map: MapInfo, use: (fd: number) => T): T | undefined {
  const fd = fdById(BPF.mapFdById, map.id);
  if (fd < 0) return undefined;
  try {
    return use(fd);
  } finally {
    closeFd(fd);
  }
}

/** Entries of a map with keys; undefined where all entries always exist, they cannot be listed, or there is room for too many. */
export const entriesOf = (map: MapInfo): number | undefined =>
  COUNTED.has(map.type) && map.maxEntries <= MOST_ENTRIES
    ? withMap(map, (fd) => (map.type.includes("percpu") ? undefined : inBatches(fd, map)) ?? oneByOne(fd, map))
    : undefined;

/** Undefined where the kernel has no batch operations for the map. */
function inBatches(fd: number, map: MapInfo): number | undefined {
  const cursor = new Uint8Array(Math.max(map.keySize, 8));
  let chunk = Math.min(map.maxEntries, AT_ONCE);
  let found = 0;
  for (let started = false; ;) {
    const block = attrBlock("batch", {
      in_batch: started ? cursor : undefined,
      out_batch: cursor,
      keys: new Uint8Array(chunk * map.keySize),
      values: new Uint8Array(chunk * map.valueSize),
      count: chunk,
      map_fd: fd,
    });
    const result = call(BPF.mapLookupBatch, block);
    // One bucket has more than fit: again from the same place, with more room.
    if (result === ENOSPC && chunk < map.maxEntries * 2) {
      chunk *= 2;
      continue;
    }
    if (result < 0 && result !== ENOENT) return started ? found : undefined;
    found += block.view.getUint32(ATTR.batch.count[0], true);
    started = true;
    if (result === ENOENT) return found;
  }
}

/** Others may come and go meanwhile: it ends anyway. */
function oneByOne(fd: number, map: MapInfo): number {
  const [key, next] = [new Uint8Array(map.keySize), new Uint8Array(map.keySize)];
  const first = attrBlock("element", { map_fd: fd, value: next });
  const stepping = attrBlock("element", { map_fd: fd, key, value: next });
  let found = 0;
  for (let block = first; found < map.maxEntries && call(BPF.mapNextKey, block) === 0; block = stepping) {
    key.set(next);
    found++;
  }
  return found;
}

/** Bytes; undefined where the kernel does not say. */
export const memoryOf = (map: MapInfo): number | undefined =>
  withMap(map, (fd) => {
    const found = /^memlock:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"))?.[1];
    return found === undefined ? undefined : Number(found);
  });
