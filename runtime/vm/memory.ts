/**
 * The machine's memory: one linear buffer of disjoint objects ("regions") and, for each 8 bytes of it, one shadow byte
 * that says how much of these 8 bytes may be accessed. Both engines ask the shadow before every access.
 *
 * Objects start on 8 bytes and are followed by at least 8 bytes that belong to nobody, so an access of at most
 * 8 bytes that touches two objects always touches the gap between them as well: looking at the bytes touched is enough
 * to know that an access lies in one live object.
 */
import { VmFault } from "./fault.ts";

/** Guest addresses are GUEST_BASE + offset: far away from any small number that a program may take for a pointer. */
export const GUEST_BASE = 0xffff_c900_0000_0000n;
const GRANULE = 8;
const GAP = 8;

/** Shadow values: 0 is nobody's, 1 to 8 the number of bytes that may be read and written, and these two. */
export const SHADOW = { readOnly: 0x10, guarded: 0x20 } as const;

/** Decides about an access to a guarded object (the context): undefined allows it, a text says why not. */
export type Guard = (offset: number, bytes: number, write: boolean) => string | undefined;

export interface Region {
  /** For people: "stack of frame 0", "value of localAddrs". */
  readonly name: string;
  /** Offset of the first byte in the arena. */
  readonly start: number;
  /** Bytes that may be accessed, of each element. */
  readonly size: number;
  readonly access: "read-write" | "read-only" | Guard;
  /** Elements lie `stride` bytes apart. */
  readonly count: number;
  readonly stride: number;
}

export interface RegionRequest {
  readonly name: string;
  readonly size: number;
  readonly access?: Region["access"];
  readonly count?: number;
}

export interface Memory {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Index in `bytes` of the arena's first byte; the shadow lies before it. */
  readonly arenaStart: number;
  readonly arenaBytes: number;
  readonly wasm?: WebAssembly.Memory;
  allocate(request: RegionRequest): Region;
  /** The object goes with the end of the event, as with RCU: until `reuse` the program may still look at it. */
  release(region: Region): void;
  /** Makes released objects inaccessible and their places free. Called between events, when no program holds a pointer. */
  reuse(): void;
  /** Switches access to an object on and off without giving up its place (stack frames). */
  setLive(region: Region, live: boolean): void;
  /** Changes how many bytes of an object may be accessed, within the room that it was given at first. */
  resize(region: Region, size: number): void;
  /** Undefined when the access is allowed; otherwise the fault. `offset` is relative to the arena. */
  refusal(offset: number, bytes: number, write: boolean): VmFault | undefined;
  /** Index in `bytes` for an access that is allowed; throws the fault otherwise. */
  index(address: bigint, bytes: number, write: boolean): number;
  /** The object's bytes, shared with the program. */
  slice(region: Region, element?: number): Uint8Array;
  /** Guest address of an object. */
  address(region: Region, element?: number): bigint;
  /** The live object that holds this arena offset, if any. */
  find(offset: number): { readonly region: Region; readonly element: number; readonly live: boolean } | undefined;
}

const roundUp = (value: number, to: number): number => Math.ceil(value / to) * to;
/** Distance between elements of this size, the gap included. */
export const strideOf = (size: number): number => roundUp(size, GRANULE) + GAP;

const WASM_PAGE = 65536;

/** Memory with room for `arenaBytes` bytes of objects (gaps included). With `wasm` it is a WebAssembly memory. */
export function createMemory(arenaBytes: number, wasm = false): Memory {
  const arena = roundUp(arenaBytes, WASM_PAGE);
  const arenaStart = roundUp(arena / GRANULE, WASM_PAGE);
  const pages = (arena + arenaStart) / WASM_PAGE;
  const wasmMemory = wasm ? new WebAssembly.Memory({ initial: pages, maximum: pages }) : undefined;
  const buffer = wasmMemory ? wasmMemory.buffer : new ArrayBuffer(arena + arenaStart);
  const bytes = new Uint8Array(buffer);
  const view = new DataView(buffer);

  // Offset 0 stays nobody's, so that GUEST_BASE itself is not an address.
  let next = GRANULE * 2;
  const regions: Region[] = [];
  const dead = new Set<Region>();
  const waiting = new Set<Region>();
  const free = new Map<number, Region[]>();

  const shade = (region: Region, live: boolean): void => {
    const flag = region.access === "read-only" ? SHADOW.readOnly : 0;
    for (let element = 0; element < region.count; element++) {
      const start = (region.start + element * region.stride) / GRANULE;
      const whole = Math.floor(region.size / GRANULE);
      const rest = region.size % GRANULE;
      if (!live) bytes.fill(0, start, start + whole + (rest ? 1 : 0));
      else if (typeof region.access === "function") bytes.fill(SHADOW.guarded, start, start + whole + (rest ? 1 : 0));
      else {
        bytes.fill(GRANULE | flag, start, start + whole);
        if (rest) bytes[start + whole] = rest | flag;
      }
    }
  };

  const find: Memory["find"] = (offset) => {
    for (const region of regions) {
      const within = offset - region.start;
      if (within < 0 || within >= region.stride * region.count) continue;
      return { region, element: Math.floor(within / region.stride), live: !dead.has(region) };
    }
    return undefined;
  };

  const describe = (offset: number, size: number, write: boolean): string => {
    const verb = `${write ? "write" : "read"} of ${size} byte${size === 1 ? "" : "s"}`;
    if (offset < 0 || offset >= arena) return `${verb} at an address that is no pointer`;
    const hit = find(offset) ?? find(offset + size - 1);
    if (!hit) return `${verb} at an address where nothing lies`;
    const at = offset - hit.region.start - hit.element * hit.region.stride;
    if (!hit.live) return `${verb} from ${hit.region.name}, which is gone`;
    return `${verb} at offset ${at} of ${hit.region.name}, which has ${hit.region.size} bytes`;
  };

  const memory: Memory = {
    bytes,
    view,
    arenaStart,
    arenaBytes: arena,
    ...(wasmMemory ? { wasm: wasmMemory } : {}),
    find,

    allocate({ name, size, access = "read-write", count = 1 }) {
      const stride = strideOf(size);
      const old = count === 1 ? free.get(stride)?.pop() : undefined;
      const start = old ? old.start : next;
      if (!old) {
        if (next + stride * count > arena)
          throw new VmFault("out-of-memory", `no room for ${name}: the virtual machine has ${arena} bytes`);
        next += stride * count;
      } else {
        regions.splice(regions.indexOf(old), 1);
        dead.delete(old);
      }
      const region: Region = { name, start, size, access, count, stride };
      regions.push(region);
      bytes.fill(0, arenaStart + start, arenaStart + start + stride * count);
      shade(region, true);
      return region;
    },

    release(region) {
      waiting.add(region);
    },

    reuse() {
      for (const region of waiting) {
        shade(region, false);
        dead.add(region);
        if (region.count !== 1) continue;
        const list = free.get(region.stride);
        if (list) list.push(region);
        else free.set(region.stride, [region]);
      }
      waiting.clear();
    },

    setLive(region, live) {
      shade(region, live);
      if (live) dead.delete(region);
      else dead.add(region);
    },

    resize(region, size) {
      shade(region, false);
      // The one thing about a region that changes.
      (region as { -readonly [K in keyof Region]: Region[K] }).size = size;
      shade(region, true);
      dead.delete(region);
    },

    refusal(offset, size, write) {
      if (offset < 0 || offset + size > arena) return new VmFault("memory", describe(offset, size, write));
      for (let at = offset; at < offset + size; at = (Math.floor(at / GRANULE) + 1) * GRANULE) {
        const shadow = bytes[Math.floor(at / GRANULE)]!;
        if (shadow === SHADOW.guarded) {
          const hit = find(offset);
          const guard = hit?.region.access;
          if (!hit || typeof guard !== "function" || offset + size > hit.region.start + hit.region.size)
            return new VmFault("memory", describe(offset, size, write));
          const reason = guard(offset - hit.region.start, size, write);
          return reason === undefined ? undefined : new VmFault("context", reason);
        }
        const last = Math.min(offset + size, (Math.floor(at / GRANULE) + 1) * GRANULE) - 1;
        if ((last % GRANULE) + 1 > (shadow & 0xf)) return new VmFault("memory", describe(offset, size, write));
        if (write && shadow & SHADOW.readOnly) {
          const name = find(at)?.region.name ?? "read-only memory";
          return new VmFault("read-only", `write of ${size} bytes to ${name}, which is read-only`);
        }
      }
      return undefined;
    },

    index(address, size, write) {
      const offset = address - GUEST_BASE;
      if (offset < 0n || offset >= BigInt(arena)) throw new VmFault("memory", noPointer(address, size, write));
      const fault = memory.refusal(Number(offset), size, write);
      if (fault) throw fault;
      return arenaStart + Number(offset);
    },

    slice: (region, element = 0) => {
      const start = arenaStart + region.start + element * region.stride;
      return bytes.subarray(start, start + region.size);
    },

    address: (region, element = 0) => GUEST_BASE + BigInt(region.start + element * region.stride),
  };
  return memory;
}

/** Words for an access through something that is not a pointer at all. */
export function noPointer(address: bigint, size: number, write: boolean): string {
  const verb = `${write ? "write" : "read"} of ${size} byte${size === 1 ? "" : "s"}`;
  if (BigInt.asUintN(64, address) < 4096n) return `${verb} through a null pointer (address ${address})`;
  return `${verb} at 0x${BigInt.asUintN(64, address).toString(16)}, which is no pointer`;
}
