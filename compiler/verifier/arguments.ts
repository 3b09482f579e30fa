/** Arguments of helper calls: types, sizes, and the memory that the helper will read or write. */
import { packetForHelper, type ProgramTypeName } from "../bpf/kinds/index.ts";
import type { ArgKind, Helper, HelperName } from "../bpf/helpers.ts";
import { beginsWith } from "../bpf/kernel-types.ts";
import { MAP_FLAGS } from "../bpf/map-types.ts";
import { regsOf, source, type Env } from "./env.ts";
import { checkExchanged, exchangedPart } from "./kept-pointers.ts";
import { leadsTo, typesOf } from "./kernel-structs.ts";
import { checkAlignment, checkMapPermission, checkPacket, checkRegion, checkUnmodified } from "./memory.ts";
import { isKnown } from "./scalar.ts";
import { helperReads, helperWrites, MAX_OFFSET, slotOf, stackRange } from "./stack.ts";
import {
  BYTE,
  byteAt,
  isNull,
  isPacket,
  isSpill,
  isStructPointer,
  typeName,
  type Reg,
  type RegType,
  type VerifierMap,
} from "./state.ts";
import { reject, unsupported } from "./verdict.ts";

/** What the arguments tell about the call. */
export interface CallFacts {
  map?: VerifierMap;
  /** Key of an array lookup, where it is a constant. */
  constantKey?: bigint;
  /** Reference that an argument holds. */
  reference: number;
  /** Register whose reference the call releases. */
  released?: number;
  /** What an exchange with a map is about. */
  exchanged?: { readonly struct: string };
  /** Bytes of the memory that is returned. */
  allocated: number;
  /** Largest value of the last size argument. */
  sizeMax: bigint;
  /** Stack bytes that the helper fills: register and count. */
  filled?: { readonly index: number; readonly bytes: number };
}

type Access = "read" | "write";
interface Memory {
  readonly access: Access;
  /** The helper does not look at what is there. */
  readonly raw: boolean;
}

const MEMORY = [
  "fp",
  "pkt",
  "pkt_meta",
  "map_value",
  "mem",
  "rdonly_mem",
  "ringbuf_mem",
  "trusted_ptr_",
] as const satisfies readonly RegType[];
const MEMORY_NAMES = "fp, pkt, pkt_meta, map_key, map_value, mem, ringbuf_mem, buf, trusted_ptr_";
const SOCKETS = ["sock_common", "sock", "tcp_sock", "xdp_sock"] as const satisfies readonly RegType[];

const KEY_MEMORY = ["fp", "pkt", "pkt_meta", "map_value"] as const satisfies readonly RegType[];
const isEntry = (kind: ArgKind): boolean => typeof kind === "string" && (kind === "key" || kind.startsWith("value"));

const isMemory = (kind: ArgKind): boolean =>
  typeof kind === "object" || kind.startsWith("mem") || kind === "key" || kind.startsWith("value");
const mayBeNull = (kind: ArgKind): boolean => typeof kind === "string" && kind.endsWith("-or-null");

function memoryOf(kind: ArgKind): Memory {
  if (typeof kind === "object") return { access: kind.access === "in" ? "read" : "write", raw: kind.access === "out" };
  switch (kind) {
    case "mem-out":
    case "value-out":
      return { access: "write", raw: true };
    case "mem-inout":
    case "mem-inout-or-null":
      return { access: "write", raw: false };
    default:
      return { access: "read", raw: false };
  }
}

/** Checks every argument in order, as the kernel does. */
export function checkArguments(env: Env, name: HelperName, helper: Helper): CallFacts {
  const facts: CallFacts = { reference: 0, allocated: 0, sizeMax: 0n };
  helper.args.forEach((kind, position) => checkArgument(env, name, helper, kind, position, facts));
  return facts;
}

function checkArgument(
  env: Env,
  name: HelperName,
  helper: Helper,
  declared: ArgKind,
  position: number,
  facts: CallFacts,
): void {
  const index = position + 1;
  const reg = source(env, index);
  if (declared === "any") return;
  let kind: ArgKind = declared === "ctx" && takesSocket(env, name) ? "btf-sock" : declared;
  if ((reg.type === "pkt_end" || isPacket(reg.type)) && !reg.nullable) {
    if (!packetForHelper(env.program.type, helper))
      reject("helper-arg", "helper access to the packet is not allowed", index);
  }
  if (kind === "value" || kind === "value-or-null" || kind === "value-out") kind = valueKind(name, kind, facts);
  if (!(isNull(reg) && mayBeNull(kind))) {
    checkType(env, reg, kind, index);
    checkOffset(reg, index, helper.releases === position, isMemory(kind));
  }
  if (helper.releases === position) {
    if (reg.ref === 0 && !isNull(reg))
      reject("ref-leak", `R${index} must be referenced when passed to release function`, index);
    facts.released = index;
  }
  if (reg.ref !== 0) {
    if (facts.reference !== 0) reject("ref-leak", `more than one arg with ref_obj_id R${index}`, index);
    facts.reference = reg.ref;
  }
  checkMeaning(env, name, helper, kind, position, reg, facts);
}

/** Options of sockets are set by the context where it is one, else by the socket (bpf_sk_setsockopt_proto). */
const takesSocket = ({ program }: Env, name: HelperName): boolean =>
  (name === "setsockopt" || name === "getsockopt") && OWN_SOCKET.has(program.type);
const OWN_SOCKET: ReadonlySet<string> = new Set<ProgramTypeName>(["struct_ops", "cgroup_sockopt", "lsm", "tracing"]);

/** In maps of sockets the values are sockets. */
function valueKind(name: HelperName, kind: ArgKind, facts: CallFacts): ArgKind {
  const type = facts.map?.type;
  if (type === "sockmap" || type === "sockhash") {
    if (kind === "value") return "btf-sock";
    return reject("other", "invalid arg_type for sockmap/sockhash");
  }
  if (type === "bloom_filter" && name === "map_peek_elem") return "value";
  return kind;
}

/** Register types that a kind takes, and how the kernel lists them. */
function accepted(kind: ArgKind): { readonly types: readonly RegType[]; readonly names: string } {
  if (isMemory(kind)) return { types: MEMORY, names: MEMORY_NAMES };
  switch (kind) {
    case "ctx":
    case "ctx-or-null":
      return { types: ["ctx"], names: "ctx" };
    case "map":
      return { types: ["map_ptr"], names: "map_ptr" };
    case "size":
    case "size-or-zero":
    case "alloc-size":
    case "scalar":
      return { types: ["scalar"], names: "scalar" };
    case "sock-common":
      return { types: SOCKETS, names: SOCKETS.join(", ") };
    case "socket-or-null":
      return { types: ["sock"], names: "sock" };
    case "btf-sock":
      return { types: [...SOCKETS, "ptr_", "trusted_ptr_"], names: [...SOCKETS, "ptr_", "trusted_ptr_"].join(", ") };
    case "btf-sock-or-null":
      return {
        types: [...SOCKETS, "ptr_", "trusted_ptr_", "rcu_ptr_"],
        names: [...SOCKETS, "ptr_", "trusted_ptr_", "rcu_ptr_"].join(", "),
      };
    case "ringbuf":
      return { types: ["ringbuf_mem"], names: "ringbuf_mem" };
    case "const-str":
    case "spin-lock":
    case "timer":
    case "kptr":
      return { types: ["map_value"], names: "map_value" };
    case "dynptr":
    case "stack-or-null":
      return { types: ["fp"], names: "fp" };
    case "func":
      return { types: [], names: "func" };
    default:
      return { types: ["ptr_", "trusted_ptr_"], names: "ptr_, trusted_ptr_" };
  }
}

function checkType(env: Env, reg: Reg, kind: ArgKind, index: number): void {
  const { types, names } =
    isEntry(kind) && !env.rules.keysInMemory ? { types: KEY_MEMORY, names: KEY_MEMORY.join(", ") } : accepted(kind);
  if (types.includes(reg.type) && (!reg.nullable || mayBeNull(kind))) return;
  if (kind === "func") unsupported("callbacks");
  reject(reg.nullable ? "null-check" : "helper-arg", `R${index} type=${typeName(reg)} expected=${names}`, index);
}

const ANY_OFFSET: ReadonlySet<RegType> = new Set<RegType>([...MEMORY, "scalar"]);
function checkOffset(reg: Reg, index: number, released: boolean, memoryOfStruct: boolean): void {
  if (released) {
    if (reg.off !== 0)
      reject(
        "helper-arg",
        `R${index} must have zero offset when passed to release func or trusted arg to kfunc`,
        index,
      );
    checkUnmodified(reg, index);
    return;
  }
  if (!reg.nullable && ANY_OFFSET.has(reg.type)) return;
  if (isStructPointer(reg)) {
    if (memoryOfStruct) return;
    if (reg.off !== 0) unsupported("pointers into kernel structures");
    checkUnmodified(reg, index, true);
    return;
  }
  checkUnmodified(reg, index);
}

function checkMeaning(
  env: Env,
  name: HelperName,
  helper: Helper,
  kind: ArgKind,
  position: number,
  reg: Reg,
  facts: CallFacts,
): void {
  const index = position + 1;
  if (typeof kind === "object") {
    checkMemory(env, index, kind.fixed, memoryOf(kind), false, facts);
    checkAlignment(env, reg, 0, kind.fixed, kind.access !== "in");
    return;
  }
  switch (kind) {
    case "map":
      facts.map = reg.map!;
      return;
    case "key": {
      const map = facts.map!;
      checkMemory(env, index, map.key, memoryOf(kind), false, undefined);
      if (map.type === "array" || map.type === "percpu_array") constantKey(env, reg, map, facts);
      return;
    }
    case "value":
    case "value-or-null":
    case "value-out":
      if (isNull(reg) && mayBeNull(kind)) return;
      checkMemory(env, index, facts.map!.value, memoryOf(kind), false, facts);
      return;
    case "size":
    case "size-or-zero":
      checkSize(env, index, reg, memoryOf(helper.args[position - 1]!), kind === "size-or-zero", facts);
      return;
    case "alloc-size":
      if (!isKnown(reg.value)) reject("helper-arg", `R${index} is not a known constant'`, index);
      facts.allocated = Number(reg.value.umax & 0xffff_ffffn);
      env.flow.demandRegister(env, index);
      return;
    case "const-str":
      checkConstantString(reg, index);
      return;
    case "btf-sock":
    case "btf-sock-or-null":
      if (isStructPointer(reg) && !isSocketStruct(env, reg))
        reject("helper-arg", `R${index} is of type ${reg.struct} but sock_common is expected`, index);
      return;
    case "btf-or-null":
      return checkExchanged(env, facts.exchanged!, index);
    case "btf":
      // The one helper that takes a struct which is known here.
      if (name === "tcp_send_ack" && leadsTo(typesOf(env), reg, "tcp_sock")) return;
      return unsupported(`${kind} arguments (bpf_${name})`);
    case "kptr":
      if (reg.type !== "map_value") unsupported(`${kind} arguments (bpf_${name})`);
      facts.exchanged = exchangedPart(reg, index);
      return;
    case "spin-lock":
    case "timer":
    case "dynptr":
    case "percpu-btf":
      return unsupported(`${kind} arguments (bpf_${name})`);
    default:
      return;
  }
}

/** Whether a struct of the kernel's is a socket; one that is not known here came from a function that gives sockets. */
const isSocketStruct = (env: Env, { struct }: Reg): boolean =>
  struct === undefined ||
  (env.program.kernel
    ? env.program.kernel.liesAt(struct, 0, "sock_common")
    : beginsWith(typesOf(env), struct, "sock_common"));

/** Memory of a length that is only known to lie in a range: the largest must fit. */
function checkSize(env: Env, index: number, reg: Reg, memory: Memory, emptyAllowed: boolean, facts: CallFacts): void {
  const { value } = reg;
  facts.sizeMax = value.umax;
  if (value.smin < 0n)
    reject("map-bounds", `R${index} min value is negative, either use unsigned or 'var &= const'`, index);
  if (value.umin === 0n && !emptyAllowed)
    reject("helper-arg", `R${index} invalid zero-sized read: u64=[${value.umin},${value.umax}]`, index);
  if (value.umax >= BigInt(MAX_OFFSET))
    reject("map-bounds", `R${index} unbounded memory access, use 'var &= const' or 'if (var < const)'`, index);
  env.flow.demandRegister(env, index);
  checkMemory(env, index - 1, Number(value.umax), memory, emptyAllowed, isKnown(value) ? facts : undefined);
}

/** `facts` present: the helper fills exactly these bytes, so that they need not be initialised before. */
export function checkMemory(
  env: Env,
  index: number,
  size: number,
  memory: Memory,
  emptyAllowed: boolean,
  facts: CallFacts | undefined,
): void {
  const reg = regsOf(env)[index]!;
  switch (reg.type) {
    case "pkt":
    case "pkt_meta":
      checkPacket(env, index, reg.off, size, emptyAllowed);
      return;
    case "map_value":
      checkMapPermission(reg.map!, reg.off, size, memory.access);
      checkRegion(env, index, reg.off, size, reg.map!.value, emptyAllowed);
      if (reg.map!.kept && keptIn(reg, size)) unsupported("memory with parts that the kernel keeps to itself");
      return;
    case "mem":
    case "ringbuf_mem":
      checkRegion(env, index, reg.off, size, reg.size, emptyAllowed);
      return;
    case "fp":
      checkStack(env, reg, index, size, memory, emptyAllowed, facts);
      return;
    case "trusted_ptr_": {
      const { kernel } = env.program;
      if (!kernel || reg.struct === undefined) return unsupported("kernel structures as memory arguments");
      if (memory.access === "write") reject("other", "only read is supported", index);
      if (!isKnown(reg.value) || reg.value.smin !== 0n || reg.off < 0)
        reject("struct-offset", `R${index} is ptr_${reg.struct} invalid variable offset`, index);
      const met = kernel.walk(reg.struct, reg.off, size);
      if (met.kind === "wrong") reject("other", met.message, index);
      return;
    }
    case "ptr_":
    case "rcu_ptr_":
    case "untrusted_ptr_":
      return unsupported("kernel structures as memory arguments");
    case "rdonly_mem":
      if (memory.access === "write") reject("helper-arg", `R${index} cannot write into rdonly_mem`, index);
      checkRegion(env, index, reg.off, size, reg.size, emptyAllowed);
      return;
    default:
      if (emptyAllowed && size === 0 && isNull(reg)) return;
      reject(reg.nullable ? "null-check" : "helper-arg", `R${index} type=${typeName(reg)} expected=fp`, index);
  }
}

/** Whether memory that is handed out has parts that the kernel keeps to itself. */
const keptIn = ({ map, off, value }: Reg, size: number): boolean =>
  map!.kept!.some(
    (part) => off + Number(value.smin) < part.offset + part.bytes && off + Number(value.smax) + size > part.offset,
  );

function checkStack(
  env: Env,
  reg: Reg,
  index: number,
  size: number,
  memory: Memory,
  emptyAllowed: boolean,
  facts: CallFacts | undefined,
): void {
  if (size === 0 && !emptyAllowed) reject("helper-arg", "invalid zero-sized read", index);
  const range = stackRange(env, index, reg.off, size, memory.access === "read" ? " read from" : " write to");
  if (range.fixed && memory.raw && facts !== undefined) {
    facts.filled = { index, bytes: size };
    return;
  }
  const frame = env.state.frames[reg.frame]!;
  helperReads(env, frame, range.low, range.high + size, memory.access === "write");
}

/** After all arguments: the stack bytes that the helper fills hold unknown data from now on. */
export function fillStack(env: Env, facts: CallFacts): void {
  if (facts.filled === undefined) return;
  const reg = regsOf(env)[facts.filled.index]!;
  const low = reg.off + Number(reg.value.smin);
  helperWrites(env, env.state.frames[reg.frame]!, low, low + facts.filled.bytes);
}

/** The key of an array, where it lies on the stack as a constant: a lookup inside the array cannot fail. */
function constantKey(env: Env, reg: Reg, map: VerifierMap, facts: CallFacts): void {
  if (reg.type !== "fp" || !isKnown(reg.value)) return;
  const offset = reg.off + Number(reg.value.smin);
  const slot = env.state.frames[reg.frame]!.stack[slotOf(offset)];
  const place = offset & 7;
  const run = (kind: number): number => {
    let count = 0;
    while (place + count < 8 && byteAt(slot, place + count) === kind) count++;
    return count;
  };
  if (run(BYTE.zero) >= map.key) facts.constantKey = 0n;
  else if (
    place === 0 &&
    isSpill(slot) &&
    slot.reg.type === "scalar" &&
    run(BYTE.spill) === map.key &&
    isKnown(slot.reg.value)
  )
    facts.constantKey = slot.reg.value.umin;
  else return;
  env.flow.demandKey(env, reg.frame, slotOf(offset));
}

function checkConstantString(reg: Reg, index: number): void {
  const map = reg.map!;
  if ((map.flags & MAP_FLAGS.readOnlyProgram) === 0 || map.frozen === undefined)
    reject("other", `R${index} does not point to a readonly map'`, index);
  if (!isKnown(reg.value)) reject("other", `R${index} is not a constant address'`, index);
  const start = reg.off + Number(reg.value.smin);
  if (start < 0 || start >= map.value)
    reject("map-bounds", `R${index} max value is outside of the allowed memory range`, index);
  if (!map.frozen.subarray(start).includes(0)) reject("other", "string is not zero-terminated", index);
}
