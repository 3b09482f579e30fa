/**
 * `tsbpf/runtime`: opens objects (ours and clang's), loads, attaches, watches; path managers on either backend.
 * Everything is synchronous except streams; everything that fails throws a RuntimeError with a key, a message and a help
 * line, and leaves nothing behind.
 */
import type { BpfModule } from "../compiler/module.ts";
import { readObjectFile, TroubleError } from "./files/files.ts";
import { RuntimeError } from "./kernel/errors.ts";
import { loadModule, type LoadOptions } from "./kernel/load.ts";
import { nameOfFile } from "./kernel/names.ts";
import type { LoadedObject } from "./kernel/object.ts";
import { parseObject } from "./kernel/object-file.ts";
import type { ParamsOf, TypedObject } from "./kernel/typed.ts";

export type TypedLoadOptions<T> = Omit<LoadOptions, "params"> & { readonly params?: ParamsOf<T> };

/**
 * Loads an object into the kernel: a path, the bytes of an object file, or a module that the compiler gave.
 * T types the handles: `typeof import("./fullmesh.ts")`, or `Loaded` of the `.d.ts` beside the object.
 */
export function load(object: string | Uint8Array | BpfModule, options?: LoadOptions): LoadedObject;
export function load<T>(object: string | Uint8Array | BpfModule, options?: TypedLoadOptions<T>): TypedObject<T>;
export function load(object: string | Uint8Array | BpfModule, options: LoadOptions = {}): LoadedObject {
  if (typeof object === "string") return loadFile(object, options);
  if (!(object instanceof Uint8Array)) return loadModule(object, options);
  const { module, kernelInfo } = parseObject(object, options.name);
  return loadModule(module, options, kernelInfo);
}

function loadFile(path: string, options: LoadOptions): LoadedObject {
  const { module, kernelInfo } = parseObject(bytesOf(path), path);
  return loadModule(module, { name: nameOfFile(path), ...options }, kernelInfo);
}

function bytesOf(path: string): Uint8Array {
  try {
    return readObjectFile(path);
  } catch (error) {
    if (!(error instanceof TroubleError)) throw error;
    throw new RuntimeError("bad-object", error.message, { help: error.trouble.help });
  }
}

export { RuntimeError, type RuntimeErrorKey } from "./kernel/errors.ts";
export type { LoadOptions } from "./kernel/load.ts";
export type { GlobalHandle, LoadedObject, ProgramHandle, RingHandle } from "./kernel/object.ts";
export type { MapHandle, MapShape } from "./kernel/maps.ts";
export { socketOf, type SocketDescriptor } from "./kernel/sockets.ts";
export type { RingStream } from "./kernel/ring-stream.ts";
export type { RingReader } from "./kernel/ringbuf.ts";
export type { LinkHandle } from "./kernel/links.ts";
export type { Place } from "./kernel/attach-points.ts";
export type { Value } from "./kernel/codec.ts";
export type { LinkInfo, MapInfo, ProgramInfo } from "./kernel/info.ts";
export type { HostValue, StorageHandle, TypedObject } from "./kernel/typed.ts";
export { openPinnedLink } from "./kernel/links.ts";
export { openObject, pinnedObjects, pinObject, removeObject, type PinnedObject } from "./kernel/pins.ts";
export { replaceObject } from "./kernel/replace.ts";
export { allLinks, allMaps, allPrograms } from "./kernel/info.ts";
export { missing, probe, type Probe } from "./kernel/probe.ts";
export { typesFor } from "./kernel/types.ts";
export { parseObject } from "./kernel/object-file.ts";
export {
  chooseBackend,
  followLocalAddresses,
  isPathManager,
  startKernelPathManager,
  type BackendName,
} from "./mptcp/daemon.ts";
export {
  startNetlinkBackend,
  type NetlinkBackend,
  type NetlinkOptions,
  type NetlinkReport,
} from "./mptcp/netlink-backend.ts";
export { watchAddresses, type HostAddress } from "./mptcp/addresses.ts";
