/** Runs a program of any object over a list of events in the virtual machine, and writes down all that can be seen of it. */
import type { SockOpsField } from "../../compiler/bpf/kinds/sock-ops.ts";
import type { HelperName } from "../../compiler/bpf/helpers.ts";
import type { BpfModule } from "../../compiler/module.ts";
import { LOCAL_ADDRESS } from "../../compiler/local-addresses.ts";
import { createMachine, drawFault, type Machine } from "../../runtime/vm/machine.ts";
import { keyWords } from "../../runtime/vm/maps/map.ts";
import { isRingBuffer } from "../../runtime/vm/maps/ring-buffer.ts";
import { isSocketStorage } from "../../runtime/vm/maps/sk-storage.ts";
import { wideAddress, type LocalSlot, type SockOpsEvent } from "./events.ts";
import type { Twin } from "./twins.ts";

export interface Replayed {
  /** Per event: the return code, args as the program left them, and its effects in order. */
  readonly trace: readonly string[];
  readonly steps: readonly number[];
  /** Calls of helpers that work on maps, per event. */
  readonly mapCalls: readonly number[];
  /** Content of all maps at the end. */
  readonly maps: readonly string[];
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const MAP_HELPERS: readonly HelperName[] = [
  "map_lookup_elem",
  "map_update_elem",
  "map_delete_elem",
  "sk_storage_get",
  "sk_storage_delete",
  "ringbuf_output",
];

/** The module with the params that it is loaded with. */
function withParams(module: BpfModule, params: Readonly<Record<string, number>>): BpfModule {
  const init = (size: number, value: number): Uint8Array => {
    const made = new Uint8Array(8);
    new DataView(made.buffer).setUint32(0, value, true);
    return made.subarray(0, size);
  };
  const globals = module.globals.map((one) =>
    one.param && params[one.name] !== undefined ? { ...one, init: init(one.init.length, params[one.name]!) } : one,
  );
  return { ...module, globals };
}

/** `initial` gives the maps of the same names the content that user space would: C has no place for it. */
export function replay(
  module: BpfModule,
  twin: Pick<Twin, "program" | "params" | "elements">,
  events: readonly SockOpsEvent[],
  initial: BpfModule = module,
): Replayed {
  let effects: string[] = [];
  let mapCalls = 0;
  /** Between two events some time passes. */
  let now = 1_000_000n;
  const machine = createMachine(withParams(module, twin.params ?? {}), {
    services: {
      cpus: 1,
      cpu: () => 0,
      now: () => now,
      random: () => 4,
      print: (line) => void effects.push(`print ${line}`),
      fail(helper) {
        if (MAP_HELPERS.includes(helper)) mapCalls++;
        return undefined;
      },
    },
  });
  for (const { name, initial: content } of initial === module ? [] : initial.maps) {
    for (const { key, value } of content) machine.maps.get(name)?.write(key, [value]);
  }
  for (const { map, key, value } of twin.elements ?? [])
    machine.maps.get(map)!.write(Uint8Array.from(key), [Uint8Array.from(value)]);
  const socket = {};
  let callbacks = 0;
  const trace: string[] = [];
  const steps: number[] = [];
  const calls: number[] = [];
  for (const event of events) {
    effects = [];
    mapCalls = 0;
    now += 700_000_000n;
    const answer = event.failing ?? 0;
    callbacks = event.callbacks ?? callbacks;
    for (const local of event.locals ?? []) storeLocal(machine, local);
    for (const { map, value } of event.storage ?? []) {
      const storage = machine.maps.get(map)!;
      if (!isSocketStorage(storage)) throw new TypeError(`${map} is no socket storage`);
      if (value) storage.put(socket, Uint8Array.from(value));
      else storage.forget(socket);
    }
    const read = (field: SockOpsField, index: number): number | bigint => {
      if (field === "op") return event.op;
      if (field === "args") return event.args[index] ?? 0;
      if (field === "bpf_sock_ops_cb_flags") return callbacks;
      if (field === "is_fullsock") return event.request ? 0 : 1;
      if (field === "family" && event.fields.family === undefined) return 2;
      const value = event.fields[field] ?? 0;
      return typeof value === "object" ? (value[index] ?? 0) : value;
    };
    const outcome = machine.run(twin.program, {
      read,
      ...(event.header ? { packet: header(event.header) } : {}),
      services: {
        ...(event.request ? {} : { socket }),
        setSockOpt: (level, name, value) => note(`setsockopt ${level} ${name} ${hex(value)}`, answer),
        // Which flags stand at the end is what counts: setting them again, or before another call, is the same to the kernel.
        setCallbacks(flags) {
          callbacks = flags & 0xff;
          return 0;
        },
        reserveOption: (bytes, flags) => note(`reserve ${bytes} ${flags}`, answer),
        storeOption: (option, flags) => note(`store ${hex(option)} ${flags}`, answer),
        loadOption: (search, flags) => loadOption(event.segment, search, flags),
        openSubflow: (local, remote) => note(`open ${hex(local)} ${hex(remote)}`, answer),
        closeSubflow: (local, remote) => note(`close ${hex(local)} ${hex(remote)}`, answer),
        setTimer: (ms) => note(`timer ${ms}`, answer),
        announce: (address, wanted) => note(`announce ${hex(address)} ${wanted}`, answer),
        setPriority: (addresses, backup) => note(`priority ${hex(addresses)} ${backup}`, answer),
      },
    });
    const result = outcome.ok ? `returned ${outcome.returned}` : drawFault(outcome.fault);
    trace.push(
      [`op ${event.op}: ${result}, args ${outcome.args.join(" ")}, callbacks ${callbacks}`, ...effects].join("; "),
    );
    steps.push(outcome.steps);
    calls.push(mapCalls);
  }
  return { trace, steps, mapCalls: calls, maps: content(machine, socket) };

  function note(effect: string, result: number): number {
    effects.push(effect);
    return result;
  }
}

/** As much of a TCP header as programs look at. */
function header({ sequence, words }: NonNullable<SockOpsEvent["header"]>): Uint8Array {
  const made = new Uint8Array(20);
  new DataView(made.buffer).setUint32(4, sequence);
  made[12] = words << 4;
  return made;
}

/** A slot of compiler/local-addresses.ts: struct { be32 addr; u32 family; be32 addr6[4]; }. */
function storeLocal(machine: Machine, local: LocalSlot): void {
  const map = machine.maps.get("local_addrs");
  if (!map) return;
  const key = new Uint8Array(4);
  const value = Uint8Array.from(map.read(key)![0]!);
  const at = local.index * LOCAL_ADDRESS.size;
  const view = new DataView(value.buffer, at, LOCAL_ADDRESS.size);
  value.fill(0, at, at + LOCAL_ADDRESS.size);
  if (local.inUse) view.setUint32(4, local.wide ? 10 : 2, true);
  if (local.wide) wideAddress(local.addr).forEach((word, index) => view.setUint32(8 + 4 * index, word, true));
  else view.setUint32(0, local.addr, true);
  map.write(key, [value]);
}

function content(machine: Machine, socket: object): string[] {
  return [...machine.maps.values()]
    .filter((map) => !map.shape.name.startsWith("."))
    .map((map) => {
      if (isSocketStorage(map)) {
        const value = map.of(socket);
        return `${map.shape.name}: ${value ? hex(value) : "nothing"}`;
      }
      if (isRingBuffer(map)) return `${map.shape.name}: ${map.drain().map(hex).join(", ")}`;
      const entries = [...map.keys()].map((key) => `${keyWords(key)} = ${map.read(key)!.map(hex).join(",")}`);
      return `${map.shape.name}: ${entries.sort().join("; ")}`;
    })
    .sort();
}

const EINVAL = -22;
const ENOMSG = -42;
const ENOSPC = -28;
/** bpf_load_hdr_opt (net/core/filter.c, bpf_sock_ops_load_hdr_opt) over the options of one segment. */
function loadOption(segment: readonly number[], search: Uint8Array, flags: bigint): number {
  if (flags !== 0n || search.length < 2) return EINVAL;
  const kind = search[0]!;
  const length = search[1]!;
  const experimental = kind === 253 || kind === 254;
  if (experimental ? length !== 4 && length !== 6 : length !== 0) return EINVAL;
  const magic = experimental ? search.slice(2, length) : new Uint8Array();
  for (let at = 0; at < segment.length;) {
    if (segment[at] === 0) return ENOMSG;
    if (segment[at] === 1) {
      at++;
      continue;
    }
    const size = segment[at + 1] ?? 0;
    if (size < 2 || at + size > segment.length) return ENOMSG;
    const option = segment.slice(at, at + size);
    if (option[0] === kind && magic.every((byte, i) => option[2 + i] === byte)) {
      search.set(option.slice(0, search.length));
      return size > search.length ? ENOSPC : size;
    }
    at += size;
  }
  return ENOMSG;
}
