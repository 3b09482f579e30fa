/** What maps do, in bytes, against the kernel's rules; each line of the result is something that is wrong. */
import { isKeyless, isPerCpu, mapType } from "../../compiler/bpf/map-types.ts";
import { createMemory } from "../../runtime/vm/memory.ts";
import { MAP_KINDS } from "../../runtime/vm/maps/create.ts";
import type { MapHost, VmMap } from "../../runtime/vm/maps/map.ts";
import { isRingBuffer, type RingBuffer } from "../../runtime/vm/maps/ring-buffer.ts";
import { isSocketStorage, type SocketStorage } from "../../runtime/vm/maps/sk-storage.ts";

type Kind = keyof typeof MAP_KINDS;
const key = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
const value = (low: number): Uint8Array => new Uint8Array(BigUint64Array.of(BigInt(low)).buffer);

export function checkMaps(): string[] {
  const wrong: string[] = [];
  const same = (what: string, got: unknown, expected: unknown): void => {
    const [a, b] = [got, expected].map((one) =>
      JSON.stringify(one, (_, v: unknown) => (typeof v === "bigint" ? `${v}n` : v)),
    );
    if (a !== b) wrong.push(`${what}: ${a} instead of ${b}`);
  };
  let cpu = 0;
  const memory = createMemory(1 << 20);
  const host: MapHost = { memory, cpus: 3, cpu: () => cpu };
  const made = new Set<string>();
  const make = (type: Kind, maxEntries: number, keyBytes = 4, flags = 0): VmMap => {
    made.add(type);
    return MAP_KINDS[type]!.create({ name: type, type, keyBytes, valueBytes: 8, maxEntries, flags }, host);
  };
  /** What the program finds at a key. */
  const look = (map: VmMap, at: Uint8Array): bigint | undefined => {
    const address = map.lookup(at);
    return address === 0n ? undefined : memory.view.getBigUint64(memory.index(address, 8, false), true);
  };
  const put = (address: bigint, to: bigint): void => memory.view.setBigUint64(memory.index(address, 8, true), to, true);

  const array = make("array", 3);
  same("an array starts with zeros", look(array, key(2)), 0n);
  same("an array ends", look(array, key(3)), undefined);
  same("an array takes no key beyond its end", array.update(key(3), value(1), 0n), -7);
  same("an array's slots exist", array.update(key(0), value(1), 1n), -17);
  same("an array's slots cannot go", array.remove(key(0)), -22);
  same("an array stores", [array.update(key(1), value(5), 2n), look(array, key(1))], [0, 5n]);
  same("an unknown flag", array.update(key(1), value(5), 3n), -22);
  put(array.lookup(key(1)), 9n);
  same(
    "a value is live",
    array.read(key(1))?.map((one) => one[0]),
    [9],
  );

  const perCpu = make("percpu_array", 2);
  for (cpu = 0; cpu < 3; cpu++) perCpu.update(key(1), value(10 + cpu), 0n);
  same(
    "each CPU has its own value",
    perCpu.read(key(1))?.map((one) => one[0]),
    [10, 11, 12],
  );
  cpu = 1;
  same("a program sees its CPU's", look(perCpu, key(1)), 11n);
  same(
    "and another's when it asks",
    memory.view.getBigUint64(memory.index(perCpu.lookupOn!(key(1), 2), 8, false), true),
    12n,
  );
  cpu = 0;

  const hash = make("hash", 2);
  same(
    "a missing key",
    [look(hash, key(7)), hash.remove(key(7)), hash.update(key(7), value(1), 2n)],
    [undefined, -2, -2],
  );
  same("a hash stores", [hash.update(key(7), value(1), 1n), look(hash, key(7))], [0, 1n]);
  same("a key that is there", hash.update(key(7), value(2), 1n), -17);
  const before = hash.lookup(key(7));
  hash.update(key(7), value(3), 0n);
  same(
    "an old pointer keeps the old value",
    [memory.view.getBigUint64(memory.index(before, 8, false), true), look(hash, key(7))].map(String),
    ["1", "3"].map(String),
  );
  hash.update(key(8), value(4), 0n);
  same("a full hash", [hash.update(key(9), value(5), 0n), look(hash, key(9))], [-7, undefined]);
  same("a full hash still takes known keys", hash.update(key(8), value(6), 0n), 0);
  same(
    "removing makes room",
    [hash.remove(key(7)), hash.update(key(9), value(5), 0n), look(hash, key(7))],
    [0, 0, undefined],
  );

  const lru = make("lru_hash", 2);
  for (const one of [1, 2]) lru.update(key(one), value(one), 0n);
  lru.lookup(key(1));
  lru.update(key(3), value(3), 0n);
  same(
    "LRU forgets what was used least recently",
    [look(lru, key(1)), look(lru, key(2)), look(lru, key(3))],
    [1n, undefined, 3n],
  );

  const prefix = (length: number, ...bytes: number[]): Uint8Array => Uint8Array.from([...key(length), ...bytes]);
  const trie = make("lpm_trie", 3, 8, 1);
  same(
    "a trie stores",
    [trie.update(prefix(8, 10, 0, 0, 0), value(1), 0n), trie.update(prefix(16, 10, 1, 0, 0), value(2), 0n)],
    [0, 0],
  );
  same(
    "the longest prefix wins",
    [look(trie, prefix(32, 10, 1, 2, 3)), look(trie, prefix(32, 10, 2, 2, 3)), look(trie, prefix(32, 11, 1, 2, 3))],
    [2n, 1n, undefined],
  );
  same(
    "prefixes that end inside of a byte",
    [
      trie.update(prefix(12, 172, 16, 0, 0), value(3), 0n),
      look(trie, prefix(32, 172, 31, 0, 1)),
      look(trie, prefix(32, 172, 32, 0, 1)),
    ],
    [0, 3n, undefined],
  );
  same("a full trie", trie.update(prefix(32, 1, 1, 1, 1), value(4), 0n), -28);
  same("too long a prefix", trie.update(prefix(33, 1, 1, 1, 1), value(4), 0n), -22);
  same(
    "a trie forgets exact prefixes only",
    [trie.remove(prefix(24, 10, 1, 0, 0)), trie.remove(prefix(16, 10, 1, 0, 0)), look(trie, prefix(32, 10, 1, 2, 3))],
    [-2, 0, 1n],
  );

  const ring = make("ringbuf", 4096, 0);
  if (isRingBuffer(ring)) checkRing(ring, same, memory.view, (at) => memory.index(at, 8, true));
  else wrong.push("no ring buffer");

  const storage = make("sk_storage", 0);
  if (isSocketStorage(storage))
    checkStorage(storage, same, (at) => memory.view.getBigUint64(memory.index(at, 8, false), true));
  else wrong.push("no socket storage");
  for (const type of Object.keys(MAP_KINDS) as Kind[]) {
    if (isKeyless(type) || mapType(type)!.ownedStorage) continue;
    const map = MAP_KINDS[type]!.create(
      { name: type, type, keyBytes: 8, valueBytes: 8, maxEntries: 2, flags: 0 },
      host,
    );
    const first = new Uint8Array(8);
    map.update(first, value(1), 0n);
    const copies = isPerCpu(type) ? host.cpus : 1;
    same(`values of ${type} maps at one key`, map.read(first)?.length, copies);
    same(`whether programs reach another CPU's in ${type} maps`, map.lookupOn !== undefined, copies > 1);
  }
  for (const type of Object.keys(MAP_KINDS)) if (!made.has(type)) wrong.push(`nothing is checked of ${type} maps`);
  return wrong;
}

type Same = (what: string, got: unknown, expected: unknown) => void;

function checkRing(ring: RingBuffer, same: Same, view: DataView, index: (address: bigint) => number): void {
  same(
    "records come out in order",
    [ring.output(value(1)), ring.output(value(2)), ring.drain().map((one) => one[0])],
    [0, 0, [1, 2]],
  );
  const first = ring.reserve(8);
  view.setBigUint64(index(first), 7n, true);
  ring.output(value(8));
  same("an unfinished record holds the others back", ring.drain().length, 0);
  ring.finish(first, true);
  same(
    "and lets them go",
    ring.drain().map((one) => one[0]),
    [7, 8],
  );
  const dropped = ring.reserve(8);
  same("a record is finished once", [ring.finish(dropped, false), ring.finish(dropped, true)], [true, false]);
  same("a discarded record does not come", ring.drain().length, 0);
  let count = 0;
  while (ring.output(value(count)) === 0) count++;
  same(
    "a full buffer: 255 records of 16 bytes in 4096",
    [count, ring.output(value(0)), ring.reserve(8)],
    [255, -11, 0n],
  );
  ring.drain();
  same("reading makes room", ring.output(value(1)), 0);
}

function checkStorage(storage: SocketStorage, same: Same, read: (address: bigint) => bigint): void {
  const [a, b] = [{}, {}];
  same("no storage before it is made", storage.get(a, undefined, 0n), 0n);
  same("it starts with what is given", read(storage.get(a, value(5), 1n)), 5n);
  same("and is made once", read(storage.get(a, value(6), 1n)), 5n);
  same("sockets do not share", [storage.get(b, undefined, 0n), storage.forget(b)], [0n, -2]);
  same("it can be deleted", [storage.forget(a), storage.get(a, undefined, 0n)], [0, 0n]);
}
