/** A loaded congestion control as a scheme of the simulator: its programs run in the virtual machine, on a struct tcp_sock in its memory. */
import { CC_FLAGS, PRIVATE_AREA, type CongestionHandler } from "../../../compiler/bpf/kinds/congestion-ops.ts";
import { ACK_SAMPLE, RATE_SAMPLE } from "../../../compiler/bpf/tcp-sock-members.ts";
import type { KernelObject } from "../../vm/kernel-objects.ts";
import { ERRNO } from "../../vm/errno.ts";
import { drawFault, type Machine } from "../../vm/machine.ts";
import { EventFailure } from "../call.ts";
import { isChoice, nameIn, stateView } from "../congestion-view.ts";
import type { HookViewParts } from "../hook-view.ts";
import { bind, bindSock, type Binding } from "./binding.ts";
import { BEGIN } from "./clock.ts";
import type { Control, Scheme, Surroundings } from "./control.ts";
import type { Sock, SockField } from "./sock.ts";

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
    sock: bindSock(machine, socket),
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
          // `release`, which is called meanwhile, finds the connection as it was left so far, and may change it.
          seat.sock.read(sock);
          if (!around.choose(nameIn(value))) return ERRNO.ENOENT;
          // As tcp_reinit_congestion_control does: the area is the new one's now.
          seat.socket.bytes(PRIVATE_AREA).fill(0);
          return 0;
        },
      },
    });
    loaded.steps.last = outcome.steps;
    loaded.steps.max = Math.max(loaded.steps.max, outcome.steps);
    loaded.steps.total = (loaded.steps.total ?? 0) + outcome.steps;
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
