/** bpf(2) as functions: attribute blocks are filled from the table in abi.ts, results are numbers or negative errnos. */
import { ATTR, ATTR_BYTES, BPF, OBJECT_NAME_LENGTH, type AttrFamily } from "./abi.ts";
import { failed } from "./errors.ts";
import { syscalls, type Address } from "./syscalls.ts";

type FieldValue = number | bigint | string | Uint8Array | undefined;
export type AttrFields<F extends AttrFamily> = { readonly [K in keyof (typeof ATTR)[F]]?: FieldValue };

/**
 * A filled union bpf_attr. Byte arrays are stored as their addresses and kept alive by `keep` until the caller drops
 * the block, because the kernel reads them during the call and the collector must not move or free them.
 */
export interface AttrBlock {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly address: Address;
  readonly keep: readonly Uint8Array[];
}

export function attrBlock<F extends AttrFamily>(family: F, fields: AttrFields<F>): AttrBlock {
  const { addressOf } = syscalls();
  const bytes = new Uint8Array(ATTR_BYTES);
  const view = new DataView(bytes.buffer);
  const keep: Uint8Array[] = [];
  const table: Record<string, readonly [number, number]> = ATTR[family];
  for (const [name, value] of Object.entries<FieldValue>(fields)) {
    if (value === undefined) continue;
    const [offset, size] = table[name]!;
    if (typeof value === "string") {
      bytes.set(Buffer.from(value.slice(0, OBJECT_NAME_LENGTH), "latin1"), offset);
    } else if (value instanceof Uint8Array) {
      keep.push(value);
      view.setBigUint64(offset, BigInt(addressOf(value)), true);
    } else if (size === 8) view.setBigUint64(offset, BigInt(value), true);
    else view.setUint32(offset, Number(value), true);
  }
  return { bytes, view, address: addressOf(bytes), keep };
}

/** One command; the negative errno on failure. */
export function bpf<F extends AttrFamily>(command: number, family: F, fields: AttrFields<F>): number {
  const block = attrBlock(family, fields);
  return call(command, block);
}

const EPERM = -1;
const LOCKED_MEMORY = { resource: 8, unlimited: 0xffff_ffff_ffff_ffffn } as const;
const MAKES: ReadonlySet<number> = new Set([BPF.mapCreate, BPF.progLoad, BPF.btfLoad]);
let raised = false;
/** Before Linux 5.11, maps and programs count as memory that the process has locked, of which it may have little: EPERM then. */
function raiseLockedMemory(): boolean {
  if (raised) return false;
  raised = true;
  return syscalls().setLimit(LOCKED_MEMORY.resource, LOCKED_MEMORY.unlimited) === 0;
}

export function call(command: number, block: AttrBlock): number {
  const { bpf: ask } = syscalls();
  let result = ask(command, block.address, ATTR_BYTES);
  if (result === EPERM && MAKES.has(command) && raiseLockedMemory()) result = ask(command, block.address, ATTR_BYTES);
  // EAGAIN comes from a signal during program verification (kernel/bpf/verifier.c); asking again is the remedy.
  for (let turn = 0; result === -11 && turn < 5; turn++) result = ask(command, block.address, ATTR_BYTES);
  return result;
}

/** A zero-terminated path or name for the kernel. */
export const cString = (text: string): Uint8Array => new Uint8Array(Buffer.from(`${text}\0`, "utf8"));

export const pin = (fd: number, path: string): number =>
  bpf(BPF.objPin, "object", { bpf_fd: fd, pathname: cString(path) });
export const openPin = (path: string): number => bpf(BPF.objGet, "object", { pathname: cString(path) });

/** Finding objects by number, and opening types, is root's alone (kernel/bpf/syscall.c). */
export const SYS_ADMIN = "this takes CAP_SYS_ADMIN: run as root";

/** Every id of one kind of kernel object, in ascending order. */
export function* ids(command: typeof BPF.progNextId | typeof BPF.mapNextId | typeof BPF.linkNextId): Generator<number> {
  let last = 0;
  for (;;) {
    const block = attrBlock("id", { start_id: last });
    const result = call(command, block);
    if (result === -2) return;
    if (result < 0) throw failed("not-permitted", "listing the kernel's BPF objects", result, SYS_ADMIN);
    last = block.view.getUint32(ATTR.id.next_id[0], true);
    yield last;
  }
}

/** A descriptor for an object's id, or the negative errno (it may be gone by now: ENOENT). */
export const fdById = (
  command: typeof BPF.progFdById | typeof BPF.mapFdById | typeof BPF.linkFdById | typeof BPF.btfFdById,
  id: number,
): number => bpf(command, "id", { start_id: id });

/** BPF_OBJ_GET_INFO_BY_FD into `size` bytes; what an older kernel does not know stays zero. */
export function info(fd: number, size: number, fill?: (view: DataView) => readonly Uint8Array[]): DataView | number {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  const keep = fill?.(view) ?? [];
  const result = bpf(BPF.info, "info", { bpf_fd: fd, info_len: size, info: bytes });
  return result < 0 && keep.length >= 0 ? result : view;
}

/** Turns on run counts and times (kernel.bpf_stats_enabled) for as long as the returned descriptor is open. */
export const enableStats = (): number => bpf(BPF.enableStats, "enableStats", { type: 0 });
