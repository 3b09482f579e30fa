/** `congestionControl` as a test sees it: connections of the model, and its handlers to call on them. */
import { PRIVATE_AREA } from "../../compiler/bpf/kinds/congestion-ops.ts";
import { sizeOf, type Layout } from "../../compiler/layout.ts";
import { SOCKET_OPTIONS } from "../../compiler/bpf/socket-options.ts";
import { textOfUtf8 } from "../vm/bytes.ts";
import { ERRNO } from "../vm/errno.ts";
import type { KernelObject } from "../vm/kernel-objects.ts";
import type { HookViewParts } from "./hook-view.ts";
import { viewStruct, type Value, type Viewed } from "./kernel-struct-view.ts";
import { handlersOf } from "./struct-ops-view.ts";
import { fromBytes, toBytes } from "./values.ts";

/** What a connection starts with where a test says nothing: the kernel's own beginning, on a path of 100 ms. */
export const FRESH: Readonly<Record<string, Value>> = {
  sndCwnd: 10,
  sndCwndClamp: 0xffff_ffff,
  sndSsthresh: 0x7fff_ffff,
  mssCache: 1448,
  advmss: 1448,
  srttUs: 100_000,
  maxPacingRate: 0xffff_ffff_ffff_ffffn,
  pacingShift: 10,
  tcpState: "established",
  family: 2,
};

/** What the congestion control keeps, field by field. */
export function stateView(object: KernelObject, layout: Layout): object {
  const bytes = object.bytes(PRIVATE_AREA).subarray(0, sizeOf(layout));
  if (layout.kind !== "struct") return {};
  return Object.defineProperties(
    {},
    Object.fromEntries(
      layout.fields.map((field) => {
        const own = bytes.subarray(field.offset, field.offset + sizeOf(field.layout));
        return [
          field.name,
          {
            enumerable: true,
            get: () => fromBytes(field.layout, own),
            set: (value: unknown) => own.set(toBytes(field.layout, value, field.name)),
          },
        ];
      }),
    ),
  );
}

/** The name in what setsockopt(TCP_CONGESTION) is given. */
export const nameIn = (value: Uint8Array): string => textOfUtf8(value).replace(/\0.*$/s, "");
/** Whether a socket option is TCP_CONGESTION, the one that a congestion control may set here. */
export const isChoice = (level: number, name: number): boolean =>
  level === SOCKET_OPTIONS.TCP_CONGESTION.level && name === SOCKET_OPTIONS.TCP_CONGESTION.number;

interface Connection extends Readonly<Record<string, unknown>> {
  readonly chosenControls: string[];
  readonly acksSent: number[];
  readonly ecnFlagsOfAcks: number[];
  readonly ecnFlags: number;
}

const internals = new WeakMap<object, HookViewParts<"tcp_congestion_ops">>();
/** What a loaded congestion control was made of; undefined for anything else. */
export const congestionParts = (view: object): HookViewParts<"tcp_congestion_ops"> | undefined => internals.get(view);

export function congestionView(parts: HookViewParts<"tcp_congestion_ops">): object {
  const { shared, name } = parts;
  const { machine } = shared;
  const viewed: Viewed = new WeakMap();
  const layout = machine.module.structOps?.find((one) => one.name === name)?.state;

  function socket(given: Readonly<Record<string, unknown>> = {}): object {
    const { state, ...fields } = given;
    const made = viewStruct(machine, viewed, "tcp_sock", { ...FRESH, ...fields }, "a TcpSock");
    const kept = layout && stateView(viewed.get(made)!, layout);
    if (kept && state) Object.assign(kept, state);
    return Object.defineProperties(made, {
      state: { enumerable: true, value: kept },
      chosenControls: { enumerable: true, value: [] },
      acksSent: { enumerable: true, value: [] },
      ecnFlagsOfAcks: { enumerable: true, value: [] },
    });
  }

  const made = {
    socket,
    ...handlersOf<Connection, "tcp_congestion_ops">(parts, {
      ops: "tcp_congestion_ops",
      viewed,
      makes: `a connection that ${name}.socket() made`,
      services: (sk) => ({
        socket: sk,
        setSockOpt(level, name, value) {
          if (!isChoice(level, name)) return ERRNO.EOPNOTSUPP;
          sk.chosenControls.push(nameIn(value));
          return 0;
        },
        sendAck(rcvNxt) {
          sk.acksSent.push(rcvNxt);
          sk.ecnFlagsOfAcks.push(sk.ecnFlags);
        },
      }),
    }),
  };
  internals.set(made, parts);
  return made;
}
