/** Delivers one kernel event to the programs of a socket: fills the context, serves its helpers, writes the history, and throws on a fault. */
import type { ContextField } from "../../compiler/bpf/kinds/index.ts";
import { SOCK_OPS_FIELDS, type SockOpsField } from "../../compiler/bpf/kinds/sock-ops.ts";
import { SOCKET_OPTIONS } from "../../compiler/bpf/socket-options.ts";
import { ERRNO, errnoText } from "../vm/errno.ts";
import type { EventServices } from "../vm/helpers.ts";
import { drawFault, type Machine } from "../vm/machine.ts";
import { READERS, type Connection } from "./connection.ts";
import { loadOption, reserveOption, storeOption, TCP_HEADER, type OptionRoom } from "./header-options.ts";
import { bytesText, type History, type HistoryEntry } from "./history.ts";
import type { Host } from "./host.ts";
import { getSocketOption, setSocketOption } from "./socket-options.ts";

/** One loaded program and where its doings are noted. */
export interface Loaded {
  readonly machine: Machine;
  readonly program: string;
  readonly host: Host;
  readonly history: History;
  readonly steps: { last: number; max: number };
  /** Programs after this one on the same socket, in the order in which they were attached. */
  readonly others?: readonly Loaded[];
}
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
  readonly path?: Pick<EventServices, "openSubflow" | "closeSubflow" | "setPriority">;
  /** Words about the helper that `path` served last, for the history; asking clears them. */
  readonly detail?: () => string;
}

export interface Delivered {
  readonly returned: number;
  /** reply as the kernel takes it: -1 unless the program returned 1. */
  readonly reply: number;
  readonly replyBytes: Uint8Array;
}

/** A program did what no program may do. The message names event, place and reason. */
export class EventFailure extends Error {
  constructor(message: string) {
    super(message);
    this.name = "EventFailure";
  }
}

const word = (bytes: Uint8Array | undefined, index: number): number =>
  bytes ? new DataView(bytes.buffer, bytes.byteOffset).getUint32(index * 4, true) : 0;

const optionName = (number: number): string =>
  Object.entries(SOCKET_OPTIONS).find(([, row]) => row.number === number)?.[0] ?? `option ${number}`;
const valueText = (value: Uint8Array): string =>
  value.length === 4 ? `${word(value, 0) | 0}` : JSON.stringify(Buffer.from(value).toString().replace(/\0.*$/s, ""));

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
      detail = `${optionName(name)} = ${valueText(value)}`;
      return locked(() => setSocketOption(connection, machine.kernel, host, level, name, value));
    },
    getSockOpt(level, name, size) {
      detail = optionName(name);
      return full ? getSocketOption(connection, machine.kernel, level, name, size) : ERRNO.EINVAL;
    },
    setCallbacks(flags) {
      detail = `flags 0x${flags.toString(16)}`;
      return locked(() => {
        const known = machine.kernel.name === "patched" ? 0xff : 0x7f;
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
    observe(helper, result, slot) {
      // What was found is no news.
      if (helper === "map_lookup_elem" && result !== 0n) return;
      const at = machine.place(loaded.program, slot);
      const where = at ? `${at.path.replace(/^.*\//, "")}:${at.line} ` : "";
      const pointer = result > 0xffff_0000_0000_0000n && result < 0xffff_ffff_ffff_f000n;
      detail ||= event.detail?.() ?? "";
      const shown = pointer
        ? "found"
        : helper === "map_lookup_elem" && result === 0n
          ? "not found"
          : errnoText(Number(BigInt.asIntN(64, result)));
      entry.effects.push(`${where}${helper}${detail ? ` ${detail}` : ""} → ${shown}`);
      detail = "";
    },
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
      return READERS[field]?.(connection, index) ?? 0;
    },
  });
  loaded.steps.last = Math.max(loaded.steps.last, outcome.steps);
  loaded.steps.max = Math.max(loaded.steps.max, outcome.steps);
  if (!outcome.ok) {
    const number = loaded.history.entries.length;
    throw new EventFailure(
      `${loaded.program}: event ${number} (${entry.title}) went wrong\n${drawFault(outcome.fault)}`,
    );
  }
  const replyBytes = new Uint8Array(Uint32Array.from(outcome.args).buffer);
  return { returned: outcome.returned, reply: outcome.returned === 1 ? outcome.args[0]! | 0 : -1, replyBytes };
}
