/** Maps as a test sees them: keys and values as JavaScript values, through the layouts that the compiler knows. */
import { addressText, prefixBytes, prefixText } from "../../compiler/addresses.ts";
import { isPerCpu } from "../../compiler/bpf/map-types.ts";
import { sizeOf, type Layout } from "../../compiler/layout.ts";
import type { MapSpec, Metric } from "../../compiler/module.ts";
import { hostOrder } from "../dsl/network-order.ts";
import { errnoText } from "../vm/errno.ts";
import { UPDATE, type VmMap } from "../vm/maps/map.ts";
import { isRingBuffer } from "../vm/maps/ring-buffer.ts";
import { isSocketStorage } from "../vm/maps/sk-storage.ts";
import type { Host } from "./host.ts";
import { fromBytes, toBytes } from "./values.ts";

/** What stands for a socket in a test: a program under test has one in `conn`. */
export interface SocketHandle {
  readonly socket: object;
}

function checked(name: string, what: string, result: number): void {
  if (result !== 0) throw new RangeError(`${name}.${what} gives ${errnoText(result)}`);
}
const u32: Layout = { kind: "int", bits: 32, signed: false };

/** Everything a view may offer; its type in testing.d.ts says which of it makes sense for the map's type. */
export function mapView(spec: MapSpec, map: VmMap, host: Host): object {
  const { name } = spec;
  const value = spec.value ?? u32;
  const store = (given: unknown, what: string): Uint8Array => toBytes(value, given, `${name}.${what}`);

  if (isRingBuffer(map))
    return { records: () => map.drain().map((bytes) => fromBytes(value, bytes.subarray(0, sizeOf(value)))) };

  if (isSocketStorage(map)) {
    const socketOf = (handle: SocketHandle): object => {
      const socket = (handle as Partial<SocketHandle> | undefined)?.socket;
      if (!socket) throw new TypeError(`${name} is addressed by connection: ${name}.get(program.conn)`);
      return socket;
    };
    return {
      get(handle: SocketHandle) {
        const bytes = map.of(socketOf(handle));
        return bytes && fromBytes(value, bytes);
      },
      set: (handle: SocketHandle, given: unknown) => map.put(socketOf(handle), store(given, "set(…)")),
      delete: (handle: SocketHandle) => map.forget(socketOf(handle)) === 0,
      get size() {
        return map.size;
      },
    };
  }

  if (spec.metric) return metricView(spec.metric, map);

  const trie = spec.type === "lpm_trie";
  const perCpu = isPerCpu(spec.type);
  const key = spec.key ?? u32;
  const encodeKey = (given: unknown): Uint8Array =>
    trie ? prefixKey(name, sizeOf(key) - 4, given) : toBytes(key, given, `${name} key`);
  const decode = (copies: readonly Uint8Array[]): unknown =>
    perCpu ? copies.map((bytes) => fromBytes(value, bytes)) : fromBytes(value, copies[0]!);
  return {
    get(given: unknown) {
      const copies = map.read(encodeKey(given));
      return copies && decode(copies);
    },
    set(given: unknown, to: unknown) {
      if (perCpu && (!Array.isArray(to) || to.length > host.cpus))
        throw new TypeError(`${name} has one value per CPU: give an array of at most ${host.cpus}`);
      const values = perCpu
        ? (to as readonly unknown[]).map((one, cpu) => store(one, `set(…)[${cpu}]`))
        : [store(to, "set(…)")];
      checked(name, "set", map.write(encodeKey(given), values, UPDATE.any));
    },
    delete: (given: unknown) => map.remove(encodeKey(given)) === 0,
    get size() {
      return [...map.keys()].length;
    },
    *[Symbol.iterator]() {
      for (const one of map.keys()) {
        const copies = map.read(one);
        if (copies) yield [trie ? prefixOf(one) : fromBytes(key, one), decode(copies)];
      }
    },
  };
}

/** What was counted, in the slots of the label's values. */
function metricView({ name, type, label }: Metric, map: VmMap): object {
  const slot = (key: Uint8Array): bigint =>
    (map.read(key) ?? []).reduce((sum, bytes) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      return sum + (type === "gauge" ? view.getBigInt64(0, true) : view.getBigUint64(0, true));
    }, 0n);
  return {
    get value() {
      return [...map.keys()].reduce((sum, key) => sum + slot(key), 0n);
    },
    of(value: string) {
      const index = label?.values.indexOf(value) ?? -1;
      if (index < 0)
        throw new TypeError(
          `${name} has no value "${value}": ${label ? `it has ${label.values.join(", ")}` : "it has no label"}`,
        );
      return slot(toBytes(u32, index, name));
    },
  };
}

/** "10.0.0.0/8" or "2001:db8::/32", or an address, which stands for itself (a prefix of all its bits). */
function prefixKey(name: string, size: number, given: unknown): Uint8Array {
  const found = prefixBytes(typeof given === "string" ? given : addressIn(given), size);
  if (found?.bits === undefined) {
    const text = typeof given === "string" ? `"${given}"` : String(given);
    const [prefix, address] =
      size === 4 ? ["10.0.0.0/8", 'ipv4("10.0.0.1")'] : ["2001:db8::/32", 'ipv6("2001:db8::1")'];
    throw new TypeError(`${name}: ${text} is neither a prefix such as "${prefix}" nor an address such as ${address}`);
  }
  const bytes = new Uint8Array(4 + size);
  new DataView(bytes.buffer).setUint32(0, found.bits, true);
  bytes.set(found.address, 4);
  return bytes;
}
function addressIn(given: unknown): string {
  const words = Array.isArray(given) ? given.map((word) => hostOrder(32, word)) : [hostOrder(32, given)];
  const bytes = new DataView(new ArrayBuffer(4 * words.length));
  for (const [index, word] of words.entries()) {
    if (word === undefined) return "";
    bytes.setUint32(4 * index, Number(word));
  }
  return addressText(new Uint8Array(bytes.buffer));
}
const prefixOf = (key: Uint8Array): string =>
  prefixText(key.subarray(4), new DataView(key.buffer, key.byteOffset).getUint32(0, true));
