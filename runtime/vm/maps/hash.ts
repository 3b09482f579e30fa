/** Hash tables, and their form that forgets what was used least recently (kernel/bpf/hashtab.c, bpf_lru_list.c). */
import { ERRNO } from "../errno.ts";
import type { Region } from "../memory.ts";
import { keyBytes, keyText, keyWords, UPDATE, type MapHost, type MapShape, type VmMap } from "./map.ts";

/**
 * Storing over an existing key puts a new element in the old one's place, as the kernel does: a pointer from an earlier
 * lookup still points to the old value. What is removed stays readable until the program ends (RCU).
 *
 * The kernel's LRU is approximate (it ages elements in batches per CPU); ours forgets exactly the one used least recently.
 */
export function createHash(shape: MapShape, host: MapHost, lru = false): VmMap {
  const { memory } = host;
  // A Map iterates in the order of insertion; with LRU a used element moves to the end, so the oldest comes first.
  const elements = new Map<string, Region>();

  const use = (key: string, element: Region): void => {
    if (!lru) return;
    elements.delete(key);
    elements.set(key, element);
  };
  const drop = (key: string, element: Region): void => {
    elements.delete(key);
    host.memory.release(element);
  };
  const store = (key: Uint8Array, value: Uint8Array, flags: bigint): number => {
    if (flags > UPDATE.exist) return ERRNO.EINVAL;
    const text = keyText(key);
    const old = elements.get(text);
    if (old && flags === UPDATE.noExist) return ERRNO.EEXIST;
    if (!old && flags === UPDATE.exist) return ERRNO.ENOENT;
    if (!old && elements.size >= shape.maxEntries) {
      if (!lru) return ERRNO.E2BIG;
      const [oldest, element] = elements.entries().next().value!;
      drop(oldest, element);
    }
    const element = memory.allocate({
      name: `the value of ${shape.name} at key ${keyWords(key)}`,
      size: shape.valueBytes,
    });
    memory.slice(element).set(value);
    if (old) memory.release(old);
    elements.set(text, element);
    use(text, element);
    return 0;
  };

  return {
    shape,
    lookup(key) {
      const text = keyText(key);
      const element = elements.get(text);
      if (!element) return 0n;
      use(text, element);
      return memory.address(element);
    },
    update: store,
    remove(key) {
      const text = keyText(key);
      const element = elements.get(text);
      if (!element) return ERRNO.ENOENT;
      drop(text, element);
      return 0;
    },
    read(key) {
      const element = elements.get(keyText(key));
      return element && [memory.slice(element).slice()];
    },
    write: (key, [value], flags = UPDATE.any) => store(key, value!, flags),
    *keys() {
      for (const key of [...elements.keys()]) yield keyBytes(key);
    },
  };
}
