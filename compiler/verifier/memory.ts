/** Loads and stores through every kind of pointer. */
import { contextAccess, SOCKET_LAYOUTS, type ContextPointer } from "../bpf/kinds/access.ts";
import { packetAccess } from "../bpf/kinds/index.ts";
import { MAP_FLAGS } from "../bpf/map-types.ts";
import { signExtend } from "./alu.ts";
import { hasFlag, newId, regsOf, type Env } from "./env.ts";
import { anyOfBytes, isKnown, isZero, known, S64_MIN, truncate, ZERO } from "./scalar.ts";
import { keptAccess } from "./kept-pointers.ts";
import { argumentAt, structAccess, tracedArgument, typesOf } from "./kernel-structs.ts";
import { MAX_OFFSET, readFixed, readVariable, stackRange, writeFixed, writeVariable } from "./stack.ts";
import {
  accessCategory,
  isNull,
  pointer,
  scalar,
  typeName,
  type Reg,
  type RegType,
  type VerifierMap,
} from "./state.ts";
import * as tnum from "./tnum.ts";
import { recall } from "./recall.ts";
import { reject, unsupported } from "./verdict.ts";

export interface Access {
  /** Register that holds the pointer. */
  readonly base: number;
  readonly off: number;
  readonly size: 1 | 2 | 4 | 8;
  readonly kind: "read" | "write";
  /** Register that is stored; absent where an immediate or a helper's data is. */
  readonly source?: number;
  /** The immediate of a store. */
  readonly immediate?: bigint;
  /** The load fills a register. */
  readonly wanted?: boolean;
  readonly signExtends?: boolean;
  /** Alignment is checked even where the architecture does not ask for it. */
  readonly strict?: boolean;
}

const ALIGNED_POINTERS: Readonly<Partial<Record<RegType, string>>> = {
  flow_keys: "flow keys ",
  map_value: "value ",
  ctx: "context ",
  fp: "stack ",
  sock: "sock ",
  sock_common: "sock_common ",
  tcp_sock: "tcp_sock ",
  xdp_sock: "xdp_sock ",
};

export function checkAlignment(env: Env, reg: Reg, off: number, size: number, strictOnce: boolean): void {
  // x86 and arm64 take unaligned accesses; the stack's bookkeeping does not.
  const strict = reg.type === "fp" || strictOnce || (hasFlag(env, "strictAlignment") && !hasFlag(env, "anyAlignment"));
  if (!strict || size === 1) return;
  if (reg.type === "pkt" || reg.type === "pkt_meta") {
    const ipAlign = 2;
    const sum = tnum.add(reg.value.bits, tnum.constant(BigInt(ipAlign + reg.off + off)));
    if (!tnum.isAligned(sum, size))
      reject(
        "align",
        `misaligned packet access off ${ipAlign}+${tnum.show(reg.value.bits)}+${reg.off}+${off} size ${size}`,
      );
    return;
  }
  // Most often nothing varies.
  if (reg.value === ZERO && (reg.off + off) % size === 0) return;
  const sum = tnum.add(reg.value.bits, tnum.constant(BigInt(reg.off + off)));
  if (!tnum.isAligned(sum, size)) {
    const what = ALIGNED_POINTERS[reg.type] ?? "";
    reject("align", `misaligned ${what}access off ${tnum.show(reg.value.bits)}+${reg.off}+${off} size ${size}`);
  }
}

/** The pointer itself, without fixed or variable offset; `fixed` allows the former. */
export function checkUnmodified(reg: Reg, index: number, fixed = false): void {
  const name = typeName(reg);
  if (reg.off < 0)
    reject(accessCategory(reg), `negative offset ${name} ptr R${index} off=${reg.off} disallowed`, index);
  if (!fixed && reg.off !== 0)
    reject(accessCategory(reg), `dereference of modified ${name} ptr R${index} off=${reg.off} disallowed`, index);
  if (!isKnown(reg.value) || !isZero(reg.value))
    reject(accessCategory(reg), `variable ${name} access var_off=${tnum.show(reg.value.bits)} disallowed`, index);
}

/** Whether [off, off + size) lies in a region of `length` bytes. */
const inside = (off: bigint, size: number, length: number, emptyAllowed: boolean): boolean =>
  off >= 0n && (size > 0 || emptyAllowed) && off + BigInt(size) <= BigInt(length);

/** An access to a region of fixed length whose offset may vary within known bounds. */
export function checkRegion(
  env: Env,
  index: number,
  off: number,
  size: number,
  length: number,
  emptyAllowed: boolean,
): void {
  const { value } = regsOf(env)[index]!;
  const start = BigInt(off);
  if (value.smin < 0n && (value.smin === S64_MIN || value.smin + start < 0n))
    reject(
      "map-bounds",
      `R${index} min value is negative, either use unsigned index or do a if (index >=0) check.`,
      index,
    );
  if (!inside(value.smin + start, size, length, emptyAllowed))
    reject("map-bounds", `R${index} min value is outside of the allowed memory range`, index);
  if (value.umax >= BigInt(MAX_OFFSET))
    reject("map-bounds", `R${index} unbounded memory access, make sure to bounds check any such access`, index);
  if (!inside(value.umax + start, size, length, emptyAllowed))
    reject("map-bounds", `R${index} max value is outside of the allowed memory range`, index);
}

export function checkMapPermission(map: VerifierMap, off: number, size: number, kind: "read" | "write"): void {
  const forbidden = kind === "write" ? MAP_FLAGS.readOnlyProgram : MAP_FLAGS.writeOnlyProgram;
  if ((map.flags & forbidden) === 0) return;
  const what = kind === "write" ? "write into" : "read from";
  reject("map-perm", `${what} map forbidden, value_size=${map.value} off=${off} size=${size}`);
}

/** Bytes behind a packet pointer, as far as a comparison with the packet's end has shown them to be there. */
export function checkPacket(env: Env, index: number, off: number, size: number, emptyAllowed: boolean): void {
  const reg = regsOf(env)[index]!;
  if (reg.value.smin < 0n)
    reject(
      "map-bounds",
      `R${index} min value is negative, either use unsigned index or do a if (index >=0) check.`,
      index,
    );
  if (reg.range < 0 || !inside(BigInt(off), size, reg.range, emptyAllowed))
    reject("packet-bounds", `R${index} offset is outside of the packet`, index);
}

/** One instruction that goes through pointers of several kinds cannot be rewritten for each of them. */
export function noteAccessType(env: Env, reg: Reg): void {
  const type = typeName(reg);
  const before = env.accessTypes.get(env.insn);
  if (before === undefined) {
    env.accessTypes.set(env.insn, type);
    return;
  }
  const rewritten = (name: string): boolean =>
    /^(ctx|sock|sock_common|tcp_sock|xdp_sock|(trusted_|rcu_|untrusted_)?ptr_)/.test(name);
  if (before !== type && (rewritten(before) || rewritten(type)))
    reject("ptr-arith", "same insn cannot be used with different pointers");
}

const CONTEXT_POINTERS: Readonly<Record<ContextPointer, (env: Env) => Reg>> = {
  packet: () => pointer("pkt"),
  "packet-end": () => pointer("pkt_end"),
  "packet-meta": () => pointer("pkt_meta"),
  "flow-keys": () => pointer("flow_keys"),
  socket: () => pointer("sock"),
  "socket-or-null": (env) => pointer("sock", { nullable: true, id: newId(env) }),
  "sock-common-or-null": (env) => pointer("sock_common", { nullable: true, id: newId(env) }),
};
const SOCKETS = { sock: "socket", sock_common: "sock-common", tcp_sock: "tcp-sock", xdp_sock: "xdp-sock" } as const;
const FLOW_KEYS_BYTES = 56;

/** Checks a load or store. Returns what the load gives (before narrowing to its size: done here), undefined if nothing is wanted. */
export function checkAccess(env: Env, access: Access): Reg | undefined {
  const reg = regsOf(env)[access.base]!;
  checkAlignment(env, reg, access.off, access.size, access.strict ?? false);
  const loaded = accessThrough(env, reg, access);
  if (loaded === undefined || !access.wanted) return undefined;
  if (access.size === 8 || loaded.type !== "scalar") return loaded;
  return { ...loaded, value: narrow(env, loaded, access) };
}

function narrow(env: Env, loaded: Reg, { size, signExtends }: Access): Reg["value"] {
  const { value } = loaded;
  if (value === anyOfBytes(8) && !signExtends) return anyOfBytes(size);
  return recall(env.results, env.insn, value, value, () =>
    signExtends ? signExtend(value, (size * 8) as 8 | 16 | 32) : truncate(value, size, env.rules),
  );
}

const ANY = scalar(anyOfBytes(8));

function accessThrough(env: Env, reg: Reg, access: Access): Reg | undefined {
  const { base, size, kind } = access;
  const off = access.off + reg.off;
  const mayUse = !reg.nullable;
  switch (mayUse ? reg.type : "?") {
    case "map_value":
      checkMapPermission(reg.map!, off, size, kind);
      checkRegion(env, base, off, size, reg.map!.value, false);
      if (reg.map!.kept) {
        const met = keptAccess(env, reg, off, access);
        if (met) return met;
      }
      return kind === "read" ? mapContent(reg, off, access) : undefined;
    case "mem":
    case "ringbuf_mem":
      checkRegion(env, base, off, size, reg.size, false);
      return ANY;
    case "rdonly_mem":
      if (kind === "write") reject("other", `R${base} cannot write into rdonly_mem`, base);
      checkRegion(env, base, off, size, reg.size, false);
      return ANY;
    case "ctx":
      return contextField(env, reg, off, access);
    case "fp":
      return stackAccess(env, reg, off, access);
    case "pkt":
    case "pkt_meta":
      if (kind === "write" && !packetAccess(env.program.type).write)
        reject("packet-bounds", "cannot write into packet", base);
      checkPacket(env, base, off, size, false);
      return ANY;
    case "flow_keys":
      if (off < 0 || off + size > FLOW_KEYS_BYTES)
        reject("other", `invalid access to flow keys off=${off} size=${size}`, base);
      return ANY;
    case "sock":
    case "sock_common":
    case "tcp_sock":
    case "xdp_sock":
      return socketField(reg, off, access);
    case "ptr_":
    case "trusted_ptr_":
    case "rcu_ptr_":
    case "untrusted_ptr_":
      return structAccess(env, typesOf(env), reg, off, access);
    case "map_ptr":
      return mapStructField(reg, off, access);
    default:
      return reject(accessCategory(reg), `R${base} invalid mem access '${typeName(reg)}'`, base);
  }
}

/** Loads from a frozen read-only map are constants. */
function mapContent(reg: Reg, off: number, { size, signExtends }: Access): Reg {
  const content = reg.map?.frozen;
  if (content === undefined || !isKnown(reg.value) || (reg.map!.flags & MAP_FLAGS.readOnlyProgram) === 0) return ANY;
  const start = off + Number(reg.value.smin);
  if (reg.map!.varying?.some((part) => start < part.end && start + size > part.start)) return ANY;
  let value = 0n;
  for (let at = size - 1; at >= 0; at--) value = (value << 8n) | BigInt(content[start + at] ?? 0);
  return scalar(known(signExtends ? BigInt.asIntN(size * 8, value) : value));
}

function contextField(env: Env, reg: Reg, off: number, access: Access): Reg | undefined {
  checkUnmodified(reg, access.base);
  const { entry, traced } = env.program;
  if (traced) {
    if (access.kind === "write")
      reject("ctx-access", `invalid bpf_context access off=${off} size=${access.size}`, access.base);
    return tracedArgument(traced, off, access.size, access.base);
  }
  if (entry) {
    if (access.kind === "write")
      reject("ctx-access", `invalid bpf_context access off=${off} size=${access.size}`, access.base);
    return argumentAt(entry, off, access.size, access.base);
  }
  const field = contextAccess(env.context, off, access.size, access.kind, access.signExtends ?? false);
  if (field === undefined)
    return reject("ctx-access", `invalid bpf_context access off=${off} size=${access.size}`, access.base);
  if (access.kind === "write") return undefined;
  return field.pointer === undefined ? ANY : CONTEXT_POINTERS[field.pointer](env);
}

function socketField(reg: Reg, off: number, { base, size, kind }: Access): Reg {
  const type = reg.type as keyof typeof SOCKETS;
  if (kind === "write") reject("sock-access", `R${base} cannot write into ${type}`, base);
  if (reg.value.smin < 0n)
    reject(
      "map-bounds",
      `R${base} min value is negative, either use unsigned index or do a if (index >=0) check.`,
      base,
    );
  const field = isKnown(reg.value)
    ? contextAccess(SOCKET_LAYOUTS[SOCKETS[type]], off + Number(reg.value.smin), size, "read", false)
    : undefined;
  if (field === undefined) reject("sock-access", `R${base} invalid ${type} access off=${off} size=${size}`, base);
  return ANY;
}

function stackAccess(env: Env, reg: Reg, off: number, access: Access): Reg | undefined {
  const { base, size, kind } = access;
  const frame = env.state.frames[reg.frame]!;
  const range = stackRange(env, base, off, size, kind === "read" ? " read from" : " write to");
  if (kind === "read") {
    if (range.fixed) return readFixed(env, frame, range.low, size, access.wanted ?? false);
    if (!access.wanted)
      reject(
        "stack-oob",
        `variable offset stack pointer cannot be passed into helper function; var_off=${tnum.show(reg.value.bits)} off=${off} size=${size}`,
        base,
      );
    return readVariable(env, frame, range, size);
  }
  const stored = access.immediate !== undefined;
  if (range.fixed) {
    writeFixed(env, frame, range.low, size, access.source, access.immediate ?? 0n, stored);
    return undefined;
  }
  const zero = access.source === undefined ? stored && access.immediate === 0n : isNull(regsOf(env)[access.source]!);
  writeVariable(env, frame, range, size, zero);
  return undefined;
}

/** struct bpf_map is read-only, and only its first words are known to be there. */
function mapStructField(reg: Reg, off: number, { base, size, kind }: Access): Reg {
  if (kind === "write") reject("other", "only read from bpf_array is supported", base);
  void [reg, off, size];
  return unsupported("reads of struct bpf_map");
}
