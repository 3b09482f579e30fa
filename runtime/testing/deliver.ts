/** Delivers one kernel event to the programs of a socket: fills the context, serves its helpers, writes the history, and throws on a fault. */
import type { ContextField } from "../../compiler/bpf/kinds/index.ts";
import { callbacksOf, SOCK_OPS_EVENTS, SOCK_OPS_FIELDS, type SockOpsField } from "../../compiler/bpf/kinds/sock-ops.ts";
import { ERRNO } from "../vm/errno.ts";
import type { EventServices } from "../vm/helpers.ts";
import { READERS, type Connection } from "./connection.ts";
import { loadOption, reserveOption, storeOption, TCP_HEADER, type OptionRoom } from "./header-options.ts";
import { bytesText, type HistoryEntry } from "./history.ts";
import { finished, observer, optionName, valueText, type Loaded } from "./call.ts";
import { getSocketOption, isSynHeader, sends, setSocketOption } from "./socket-options.ts";

/** This program and those after it. */
export const allOf = (loaded: Loaded): readonly Loaded[] => [loaded, ...(loaded.others ?? [])];

export interface KernelEvent {
  /** Number of the event. */
  readonly op: number;
  readonly args?: readonly number[];
  /** 0 when the socket is not locked or no TCP socket: its TCP fields read 0 and helpers refuse. */
  readonly fullSocket?: boolean;
  /** The segment at hand, from its TCP header on. */
  readonly packet?: Uint8Array;
  /** Bytes of the segment's payload. */
  readonly payload?: number;
  /** Set in events that reserve or write header options. */
  readonly room?: OptionRoom;
  readonly mayReserve?: boolean;
  readonly mayStore?: boolean;
  /** 16 bytes each: mptcp_addr6 and opt_data. */
  readonly address6?: Uint8Array;
  readonly optionData?: Uint8Array;
  readonly path?: Pick<EventServices, "openSubflow" | "closeSubflow" | "setPriority" | "setTimer" | "announce">;
  /** Words about the helper that `path` served last, for the history; asking clears them. */
  readonly detail?: () => string;
}

export interface Delivered {
  readonly returned: number;
  /** reply as the kernel takes it: -1 unless the program returned 1. */
  readonly reply: number;
  readonly replyBytes: Uint8Array;
}

const word = (bytes: Uint8Array | undefined, index: number): number =>
  bytes ? new DataView(bytes.buffer, bytes.byteOffset).getUint32(index * 4, true) : 0;

/** The patched kernel's own events, of which each program of a socket hears for itself (kernel/README.md). */
const FIRST_OF_OUR_OWN = 64;

/**
 * Runs every program of the socket. Mainline's events have one set of arguments for them all, in which a program finds what those
 * before it wrote, and the last reply counts if all returned 1. Of the patched kernel's, a program sees what the event says, and one
 * reply of 1 is one for all.
 */
export function deliver(loaded: Loaded, connection: Connection, event: KernelEvent, entry: HistoryEntry): Delivered {
  let args = event.args;
  const done = allOf(loaded).map((one) => {
    const ran = deliverTo(one, connection, { ...event, ...(args ? { args } : {}) }, entry);
    if (event.op < FIRST_OF_OUR_OWN) args = Array.from({ length: 4 }, (_, at) => word(ran.replyBytes, at));
    return ran;
  });
  const last = done.at(-1)!;
  if (event.op >= FIRST_OF_OUR_OWN) return done.find(({ reply }) => reply === 1) ?? last;
  return done.every(({ returned }) => returned === 1) ? last : { ...last, returned: 0, reply: -1 };
}

const LEAVING: readonly number[] = [SOCK_OPS_EVENTS.OptionsSize.op, SOCK_OPS_EVENTS.OptionsWrite.op];

/** Runs one of the socket's programs. */
export function deliverTo(loaded: Loaded, connection: Connection, event: KernelEvent, entry: HistoryEntry): Delivered {
  const { machine, host } = loaded;
  const full = event.fullSocket ?? true;
  let detail = "";
  const locked = (run: () => number, refusal: number = ERRNO.EINVAL): number => (full ? run() : refusal);
  const options = event.packet?.subarray(TCP_HEADER, (event.packet[12]! >> 4) * 4);
  const services: EventServices = {
    ...(full ? { socket: connection } : {}),
    setSockOpt(level, name, value) {
      detail = `${optionName(level, name)} = ${valueText(value)}`;
      // The patched kernel's own events of a segment that is made; mainline's would be called again.
      if (LEAVING.includes(event.op) && sends(level, name)) return ERRNO.EOPNOTSUPP;
      return locked(() => setSocketOption(connection, machine.kernel, host, level, name, value));
    },
    getSockOpt(level, name, size) {
      detail = optionName(level, name);
      // What a request is asked for beyond its SYN is refused.
      return full || isSynHeader(level, name)
        ? getSocketOption(connection, machine.kernel, loaded.host, level, name, size)
        : ERRNO.EINVAL;
    },
    setCallbacks(flags) {
      detail = `flags 0x${flags.toString(16)}`;
      return locked(() => {
        const known = callbacksOf(machine.kernel);
        connection.callbacks = flags & known;
        return flags & ~known;
      });
    },
    reserveOption: (bytes, flags) => {
      detail = `${bytes} bytes`;
      return event.room && event.mayReserve ? reserveOption(event.room, bytes, flags) : ERRNO.EPERM;
    },
    storeOption(option, flags) {
      detail = bytesText(option.subarray(0, option[1]));
      return event.room && event.mayStore ? storeOption(event.room, option, flags) : ERRNO.EPERM;
    },
    loadOption(wanted, flags) {
      detail = `kind ${wanted[0]}`;
      const syn = connection.savedSyn;
      return loadOption(wanted, flags, event.mayReserve ? undefined : options, syn?.subarray(TCP_HEADER));
    },
    ...event.path,
    observe: observer(loaded, entry, () => {
      const said = detail || (event.detail?.() ?? "");
      detail = "";
      return said;
    }),
  };
  const outcome = machine.run(loaded.program, {
    services,
    ...(event.packet ? { packet: event.packet } : {}),
    read(field: SockOpsField, index) {
      if (field === "op") return event.op;
      if (field === "args") return event.args?.[index] ?? 0;
      if (field === "is_fullsock") return full ? 1 : 0;
      if (field === "skb_len") return event.packet ? event.packet.length + (event.payload ?? 0) : 0;
      if (field === "skb_tcp_flags") return event.packet?.[13] ?? 0;
      if (field === "mptcp_addr6") return word(event.address6, index);
      if (field === "opt_data") return word(event.optionData, index);
      if (!full && (SOCK_OPS_FIELDS[field] as ContextField).full) return 0;
      // No time stamps of devices; and pointers are the machine's.
      if (field === "skb_hwtstamp" || field === "skb_data" || field === "skb_data_end" || field === "sk") return 0;
      return READERS[field](connection, index);
    },
  });
  finished(loaded, entry, outcome);
  const replyBytes = new Uint8Array(Uint32Array.from(outcome.args).buffer);
  return { returned: outcome.returned, reply: outcome.returned === 1 ? outcome.args[0]! | 0 : -1, replyBytes };
}
