/** A program as a test sees it: the calls of option handlers, path managers and sock_ops programs, over one model. */
import type { TcpStateName } from "../../compiler/bpf/tcp-states.ts";
import { has } from "../../compiler/bpf/kernels.ts";
import { SOCK_OPS_EVENTS, type SockOpsEventName } from "../../compiler/bpf/kinds/sock-ops.ts";
import {
  createConnection,
  nameOf,
  bytesOfIpv6,
  setFields,
  type Connection,
  type ConnectionFields,
} from "./connection.ts";
import { EventFailure, type Loaded } from "./call.ts";
import { allOf, deliver, type KernelEvent } from "./deliver.ts";
import { bytesText, type HistoryEntry } from "./history.ts";
import {
  FLAGS,
  handshakeDone,
  header,
  kernelOptions,
  requestAccepted,
  requestArrives,
  segmentArrives,
  segmentLeaves,
  stateChanges,
  timerFired,
} from "./hooks.ts";
import { connView, type ConnView } from "./conn-view.ts";
import {
  createPathModel,
  forgetSocket,
  isFullSocket,
  PATH_EVENTS,
  type PathEventArgs,
  type PathEventName,
  type PathModel,
} from "./mptcp.ts";
import { createSessionView, type SessionOptions, type SessionView } from "./session-view.ts";

type Fields = Partial<ConnectionFields>;

export interface ProgramView {
  connecting(fields?: Fields): Uint8Array | undefined;
  listening(fields?: Fields): void;
  request(options?: Uint8Array | readonly number[], fields?: Fields): Uint8Array | undefined;
  established(side: "client" | "server", fields?: Fields): void;
  write(fields?: Fields): Uint8Array | undefined;
  send(bytes: number, fields?: Fields): Uint8Array | undefined;
  receive(bytes: number, fields?: Fields): void;
  parse(bytes: Uint8Array | readonly number[], fields?: Fields): void;
  retransmitTimeout(
    fields?: Fields & { readonly backoff?: number; readonly rtoMs?: number; readonly timedOut?: boolean },
  ): void;
  changeState(to: TcpStateName, fields?: Fields): void;
  event(
    op: SockOpsEventName,
    options?: {
      readonly args?: readonly number[];
      readonly addr6?: string;
      readonly option?: Uint8Array | readonly number[];
    },
    fields?: Fields,
  ): { readonly returned: number; readonly reply: number };
  emit<E extends PathEventName>(event: E, args: PathEventArgs[E], session?: Fields): number;
  session(fields?: Fields, options?: SessionOptions): SessionView;
  on(fields?: Fields): ProgramView;
  readonly conn: ConnView;
  readonly sockOpts: Readonly<Record<string, number | string | boolean>>;
  readonly subflows: readonly object[];
  readonly logged: readonly string[];
  readonly steps: { readonly last: number; readonly max: number };
  readonly history: string;
}

/** The first 16 bytes of an option, as the patched kernel hands it over. */
function firstBytes(option: Uint8Array | readonly number[]): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set(Uint8Array.from(option).subarray(0, 16));
  return bytes;
}

interface Behind {
  readonly loaded: Loaded;
  readonly connection: Connection;
  readonly logs: readonly (readonly string[])[];
}
const internals = new WeakMap<object, Behind>();
/** What lies behind a program under test; undefined for anything else. */
export const behind = (view: object): Behind | undefined => internals.get(view);

/**
 * Several programs on one socket, in the order in which they were attached: what happens to the socket happens to all of them. The
 * first one's connection is the socket's.
 */
export function together(first: ProgramView, ...rest: readonly ProgramView[]): ProgramView {
  const all = [first, ...rest].map((view) => {
    const found = behind(view);
    if (!found) throw new TypeError("together() takes programs that load() gave");
    return found;
  });
  const programs = all.flatMap(({ loaded }) => allOf(loaded));
  const targets = new Set(programs.map(({ machine }) => machine.kernel.name));
  if (targets.size > 1)
    throw new TypeError(`one socket has one kernel: these programs are for ${[...targets].join(" and ")}`);
  const [{ others: _, ...loaded }, ...others] = programs as [Loaded, ...Loaded[]];
  const logs = [...new Set(all.flatMap((one) => one.logs))];
  return createProgramView({ ...loaded, others }, logs, undefined, createConnection(all[0]!.connection.fields));
}

export function createProgramView(
  loaded: Loaded,
  /** What was printed, by module. */
  logs: readonly (readonly string[])[],
  model?: PathModel,
  connection = createConnection(),
): ProgramView {
  const paths = model ?? createPathModel(loaded);
  const begin = (title: string, fields: Fields | undefined): HistoryEntry => {
    setFields(connection, fields);
    for (const { steps } of allOf(loaded)) steps.last = 0;
    return loaded.history.begin(loaded.program, `${title} (${nameOf(connection)})`);
  };
  const wrote = (entry: HistoryEntry, bytes: Uint8Array | undefined): Uint8Array | undefined => {
    entry.effects.push(bytes ? `writes ${bytesText(bytes)}` : "writes nothing");
    return bytes;
  };
  const leave = (title: string, payload: number, fields: Fields | undefined): Uint8Array | undefined => {
    const entry = begin(title, fields);
    if (!connection.open) return undefined;
    const bytes = segmentLeaves(
      loaded,
      connection,
      { flags: FLAGS.ack | (payload > 0 ? FLAGS.psh : 0), payload },
      entry,
    );
    return wrote(entry, bytes);
  };
  /** Nothing arrives on a connection before its handshake; who receives first is taken for the server. */
  const opened = (): void => {
    if (connection.open) return;
    const entry = loaded.history.begin(loaded.program, `established server (${nameOf(connection)})`);
    handshakeDone(loaded, connection, "server", { flags: FLAGS.ack, payload: 0 }, kernelOptions(FLAGS.ack), entry);
  };

  const view: ProgramView = {
    connecting(fields) {
      const entry = begin("connecting", { state: "synSent", ...fields });
      deliver(loaded, connection, { op: SOCK_OPS_EVENTS.TcpConnect.op }, entry);
      const { sndNxt } = connection.fields;
      return wrote(entry, segmentLeaves(loaded, connection, { flags: FLAGS.syn, payload: 0, seq: sndNxt }, entry));
    },
    listening(fields) {
      const entry = begin("listening", { state: "listen", ...fields });
      deliver(loaded, connection, { op: SOCK_OPS_EVENTS.TcpListen.op }, entry);
    },
    request(options = [], fields) {
      const entry = begin("a SYN arrives", { state: "newSynRecv", ...fields });
      const flags = FLAGS.syn | FLAGS.ack;
      const answer = () => segmentLeaves(loaded, connection, { flags, payload: 0, request: true }, entry);
      return wrote(entry, requestArrives(connection, Uint8Array.from(options), answer));
    },
    established(side, fields) {
      if (connection.fields.state === "newSynRecv") requestAccepted(loaded, connection);
      const entry = begin(`established ${side}`, fields);
      const flags = side === "client" ? FLAGS.syn | FLAGS.ack : FLAGS.ack;
      handshakeDone(loaded, connection, side, { flags, payload: 0 }, kernelOptions(flags), entry);
    },
    write: (fields) => leave("write", 0, fields),
    send: (bytes, fields) => leave(`send ${bytes} bytes`, bytes, fields),
    receive(bytes, fields) {
      setFields(connection, fields);
      opened();
      const entry = begin(`receive ${bytes} bytes`, undefined);
      segmentArrives(
        loaded,
        connection,
        { flags: FLAGS.ack | FLAGS.psh, payload: bytes },
        kernelOptions(FLAGS.ack),
        entry,
      );
    },
    parse(given, fields) {
      const bytes = Uint8Array.from(given);
      setFields(connection, fields);
      opened();
      const entry = begin(`parse ${bytesText(bytes)}`, undefined);
      const options = Uint8Array.from([...kernelOptions(FLAGS.ack), ...bytes]);
      if (options.length > 40)
        throw new EventFailure(`an option of ${bytes.length} bytes does not fit a TCP header: 28 bytes are free`);
      segmentArrives(loaded, connection, { flags: FLAGS.ack, payload: 0 }, options, entry);
    },
    retransmitTimeout(given = {}) {
      const { backoff = 0, rtoMs = 400, timedOut = false, ...fields } = given;
      const entry = begin("retransmitTimeout", { totalRetrans: connection.fields.totalRetrans + 1, ...fields });
      timerFired(loaded, connection, backoff, rtoMs, timedOut, entry);
    },
    changeState(to, fields) {
      const entry = begin(`state ${connection.fields.state} → ${to}`, fields);
      stateChanges(loaded, connection, to, entry);
      if (to === "close") {
        connection.open = false;
        forgetSocket(loaded, connection);
      }
    },
    event(name, options = {}, fields) {
      const entry = begin(name, fields);
      const row = SOCK_OPS_EVENTS[name];
      if (!row) throw new TypeError(`there is no event ${String(name)}`);
      const { kernel } = loaded.machine;
      if (!has(kernel, row.needs)) throw new TypeError(`target "${kernel.name}" has no event ${name}`);
      const packet = header(connection, { flags: FLAGS.ack, payload: 0 }, kernelOptions(FLAGS.ack), false);
      // Events of MPTCP, and those of TCP on its subflows: requests are the session's.
      const given: KernelEvent = {
        op: row.op,
        args: options.args ?? [],
        fullSocket: isFullSocket(row.op),
        ...(name.startsWith("Mptcp") ? {} : { packet }),
        ...(options.addr6 === undefined ? {} : { address6: bytesOfIpv6(options.addr6) }),
        ...(options.option === undefined ? {} : { optionData: firstBytes(options.option) }),
        ...(connection.fields.token !== 0 ? paths.served(connection.fields, row.op) : {}),
      };
      const { returned, reply } = deliver(loaded, connection, given, entry);
      return { returned, reply };
    },
    emit(event, args, session = {}) {
      if (!PATH_EVENTS.includes(event))
        throw new TypeError(`there is no event ${event} (there are ${PATH_EVENTS.join(", ")})`);
      return paths.emit(event, args, session).reply;
    },
    session: (fields = {}, options = {}) => createSessionView(paths, loaded, fields, options),
    on: (fields) => createProgramView(loaded, logs, paths, createConnection(fields)),
    get conn(): ConnView {
      return connView(connection);
    },
    get sockOpts() {
      return { ...connection.sockOpts };
    },
    get subflows() {
      return [...paths.requested];
    },
    get logged() {
      return logs.flat();
    },
    get steps() {
      const most = (of: (steps: Loaded["steps"]) => number): number =>
        Math.max(...allOf(loaded).map(({ steps }) => of(steps)));
      return { last: most(({ last }) => last), max: most(({ max }) => max) };
    },
    get history() {
      return loaded.history.tell(Infinity);
    },
  };
  internals.set(view, { loaded, connection, logs });
  return view;
}
