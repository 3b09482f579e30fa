/** A loaded congestion control as a scheme of the simulator: its programs run in the virtual machine, on a struct tcp_sock in its memory. */
import { findMember } from "../../../compiler/bpf/kernel-types.ts";
import {
  CC_FLAGS,
  congestionOps,
  PRIVATE_AREA,
  type CongestionHandler,
} from "../../../compiler/bpf/kinds/congestion-ops.ts";
import { ACK_SAMPLE, RATE_SAMPLE, TCP_SOCK, type SeenMember } from "../../../compiler/bpf/tcp-sock-members.ts";
import type { KernelObject } from "../../vm/kernel-objects.ts";
import { ERRNO } from "../../vm/errno.ts";
import { drawFault, type Machine } from "../../vm/machine.ts";
import { EventFailure } from "../call.ts";
import { isChoice, nameIn, stateView } from "../congestion-view.ts";
import type { HookViewParts } from "../hook-view.ts";
import { BEGIN } from "./clock.ts";
import type { Control, Scheme, Surroundings } from "./control.ts";
import { freshSock, type Sock, type SockField } from "./sock.ts";

type Fields<K extends string> = Record<K, number>;
/** Carries fields between the model and the machine's memory. */
interface Binding<K extends string> {
  write(from: Fields<K>): void;
  read(into: Fields<K>): void;
}

/** Where a member lies in a struct of the machine's. */
function place(machine: Machine, object: KernelObject, { member }: SeenMember) {
  const found = findMember(machine.kernel.types, object.struct, member)!;
  const bytes = object.bytes(member);
  const width = found.bits ?? 8 * bytes.length;
  const shift =
    found.bits === undefined ? 0 : found.offset - Math.floor(found.offset / 8 / bytes.length) * 8 * bytes.length;
  return { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), bytes: bytes.length, width, shift };
}

/** 64 bits from a number: as many ones as there are where it is too large. */
function put64(view: DataView, value: number): void {
  if (value < 0) return view.setBigInt64(0, BigInt(value), true);
  const isWhole = value < 2 ** 64;
  view.setUint32(0, isWhole ? value % 2 ** 32 : 0xffff_ffff, true);
  view.setUint32(4, isWhole ? Math.floor(value / 2 ** 32) : 0xffff_ffff, true);
}
const get64 = (view: DataView): number => {
  const value = view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true);
  return value >= 2 ** 63 ? Infinity : value;
};

function bind<K extends string>(
  machine: Machine,
  object: KernelObject,
  names: readonly K[],
  members: Readonly<Record<K, SeenMember>>,
  written: readonly K[],
): Binding<K> {
  const places = names.map((name) => ({ name, ...place(machine, object, members[name]) }));
  const writable = places.filter(({ name }) => written.includes(name));
  // Most fields have 32 bits: this loop is most of what a call costs beside the program.
  const words = places.filter(({ bytes }) => bytes === 4);
  const wordNames = words.map(({ name }) => name);
  const memory = new Uint32Array(machine.memory.bytes.buffer);
  const indices = Uint32Array.from(words, ({ view }) => view.byteOffset / 4);
  const others = places.filter(({ bytes }) => bytes !== 4);
  return {
    write(from) {
      for (let at = 0; at < wordNames.length; at++) memory[indices[at]!] = from[wordNames[at]!];
      for (const { name, view, bytes, width, shift } of others) {
        const value = from[name];
        if (bytes === 8) put64(view, value);
        else if (bytes === 2) view.setUint16(0, value, true);
        else {
          const mask = ((1 << width) - 1) << shift;
          view.setUint8(0, (view.getUint8(0) & ~mask) | ((value << shift) & mask));
        }
      }
    },
    read(into) {
      for (const { name, view, bytes } of writable)
        into[name] = bytes === 4 ? view.getUint32(0, true) : bytes === 8 ? get64(view) : view.getUint8(0);
    },
  };
}

const FIELDS = Object.keys(freshSock(0)) as SockField[];
const WRITTEN = FIELDS.filter((name) =>
  (congestionOps.writes.tcp_sock.members as readonly string[]).includes(TCP_SOCK[name].member),
);

/** A connection in the machine's memory: taken back when its run is over. */
interface Seat {
  readonly socket: KernelObject;
  readonly ack: KernelObject;
  readonly rate: KernelObject;
  readonly sock: Binding<SockField>;
  readonly ackSample: Binding<keyof typeof ACK_SAMPLE>;
  readonly rateSample: Binding<keyof typeof RATE_SAMPLE>;
}
const free = new WeakMap<Machine, Seat[]>();
function takeSeat(machine: Machine): Seat {
  const old = free.get(machine)?.pop();
  if (old) {
    old.socket.bytes(PRIVATE_AREA).fill(0);
    return old;
  }
  const [socket, ack, rate] = [machine.object("tcp_sock"), machine.object("ack_sample"), machine.object("rate_sample")];
  socket.set("skc_state", 1n);
  socket.set("skc_family", 2n);
  return {
    socket,
    ack,
    rate,
    sock: bind(machine, socket, FIELDS, TCP_SOCK, WRITTEN),
    ackSample: bind(machine, ack, Object.keys(ACK_SAMPLE) as (keyof typeof ACK_SAMPLE)[], ACK_SAMPLE, []),
    rateSample: bind(machine, rate, Object.keys(RATE_SAMPLE) as (keyof typeof RATE_SAMPLE)[], RATE_SAMPLE, []),
  };
}

function controlOf(parts: HookViewParts<"tcp_congestion_ops">, sock: Sock, around: Surroundings, seat: Seat): Control {
  const { machine, host } = parts.shared;
  function call(handler: CongestionHandler, args: readonly (KernelObject | bigint)[]): number {
    const loaded = parts.hooks.get(handler)!;
    host.now = BigInt(Math.round(around.now()));
    seat.sock.write(sock);
    const outcome = machine.run(loaded.program, {
      args,
      read: () => 0,
      services: {
        socket: seat,
        sendAck: (nextByte) => around.sendAck(nextByte),
        setSockOpt(level, name, value) {
          if (!isChoice(level, name)) return ERRNO.EOPNOTSUPP;
          if (!around.choose(nameIn(value))) return ERRNO.ENOENT;
          // As tcp_reinit_congestion_control does: the area is the new one's now.
          seat.socket.bytes(PRIVATE_AREA).fill(0);
          return 0;
        },
      },
    });
    loaded.steps.last = outcome.steps;
    loaded.steps.max = Math.max(loaded.steps.max, outcome.steps);
    if (!outcome.ok) {
      const at = ((around.now() - BEGIN) / 1e9).toFixed(6);
      throw new EventFailure(`${around.who}: ${handler} at ${at} s went wrong\n${drawFault(outcome.fault)}`);
    }
    seat.sock.read(sock);
    return outcome.returned >>> 0;
  }
  const { socket, ack, rate } = seat;
  const whole = (value: number): bigint => BigInt(value >>> 0);
  const all: Required<Control> = {
    init: () => void call("init", [socket]),
    release: () => void call("release", [socket]),
    ssthresh: () => call("ssthresh", [socket]),
    congAvoid: (number, acked) => void call("congAvoid", [socket, whole(number), whole(acked)]),
    setState: (state) => void call("setState", [socket, whole(state)]),
    cwndEvent: (event) => void call("cwndEvent", [socket, whole(event)]),
    inAckEvent: (flags) => void call("inAckEvent", [socket, whole(flags)]),
    pktsAcked(sample) {
      seat.ackSample.write(sample);
      call("pktsAcked", [socket, ack]);
    },
    minTsoSegs: () => call("minTsoSegs", [socket]),
    congControl(number, flag, sample) {
      seat.rateSample.write(sample);
      call("congControl", [socket, whole(number), whole(flag), rate]);
    },
    undoCwnd: () => call("undoCwnd", [socket]),
    sndbufExpand: () => call("sndbufExpand", [socket]),
  };
  const has = (handler: string): boolean => parts.hooks.has(handler as keyof typeof all);
  return Object.fromEntries(Object.entries(all).filter(([handler]) => has(handler))) as unknown as Control;
}

/** `atEnd` takes what is to be done when the run is over. */
export function schemeOf(parts: HookViewParts<"tcp_congestion_ops">, atEnd: (step: () => void) => void): Scheme {
  const { machine } = parts.shared;
  const spec = machine.module.structOps?.find((one) => one.name === parts.name);
  return {
    name: nameIn(spec?.values.name ?? new Uint8Array()) || parts.name,
    needsEcn: ((spec?.values.flags?.[0] ?? 0) & CC_FLAGS.needsEcn) !== 0,
    attach(sock, around) {
      const seat = takeSeat(machine);
      atEnd(() => void free.set(machine, [...(free.get(machine) ?? []), seat]));
      const layout = spec?.state;
      return {
        control: controlOf(parts, sock, around, seat),
        state: () => layout && { ...stateView(seat.socket, layout) },
      };
    },
  };
}
