/** A loaded packet scheduler as a session of the simulator calls it: in the virtual machine, on structs of the kernel's in its memory. */
import type { KernelObject } from "../../../vm/kernel-objects.ts";
import { drawFault, type Machine } from "../../../vm/machine.ts";
import { EventFailure } from "../../call.ts";
import type { HandlerOf, HookViewParts } from "../../hook-view.ts";
import { bindSock, type Binding } from "../binding.ts";
import { BEGIN } from "../clock.ts";
import type { Sock, SockField } from "../sock.ts";

export type SchedulerHandler = HandlerOf<"mptcp_sched_ops">;
export type SchedulerCalls = Record<SchedulerHandler, number>;

/** What a scheduler sees of a session. Sequence numbers are bytes of its stream, counted from 0. */
export interface SeenSession {
  readonly token: number;
  readonly tos: number;
  readonly priority: number;
  readonly written: number;
  readonly next: number;
  readonly una: number;
  readonly windowEnd: number;
  readonly bytesRetrans: number;
  readonly isRecovering: boolean;
  readonly wmemQueued: number;
  readonly sndbuf: number;
  /** What may leave before it is asked again: it writes this. */
  burst: number;
}
/** What it sees of a subflow. */
export interface SeenSubflow {
  /** Counted from 1. */
  readonly id: number;
  readonly localId: number;
  readonly backup: boolean;
  readonly requestBackup: boolean;
  readonly sock: Sock;
  readonly wmemQueued: number;
  readonly stale: boolean;
  readonly staleCount: number;
  /** It was chosen: it writes this. */
  scheduled: boolean;
}

/** Places in the machine's memory, taken back when the run is over. */
interface Place {
  readonly context: KernelObject;
  readonly socket: KernelObject;
  readonly sock: Binding<SockField>;
}
interface Seats {
  readonly sessions: KernelObject[];
  readonly subflows: Place[];
}
const free = new WeakMap<Machine, Seats>();
const seatsOf = (machine: Machine): Seats => {
  const found = free.get(machine) ?? { sessions: [], subflows: [] };
  free.set(machine, found);
  return found;
};

/** The initial data sequence number: it does not begin at 0, and needs more than 32 bits soon. */
const IDSN = 0xffff_0000;
const ESTABLISHED = 1n;

export interface AttachedScheduler {
  add(subflow: SeenSubflow): void;
  /** True where it says that it chose one. What is not there does nothing; without getRetrans getSend is asked. */
  call(handler: SchedulerHandler): boolean;
}

/** `atEnd` takes what is to be done when the run is over. `who`: for the words of a fault. */
export function attachScheduler(
  parts: HookViewParts<"mptcp_sched_ops">,
  session: SeenSession,
  around: { readonly now: () => number; readonly who: string; readonly calls: SchedulerCalls },
  atEnd: (step: () => void) => void,
): AttachedScheduler {
  const { machine, host } = parts.shared;
  const seats = seatsOf(machine);
  const object = seats.sessions.pop() ?? machine.object("mptcp_sock");
  machine.part(object);
  const subflows: { readonly seen: SeenSubflow; readonly place: Place }[] = [];
  atEnd(() => {
    seats.sessions.push(object);
    seats.subflows.push(...subflows.map(({ place }) => place));
  });
  /** What storages know the session by. */
  const socket = {};

  function write(): void {
    const sequence = (byte: number): bigint => BigInt(IDSN + byte);
    object.set("token", BigInt(session.token));
    object.set("tos", BigInt(session.tos));
    object.set("sk_priority", BigInt(session.priority));
    object.set("skc_family", 2n);
    object.set("write_seq", sequence(session.written));
    object.set("snd_nxt", sequence(session.next));
    object.set("snd_una", sequence(session.una));
    object.set("wnd_end", sequence(session.windowEnd));
    object.set("snd_burst", BigInt(session.burst));
    object.set("bytes_sent", BigInt(session.next));
    object.set("bytes_acked", BigInt(session.una));
    object.set("bytes_retrans", BigInt(session.bytesRetrans));
    object.set("recovery", session.isRecovering ? 1n : 0n);
    object.set("sk_wmem_queued", BigInt(session.wmemQueued));
    object.set("sk_sndbuf", BigInt(session.sndbuf));
    for (const { seen, place } of subflows) {
      place.sock.write(seen.sock);
      place.socket.set("sk_wmem_queued", BigInt(seen.wmemQueued));
      place.context.set("stale", seen.stale ? 1n : 0n);
      place.context.set("stale_count", BigInt(seen.staleCount));
      place.context.set("scheduled", seen.scheduled ? 1n : 0n);
    }
  }
  function read(): void {
    session.burst = Number(object.get("snd_burst"));
    for (const { seen, place } of subflows) seen.scheduled = place.context.get("scheduled") !== 0n;
  }

  return {
    add(seen) {
      const old = seats.subflows.pop();
      const context = old?.context ?? machine.object("mptcp_subflow_context");
      const tcp = old?.socket ?? machine.object("tcp_sock");
      context.set("subflow_id", BigInt(seen.id));
      context.set("local_id", BigInt(seen.localId));
      context.set("backup", seen.backup ? 1n : 0n);
      context.set("request_bkup", seen.requestBackup ? 1n : 0n);
      context.set("avg_pacing_rate", 0n);
      context.set("tcp_sock", tcp.address);
      tcp.set("skc_state", ESTABLISHED);
      tcp.set("skc_family", 2n);
      machine.join(object, context);
      subflows.push({ seen, place: old ?? { context, socket: tcp, sock: bindSock(machine, tcp) } });
    },
    call(wanted) {
      const handler = wanted === "getRetrans" && !parts.hooks.has(wanted) ? "getSend" : wanted;
      const loaded = parts.hooks.get(handler);
      if (!loaded) return false;
      around.calls[handler]++;
      host.now = BigInt(Math.round(around.now()));
      write();
      const outcome = machine.run(loaded.program, { args: [object], read: () => 0, services: { socket } });
      loaded.steps.last = outcome.steps;
      loaded.steps.max = Math.max(loaded.steps.max, outcome.steps);
      if (!outcome.ok) {
        const at = ((around.now() - BEGIN) / 1e9).toFixed(6);
        throw new EventFailure(`${around.who}: ${handler} at ${at} s went wrong\n${drawFault(outcome.fault)}`);
      }
      read();
      return (outcome.returned | 0) === 0;
    },
  };
}
