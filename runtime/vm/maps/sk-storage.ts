/** Values attached to sockets (net/core/bpf_sk_storage.c): gone with the socket. */
import { ERRNO } from "../errno.ts";
import type { Region } from "../memory.ts";
import type { MapHost, MapShape, VmMap } from "./map.ts";

/** BPF_SK_STORAGE_GET_F_CREATE */
const CREATE = 1n;

export interface SocketStorage extends VmMap {
  /** bpf_sk_storage_get: address of the value or 0n. */
  get(socket: object, initial: Uint8Array | undefined, flags: bigint): bigint;
  /** bpf_sk_storage_delete: 0 or a negative errno. Also what happens when a socket is freed. */
  forget(socket: object): number;
  /** The value's bytes, shared with programs. */
  of(socket: object): Uint8Array | undefined;
  /** Stores from user space. */
  put(socket: object, value: Uint8Array): void;
  readonly size: number;
  sockets(): Iterable<object>;
}

export const isSocketStorage = (map: VmMap): map is SocketStorage => map.shape.type === "sk_storage";

export function createSocketStorage(shape: MapShape, host: MapHost): SocketStorage {
  const { memory } = host;
  const values = new Map<object, Region>();
  const create = (socket: object): Region => {
    const region = memory.allocate({ name: `the value of ${shape.name} for this socket`, size: shape.valueBytes });
    values.set(socket, region);
    return region;
  };
  const unsupported = (): number => ERRNO.EOPNOTSUPP;
  return {
    shape,
    lookup: () => 0n,
    update: unsupported,
    remove: unsupported,
    read: () => undefined,
    write: unsupported,
    *keys() {},
    get(socket, initial, flags) {
      if (flags > CREATE) return 0n;
      const found = values.get(socket);
      if (found) return memory.address(found);
      if (flags !== CREATE) return 0n;
      const region = create(socket);
      if (initial) memory.slice(region).set(initial);
      return memory.address(region);
    },
    forget(socket) {
      const region = values.get(socket);
      if (!region) return ERRNO.ENOENT;
      values.delete(socket);
      memory.release(region);
      return 0;
    },
    of: (socket) => {
      const region = values.get(socket);
      return region && memory.slice(region);
    },
    put(socket, value) {
      memory.slice(values.get(socket) ?? create(socket)).set(value);
    },
    get size() {
      return values.size;
    },
    sockets: () => values.keys(),
  };
}
