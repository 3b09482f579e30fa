/** The kernel's helpers as the machine has them. A helper that is not here cannot be called. */
import { HELPERS, helperName, type HelperName } from "../../compiler/bpf/helpers.ts";
import { utf8 } from "./bytes.ts";
import { ERRNO } from "./errno.ts";
import type { KernelObject } from "./kernel-objects.ts";
import { VmFault } from "./fault.ts";
import type { Memory } from "./memory.ts";
import { isRingBuffer, type RingBuffer } from "./maps/ring-buffer.ts";
import { isSocketStorage, type SocketStorage } from "./maps/sk-storage.ts";
import type { VmMap } from "./maps/map.ts";
import { formatTrace } from "./trace-format.ts";

/** What the world around one event does for its program. Errnos are negative; a missing function means EOPNOTSUPP. */
/** An errno, a value, or a value with what the helper says of it. */
export type SockOptAnswer = number | Uint8Array | { readonly bytes: Uint8Array; readonly result: number };
export interface EventServices {
  /** Identity of the socket: what socket storage hangs on. Undefined: the event has no socket. */
  readonly socket?: object;
  setSockOpt?(level: number, name: number, value: Uint8Array): number;
  /** The option's value, as long as the caller's buffer at most, or an errno. */
  getSockOpt?(level: number, name: number, size: number): SockOptAnswer;
  /** An acknowledgement of everything before a byte. */
  sendAck?(rcvNxt: number): void;
  setCallbacks?(flags: number): number;
  reserveOption?(bytes: number, flags: bigint): number;
  storeOption?(option: Uint8Array, flags: bigint): number;
  /** Fills `search` in place; the length of the option or an errno. */
  loadOption?(search: Uint8Array, flags: bigint): number;
  /** Process and thread, user and group, as bpf_get_current_pid_tgid and bpf_get_current_uid_gid have them; 0 unless given. */
  readonly pidTgid?: bigint;
  readonly uidGid?: bigint;
  /** A struct sockaddr_in or sockaddr_in6. */
  bind?(address: Uint8Array): number;
  openSubflow?(local: Uint8Array, remote: Uint8Array): number;
  closeSubflow?(local: Uint8Array, remote: Uint8Array): number;
  setPriority?(addresses: Uint8Array, backup: number): number;
  setTimer?(ms: number): number;
  announce?(address: Uint8Array, announce: number): number;
  /** Told of every call: what was asked, what came back, and which instruction asked. */
  observe?(helper: HelperName, result: bigint, slot: number): void;
  /** Called after a helper that changed the socket: the context must show it. */
  refresh?(): void;
}

/** What the machine as a whole provides. */
export interface MachineServices {
  readonly cpus: number;
  cpu(): number;
  /** Nanoseconds since boot. */
  now(): bigint;
  /** 32 random bits. */
  random(): number;
  /** A line for the trace pipe. */
  print(line: string): void;
  /** A test may make a helper fail: the value to return instead of calling it. */
  fail?(helper: HelperName): bigint | undefined;
}

export interface HelperCall {
  readonly memory: Memory;
  readonly machine: MachineServices;
  readonly event: EventServices;
  /** Address of the context, which `ctx` arguments must be. */
  readonly context: bigint;
  readonly maps: Iterable<VmMap>;
  readonly mapAt: (address: bigint) => VmMap | undefined;
  readonly socketAt: (address: bigint) => object | undefined;
  /** A struct of the kernel's. */
  readonly objectAt?: (address: bigint) => KernelObject | undefined;
}

type Args = readonly [bigint, bigint, bigint, bigint, bigint];
type Implementation = (call: HelperCall, args: Args) => bigint | number;

const u32 = (value: bigint): number => Number(BigInt.asUintN(32, value));
const i32 = (value: bigint): number => Number(BigInt.asIntN(32, value));

/** Bytes that the program may read or write, shared with it. */
function bytesAt(call: HelperCall, address: bigint, size: number, write: boolean): Uint8Array {
  const index = call.memory.index(address, size, write);
  return call.memory.bytes.subarray(index, index + size);
}
function mapArg(call: HelperCall, address: bigint): VmMap {
  const map = call.mapAt(address);
  if (!map) throw new VmFault("helper", "the first argument is not a map");
  return map;
}
function mapOfType<M extends VmMap>(call: HelperCall, address: bigint, is: (map: VmMap) => map is M, what: string): M {
  const map = mapArg(call, address);
  if (!is(map)) throw new VmFault("helper", `${map.shape.name} is not ${what}`);
  return map;
}
const ringBuffer = (call: HelperCall, address: bigint): RingBuffer =>
  mapOfType(call, address, isRingBuffer, "a ring buffer");
const storage = (call: HelperCall, address: bigint): SocketStorage =>
  mapOfType(call, address, isSocketStorage, "socket storage");
const keyed = (map: VmMap): VmMap => {
  if (isRingBuffer(map) || isSocketStorage(map))
    throw new VmFault("helper", `${map.shape.name} is of type ${map.shape.type}, which has no keys`);
  return map;
};
function wantsContext(call: HelperCall, address: bigint): void {
  if (address !== call.context) throw new VmFault("helper", "the first argument is not the context");
}
const optional = (call: HelperCall, address: bigint, size: number): Uint8Array =>
  address === 0n || size === 0 ? new Uint8Array() : bytesAt(call, address, size, false).slice();
const time: Implementation = ({ machine }) => machine.now();

export const IMPLEMENTATIONS: Partial<Record<HelperName, Implementation>> = {
  map_lookup_elem(call, [map, key]) {
    const found = keyed(mapArg(call, map));
    return found.lookup(bytesAt(call, key, found.shape.keyBytes, false));
  },
  map_update_elem(call, [map, key, value, flags]) {
    const found = keyed(mapArg(call, map));
    const keyGiven = bytesAt(call, key, found.shape.keyBytes, false);
    // A copy: the value may lie in the element that is replaced.
    return found.update(keyGiven, bytesAt(call, value, found.shape.valueBytes, false).slice(), flags);
  },
  map_delete_elem(call, [map, key]) {
    const found = keyed(mapArg(call, map));
    return found.remove(bytesAt(call, key, found.shape.keyBytes, false));
  },
  map_lookup_percpu_elem(call, [map, key, cpu]) {
    const found = keyed(mapArg(call, map));
    if (!found.lookupOn) throw new VmFault("helper", `${found.shape.name} is not a per-CPU map`);
    return u32(cpu) < call.machine.cpus
      ? found.lookupOn(bytesAt(call, key, found.shape.keyBytes, false), u32(cpu))
      : 0n;
  },
  ktime_get_ns: time,
  ktime_get_boot_ns: time,
  ktime_get_coarse_ns: time,
  jiffies64: ({ machine }) => machine.now() / 4_000_000n,
  get_prandom_u32: ({ machine }) => BigInt(machine.random() >>> 0),
  get_smp_processor_id: ({ machine }) => machine.cpu(),
  get_numa_node_id: () => 0,
  trace_printk(call, [format, size, a, b, c]) {
    const line = formatTrace(call.memory, bytesAt(call, format, u32(size), false), [a, b, c]);
    if (line === undefined) return ERRNO.EINVAL;
    call.machine.print(line);
    return utf8(line).length;
  },
  trace_vprintk(call, [format, size, data, length]) {
    if (u32(length) % 8 !== 0) return ERRNO.EINVAL;
    const values = optional(call, data, u32(length));
    const view = new DataView(values.buffer, values.byteOffset);
    const given = Array.from({ length: values.length / 8 }, (_, index) => view.getBigUint64(index * 8, true));
    const line = formatTrace(call.memory, bytesAt(call, format, u32(size), false), given);
    if (line === undefined) return ERRNO.EINVAL;
    call.machine.print(line);
    return utf8(line).length;
  },
  get_socket_cookie(call, [ctx]) {
    wantsContext(call, ctx);
    return call.event.socket ? cookieOf(call.event.socket) : 0n;
  },
  get_netns_cookie: () => 1n,
  get_current_pid_tgid: ({ event }) => event.pidTgid ?? 0n,
  get_current_uid_gid: ({ event }) => event.uidGid ?? 0n,
  bind(call, [ctx, address, size]) {
    wantsContext(call, ctx);
    return call.event.bind?.(bytesAt(call, address, u32(size), false).slice()) ?? ERRNO.EINVAL;
  },
  setsockopt(call, [owner, level, name, value, size]) {
    if (!call.socketAt(owner)) wantsContext(call, owner);
    const given = bytesAt(call, value, u32(size), false).slice();
    return call.event.setSockOpt?.(i32(level), i32(name), given) ?? ERRNO.EOPNOTSUPP;
  },
  getsockopt(call, [owner, level, name, value, size]) {
    if (!call.socketAt(owner)) wantsContext(call, owner);
    const out = bytesAt(call, value, u32(size), true);
    const found = call.event.getSockOpt?.(i32(level), i32(name), out.length) ?? ERRNO.EOPNOTSUPP;
    out.fill(0);
    if (typeof found === "number") return found;
    const { bytes, result } = found instanceof Uint8Array ? { bytes: found, result: 0 } : found;
    out.set(bytes.subarray(0, out.length));
    return result;
  },
  sock_ops_cb_flags_set(call, [ctx, flags]) {
    wantsContext(call, ctx);
    return call.event.setCallbacks?.(i32(flags)) ?? ERRNO.EINVAL;
  },
  sk_storage_get(call, [map, socket, value, flags]) {
    const found = storage(call, map);
    const owner = call.socketAt(socket);
    if (!owner) return 0n;
    const initial = value === 0n ? undefined : bytesAt(call, value, found.shape.valueBytes, false).slice();
    return found.get(owner, initial, flags);
  },
  sk_storage_delete(call, [map, socket]) {
    const owner = call.socketAt(socket);
    return owner ? storage(call, map).forget(owner) : ERRNO.EINVAL;
  },
  tcp_send_ack({ event }, [, rcvNxt]) {
    event.sendAck?.(u32(rcvNxt));
    return 0;
  },
  skc_to_tcp_sock: (call, [socket]) => (call.objectAt?.(socket)?.struct === "tcp_sock" ? socket : 0n),
  sk_fullsock: (call, [socket]) => (call.socketAt(socket) ? socket : 0n),
  ringbuf_output(call, [map, data, size, flags]) {
    if (flags > 3n) return ERRNO.EINVAL;
    return ringBuffer(call, map).output(bytesAt(call, data, u32(size), false));
  },
  ringbuf_reserve(call, [map, size, flags]) {
    return flags !== 0n ? 0n : ringBuffer(call, map).reserve(u32(size));
  },
  ringbuf_submit: (call, [data]) => endReservation(call, data, true),
  ringbuf_discard: (call, [data]) => endReservation(call, data, false),
  ringbuf_query: (call, [map, what]) => ringBuffer(call, map).query(u32(what)),
  load_hdr_opt(call, [ctx, search, size, flags]) {
    wantsContext(call, ctx);
    return call.event.loadOption?.(bytesAt(call, search, u32(size), true), flags) ?? ERRNO.EPERM;
  },
  store_hdr_opt(call, [ctx, option, size, flags]) {
    wantsContext(call, ctx);
    return call.event.storeOption?.(bytesAt(call, option, u32(size), false).slice(), flags) ?? ERRNO.EPERM;
  },
  reserve_hdr_opt(call, [ctx, size, flags]) {
    wantsContext(call, ctx);
    return call.event.reserveOption?.(u32(size), flags) ?? ERRNO.EPERM;
  },
  mptcp_open_subflow(call, [ctx, from, fromSize, to, toSize]) {
    wantsContext(call, ctx);
    const local = optional(call, from, u32(fromSize));
    return call.event.openSubflow?.(local, optional(call, to, u32(toSize))) ?? ERRNO.EOPNOTSUPP;
  },
  mptcp_close_subflow(call, [ctx, from, fromSize, to, toSize]) {
    wantsContext(call, ctx);
    const local = optional(call, from, u32(fromSize));
    return call.event.closeSubflow?.(local, optional(call, to, u32(toSize))) ?? ERRNO.EOPNOTSUPP;
  },
  mptcp_set_priority(call, [ctx, addresses, size, backup]) {
    wantsContext(call, ctx);
    return call.event.setPriority?.(optional(call, addresses, u32(size)), i32(backup)) ?? ERRNO.EOPNOTSUPP;
  },
  mptcp_set_timer(call, [ctx, ms]) {
    wantsContext(call, ctx);
    return call.event.setTimer?.(u32(ms)) ?? ERRNO.EOPNOTSUPP;
  },
  mptcp_announce_addr(call, [ctx, address, size, announce]) {
    wantsContext(call, ctx);
    return call.event.announce?.(optional(call, address, u32(size)), i32(announce)) ?? ERRNO.EOPNOTSUPP;
  },
};

function endReservation(call: HelperCall, data: bigint, keep: boolean): number {
  // Which ring buffer a record belongs to is known by its address alone.
  for (const map of call.maps) if (isRingBuffer(map) && map.finish(data, keep)) return 0;
  throw new VmFault("helper", "the record was not reserved, or is finished already");
}

const cookies = new WeakMap<object, bigint>();
let lastCookie = 0n;
/** A number that no other socket has. */
export function cookieOf(socket: object): bigint {
  const known = cookies.get(socket);
  if (known !== undefined) return known;
  lastCookie += 1n;
  cookies.set(socket, lastCookie);
  return lastCookie;
}

/** Calls a helper by number; throws VmFault where the kernel would never have let the program call it so. */
export function callHelper(call: HelperCall, id: number, args: Args, slot: number): bigint {
  const name = helperName(id);
  if (!name) throw new VmFault("helper", `helper ${id} does not exist`);
  const forced = call.machine.fail?.(name);
  if (forced !== undefined) {
    call.event.observe?.(name, BigInt.asUintN(64, forced), slot);
    return BigInt.asUintN(64, forced);
  }
  const run = IMPLEMENTATIONS[name];
  if (!run) throw new VmFault("helper", `bpf_${name} is not available in the virtual machine`);
  const result = run(call, args);
  const changes: readonly string[] = (HELPERS[name] as { readonly changes?: readonly string[] }).changes ?? [];
  if (changes.includes("socket")) call.event.refresh?.();
  const r0 = BigInt.asUintN(64, BigInt(result));
  call.event.observe?.(name, r0, slot);
  return r0;
}
