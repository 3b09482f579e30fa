/** What each helper of the virtual machine gives, and what it hands to the event: called by its number, without a program. */
import { describe, expect, test } from "vitest";
import { HELPERS, type HelperName } from "../../compiler/bpf/helpers.ts";
import type { MapTypeName } from "../../compiler/bpf/map-types.ts";
import { callHelper, IMPLEMENTATIONS, type EventServices } from "../../runtime/vm/helpers.ts";
import type { KernelObject } from "../../runtime/vm/kernel-objects.ts";
import { MAP_KINDS } from "../../runtime/vm/maps/create.ts";
import type { VmMap } from "../../runtime/vm/maps/map.ts";
import { createMemory } from "../../runtime/vm/memory.ts";

const CPUS = 3;
const CONTEXT = 0x1000n;
const MAP = 0x2000n;
const SOCKET = 0x3000n;
const STRANGER = 0x4000n;
const [EPERM, ENOENT, EINVAL, EOPNOTSUPP] = [-1n, -2n, -22n, -95n];
const signed = (value: bigint): bigint => BigInt.asIntN(64, value);
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const word = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
const wide = (value: number): Uint8Array => new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);

/** A machine without a program: memory, perhaps a map, and an event that notes what it is asked. */
class Trial {
  readonly memory = createMemory(1 << 20);
  readonly done: unknown[] = [];
  readonly socket = { of: "the event" };
  readonly map: VmMap | undefined;
  readonly event: EventServices;

  constructor(map?: MapTypeName, keyBytes = 4, event?: EventServices) {
    const host = { memory: this.memory, cpus: CPUS, cpu: () => 1 };
    const maxEntries = map === "ringbuf" ? 4096 : 4;
    this.map =
      map && MAP_KINDS[map]!.create({ name: "m", type: map, keyBytes, valueBytes: 8, maxEntries, flags: 0 }, host);
    const notes =
      (name: string, result: number) =>
      (...given: readonly unknown[]): number => {
        this.done.push([name, ...given.map((one) => (one instanceof Uint8Array ? [...one] : one))]);
        return result;
      };
    this.event = event ?? {
      socket: this.socket,
      pidTgid: 0x11_0000_0022n,
      uidGid: 0x33_0000_0044n,
      bind: notes("bind", -98),
      setSockOpt: notes("set", -92),
      getSockOpt: (level, name, size) => {
        this.done.push(["get", level, name, size]);
        return Uint8Array.of(9, 8);
      },
      setCallbacks: notes("callbacks", 4),
      sendAck: notes("ack", 0),
      loadOption: notes("load", 6),
      storeOption: notes("store", -28),
      reserveOption: notes("reserve", -28),
      openSubflow: notes("open", 7),
      closeSubflow: notes("close", 7),
      setPriority: notes("priority", 7),
      setTimer: notes("timer", 7),
      announce: notes("announce", 7),
    };
  }

  /** Memory of the program that holds these bytes. */
  put(bytes: Uint8Array): bigint {
    const region = this.memory.allocate({ name: "bytes", size: bytes.length });
    this.memory.slice(region).set(bytes);
    return this.memory.address(region);
  }
  read(address: bigint, size: number): number[] {
    const at = this.memory.index(address, size, false);
    return [...this.memory.bytes.subarray(at, at + size)];
  }
  number(address: bigint): bigint {
    return this.memory.view.getBigUint64(this.memory.index(address, 8, false), true);
  }

  call(name: HelperName, ...args: readonly bigint[]): bigint {
    const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n] = args;
    const struct = { struct: "tcp_sock" } as KernelObject;
    return signed(
      callHelper(
        {
          memory: this.memory,
          machine: {
            cpus: CPUS,
            cpu: () => 1,
            now: () => 8_000_000_123n,
            random: () => -5,
            print: (line) => void this.done.push(line),
          },
          event: this.event,
          context: CONTEXT,
          maps: this.map ? [this.map] : [],
          mapAt: (address) => (address === MAP ? this.map : undefined),
          socketAt: (address) => (address === SOCKET ? this.socket : undefined),
          objectAt: (address) => (address === SOCKET ? struct : undefined),
        },
        HELPERS[name].id,
        [a, b, c, d, e],
        0,
      ),
    );
  }
}

/** What comes of it, and what should. */
type Row = (name: HelperName) => readonly [found: unknown, expected: unknown];
const plain =
  (expected: bigint, ...args: readonly bigint[]): Row =>
  (name) => [new Trial().call(name, ...args), expected];
/** Where an event has nothing of the kind, and where the first argument is not its context. */
const onlyWith = (name: HelperName, ...args: readonly bigint[]): unknown[] => {
  const without = new Trial(undefined, 4, {});
  const other = new Trial();
  let refused = "";
  try {
    other.call(name, STRANGER, ...args.slice(1));
  } catch (error) {
    refused = (error as Error).message;
  }
  return [without.call(name, ...args), refused];
};
const NOT_CONTEXT = "the first argument is not the context";
/** Asks the event: what it was given, what it answers, and both ways in which it does not come to that. */
const asks =
  (done: unknown, result: bigint, missing: bigint, ...args: readonly bigint[]): Row =>
  (name) => {
    const trial = new Trial();
    const found = trial.call(name, CONTEXT, ...args);
    return [
      [found, trial.done, ...onlyWith(name, CONTEXT, ...args)],
      [result, [done], missing, NOT_CONTEXT],
    ];
  };
/** The same with four bytes in memory, at the address that `args` is told. */
const asksWithBytes =
  (
    done: (bytes: readonly number[]) => unknown,
    result: bigint,
    missing: bigint,
    args: (at: bigint) => readonly bigint[],
  ): Row =>
  (name) => {
    const bytes = [1, 2, 3, 4];
    const trial = new Trial();
    const at = trial.put(Uint8Array.from(bytes));
    const without = new Trial(undefined, 4, {});
    const there = without.put(Uint8Array.from(bytes));
    return [
      [trial.call(name, CONTEXT, ...args(at)), trial.done, without.call(name, CONTEXT, ...args(there))],
      [result, [done(bytes)], missing],
    ];
  };
const TIME = 8_000_000_123n;

const ROWS: { readonly [K in HelperName]?: Row } = {
  map_lookup_elem() {
    const trial = new Trial("hash");
    trial.map!.update(word(7), wide(5), 0n);
    const found = trial.call("map_lookup_elem", MAP, trial.put(word(7)));
    return [
      [trial.number(BigInt.asUintN(64, found)), trial.call("map_lookup_elem", MAP, trial.put(word(8)))],
      [5n, 0n],
    ];
  },
  map_update_elem() {
    const trial = new Trial("hash");
    const [key, value] = [trial.put(word(7)), trial.put(wide(5))];
    const results = [0n, 1n, 4n].map((flags) => trial.call("map_update_elem", MAP, key, value, flags));
    return [
      [...results, trial.map!.read(word(7))?.map((one) => one[0])],
      [0n, -17n, EINVAL, [5]],
    ];
  },
  map_delete_elem() {
    const trial = new Trial("hash");
    trial.map!.update(word(7), wide(5), 0n);
    const key = trial.put(word(7));
    return [
      [trial.call("map_delete_elem", MAP, key), trial.call("map_delete_elem", MAP, key)],
      [0n, ENOENT],
    ];
  },
  map_lookup_percpu_elem() {
    const trial = new Trial("percpu_array");
    trial.map!.write(word(1), [wide(10), wide(11), wide(12)]);
    const at = (cpu: bigint): bigint => trial.call("map_lookup_percpu_elem", MAP, trial.put(word(1)), cpu);
    return [
      [trial.number(BigInt.asUintN(64, at(2n))), at(BigInt(CPUS))],
      [12n, 0n],
    ];
  },
  ktime_get_ns: plain(TIME),
  ktime_get_boot_ns: plain(TIME),
  ktime_get_coarse_ns: plain(TIME),
  // Of 4 ms.
  jiffies64: plain(2000n),
  get_prandom_u32: plain(0xffff_fffbn),
  get_smp_processor_id: plain(1n),
  get_numa_node_id: plain(0n),
  trace_printk() {
    const trial = new Trial();
    const format = bytesOf("%d of %x\0");
    const [good, bad] = [trial.put(format), trial.put(bytesOf("no end"))];
    const results = [
      trial.call("trace_printk", good, BigInt(format.length), 7n, 255n),
      trial.call("trace_printk", bad, 6n),
    ];
    return [
      [...results, trial.done],
      [7n, EINVAL, ["7 of ff"]],
    ];
  },
  trace_vprintk() {
    const trial = new Trial();
    const format = bytesOf("%d of %x\0");
    const at = trial.put(format);
    const values = trial.put(new Uint8Array(BigUint64Array.of(7n, 255n).buffer));
    const results = [16n, 12n].map((size) => trial.call("trace_vprintk", at, BigInt(format.length), values, size));
    return [
      [...results, trial.done],
      [7n, EINVAL, ["7 of ff"]],
    ];
  },
  get_socket_cookie(name) {
    const [one, other] = [new Trial(), new Trial()];
    const cookies = [one, one, other].map((trial) => trial.call(name, CONTEXT));
    return [
      [cookies[0] === cookies[1], cookies[0] === cookies[2], cookies[0]! > 0n, ...onlyWith(name, CONTEXT)],
      [true, false, true, 0n, NOT_CONTEXT],
    ];
  },
  get_netns_cookie: plain(1n),
  get_current_pid_tgid: plain(0x11_0000_0022n),
  get_current_uid_gid: plain(0x33_0000_0044n),
  bind: asksWithBytes(
    (bytes) => ["bind", bytes],
    -98n,
    EINVAL,
    (at) => [at, 4n],
  ),
  setsockopt: asksWithBytes(
    (bytes) => ["set", 6, -3, bytes],
    -92n,
    EOPNOTSUPP,
    (at) => [6n, -3n, at, 4n],
  ),
  getsockopt(name) {
    const trial = new Trial();
    const at = trial.put(Uint8Array.of(1, 2, 3, 4));
    return [
      [trial.call(name, SOCKET, 6n, 13n, at, 4n), trial.done, trial.read(at, 4)],
      [0n, [["get", 6, 13, 4]], [9, 8, 0, 0]],
    ];
  },
  sock_ops_cb_flags_set: asks(["callbacks", 5], 4n, EINVAL, 5n),
  sk_storage_get(name) {
    const trial = new Trial("sk_storage", 4);
    const initial = trial.put(wide(6));
    const get = (socket: bigint, value: bigint, flags: bigint): bigint => trial.call(name, MAP, socket, value, flags);
    const results = [get(SOCKET, 0n, 0n), get(STRANGER, initial, 1n)];
    const made = get(SOCKET, initial, 1n);
    return [
      [...results, trial.number(BigInt.asUintN(64, made)), get(SOCKET, 0n, 0n) === made],
      [0n, 0n, 6n, true],
    ];
  },
  sk_storage_delete(name) {
    const trial = new Trial("sk_storage", 4);
    trial.call("sk_storage_get", MAP, SOCKET, 0n, 1n);
    return [[SOCKET, SOCKET, STRANGER].map((socket) => trial.call(name, MAP, socket)), [0n, ENOENT, EINVAL]];
  },
  tcp_send_ack(name) {
    const trial = new Trial();
    return [
      [trial.call(name, SOCKET, 77n), trial.done],
      [0n, [["ack", 77]]],
    ];
  },
  skc_to_tcp_sock: (name) => [[SOCKET, STRANGER].map((at) => new Trial().call(name, at)), [SOCKET, 0n]],
  sk_fullsock: (name) => [[SOCKET, STRANGER].map((at) => new Trial().call(name, at)), [SOCKET, 0n]],
  ringbuf_output(name) {
    const trial = new Trial("ringbuf");
    const at = trial.put(wide(7));
    const results = [0n, 3n, 4n].map((flags) => trial.call(name, MAP, at, 8n, flags));
    return [
      [results, trial.call("ringbuf_query", MAP, 0n)],
      [[0n, 0n, EINVAL], 32n],
    ];
  },
  ringbuf_reserve(name) {
    const trial = new Trial("ringbuf");
    const results = [trial.call(name, MAP, 8n, 1n), trial.call(name, MAP, 8000n, 0n)];
    return [
      [...results, trial.call(name, MAP, 8n, 0n) !== 0n],
      [0n, 0n, true],
    ];
  },
  ringbuf_submit: () => finishing("ringbuf_submit", 1),
  ringbuf_discard: () => finishing("ringbuf_discard", 0),
  // Unread bytes, size, what was read, what was written.
  ringbuf_query(name) {
    const trial = new Trial("ringbuf");
    trial.call("ringbuf_output", MAP, trial.put(wide(7)), 8n, 0n);
    return [[0n, 1n, 2n, 3n].map((what) => trial.call(name, MAP, what)), [16n, 4096n, 0n, 16n]];
  },
  load_hdr_opt: asksWithBytes(
    (bytes) => ["load", bytes, 1n],
    6n,
    EPERM,
    (at) => [at, 4n, 1n],
  ),
  store_hdr_opt: asksWithBytes(
    (bytes) => ["store", bytes, 0n],
    -28n,
    EPERM,
    (at) => [at, 4n, 0n],
  ),
  reserve_hdr_opt: asks(["reserve", 12, 0n], -28n, EPERM, 12n, 0n),
  mptcp_open_subflow: asksWithBytes(
    (bytes) => ["open", [], bytes],
    7n,
    EOPNOTSUPP,
    (at) => [0n, 0n, at, 4n],
  ),
  mptcp_close_subflow: asksWithBytes(
    (bytes) => ["close", bytes, []],
    7n,
    EOPNOTSUPP,
    (at) => [at, 4n, 0n, 0n],
  ),
  mptcp_set_priority: asksWithBytes(
    (bytes) => ["priority", bytes, 1],
    7n,
    EOPNOTSUPP,
    (at) => [at, 4n, 1n],
  ),
  mptcp_set_timer: asks(["timer", 50], 7n, EOPNOTSUPP, 50n),
  mptcp_announce_addr: asksWithBytes(
    (bytes) => ["announce", bytes, 1],
    7n,
    EOPNOTSUPP,
    (at) => [at, 4n, 1n],
  ),
};

/** A reservation that is ended once, and how many records are read then. */
function finishing(name: "ringbuf_submit" | "ringbuf_discard", records: number): readonly [unknown, unknown] {
  const trial = new Trial("ringbuf");
  const at = BigInt.asUintN(64, trial.call("ringbuf_reserve", MAP, 8n, 0n));
  const result = trial.call(name, at);
  const map = trial.map as VmMap & { drain(): readonly Uint8Array[] };
  return [
    [result, map.drain().length, () => trial.call(name, at)].map((one) =>
      typeof one === "function" ? faults(one) : one,
    ),
    [0n, records, true],
  ];
}
function faults(run: () => unknown): boolean {
  try {
    run();
    return false;
  } catch {
    return true;
  }
}

describe("helpers of the virtual machine", () => {
  test("each has a row", () => expect(Object.keys(ROWS).sort()).toEqual(Object.keys(IMPLEMENTATIONS).sort()));
  test.each(Object.entries(ROWS) as [HelperName, Row][])("%s", (name, row) => {
    const [found, expected] = row(name);
    expect(found).toEqual(expected);
  });
});
