/**
 * Events of MPTCP, played to the model one by one: each with the fields that the kernel showed, and where it showed none, with those that
 * it showed last. What the model then lets the program read and do must be what the kernel let it.
 */
import { SOCK_OPS_EVENTS } from "../../../compiler/bpf/kinds/sock-ops.ts";
import type { SockOpsEventName } from "../../../runtime/dsl/testing.d.ts";
import { networkOrder } from "../../../runtime/dsl/network-order.ts";
import type { ConnectionFields } from "../../../runtime/testing/connection.ts";
import { EVENT } from "./mptcp.ts";
import { openRecorder } from "./model.ts";
import { FIELDS, MPTCP_FIELDS, STATES } from "./program.ts";
import type { Recorded, Sides } from "./session.ts";

const AF_INET = 2;
const named = (number: number): SockOpsEventName =>
  Object.entries(SOCK_OPS_EVENTS).find(([, { op }]) => op === number)![0] as SockOpsEventName;

/** The event's arguments, from what the recorder read of them (kernel/README.md). */
function argumentsOf({ op, arg0, arg1, arg2, token }: Recorded): number[] {
  switch (op) {
    case EVENT.fullyEstablished:
      return [Number(token), arg1, 0, 0];
    case EVENT.acceptSubflow:
      return [Number(token), arg1, arg2, 0];
    case EVENT.addRemoteAddress:
      return [swapped(arg0), arg1, arg2, AF_INET];
    case EVENT.removeRemoteAddress:
      return [0, arg1, 0, 0];
    case EVENT.subflowClosed:
      return [arg0, arg1, 0, arg2];
    case EVENT.subflowEstablished:
    case EVENT.subflowPriority:
      return [arg0, arg1, arg2, 0];
    default:
      return [Number(token), 0, 0, 0];
  }
}
/** As the bytes of an address lie in memory. */
const swapped = (value: number): number => {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, value);
  return view.getUint32(0, true);
};

/** What there is of a socket that is not locked, too. */
const ALWAYS: ReadonlySet<string> = new Set([
  "localIp4",
  "remoteIp4",
  "localPort",
  "remotePort",
  "state",
  ...Object.keys(MPTCP_FIELDS),
]);
const WIDTHS = { localIp4: 32, remoteIp4: 32, remotePort: 16 } as const;
const WIDE: ReadonlySet<string> = new Set(["bytesAcked", "bytesReceived", "localKey", "remoteKey"]);
const isFull = ({ mss }: Recorded): boolean => Number(mss) !== 0;

/** Fields of TCP and of MPTCP that a test can set, from a record; IPv6 addresses are not played. */
function fieldsOf(one: Recorded, before: Recorded | undefined): Partial<ConnectionFields> {
  const given: Record<string, unknown> = {};
  for (const name of [...Object.keys(FIELDS), ...Object.keys(MPTCP_FIELDS)] as (keyof Recorded)[]) {
    if (name === "family" || name === "localIp6" || name === "remoteIp6") continue;
    const value = (isFull(one) || ALWAYS.has(name) || !before ? one : before)[name];
    const width = WIDTHS[name as keyof typeof WIDTHS] as 16 | 32 | undefined;
    if (width) given[name] = networkOrder(width, BigInt(value as number));
    else if (name === "state") given[name] = STATES[Number(value) - 1];
    else given[name] = WIDE.has(name) ? BigInt(value as number) : Number(value);
  }
  return given;
}

/** Every field and every answer that differs, in words. */
export async function replayDifferences(kernel: Sides): Promise<string[]> {
  const problems: string[] = [];
  for (const side of ["client", "server"] as const) {
    const { recorder, records } = await openRecorder("patched");
    const connection = recorder.on();
    // Events of TCP came before, in which the recorder set its options.
    connection.event("ActiveEstablished", {}, { state: "established" });
    let full: Recorded | undefined;
    kernel[side].forEach((one, index) => {
      connection.event(named(one.op), { args: argumentsOf(one) }, fieldsOf(one, full));
      const model = records().at(-1)!;
      for (const name of Object.keys(one))
        if (String(one[name]) !== String(model[name]))
          problems.push(
            `${side}, ${index}, ${named(one.op)}: ${name} is ${String(one[name])} in the kernel, ${String(model[name])} in the model`,
          );
      if (isFull(one)) full = one;
    });
  }
  return problems;
}
