/** `sockOptHook` as a test sees it: the kernel around the hooks (kernel/bpf/cgroup.c, __cgroup_bpf_run_filter_{set,get}sockopt). */
import { ERRNO } from "../vm/errno.ts";
import { finished, observer, type Loaded } from "./call.ts";
import { createConnection, type Connection } from "./connection.ts";
import { bytesText } from "./history.ts";
import type { SocketHandle } from "./map-views.ts";
import { connView } from "./conn-view.ts";
import type { HookViewParts } from "./hook-view.ts";

interface Call {
  readonly level: number;
  readonly optname: number;
  /** An int, or the bytes. */
  readonly value: number | Uint8Array | readonly number[];
  readonly uid?: number;
  /** A socket of an earlier call; a new one unless given. */
  readonly conn?: SocketHandle;
}
/** The kernel copies one page, and no less than 16 bytes of what is set. */
const PAGE = 4096;
const LEAST_SHOWN = 16;
const ANYONE = 1000;

const bytesOf = (value: Call["value"]): Uint8Array =>
  typeof value === "number" ? new Uint8Array(Int32Array.of(value).buffer) : Uint8Array.from(value);
const i32 = (value: bigint): number => Number(BigInt.asIntN(32, value));

export function sockOptView({ hooks, shared }: HookViewParts<"cgroup_sockopt">): object {
  const socketOf = (given: Call): Connection =>
    (given.conn?.socket as Connection | undefined) ?? createConnection({ state: "close" });

  function run(
    loaded: Loaded,
    title: string,
    given: Call,
    socket: Connection,
    shownBytes: Uint8Array,
    fields: Readonly<Record<string, number>>,
  ) {
    const { machine } = loaded;
    const uid = BigInt(given.uid ?? ANYONE);
    const entry = shared.history.begin(loaded.program, title);
    loaded.steps.last = 0;
    const outcome = machine.run(loaded.program, {
      services: { socket, uidGid: (uid << 32n) | uid, observe: observer(loaded, entry, () => "") },
      packet: shownBytes,
      read: (field) => fields[field] ?? 0,
    });
    finished(loaded, entry, outcome);
    return {
      entry,
      refused: outcome.returned === 0,
      bytes: outcome.packet ?? new Uint8Array(),
      field: (name: string): number => i32(outcome.field(name)),
    };
  }

  return {
    setsockopt(given: Call) {
      const socket = socketOf(given);
      const asked = bytesOf(given.value);
      const conn = connView(socket);
      const kernel = { errno: 0, handled: "kernel", level: given.level, optname: given.optname, value: asked, conn };
      const loaded = hooks.get("setsockopt");
      if (!loaded) return kernel;
      const shown = new Uint8Array(Math.min(Math.max(LEAST_SHOWN, asked.length), PAGE));
      shown.set(asked.subarray(0, shown.length));
      const fields = { level: given.level, optname: given.optname, optlen: asked.length };
      const title = `setsockopt ${given.level} ${given.optname} ${bytesText(asked.subarray(0, 16))}`;
      const { entry, refused, bytes, field } = run(loaded, title, given, socket, shown, fields);
      const optlen = field("optlen");
      const result = ((): object => {
        if (refused) return { ...kernel, errno: ERRNO.EPERM, handled: "program" };
        if (optlen === -1) return { ...kernel, handled: "program" };
        if (optlen > shown.length || optlen < -1)
          return asked.length > PAGE && optlen >= 0 ? kernel : { ...kernel, errno: ERRNO.EFAULT, handled: "program" };
        const value = optlen === 0 ? asked : bytes.slice(0, optlen);
        return { ...kernel, level: field("level"), optname: field("optname"), value };
      })();
      entry.effects.push(JSON.stringify({ ...result, conn: undefined, value: undefined }));
      return result;
    },

    getsockopt(given: Call & { readonly room?: number; readonly retval?: number }) {
      const socket = socketOf(given);
      const conn = connView(socket);
      const { retval = 0 } = given;
      const answer = bytesOf(given.value);
      const room = given.room ?? answer.length;
      const loaded = hooks.get("getsockopt");
      const kernel = { errno: retval, value: retval === 0 ? answer.slice(0, room) : new Uint8Array(), conn };
      if (!loaded) return kernel;
      const shown = new Uint8Array(Math.min(room, PAGE));
      // What a getsockopt that failed left there is the application's own.
      const length = retval === 0 ? answer.length : room;
      if (retval === 0) shown.set(answer.subarray(0, shown.length));
      const fields = { level: given.level, optname: given.optname, optlen: length, retval };
      const title = `getsockopt ${given.level} ${given.optname} (the kernel gives ${retval === 0 ? bytesText(answer.subarray(0, 16)) : retval})`;
      const { entry, refused, bytes, field } = run(loaded, title, given, socket, shown, fields);
      const optlen = field("optlen");
      const left = field("retval");
      const result = ((): object => {
        if (refused && left >= 0) return { ...kernel, errno: ERRNO.EPERM, value: new Uint8Array() };
        if (left < 0) return { ...kernel, errno: left, value: new Uint8Array() };
        if (optlen > shown.length || optlen < 0)
          return length > PAGE && optlen >= 0 ? kernel : { ...kernel, errno: ERRNO.EFAULT, value: new Uint8Array() };
        return { ...kernel, errno: left, value: optlen === 0 ? answer.slice(0, room) : bytes.slice(0, optlen) };
      })();
      entry.effects.push(`the application gets ${JSON.stringify({ ...result, conn: undefined, value: undefined })}`);
      return result;
    },
  };
}
