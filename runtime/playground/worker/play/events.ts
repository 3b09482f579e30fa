/** The events that the run panel plays: each with its usage, and what it does to the model of `tsbpf/testing`. */
import { htons, ipv4 } from "../../../dsl/index.ts";
import { SOCKET_OPTIONS } from "../../../../compiler/bpf/socket-options.ts";
import { SOCK_OPS_EVENTS, type SockOpsEventName } from "../../../../compiler/bpf/kinds/sock-ops.ts";
import { TCP_STATES, type TcpStateName } from "../../../../compiler/bpf/tcp-states.ts";
import type { ConnectionFields } from "../../../testing/connection.ts";
import type { PathEventArgs, PathEventName } from "../../../testing/mptcp.ts";
import type { PathOptions } from "../../../testing/network.ts";
import type { SubflowFate } from "../../../testing/session-view.ts";
import { simulate } from "../../../testing/simulator/simulate.ts";
import type { Stage, Viewable } from "./stage.ts";
import { bytesOf, EventError, fieldsOf, read, shown, wordAt, type ValueKind, type Words } from "./values.ts";

/** What came of an event: words, and a picture of a simulation. */
export interface Outcome {
  readonly result?: string;
  readonly svg?: string;
}
export interface EventRow {
  /** Which programs there must be. */
  readonly of: Viewable | "any" | "path-manager";
  readonly usage: string;
  readonly what: string;
  readonly play: (stage: Stage, words: Words) => Outcome | void;
}

const CONNECTION = {
  localIp4: "ip4",
  remoteIp4: "ip4",
  localPort: "number",
  remotePort: "port",
  state: "text",
  dataSegsIn: "number",
  dataSegsOut: "number",
  segsIn: "number",
  segsOut: "number",
  sndCwnd: "number",
  sndSsthresh: "number",
  mss: "number",
  srttUs: "number",
  rttMinUs: "number",
  totalRetrans: "number",
  packetsOut: "number",
  retransOut: "number",
  lostOut: "number",
  sackedOut: "number",
  sndNxt: "number",
  sndUna: "number",
  rcvNxt: "number",
  rateDelivered: "number",
  rateIntervalUs: "number",
  bytesAcked: "bigint",
  bytesReceived: "bigint",
  localIp6: "text",
  remoteIp6: "text",
  token: "number",
  remoteToken: "number",
  localKey: "bigint",
  remoteKey: "bigint",
  flags: "number",
} as const satisfies Record<keyof ConnectionFields, ValueKind>;

const ADDRESS = { addr: "ip4", addr6: "text" } as const;
const SUBFLOW = { localId: "number", remoteId: "number", backup: "boolean" } as const;
const PATH_EVENT = {
  newSession: {},
  fullyEstablished: { isMaster: "boolean" },
  closeSession: {},
  addRemoteAddress: { id: "number", port: "port", ...ADDRESS },
  removeRemoteAddress: { id: "number" },
  subflowEstablished: { ...SUBFLOW, isMaster: "boolean" },
  subflowPriority: SUBFLOW,
  subflowClosed: { ...SUBFLOW, error: "number" },
  timer: { ...SUBFLOW, isMaster: "boolean" },
  addLocalAddress: { byLink: "boolean", ...ADDRESS },
  removeLocalAddress: { byLink: "boolean", ...ADDRESS },
  acceptSubflow: { remoteId: "number", backup: "boolean" },
} as const satisfies { readonly [E in PathEventName]: Readonly<Partial<Record<keyof PathEventArgs[E], ValueKind>>> };

const connection = ({ named }: Words): Partial<ConnectionFields> => fieldsOf(named, CONNECTION);

function oneOf<T extends string>(text: string, names: readonly T[]): T {
  const found = names.find((name) => name === text);
  if (found === undefined) throw new EventError(`there is no ${text}; there is ${names.join(", ")}`);
  return found;
}
const SIDES = ["client", "server"] as const;
const namesOf = <T extends string>(of: Readonly<Record<T, unknown>>): readonly T[] => Object.keys(of) as T[];

/** What a program put on a segment, on the wire. */
function leaves(stage: Stage, what: string, options: Uint8Array | undefined): Outcome {
  stage.sent({ from: "this host", what, options: [...(options ?? [])] });
  return {};
}

/** "192.0.2.1:80" or "[2001:db8::1]:80" */
function endOf(text: string): { readonly address: string; readonly port: number; readonly six: boolean } {
  const [, six, four, port] = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):(\d+)$/i.exec(text) ?? [];
  if (port === undefined) throw new EventError(`${text} is no address with a port: 192.0.2.1:80 or [2001:db8::1]:80`);
  return { address: six ?? four!, port: Number(port), six: six !== undefined };
}

type Call = (call: object) => Readonly<Record<string, unknown>>;
const without = (outcome: Readonly<Record<string, unknown>>, name: string): Record<string, unknown> =>
  Object.fromEntries(Object.entries(outcome).filter(([each, value]) => each !== name && value !== undefined));

function optionCall(stage: Stage, words: Words, name: "setsockopt" | "getsockopt"): Outcome {
  const text = wordAt(words, 0, "text", "the option");
  const known = Object.hasOwn(SOCKET_OPTIONS, text) ? SOCKET_OPTIONS[text as keyof typeof SOCKET_OPTIONS] : undefined;
  const [level, optname] = known ? [known.level, known.number] : text.split(":").map((part) => read("number", part));
  if (level === undefined || optname === undefined)
    throw new EventError(`${text} is neither an option such as SO_PRIORITY nor LEVEL:NUMBER such as 1:12`);
  const hooks = stage.view("cgroup_sockopt") as Readonly<Record<typeof name, Call>>;
  const value = wordAt(words, 1, "number", "the value");
  const { conn } = words.named.has("new") ? {} : ((stage.kept.get("conn") as { conn?: unknown } | undefined) ?? {});
  const outcome = hooks[name]({
    level,
    optname,
    value,
    ...(conn ? { conn } : {}),
    ...fieldsOf(words.named, { uid: "number", retval: "number", room: "number" }),
  });
  stage.kept.set("conn", outcome);
  return { result: shown(without(outcome, "conn")) };
}

const PATH = { delay: "fraction", loss: "fraction", reorder: "fraction", seed: "number", strip: "number" } as const;
function pathOptions(words: Words): PathOptions {
  const { delay, strip, ...rest } = fieldsOf(words.named, PATH) as { delay?: number; strip?: number };
  return {
    ...rest,
    ...(delay === undefined ? {} : { delayMs: delay }),
    ...(strip === undefined ? {} : { strip: [strip] }),
  };
}

/** Runs something of the path, and puts what it sends on the wire. */
function over(stage: Stage, run: (network: ReturnType<Stage["network"]>) => void, options?: PathOptions): Outcome {
  const network = stage.network(options);
  const before = network.segments.length;
  run(network);
  const flags = { syn: "SYN", fin: "FIN", ack: "ACK" } as const;
  for (const one of network.segments.slice(before)) {
    const names = namesOf(flags)
      .filter((flag) => one[flag])
      .map((flag) => flags[flag]);
    const data = one.payload > 0 ? `, ${one.payload} bytes` : "";
    const fate = one.fate === "delivered" ? "" : `, ${one.fate}`;
    const to = one.from === "client" ? "server" : "client";
    stage.sent({
      from: `${one.from} → ${to}`,
      what: `${names.join(" ")}${data}${fate} at ${one.at} ms`,
      options: [...one.options],
    });
  }
  return {};
}

const SESSION = { ...CONNECTION, delay: "fraction", fate: "text" } as const;
const FATES = ["open", "fail", "refuse"] as const satisfies readonly SubflowFate[];

/** By the name that an event begins with. */
export const EVENTS: Readonly<Record<string, EventRow>> = {
  connecting: {
    of: "sock_ops",
    usage: "connecting",
    what: "this host connects: its SYN leaves",
    play: (stage, words) => leaves(stage, "SYN", stage.socket.connecting(connection(words))),
  },
  listening: {
    of: "sock_ops",
    usage: "listening",
    what: "a socket begins to listen",
    play: (stage, words) => stage.socket.listening(connection(words)),
  },
  request: {
    of: "sock_ops",
    usage: "request 1c 04 00 0a",
    what: "a SYN with these options arrives: its SYN-ACK leaves",
    play: (stage, words) => leaves(stage, "SYN ACK", stage.socket.request(bytesOf(words.given), connection(words))),
  },
  established: {
    of: "sock_ops",
    usage: "established client",
    what: "the handshake is over, for a client or a server",
    play: (stage, words) =>
      stage.socket.established(oneOf(wordAt(words, 0, "text", "client or server"), SIDES), connection(words)),
  },
  write: {
    of: "sock_ops",
    usage: "write",
    what: "a segment without data leaves",
    play: (stage, words) => leaves(stage, "ACK", stage.socket.write(connection(words))),
  },
  send: {
    of: "sock_ops",
    usage: "send 100",
    what: "a segment with so many bytes leaves",
    play(stage, words) {
      const bytes = wordAt(words, 0, "number", "the number of bytes");
      return leaves(stage, `ACK, ${bytes} bytes`, stage.socket.send(bytes, connection(words)));
    },
  },
  receive: {
    of: "sock_ops",
    usage: "receive 100",
    what: "a segment with so many bytes arrives",
    play: (stage, words) => stage.socket.receive(wordAt(words, 0, "number", "the number of bytes"), connection(words)),
  },
  parse: {
    of: "sock_ops",
    usage: "parse 1c 04 00 1e",
    what: "a segment with these option bytes arrives",
    play: (stage, words) => stage.socket.parse(bytesOf(words.given), connection(words)),
  },
  timeout: {
    of: "sock_ops",
    usage: "timeout backoff=2",
    what: "the retransmission timer fires",
    play: (stage, words) =>
      stage.socket.retransmitTimeout(
        fieldsOf(words.named, { ...CONNECTION, backoff: "number", rtoMs: "number", timedOut: "boolean" }),
      ),
  },
  state: {
    of: "sock_ops",
    usage: "state finWait1",
    what: "the connection changes its state; close ends it",
    play: (stage, words) =>
      stage.socket.changeState(
        oneOf<TcpStateName>(wordAt(words, 0, "text", "the state"), namesOf(TCP_STATES)),
        connection(words),
      ),
  },
  event: {
    of: "sock_ops",
    usage: "event Rtt 20000",
    what: "an event of the kernel's as it is, with its arguments",
    play(stage, words) {
      const name = oneOf<SockOpsEventName>(wordAt(words, 0, "text", "the event"), namesOf(SOCK_OPS_EVENTS));
      const args = words.given.slice(1).map((text) => read("number", text));
      const { returned, reply } = stage.socket.event(name, { args }, connection(words));
      return { result: `returns ${returned}, replies ${reply}` };
    },
  },
  open: {
    of: "sock_ops",
    usage: "open delay=10 loss=0",
    what: "two hosts with the program, and a path: the handshake",
    play: (stage, words) => over(stage, (network) => network.open(), pathOptions(words)),
  },
  transfer: {
    of: "sock_ops",
    usage: "transfer client 5000",
    what: "so many bytes go over the path, from client or server",
    play(stage, words) {
      const from = oneOf(wordAt(words, 0, "text", "client or server"), SIDES);
      const bytes = wordAt(words, 1, "number", "the number of bytes");
      return over(stage, (network) => network.transfer(from, bytes));
    },
  },
  close: {
    of: "sock_ops",
    usage: "close",
    what: "the connection over the path is closed",
    play: (stage) => over(stage, (network) => network.close()),
  },
  session: {
    of: "path-manager",
    usage: "session token=7 fate=open",
    what: "an MPTCP session; its subflows open, fail or are refused",
    play(stage, words) {
      const { delay, fate = "open", ...fields } = fieldsOf(words.named, SESSION) as { delay?: number; fate?: string };
      const outcome = oneOf(fate, FATES);
      stage.kept.set("session", true);
      stage.openSession(fields, { subflow: () => outcome, ...(delay === undefined ? {} : { delayMs: delay }) });
    },
  },
  establish: {
    of: "path-manager",
    usage: "establish",
    what: "its first subflow is up",
    play: (stage) => stage.session.establish(),
  },
  announce: {
    of: "path-manager",
    usage: "announce id=1 addr=198.51.100.2",
    what: "the peer announces an address",
    play: ({ session }, { named }) =>
      session.announce(fieldsOf(named, PATH_EVENT.addRemoteAddress) as unknown as PathEventArgs["addRemoteAddress"]),
  },
  withdraw: {
    of: "path-manager",
    usage: "withdraw 1",
    what: "the peer withdraws an address: its subflows close",
    play: ({ session }, words) => session.withdraw(wordAt(words, 0, "number", "the address id")),
  },
  settle: {
    of: "path-manager",
    usage: "settle",
    what: "the subflows that were asked for open, or fail",
    play: ({ session }) => session.settle(),
  },
  arrives: {
    of: "path-manager",
    usage: "arrives 100000",
    what: "bytes arrive on the first subflow, or on that one",
    play({ session }, words) {
      const index = words.given[1];
      session.transfer(
        wordAt(words, 0, "number", "the number of bytes"),
        index === undefined ? undefined : read("number", index),
      );
    },
  },
  break: {
    of: "path-manager",
    usage: "break 0 110",
    what: "a subflow breaks, with that errno",
    play: ({ session }, words) =>
      session.breakSubflow(
        wordAt(words, 0, "number", "the subflow"),
        words.given[1] === undefined ? undefined : read("number", words.given[1]),
      ),
  },
  local: {
    of: "path-manager",
    usage: "local added addr=192.0.2.7",
    what: "this host gains or loses an address",
    play: ({ session }, words) =>
      session.localAddress(
        oneOf(wordAt(words, 0, "text", "added or removed"), ["added", "removed"] as const),
        fieldsOf(words.named, PATH_EVENT.addLocalAddress),
      ),
  },
  accept: {
    of: "path-manager",
    usage: "accept remoteId=1",
    what: "the peer opens a subflow",
    play: ({ session }, { named }) => ({
      result: session.accept(fieldsOf(named, PATH_EVENT.acceptSubflow)) ? "accepted" : "refused",
    }),
  },
  end: {
    of: "path-manager",
    usage: "end",
    what: "the session closes",
    play: ({ session }) => session.close(),
  },
  emit: {
    of: "path-manager",
    usage: "emit fullyEstablished isMaster=true",
    what: "one event of the path manager as it is",
    play(stage, words) {
      const name = oneOf<PathEventName>(wordAt(words, 0, "text", "the event"), namesOf(PATH_EVENT));
      const kinds: Readonly<Record<string, ValueKind>> = PATH_EVENT[name];
      const own = new Map([...words.named].filter(([each]) => each in kinds));
      const others = new Map([...words.named].filter(([each]) => !(each in kinds)));
      const reply = stage.socket.emit(name, fieldsOf(own, kinds), fieldsOf(others, CONNECTION));
      return { result: `replies ${reply}` };
    },
  },
  connect: {
    of: "cgroup_sock_addr",
    usage: "connect 192.0.2.1:80",
    what: "a process connects to that address",
    play(stage, words) {
      const { address, port, six } = endOf(wordAt(words, 0, "text", "the address"));
      const call = { remotePort: htons(port), ...fieldsOf(words.named, { pid: "number", uid: "number" }) };
      const hooks = stage.view("cgroup_sock_addr") as Readonly<Record<"connect4" | "connect6", Call>>;
      const outcome = six
        ? hooks.connect6({ ...call, remoteIp6: address })
        : hooks.connect4({ ...call, remoteIp4: ipv4(address) });
      return { result: shown(without(outcome, "conn")) };
    },
  },
  setsockopt: {
    of: "cgroup_sockopt",
    usage: "setsockopt SO_PRIORITY 7",
    what: "a process sets an option, by name or LEVEL:NUMBER",
    play: (stage, words) => optionCall(stage, words, "setsockopt"),
  },
  getsockopt: {
    of: "cgroup_sockopt",
    usage: "getsockopt SO_PRIORITY 7",
    what: "a process asks for an option; the kernel's answer is given",
    play: (stage, words) => optionCall(stage, words, "getsockopt"),
  },
  simulate: {
    of: "tcp_congestion_ops",
    usage: "simulate 20s rate=8mbit delay=20ms queue=27",
    what: "a connection sends over a path, in simulated time",
    play(stage, words) {
      const kinds = {
        rate: "text",
        delay: "text",
        queue: "number",
        loss: "fraction",
        ecn: "number",
        flows: "number",
      } as const;
      const { flows = 1, ...path } = fieldsOf(words.named, kinds) as { flows?: number };
      const congestionControl = stage.view("tcp_congestion_ops");
      const run = simulate({
        duration: words.given[0] ?? "20s",
        path: { rate: "8mbit", delay: "20ms", queue: 27, ...path },
        flows: Array.from({ length: flows }, (_, index) => ({ congestionControl, start: `${index * 2}s` })),
      });
      const each = run.flows.map(
        ({ goodput, retransmissions }) => `${(goodput / 1e6).toFixed(2)} Mbit/s, ${retransmissions} sent again`,
      );
      return {
        result: `${(run.utilization * 100).toFixed(1)} % of the rate is used; ${each.join("; ")}`,
        svg: run.toSvg(),
      };
    },
  },
  subflow: {
    of: "mptcp_sched_ops",
    usage: "subflow srttUs=20000 backup=false",
    what: "one more subflow of the session whose data is scheduled",
    play(stage, { named }) {
      const subflows = (stage.kept.get("subflows") as object[] | undefined) ?? [];
      const { backup = false, ...tcp } = fieldsOf(named, { ...CONNECTION, backup: "boolean" });
      stage.kept.set("subflows", [...subflows, { backup, tcp }]);
      stage.kept.delete("scheduled");
    },
  },
  schedule: {
    of: "mptcp_sched_ops",
    usage: "schedule",
    what: "the scheduler is asked which subflows send",
    play(stage) {
      const scheduler = stage.view("mptcp_sched_ops") as {
        session(fields: object): object;
        getSend(session: object): readonly { readonly subflowId: number }[];
      };
      const subflows = stage.kept.get("subflows") ?? [{}, {}];
      const session = (stage.kept.get("scheduled") as object | undefined) ?? scheduler.session({ subflows });
      stage.kept.set("scheduled", session);
      const chosen = scheduler.getSend(session).map(({ subflowId }) => subflowId);
      return { result: chosen.length === 0 ? "nothing is sent" : `subflow ${chosen.join(" and ")} sends` };
    },
  },
  clock: {
    of: "any",
    usage: "clock 1000",
    what: "so many milliseconds pass; timers of the session expire",
    play(stage, words) {
      const milliseconds = wordAt(words, 0, "fraction", "the time");
      if (stage.kept.has("session")) stage.session.advance(milliseconds);
      else for (const { loaded } of stage.sides) loaded.host.advance(milliseconds);
    },
  },
  fail: {
    of: "any",
    usage: "fail map_update_elem -12 1",
    what: "the next calls of a helper fail with that errno",
    play(stage, words) {
      const [helper, result, times] = words.given;
      if (helper === undefined || result === undefined) throw new EventError("the helper or its errno is missing");
      for (const { loaded } of stage.sides)
        loaded.host.fail(
          helper as never,
          read("number", result),
          times === undefined ? undefined : read("number", times),
        );
    },
  },
};
