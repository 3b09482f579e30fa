/** Maps as typed handles: keys and values go in and out through the codecs of their layouts. */
import { readFileSync } from "node:fs";
import type { Layout } from "../../compiler/layout.ts";
import { isPerCpu } from "../../compiler/bpf/map-types.ts";
import { ATTR, BPF, UPDATE, type UpdateMode } from "./abi.ts";
import { attrBlock, call, type AttrBlock } from "./bpf.ts";
import { codecFor, type Value } from "./codec.ts";
import { failed, RuntimeError } from "./errors.ts";

/** What a handle needs to know of a map. */
export interface MapShape {
  readonly name: string;
  readonly type: string;
  readonly key: Layout;
  readonly value: Layout;
  readonly maxEntries: number;
}

/**
 * A map of the kernel. K and V are what the layouts decode to. On per-CPU maps V is an array with one value per possible
 * CPU, and `set` takes such an array or one value for all.
 */
export interface MapHandle<K = Value, V = Value> extends Iterable<[K, V]> {
  readonly name: string;
  readonly shape: MapShape;
  readonly fd: number;
  /** The value, or undefined when the key is not there. */
  get(key: K): V | undefined;
  /** Stores a value. "insert" fails on a key that is there, "update" on one that is not. */
  set(key: K, value: V, mode?: UpdateMode): void;
  /** Whether the key was there. */
  delete(key: K): boolean;
  /**
   * Every entry once, read some hundreds at a time, so that a value may be a little older than the turn of the loop that
   * gets it. Where the kernel has no batch operations they are read one by one; then entries may come twice when others
   * are deleted meanwhile.
   */
  entries(): IterableIterator<[K, V]>;
  /** The same by the chunk, some thousands of entries each where the kernel has batch operations, else fewer. */
  chunks(): IterableIterator<[K, V][]>;
  /** Every entry, read in few system calls where the kernel has batch operations for this map type (Linux 5.6). */
  batch(): [K, V][];
  /** Stores many entries at once; falls back to one by one. */
  setAll(entries: Iterable<readonly [K, V]>): void;
  /** Deletes every entry (arrays: zeroes them). */
  clear(): void;
}

/** Entries per system call: for a loop that looks at each, and for all at once. */
const ENTRIES_AT_ONCE = 256;
const BATCH_AT_ONCE = 4096;
/** Bytes of a batch: large values are read fewer at a time. */
const BATCH_BYTES = 4 * 1024 * 1024;
const ENOENT = -2;
const EEXIST = -17;
const E2BIG = -7;
const EINVAL = -22;
const ENOSPC = -28;

export function mapHandle(fd: number, shape: MapShape): MapHandle {
  const keyCodec = codecFor(shape.key);
  const valueCodec = codecFor(shape.value);
  const perCpu = isPerCpu(shape.type);
  const cpus = perCpu ? possibleCpus() : 1;
  const stride = perCpu ? Math.ceil(valueCodec.size / 8) * 8 : valueCodec.size;
  const valueBytes = stride * cpus;
  // One set of buffers per handle: the calls are synchronous, so nobody can see them half written.
  const key = new Uint8Array(Math.max(keyCodec.size, 1));
  const nextKey = new Uint8Array(key.length);
  const value = new Uint8Array(Math.max(valueBytes, 1));
  const keyView = new DataView(key.buffer);
  const valueView = new DataView(value.buffer);
  const element = attrBlock("element", { map_fd: fd, key, value });
  // Deleting takes a key alone: the kernel wants every other field to be zero.
  const keyAlone = attrBlock("element", { map_fd: fd, key });
  const stepping = attrBlock("element", { map_fd: fd, key, value: nextKey });
  const first = attrBlock("element", { map_fd: fd, value: nextKey });
  const [keyPath, valuePath] = [`${shape.name} key`, `${shape.name} value`];
  const flagsAt = ATTR.element.flags[0];
  // What has no padding and no optional parts overwrites every byte by itself.
  const [keyHasGaps, valueHasGaps] = [hasGaps(shape.key), hasGaps(shape.value) || valueBytes !== valueCodec.size];

  const putKey = (given: unknown): void => {
    if (keyHasGaps) key.fill(0);
    keyCodec.write(keyView, 0, given, keyPath);
  };
  const readValue = (view: DataView, offset: number): Value => {
    if (!perCpu) return valueCodec.read(view, offset);
    return Array.from({ length: cpus }, (_, cpu) => valueCodec.read(view, offset + cpu * stride));
  };
  const putValue = (view: DataView, offset: number, given: unknown): void => {
    if (valueHasGaps) new Uint8Array(view.buffer, view.byteOffset + offset, valueBytes).fill(0);
    if (!perCpu) return valueCodec.write(view, offset, given, valuePath);
    const each = Array.isArray(given) && given.length === cpus ? (given as readonly unknown[]) : undefined;
    for (let cpu = 0; cpu < cpus; cpu++)
      valueCodec.write(
        view,
        offset + cpu * stride,
        each ? each[cpu] : given,
        each ? `${valuePath}[cpu ${cpu}]` : valuePath,
      );
  };
  const lookup = (): Value | undefined => {
    const result = call(BPF.mapLookup, element);
    if (result === ENOENT) return undefined;
    if (result < 0) throw failed("map-operation", `reading ${shape.name}`, result, lookupHelp(shape.type, result));
    return readValue(valueView, 0);
  };
  const store = (mode: UpdateMode): void => {
    if (mode !== "any") element.view.setUint32(flagsAt, UPDATE[mode], true);
    const result = call(BPF.mapUpdate, element);
    if (mode !== "any") element.view.setUint32(flagsAt, 0, true);
    if (result < 0) throw storeError(shape, result, mode);
  };
  const advance = (block: AttrBlock): boolean => {
    const result = call(BPF.mapNextKey, block);
    if (result === ENOENT) return false;
    if (result < 0) throw failed("map-operation", `listing ${shape.name}`, result, lookupHelp(shape.type, result));
    return true;
  };

  function* oneByOne(): IterableIterator<[Value, Value]> {
    // The cursor is a copy: the loop's body may use the handle, and with it the shared buffers.
    const cursor = new Uint8Array(key.length);
    let more = advance(first);
    while (more) {
      cursor.set(nextKey);
      key.set(cursor);
      const found = lookup();
      if (found !== undefined) yield [keyCodec.read(new DataView(cursor.buffer), 0), found];
      key.set(cursor);
      more = advance(stepping);
    }
  }
  function* entries(): IterableIterator<[Value, Value]> {
    const chunks = inChunks(Math.min(shape.maxEntries, ENTRIES_AT_ONCE));
    let chunk = chunks.next();
    if (chunk.done) return yield* oneByOne();
    for (; !chunk.done; chunk = chunks.next()) yield* chunk.value;
  }

  function* chunks(): IterableIterator<[Value, Value][]> {
    const batches = inChunks(Math.min(shape.maxEntries, BATCH_AT_ONCE));
    const start = batches.next();
    if (!start.done) {
      yield start.value;
      return yield* batches;
    }
    let chunk: [Value, Value][] = [];
    for (const entry of oneByOne()) {
      if (chunk.push(entry) < ENTRIES_AT_ONCE) continue;
      yield chunk;
      chunk = [];
    }
    if (chunk.length > 0) yield chunk;
  }

  /** Reads `chunk` entries per call. Ends without one where the kernel has no batch operations for this map type. */
  function* inChunks(most: number): Generator<[Value, Value][], void> {
    let chunk = Math.max(Math.min(most, Math.floor(BATCH_BYTES / Math.max(keyCodec.size + valueBytes, 1))), 1);
    // A hash map's cursor is a bucket number of 4 bytes, an array's an index; tries want a whole key.
    const cursor = new Uint8Array(Math.max(key.length, 8));
    let keys = new Uint8Array(chunk * keyCodec.size);
    let values = new Uint8Array(chunk * valueBytes);
    let started = false;
    for (;;) {
      const block = attrBlock("batch", {
        in_batch: started ? cursor : undefined,
        out_batch: cursor,
        keys,
        values,
        count: chunk,
        map_fd: fd,
      });
      const result = call(BPF.mapLookupBatch, block);
      if (result === ENOSPC && chunk < shape.maxEntries * 2) {
        // One bucket has more entries than fit: ask again, from the same place, with more room.
        chunk *= 2;
        keys = new Uint8Array(chunk * keyCodec.size);
        values = new Uint8Array(chunk * valueBytes);
        continue;
      }
      if (result < 0 && result !== ENOENT) {
        if (!started) return;
        throw failed("map-operation", `listing ${shape.name}`, result);
      }
      const count = block.view.getUint32(ATTR.batch.count[0], true);
      const keyOut = new DataView(keys.buffer);
      const valueOut = new DataView(values.buffer);
      const read: [Value, Value][] = [];
      for (let index = 0; index < count; index++)
        read.push([keyCodec.read(keyOut, index * keyCodec.size), readValue(valueOut, index * valueBytes)]);
      started = true;
      yield read;
      if (result === ENOENT) return;
    }
  }

  const remove = (): boolean => {
    const result = call(BPF.mapDelete, keyAlone);
    if (result === ENOENT) return false;
    if (result < 0)
      throw failed("map-operation", `deleting from ${shape.name}`, result, deleteHelp(shape.type, result));
    return true;
  };

  const handle: MapHandle = {
    name: shape.name,
    shape,
    fd,
    get(given) {
      putKey(given);
      return lookup();
    },
    set(given, what, mode = "any") {
      putKey(given);
      putValue(valueView, 0, what);
      store(mode);
    },
    delete(given) {
      putKey(given);
      return remove();
    },
    entries,
    [Symbol.iterator]: entries,
    chunks,
    batch: () => [...chunks()].flat(),
    setAll(given) {
      const list = [...given];
      if (list.length === 0) return;
      const keys = new Uint8Array(list.length * keyCodec.size);
      const values = new Uint8Array(list.length * valueBytes);
      const [keyOut, valueOut] = [new DataView(keys.buffer), new DataView(values.buffer)];
      list.forEach(([entryKey, entryValue], index) => {
        keyCodec.write(keyOut, index * keyCodec.size, entryKey, keyPath);
        putValue(valueOut, index * valueBytes, entryValue);
      });
      const block = attrBlock("batch", { keys, values, count: list.length, map_fd: fd });
      const result = call(BPF.mapUpdateBatch, block);
      if (result >= 0) return;
      // 524 is ENOTSUPP: this map type has no batch update. What the batch stored is stored again, to the same effect.
      if (result !== -524 && result !== EINVAL && result !== -95) throw storeError(shape, result, "any");
      for (const [entryKey, entryValue] of list) handle.set(entryKey, entryValue);
    },
    clear() {
      if (shape.type.endsWith("array")) {
        value.fill(0);
        for (let index = 0; index < shape.maxEntries; index++) {
          keyView.setUint32(0, index, true);
          store("any");
        }
        return;
      }
      const cursor = new Uint8Array(key.length);
      while (advance(first)) {
        cursor.set(nextKey);
        key.set(cursor);
        remove();
      }
    },
  };
  return handle;
}

/** Whether a codec may leave bytes of a value as they were: padding, fields not given, short strings and arrays. */
const hasGaps = (layout: Layout): boolean => layout.kind !== "int" && layout.kind !== "be";

function storeError(shape: MapShape, result: number, mode: UpdateMode): RuntimeError {
  const more = { errno: result };
  if (result === EEXIST)
    return new RuntimeError("map-operation", `${shape.name}: the key is there already ("${mode}")`, more);
  if (result === ENOENT) return new RuntimeError("map-operation", `${shape.name}: no such key ("${mode}")`, more);
  if (result === E2BIG)
    return shape.type.endsWith("array")
      ? new RuntimeError("bad-value", `${shape.name}: the index is beyond the last, ${shape.maxEntries - 1}`, more)
      : new RuntimeError("map-full", `${shape.name} is full: ${shape.maxEntries} entries`, {
          ...more,
          help: "make maxEntries larger, or use an LruHashMap, which forgets the least recently used entry",
        });
  if (result === -1)
    return new RuntimeError("map-operation", `${shape.name} is read-only (frozen)`, {
      ...more,
      help: "params are fixed once the program is loaded",
    });
  return failed("map-operation", `writing ${shape.name}`, result, lookupHelp(shape.type, result));
}

const lookupHelp = (type: string, errno: number): string | undefined =>
  (errno === EINVAL || errno === -524 || errno === -95) && type.endsWith("_storage")
    ? "per-socket storage is read by a descriptor of the socket (tsbpf map get OBJECT/MAP PID:FD); it cannot be listed"
    : undefined;
const deleteHelp = (type: string, errno: number): string | undefined =>
  errno === EINVAL && type.endsWith("array")
    ? "entries of an array always exist; store a zero value instead"
    : undefined;

let cpuCount = 0;
/** How many CPUs per-CPU values are kept for: the possible ones, not those online (Documentation/bpf/map_array.rst). */
export function possibleCpus(): number {
  if (cpuCount === 0) {
    const ranges = readFileSync("/sys/devices/system/cpu/possible", "utf8").trim().split(",");
    for (const range of ranges) {
      const [low, high] = range.split("-").map(Number);
      cpuCount += (high ?? low!) - low! + 1;
    }
  }
  return cpuCount;
}
