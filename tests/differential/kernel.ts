/** The running kernel as a judge: creates maps, loads programs, never attaches anything. Needs root (CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN). */
import { release } from "node:os";
import { releaseOf, versionIn, type Version } from "../../compiler/bpf/verifier-rules.ts";
import { MAP_TYPES } from "../../compiler/bpf/map-types.ts";
import { encodeSlots, type RawInsn } from "../../compiler/bpf/raw.ts";
import { BPF } from "../../runtime/kernel/abi.ts";
import { bpf, cString } from "../../runtime/kernel/bpf.ts";
import { closeFd } from "../../runtime/kernel/fd.ts";
import { errnoName } from "../../runtime/kernel/errno-name.ts";

const LOG_BYTES = 16 << 20;

export interface MapDefinition {
  /** Number of the kernel's enum bpf_map_type. */
  readonly type: number;
  readonly key: number;
  readonly value: number;
  readonly max: number;
  readonly flags: number;
  /** Hex: the content of element 0, after which the map is frozen. */
  readonly frozen?: string;
}

const STORAGE: ReadonlySet<number> = new Set([
  MAP_TYPES.sk_storage.number,
  MAP_TYPES.inode_storage.number,
  MAP_TYPES.task_storage.number,
  MAP_TYPES.cgrp_storage.number,
]);
/** BTF with type 1: int, and type 3: so many bytes. */
function bytesType(size: number): number {
  const INT = 1 << 24;
  const ARRAY = 3 << 24;
  const types = [...[1, INT, 4, 32], ...[5, INT, 1, 8], ...[0, ARRAY, 0, 2, 1, size]];
  const strings = new TextEncoder().encode("\0int\0byte\0");
  const blob = new Uint8Array(24 + types.length * 4 + strings.length);
  const view = new DataView(blob.buffer);
  view.setUint32(0, 0x0001_eb9f, true);
  [24, 0, types.length * 4, types.length * 4, strings.length].forEach((word, at) =>
    view.setUint32(4 + 4 * at, word, true),
  );
  types.forEach((word, at) => view.setUint32(24 + 4 * at, word, true));
  blob.set(strings, 24 + types.length * 4);
  const fd = bpf(BPF.btfLoad, "btfLoad", { btf: blob, btf_size: blob.length });
  if (fd < 0) throw new Error(`BPF_BTF_LOAD: ${errnoName(fd)}`);
  return fd;
}

/** Creates a map and returns its file descriptor; throws with the errno where the kernel refuses. */
export function createMap(map: MapDefinition): number {
  // Storage of sockets, tasks and the like is only made with types.
  const typed = STORAGE.has(map.type) ? { btf_fd: bytesType(map.value), btf_key_type_id: 1, btf_value_type_id: 3 } : {};
  const fd = bpf(BPF.mapCreate, "mapCreate", {
    ...typed,
    map_type: map.type,
    key_size: map.key,
    value_size: map.value,
    max_entries: map.max,
    map_flags: map.flags,
  });
  if (fd < 0) throw new Error(`BPF_MAP_CREATE of type ${map.type}: ${errnoName(fd)}`);
  if (map.frozen !== undefined) freeze(fd, Uint8Array.from(Buffer.from(map.frozen, "hex")));
  return fd;
}

function freeze(fd: number, content: Uint8Array): void {
  const updated = bpf(BPF.mapUpdate, "element", { map_fd: fd, key: new Uint8Array(4), value: content });
  const frozen = bpf(BPF.mapFreeze, "element", { map_fd: fd });
  if (updated < 0 || frozen < 0)
    throw new Error(`cannot fill and freeze a map: ${errnoName(updated)}, ${errnoName(frozen)}`);
}

export interface LoadRequest {
  readonly type: number;
  readonly attach: number;
  /** Of the kernel's type that the program belongs to. */
  readonly attachBtfId?: number;
  readonly flags: number;
  readonly insns: readonly RawInsn[];
  /** Default: GPL. */
  readonly license?: string;
  /** 0: only the verdict; 1: the log. Log level 4 gives the statistics alone. */
  readonly logLevel: number;
}
export interface LoadResult {
  /** 0 where the kernel accepts the program (which is unloaded at once). */
  readonly errno: number;
  readonly log: string;
}

let logBuffer: Uint8Array | undefined;

/** Asks the kernel's verifier. The program is never attached, and gone when this returns. */
export function loadProgram(request: LoadRequest): LoadResult {
  const asksForLog = request.logLevel > 0;
  if (asksForLog) {
    logBuffer ??= new Uint8Array(LOG_BYTES);
    logBuffer[0] = 0;
  }
  const result = bpf(BPF.progLoad, "progLoad", {
    prog_type: request.type,
    insn_cnt: request.insns.length,
    insns: encodeSlots(request.insns),
    license: cString(request.license ?? "GPL"),
    ...(asksForLog ? { log_level: request.logLevel, log_size: LOG_BYTES, log_buf: logBuffer } : {}),
    prog_flags: request.flags,
    expected_attach_type: request.attach,
    ...(request.attachBtfId === undefined ? {} : { attach_btf_id: request.attachBtfId }),
  });
  if (result >= 0) closeFd(result);
  const log = asksForLog && logBuffer ? new TextDecoder().decode(logBuffer.subarray(0, logBuffer.indexOf(0))) : "";
  return { errno: result < 0 ? -result : 0, log };
}

/** The version of the running kernel. Throws where no rules are known of it. */
export function runningRelease(): Version {
  const found = versionIn(release());
  if (found === undefined || releaseOf(found) === undefined)
    throw new Error(`no rules are known of Linux ${release()}`);
  return found;
}

/** Why the kernel cannot be asked here; undefined if it can. */
export function kernelUnavailable(): string | undefined {
  if (process.platform !== "linux") return "not Linux";
  if (process.getuid?.() !== 0) return "needs root";
  try {
    const exit = [
      { code: 0xb7, dst: 0, src: 0, off: 0, imm: 0 },
      { code: 0x95, dst: 0, src: 0, off: 0, imm: 0 },
    ];
    const { errno } = loadProgram({ type: 1, attach: 0, flags: 0, insns: exit, logLevel: 0 });
    return errno === 0 ? undefined : `bpf(2) refuses a program of two instructions: errno ${errno}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
