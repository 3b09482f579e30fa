/** Longest-prefix match (kernel/bpf/lpm_trie.c). A key is the prefix length, 32 bits in host order, and the address bytes. */
import { ERRNO } from "../errno.ts";
import type { Region } from "../memory.ts";
import { keyWords, UPDATE, type MapHost, type MapShape, type VmMap } from "./map.ts";

interface Prefix {
  readonly length: number;
  readonly bits: Uint8Array;
  readonly element: Region;
}

const split = (key: Uint8Array): { readonly length: number; readonly bits: Uint8Array } => ({
  length: new DataView(key.buffer, key.byteOffset).getUint32(0, true),
  bits: key.slice(4),
});

/** Do the first `length` bits agree? */
function agree(a: Uint8Array, b: Uint8Array, length: number): boolean {
  const whole = length >> 3;
  for (let at = 0; at < whole; at++) if (a[at] !== b[at]) return false;
  const rest = length & 7;
  return rest === 0 || a[whole]! >> (8 - rest) === b[whole]! >> (8 - rest);
}

export function createLpmTrie(shape: MapShape, host: MapHost): VmMap {
  const { memory } = host;
  const most = (shape.keyBytes - 4) * 8;
  let prefixes: readonly Prefix[] = [];

  const exact = (key: Uint8Array): Prefix | undefined => {
    const { length, bits } = split(key);
    return prefixes.find((one) => one.length === length && agree(one.bits, bits, length));
  };
  const longest = (key: Uint8Array): Prefix | undefined => {
    const { length, bits } = split(key);
    if (length > most) return undefined;
    const fitting = prefixes.filter((one) => one.length <= length && agree(one.bits, bits, one.length));
    return fitting.reduce<Prefix | undefined>(
      (best, one) => (best && best.length >= one.length ? best : one),
      undefined,
    );
  };
  const keyOf = (one: Prefix): Uint8Array => {
    const key = new Uint8Array(shape.keyBytes);
    new DataView(key.buffer).setUint32(0, one.length, true);
    key.set(one.bits, 4);
    return key;
  };
  const store = (key: Uint8Array, value: Uint8Array, flags: bigint): number => {
    const { length, bits } = split(key);
    if (flags > UPDATE.exist || length > most) return ERRNO.EINVAL;
    const old = exact(key);
    if (old && flags === UPDATE.noExist) return ERRNO.EEXIST;
    if (!old && flags === UPDATE.exist) return ERRNO.ENOENT;
    if (!old && prefixes.length >= shape.maxEntries) return ERRNO.ENOSPC;
    const element = memory.allocate({
      name: `the value of ${shape.name} at ${keyWords(bits)}/${length}`,
      size: shape.valueBytes,
    });
    memory.slice(element).set(value);
    if (old) memory.release(old.element);
    prefixes = [...prefixes.filter((one) => one !== old), { length, bits, element }];
    return 0;
  };

  return {
    shape,
    lookup(key) {
      const found = longest(key);
      return found ? memory.address(found.element) : 0n;
    },
    update: store,
    remove(key) {
      if (split(key).length > most) return ERRNO.EINVAL;
      const found = exact(key);
      if (!found) return ERRNO.ENOENT;
      prefixes = prefixes.filter((one) => one !== found);
      memory.release(found.element);
      return 0;
    },
    read(key) {
      const found = longest(key);
      return found && [memory.slice(found.element).slice()];
    },
    write: (key, [value], flags = UPDATE.any) => store(key, value!, flags),
    *keys() {
      for (const one of prefixes) yield keyOf(one);
    },
  };
}
