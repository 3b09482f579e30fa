/** The running kernel as a judge: creates maps, loads programs, never attaches anything. Needs root (CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN). */
import { closeSync } from "node:fs";
import koffi from "koffi";
import { encodeSlots, type RawInsn } from "../../compiler/bpf/raw.ts";

/** bpf(2) has its own number on every architecture. */
const SYSCALL_NUMBER: Readonly<Partial<Record<string, number>>> = { x64: 321, arm64: 280, riscv64: 280 };
const COMMAND = { mapCreate: 0, mapUpdate: 2, progLoad: 5, mapFreeze: 22 } as const;
const LOG_BYTES = 16 << 20;

type Bpf = (command: number, attr: Uint8Array) => number;
let cached: Bpf | undefined;

/** bpf(2): the result, or minus errno. */
function bpf(command: number, attr: Uint8Array): number {
  cached ??= open();
  return cached(command, attr);
}

function open(): Bpf {
  const number = SYSCALL_NUMBER[process.arch];
  if (number === undefined) throw new Error(`no bpf(2) number known for ${process.arch}`);
  const syscall = koffi.load("libc.so.6").func("long syscall(long number, int command, void *attr, unsigned int size)");
  return (command, attr) => {
    const result = Number(syscall(number, command, attr, attr.length));
    return result < 0 ? -koffi.errno() : result;
  };
}

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

/** Creates a map and returns its file descriptor; throws with the errno where the kernel refuses. */
export function createMap(map: MapDefinition): number {
  const attr = new Uint8Array(128);
  const view = new DataView(attr.buffer);
  [map.type, map.key, map.value, map.max, map.flags].forEach((field, index) => view.setUint32(index * 4, field, true));
  const fd = bpf(COMMAND.mapCreate, attr);
  if (fd < 0) throw new Error(`BPF_MAP_CREATE of type ${map.type}: errno ${-fd}`);
  if (map.frozen !== undefined) freeze(fd, Buffer.from(map.frozen, "hex"));
  return fd;
}

function freeze(fd: number, content: Buffer): void {
  const key = Buffer.alloc(4);
  const attr = new Uint8Array(32);
  const view = new DataView(attr.buffer);
  view.setUint32(0, fd, true);
  view.setBigUint64(8, BigInt(koffi.address(key)), true);
  view.setBigUint64(16, BigInt(koffi.address(content)), true);
  const updated = bpf(COMMAND.mapUpdate, attr);
  const frozen = bpf(COMMAND.mapFreeze, new Uint8Array(new Uint32Array([fd]).buffer));
  if (updated < 0 || frozen < 0) throw new Error(`cannot fill and freeze a map: errno ${-updated}, ${-frozen}`);
}

export interface LoadRequest {
  readonly type: number;
  readonly attach: number;
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

let logBuffer: Buffer | undefined;

/** Asks the kernel's verifier. The program is never attached, and gone when this returns. */
export function loadProgram(request: LoadRequest): LoadResult {
  const insns = Buffer.from(encodeSlots(request.insns));
  const license = Buffer.from(`${request.license ?? "GPL"}\0`);
  const attr = new Uint8Array(128);
  const view = new DataView(attr.buffer);
  view.setUint32(0, request.type, true);
  view.setUint32(4, request.insns.length, true);
  view.setBigUint64(8, BigInt(koffi.address(insns)), true);
  view.setBigUint64(16, BigInt(koffi.address(license)), true);
  if (request.logLevel > 0) {
    logBuffer ??= Buffer.alloc(LOG_BYTES);
    logBuffer[0] = 0;
    view.setUint32(24, request.logLevel, true);
    view.setUint32(28, LOG_BYTES, true);
    view.setBigUint64(32, BigInt(koffi.address(logBuffer)), true);
  }
  view.setUint32(44, request.flags, true);
  view.setUint32(68, request.attach, true);
  const result = bpf(COMMAND.progLoad, attr);
  if (result >= 0) closeSync(result);
  const log = request.logLevel > 0 && logBuffer ? logBuffer.toString("utf8", 0, logBuffer.indexOf(0)) : "";
  return { errno: result < 0 ? -result : 0, log };
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
