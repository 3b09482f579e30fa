/** TCP options in a header, and mainline's helpers on them (bpf_sock_ops_{load,store,reserve}_hdr_opt in net/core/filter.c). */
import { ERRNO } from "../vm/errno.ts";

export const TCP_HEADER = 20;
const [END, NOP] = [0, 1];
const EXPERIMENTS = [253, 254];
/** Kinds that the kernel knows itself (include/net/tcp.h). */
const KNOWN = new Set([0, 1, 2, 3, 4, 5, 8, 19, 29, 30, 34]);

export interface FoundOption {
  /** Offset of its kind byte. */
  readonly at: number;
  readonly kind: number;
  /** Kind and length included. */
  readonly bytes: Uint8Array;
}

/** Options by kind, then by length; stops at what is malformed, as the kernel's parser does. */
export function* eachOption(options: Uint8Array): Generator<FoundOption> {
  for (let at = 0; at < options.length;) {
    const kind = options[at]!;
    if (kind === END) return;
    if (kind === NOP) {
      at++;
      continue;
    }
    const length = options[at + 1];
    if (length === undefined || length < 2 || at + length > options.length) return;
    yield { at, kind, bytes: options.slice(at, at + length) };
    at += length;
  }
}
export const isKnown = (kind: number): boolean => KNOWN.has(kind);

type Search = { readonly found: FoundOption } | { readonly errno: number };

function search(options: Uint8Array, kind: number, magic: Uint8Array): Search {
  for (let at = 0; at < options.length;) {
    const here = options[at]!;
    if (here === END) return { errno: ERRNO.ENOMSG };
    if (here === NOP) {
      at++;
      continue;
    }
    const length = options[at + 1];
    if (length === undefined || length < 2 || at + length > options.length) return { errno: ERRNO.EFAULT };
    if (here === kind) {
      if (length - 2 < magic.length) return { errno: ERRNO.EFAULT };
      if (magic.every((byte, index) => options[at + 2 + index] === byte))
        return { found: { at, kind, bytes: options.slice(at, at + length) } };
    }
    at += length;
  }
  return { errno: ERRNO.ENOMSG };
}

const LOAD_SYN = 1n;

/** bpf_load_hdr_opt: fills `wanted` in place. `syn` is the saved SYN's options, `current` the segment's. */
export function loadOption(
  wanted: Uint8Array,
  flags: bigint,
  current: Uint8Array | undefined,
  syn: Uint8Array | undefined,
): number {
  if (wanted.length < 2 || flags & ~LOAD_SYN) return ERRNO.EINVAL;
  const [kind = 0, length = 0] = wanted;
  if (length > wanted.length || kind === NOP || kind === END) return ERRNO.EINVAL;
  const experiment = EXPERIMENTS.includes(kind);
  if (experiment ? length !== 4 && length !== 6 : length !== 0) return ERRNO.EINVAL;
  const options = flags & LOAD_SYN ? syn : current;
  if (!options) return flags & LOAD_SYN ? ERRNO.ENOENT : ERRNO.EPERM;
  const hit = search(options, kind, experiment ? wanted.slice(2, length) : new Uint8Array());
  if ("errno" in hit) return hit.errno;
  const { bytes } = hit.found;
  wanted.set(bytes.subarray(0, wanted.length));
  return bytes.length > wanted.length ? ERRNO.ENOSPC : bytes.length;
}

/** Room for options in one outgoing segment. */
export interface OptionRoom {
  /** What the kernel wrote itself, then what programs wrote. */
  written: Uint8Array;
  /** Bytes that may still be reserved or written. */
  remaining: number;
}

/** bpf_reserve_hdr_opt */
export function reserveOption(room: OptionRoom, bytes: number, flags: bigint): number {
  if (flags !== 0n || bytes < 2) return ERRNO.EINVAL;
  if (bytes > room.remaining) return ERRNO.ENOSPC;
  room.remaining -= bytes;
  return 0;
}

/** bpf_store_hdr_opt */
export function storeOption(room: OptionRoom, option: Uint8Array, flags: bigint): number {
  if (flags !== 0n || option.length < 2) return ERRNO.EINVAL;
  const [kind = 0, length = 0] = option;
  if (length < 2 || length > option.length || kind === NOP || kind === END) return ERRNO.EINVAL;
  const experiment = EXPERIMENTS.includes(kind);
  if (experiment && length < 4) return ERRNO.EINVAL;
  if (length > room.remaining) return ERRNO.ENOSPC;
  const hit = search(room.written, kind, experiment ? option.slice(2, 4) : new Uint8Array());
  if ("found" in hit) return ERRNO.EEXIST;
  if (hit.errno !== ERRNO.ENOMSG) return hit.errno;
  room.written = Uint8Array.from([...room.written, ...option.subarray(0, length)]);
  room.remaining -= length;
  return 0;
}

/** Fills up to a multiple of four bytes, as a header needs. */
export const padded = (options: Uint8Array): Uint8Array =>
  Uint8Array.from([...options, ...Array<number>((4 - (options.length % 4)) % 4).fill(NOP)]);
