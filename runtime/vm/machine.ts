/** A loaded object: its maps, its global variables and its programs, ready to run one event at a time. */
import { COMPILED, isCompiled, type CompiledKind, type ContextField } from "../../compiler/bpf/kinds/index.ts";
import { isPerCpu } from "../../compiler/bpf/map-types.ts";
import { fullestKernel, isTarget, kernelOf, type Kernel } from "../../compiler/bpf/kernels.ts";
import { MAX_FUNC_ARGUMENTS } from "../../compiler/bpf/limits.ts";
import { versionIn } from "../../compiler/bpf/verifier-rules.ts";
import { CALL, PSEUDO } from "../../compiler/bpf/opcodes.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import { sizeOf } from "../../compiler/layout.ts";
import { link } from "../../compiler/link.ts";
import type { BpfModule, BpfProgram, GlobalSection, MapSpec, Relocation } from "../../compiler/module.ts";
import { lineAndColumn, lineText, type Span } from "../../compiler/span.ts";
import { DEFAULT_STEP_LIMIT, ENGINES, stackFrames, type EngineName } from "./bare.ts";
import { createContext, type ProgramContext, type ReadField } from "./context.ts";
import type { Surroundings, Watch } from "./engine.ts";
import { VmFault, type FaultKind } from "./fault.ts";
import { callHelper, type EventServices, type MachineServices } from "./helpers.ts";
import { createKernelObject, type KernelObject } from "./kernel-objects.ts";
import { iterators } from "./iterators.ts";
import { callKfunc, isKfuncNumber, kfuncNumber, type KfuncHost } from "./kfuncs.ts";
import { MAP_KINDS } from "./maps/create.ts";
import type { MapShape, VmMap } from "./maps/map.ts";
import { createMemory, type Memory, type Region } from "./memory.ts";
import { prepare, type LinkedProgram } from "./program.ts";

export interface MachineOptions {
  readonly services: MachineServices;
  /** Absent: the interpreter, which starts at once; the translator is for long or frequent runs. */
  readonly engine?: EngineName;
  /** Instructions of one event. */
  readonly stepLimit?: number;
}

/** A fault with its place, for people and for editors. */
export interface FaultReport {
  readonly kind: FaultKind;
  readonly message: string;
  readonly program: string;
  readonly slot: number | undefined;
  readonly place?: SourcePlace;
}
export interface SourcePlace {
  readonly path: string;
  readonly line: number;
  readonly column: number;
  /** The line itself. */
  readonly text: string;
}

/** One call of a program. */
export interface Run {
  /** Of a struct_ops program: what its function is called with. */
  readonly args?: readonly (KernelObject | bigint)[];
  /** Fields of the context, by the names of the kind's row; pointers are the machine's own. */
  read(field: string, index: number): number | bigint;
  readonly services: EventServices;
  /** What the context's packet pointers enclose: a segment from its TCP header on, the value of a socket option. */
  readonly packet?: Uint8Array;
  readonly watch?: Watch;
}
export type Outcome = {
  readonly steps: number;
  /** args[0] … args[3] of sock_ops, which are reply and replylong too. */
  readonly args: readonly number[];
  /** A field of the context as the program left it. */
  readonly field: ProgramContext["get"];
  /** The packet as the program left it. */
  readonly packet: Uint8Array | undefined;
} & (
  | { readonly ok: true; /** Low 32 bits of r0: a program returns an int. */ readonly returned: number }
  | { readonly ok: false; readonly fault: FaultReport }
);

export interface Machine {
  readonly module: BpfModule;
  readonly kernel: Kernel;
  readonly maps: ReadonlyMap<string, VmMap>;
  readonly memory: Memory;
  readonly programs: ReadonlyMap<string, LinkedProgram>;
  /** The bytes of a global section, shared with programs. */
  section(name: GlobalSection): Uint8Array | undefined;
  /** How often each slot of a program ran. */
  hits(program: string): Uint32Array;
  /** A struct of the kernel's, of zeros, for programs to be called with. */
  object(struct: string): KernelObject;
  /** Makes a struct mptcp_subflow_context one of a session's. */
  join(session: KernelObject, subflow: KernelObject): void;
  /** Leaves a session without subflows. */
  part(session: KernelObject): void;
  /**
   * Runs a program of a kind that is compiled; throws a RangeError for others. A service may run another one with arguments of its own
   * meanwhile, as the kernel does within a helper: the one that waits finds its stack and its arguments as they were.
   */
  run(program: string, run: Run): Outcome;
  /** The TypeScript that a slot came from. */
  place(program: string, slot: number): SourcePlace | undefined;
}

const shapeOf = (spec: MapSpec): MapShape => ({
  name: spec.name,
  type: spec.type,
  keyBytes: spec.key ? sizeOf(spec.key) : 0,
  valueBytes: spec.value ? sizeOf(spec.value) : 0,
  maxEntries: spec.maxEntries,
  flags: spec.flags,
});

const SECTIONS: readonly GlobalSection[] = [".rodata", ".data", ".bss"];
/** struct bpf_sock as far as a program may read it (include/uapi/linux/bpf.h). */
const SOCKET_BYTES = 80;
/** As much of a segment, or of an option's value (one page), as a program is shown. */
/** Room for structs of the kernel's: some hundred connections. */
const OBJECT_BYTES = 1024 * 1024;
const PACKET_BYTES = { read: 2048, "read-write": 4096 } as const;

/** Throws VmFault when the object cannot be loaded: an unknown map type, say, or instructions that no engine runs. */
export function createMachine(module: BpfModule, options: MachineOptions): Machine {
  const { services } = options;
  const engine = options.engine ?? "interpreter";
  // What names no target was made by another compiler, for whatever kernel: it gets all that there is.
  const kernel = isTarget(module.target) ? kernelOf(module.target, versionIn(module.kernel ?? "")) : fullestKernel;
  const shapes = module.maps.map(shapeOf);
  const kindOf = (shape: MapShape) => {
    const kind = (MAP_KINDS as Record<string, (typeof MAP_KINDS)["array"]>)[shape.type];
    if (!kind)
      throw new VmFault("instruction", `map ${shape.name}: the virtual machine has no maps of type ${shape.type}`);
    return kind;
  };
  const needed = shapes.reduce((sum, shape) => sum + kindOf(shape).footprint(shape, services.cpus), 0);
  const globals = module.globals.reduce((sum, one) => Math.max(sum, one.offset + sizeOf(one.layout)), 0) * 3;
  const slots = module.programs.reduce((sum, program) => sum + program.insns.length, 0);
  const ops = (module.structOps ?? []).map(({ struct }) => struct);
  const objects = module.structOps ? OBJECT_BYTES : 0;
  const memory = createMemory(needed + globals + slots * 4 + objects + 256 * 1024, engine === "translator");
  const frames = stackFrames(memory);

  const mapHost = { memory, cpus: services.cpus, cpu: () => services.cpu() };
  const maps = new Map<string, VmMap>();
  const handles = new Map<bigint, VmMap>();
  const handleOf = new Map<string, bigint>();
  for (const shape of shapes) {
    const map = kindOf(shape).create(shape, mapHost);
    maps.set(shape.name, map);
    const handle = memory.allocate({
      name: `map ${shape.name}`,
      size: 8,
      access: () => `a map is not memory: look values of ${shape.name} up`,
    });
    handles.set(memory.address(handle), map);
    handleOf.set(shape.name, memory.address(handle));
  }
  for (const spec of module.maps)
    for (const { key, value } of spec.initial)
      maps.get(spec.name)!.write(
        key,
        Array.from({ length: isPerCpu(spec.type) ? services.cpus : 1 }, () => value),
      );

  const sections = new Map<GlobalSection, Region>();
  for (const name of SECTIONS) {
    const own = module.globals.filter((one) => one.section === name);
    if (own.length === 0) continue;
    const size = Math.max(...own.map((one) => one.offset + sizeOf(one.layout)));
    const region = memory.allocate({
      name: `section ${name}`,
      size,
      access: name === ".rodata" ? "read-only" : "read-write",
    });
    for (const one of own) memory.slice(region).set(one.init.subarray(0, sizeOf(one.layout)), one.offset);
    sections.set(name, region);
  }

  /** References are numbers here: the address of a value, or the handle of a map. */
  const valueOf = (relocation: Relocation, low: RawInsn, high: RawInsn): bigint | undefined => {
    if (relocation.kind === "global") {
      const region = sections.get(relocation.section);
      return region && memory.address(region) + BigInt(relocation.offset);
    }
    if (low.src !== PSEUDO.mapValue && low.src !== PSEUDO.mapIdxValue) return handleOf.get(relocation.map);
    const value = maps.get(relocation.map)?.direct?.();
    return value === undefined ? undefined : value + BigInt(high.imm);
  };
  const linkProgram = (program: BpfProgram): LinkedProgram => {
    const insns = link(program, (relocation, low, high) => {
      const value = valueOf(relocation, low, high);
      return value === undefined
        ? undefined
        : { src: 0, low: Number(BigInt.asIntN(32, value)), high: Number(BigInt.asIntN(32, value >> 32n)) };
    });
    // A call of a kernel function is one of a helper that no kernel has.
    for (const { slot, name } of program.externs ?? []) {
      const number = kfuncNumber(name);
      if (number !== undefined) insns[slot] = { ...insns[slot]!, src: CALL.helper, imm: number };
    }
    return prepare(program.name, insns);
  };
  const linked = new Map(module.programs.map((program) => [program.name, linkProgram(program)]));
  const hits = new Map(module.programs.map((program) => [program.name, new Uint32Array(program.insns.length)]));

  const contexts = new Map<string, ProgramContext>();
  /** One for the programs of each kind and attach type. */
  const contextOf = (type: string, attach: number): ProgramContext | undefined => {
    if (!isCompiled(type) || type === "struct_ops") return undefined;
    const key = `${type} ${attach}`;
    const made = contexts.get(key) ?? createContext(memory, kernel, type, COMPILED[type], attach);
    contexts.set(key, made);
    return made;
  };
  for (const { type, attachType } of module.programs) contextOf(type, attachType);
  const kernelObjects = new Map<bigint, KernelObject>();
  const objectAt = (address: bigint): KernelObject | undefined => kernelObjects.get(address);
  const subflows = new Map<KernelObject, readonly KernelObject[]>();
  const subflowsOf = (session: KernelObject): readonly KernelObject[] => subflows.get(session) ?? [];
  const argumentsRegion = memory.allocate({ name: "the arguments", size: 8 * MAX_FUNC_ARGUMENTS, access: "read-only" });
  /** The context of a struct_ops program. */
  const withArguments = (args: NonNullable<Run["args"]>): ProgramContext => {
    const view = new DataView(memory.bytes.buffer, memory.arenaStart + argumentsRegion.start, 8 * MAX_FUNC_ARGUMENTS);
    args.forEach((arg, index) =>
      view.setBigUint64(8 * index, typeof arg === "bigint" ? BigInt.asUintN(64, arg) : arg.address, true),
    );
    return { address: memory.address(argumentsRegion), fill: () => undefined, get: () => 0n };
  };
  /** Keeps the stack and the arguments of the program that waits; gives what puts them back. */
  const setAside = (): (() => void) => {
    const kept = [...frames, argumentsRegion].map((region) => ({
      region,
      bytes: memory.slice(region).slice(),
      live: memory.find(region.start)!.live,
    }));
    return () => {
      for (const { region, bytes, live } of kept) {
        memory.slice(region).set(bytes);
        memory.setLive(region, live);
      }
    };
  };
  let running = 0;
  const socketRegion = memory.allocate({ name: "the socket", size: SOCKET_BYTES, access: "read-only" });
  const socketAddress = memory.address(socketRegion);
  const packetRegions = {
    read: memory.allocate({ name: "the segment", size: PACKET_BYTES.read, access: "read-only" }),
    "read-write": memory.allocate({ name: "the value", size: PACKET_BYTES["read-write"], access: "read-write" }),
  } as const;
  for (const region of Object.values(packetRegions)) memory.setLive(region, false);

  const place = (program: string, slot: number): SourcePlace | undefined => {
    const found = module.programs.find((one) => one.name === program);
    const entry = found?.lines.findLast((one) => one.slot <= slot);
    return entry && placeOf(module, entry.span);
  };
  const report = (program: string, error: unknown): FaultReport => {
    if (!(error instanceof VmFault)) throw error;
    const at = error.slot === undefined ? undefined : place(program, error.slot);
    return { kind: error.kind, message: error.message, program, slot: error.slot, ...(at ? { place: at } : {}) };
  };

  return {
    module,
    kernel,
    maps,
    memory,
    programs: linked,
    place,
    section: (name) => {
      const region = sections.get(name);
      return region && memory.slice(region);
    },
    object(struct) {
      const made = createKernelObject(memory, kernel.types, struct, ops);
      kernelObjects.set(made.address, made);
      return made;
    },
    join: (session, added) => void subflows.set(session, [...subflowsOf(session), added]),
    part: (session) => void subflows.delete(session),
    hits: (program) => hits.get(program) ?? new Uint32Array(),

    run(program, request) {
      const { services: event, packet, watch } = request;
      const read: ReadField = (field, index) => request.read(field, index);
      const found = linked.get(program);
      const { type, attachType } = module.programs.find((one) => one.name === program) ?? {};
      if (!found || type === undefined || attachType === undefined) throw new RangeError(`no program ${program}`);
      const putBack = running > 0 ? setAside() : undefined;
      const context = request.args ? withArguments(request.args) : contextOf(type, attachType);
      if (!context || !isCompiled(type)) throw new RangeError(`the virtual machine does not run ${type} programs`);
      const kind: CompiledKind = COMPILED[type];
      const access = kind.packet ?? "read";
      const packetRegion = packetRegions[access];
      // The packet's end is found by its shadow, so that a read past it is a fault whatever the program compared.
      if (packet) {
        memory.resize(packetRegion, Math.min(packet.length, PACKET_BYTES[access]));
        memory.slice(packetRegion).set(packet.subarray(0, PACKET_BYTES[access]));
      }
      const start = packet ? memory.address(packetRegion) : 0n;
      const pointers = {
        socket: event.socket ? socketAddress : 0n,
        "socket-or-null": event.socket ? socketAddress : 0n,
        packet: start,
        "packet-end": packet ? start + BigInt(packet.length) : 0n,
      } as const satisfies Record<NonNullable<ContextField["pointer"]>, bigint>;
      const visible: ReadField = (field, index) => {
        const pointer = kind.fields[field]?.pointer;
        return pointer === undefined ? read(field, index) : pointers[pointer];
      };
      const refresh = (): void => context.fill(visible);
      context.fill(visible, { writable: true });
      fillSocket(memory.slice(socketRegion), (field, index) => (kind.fields[field] ? read(field, index) : 0));
      const kfuncHost: KfuncHost = { objectAt, subflowsOf, iterators: iterators(memory) };
      const [about] = request.args ?? [];
      const around: Surroundings = {
        memory,
        frames,
        stepLimit: options.stepLimit ?? DEFAULT_STEP_LIMIT,
        call: (id, args, slot) => {
          if (isKfuncNumber(id)) return callKfunc(id, args, kfuncHost);
          return callHelper(
            {
              memory,
              machine: services,
              event: {
                ...event,
                refresh() {
                  event.refresh?.();
                  refresh();
                },
              },
              context: context.address,
              maps: maps.values(),
              mapAt: (address) => handles.get(address),
              socketAt: (address) =>
                address === socketAddress || (typeof about === "object" && address === about.address)
                  ? event.socket
                  : undefined,
              objectAt,
            },
            id,
            args,
            slot,
          );
        },
      };
      const left = (): Pick<Outcome, "args" | "field" | "packet"> => ({
        args: [0, 1, 2, 3].map((index) => Number(context.get("args", index))),
        field: context.get,
        packet: packet && memory.slice(packetRegion).slice(),
      });
      try {
        running++;
        const watching: Watch = { hits: hits.get(program)!, ...(watch?.step ? { step: watch.step } : {}) };
        const { r0, steps } = ENGINES[engine](found, around, { r1: context.address }, watching);
        if (kfuncHost.iterators.live > 0) throw new VmFault("helper", "an iterator was not destroyed");
        return { ok: true, returned: Number(BigInt.asIntN(32, r0)), steps, ...left() };
      } catch (error) {
        const steps = error instanceof VmFault ? (error.steps ?? 0) : 0;
        return { ok: false, fault: report(program, error), steps, ...left() };
      } finally {
        memory.setLive(packetRegion, false);
        running--;
        if (putBack) putBack();
        else memory.reuse();
      }
    },
  };
}

/** What programs read through a `struct bpf_sock` pointer; the rest is zero. */
function fillSocket(bytes: Uint8Array, read: ReadField): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const put = (offset: number, value: number | bigint): void =>
    view.setUint32(offset, Number(BigInt.asUintN(32, BigInt(value))), true);
  put(4, read("family", 0));
  put(8, read("type", 0) || 1); // SOCK_STREAM
  put(12, read("protocol", 0) || 6); // IPPROTO_TCP
  put(24, read("local_ip4", 0));
  put(44, read("local_port", 0));
  put(48, BigInt(read("remote_port", 0)) >> 16n);
  put(52, read("remote_ip4", 0));
  put(72, read("state", 0));
}

export function placeOf(module: BpfModule, span: Span): SourcePlace | undefined {
  const source = module.sources[span.file];
  if (!source) return undefined;
  const { line, column } = lineAndColumn(source.text, span.start);
  return { path: source.path, line, column, text: lineText(source.text, line) };
}

/** "programs/fullmesh.ts:23:5: read of … (instruction 12 of fullmesh)" and the line below it. */
export function drawFault(fault: FaultReport): string {
  const at = fault.place ? `${fault.place.path}:${fault.place.line}:${fault.place.column}: ` : "";
  const slot = fault.slot === undefined ? fault.program : `instruction ${fault.slot} of ${fault.program}`;
  const head = `${at}${fault.message} (${slot})`;
  if (!fault.place) return head;
  const number = `${fault.place.line}`;
  return `${head}\n  ${number} │ ${fault.place.text}`;
}
