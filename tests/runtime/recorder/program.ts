/**
 * The recorder: a program of our own that writes down all that a `sockOps` program can see and do, event by event. It is made from
 * the tables below; a field that the language gets is recorded, or does not compile.
 */
import type { MptcpSession } from "tsbpf/mptcp";
import type { GetSockOpts, SetSockOpts, TcpConn } from "tsbpf/tcp";
import { has, kernels, type TargetName } from "../../../compiler/bpf/kernels.ts";
import { SOCKET_OPTIONS, type SocketOption } from "../../../compiler/bpf/socket-options.ts";
import { TCP_STATES, type TcpStateName } from "../../../compiler/bpf/tcp-states.ts";

type Methods = "setSockOpt" | "getSockOpt";
/** How a value of the kernel's and one of the model's compare. */
export type Compared =
  /** The same number. */
  | "same"
  /** Both 0 or neither: how large it is depends on time, devices or sysctls. */
  | "zero"
  /** Sequence numbers: the same distance from that of the side's established event. */
  | "distance"
  /** Nothing but that it never falls, on either side: counts of segments that acknowledgements take part in. */
  | "grows";

/** Fields of the context, by their names in the language. */
export const FIELDS = {
  family: "same",
  localIp4: "same",
  remoteIp4: "same",
  localIp6: "same",
  remoteIp6: "same",
  localPort: "same",
  remotePort: "same",
  state: "same",
  dataSegsIn: "same",
  dataSegsOut: "same",
  segsIn: "grows",
  segsOut: "grows",
  sndCwnd: "zero",
  sndSsthresh: "zero",
  mss: "zero",
  srttUs: "zero",
  rttMinUs: "zero",
  totalRetrans: "same",
  packetsOut: "same",
  retransOut: "same",
  lostOut: "same",
  sackedOut: "same",
  sndNxt: "distance",
  sndUna: "distance",
  rcvNxt: "distance",
  rateDelivered: "zero",
  rateIntervalUs: "zero",
  bytesAcked: "same",
  bytesReceived: "same",
} as const satisfies Record<Exclude<keyof Omit<TcpConn, symbol & keyof TcpConn>, Methods | symbol>, Compared>;
export type FieldName = keyof typeof FIELDS;

/** Socket options with a value that every event sets: those with a meaning that changes with the state. All others: socket-options.test.ts. */
export const SET = {
  TCP_USER_TIMEOUT: "5000",
  TCP_CONGESTION: '"reno"',
  TCP_BPF_IW: "10",
  TCP_BPF_SNDCWND_CLAMP: "1000",
  TCP_BPF_DELACK_MAX: "40000",
  TCP_BPF_RTO_MIN: "200000",
  TCP_DELACK_MIN_US: "2000",
  TCP_DELACK_MAX_US: "40000",
  TCP_DELACK_SEGS: "2",
} as const satisfies Partial<Record<keyof SetSockOpts, string>>;
export const GET = {
  TCP_USER_TIMEOUT: true,
  TCP_BPF_SNDCWND_CLAMP: true,
  TCP_DELACK_MIN_US: true,
  TCP_DELACK_MAX_US: true,
  TCP_DELACK_SEGS: true,
} as const satisfies Partial<Record<keyof GetSockOpts, true>>;

/** Names of states, from 1. */
export const STATES = Object.keys(TCP_STATES) as readonly TcpStateName[];
const WIDE: readonly string[] = ["bytesAcked", "bytesReceived"];
/** Small numbers: a record of the patched kernel's must fit the stack. */
const BYTES: readonly string[] = ["family", "state"];
const IP6: readonly string[] = ["localIp6", "remoteIp6"];
const BE: Readonly<Record<string, string>> = { localIp4: "be32", remoteIp4: "be32", remotePort: "be16" };
const isThere = (target: TargetName, name: keyof typeof SOCKET_OPTIONS): boolean => {
  const { needs }: SocketOption = SOCKET_OPTIONS[name];
  return needs === undefined || kernels[target].features.has(needs);
};
const stateOf = (expression: string): string =>
  Object.entries(TCP_STATES).reduceRight(
    (rest, [name, number]) => `${expression} === "${name}" ? ${number} : ${rest}`,
    "0",
  );

const typeOf = (field: string): string =>
  WIDE.includes(field) ? "u64" : IP6.includes(field) ? "array(be32, 4)" : (BE[field] ?? "u32");

export const setNames = (target: TargetName): (keyof typeof SET)[] =>
  (Object.keys(SET) as (keyof typeof SET)[]).filter((name) => isThere(target, name));
export const getNames = (target: TargetName): (keyof typeof GET)[] =>
  (Object.keys(GET) as (keyof typeof GET)[]).filter((name) => isThere(target, name));
/** The kind of the option that the recorder writes. */
export const KIND = 100;
/** Callbacks that it asks for: all. */
const ALL = {
  mainline: ["Rto", "Retrans", "State", "Rtt", "ParseAllOptions", "WriteOption"],
  patched: ["Rto", "Retrans", "State", "Rtt", "TcpOptions"],
} as const satisfies Record<TargetName, readonly string[]>;
/** Fields of MPTCP, which the patched kernel adds. */
export const MPTCP_FIELDS = {
  token: "u32",
  remoteToken: "u32",
  localKey: "u64",
  remoteKey: "u64",
  flags: "u32",
} as const satisfies Record<Exclude<keyof Omit<MptcpSession, keyof TcpConn>, Requests>, string>;
/** What is no field. Requests are for addresses that no subflow has, in events of MPTCP: nothing comes of them but the result. */
type Requests = "openSubflow" | "closeSubflow" | "setPriority" | "localAddresses" | NewRequests;
/** Those that every event answers alike: the tests of path managers have them. */
type NewRequests = "setTimer" | "announceAddress" | "withdrawAddress";
const NOBODY = "{ to: { addr: NOBODY, port: htons(9) } }";
const REQUESTS = {
  closeSubflow: `ctx.closeSubflow(${NOBODY})`,
  setPriority: `ctx.setPriority(true, ${NOBODY})`,
} as const satisfies Record<Exclude<Requests, "openSubflow" | "localAddresses" | NewRequests>, string>;

const handshakeCases = (target: TargetName): string => `
    case Op.TcpConnect: case Op.TcpListen: case Op.ActiveEstablished: case Op.PassiveEstablished:
      r.calls = ctx.setCallbacks(${ALL[target].map((name) => `Callback.${name}`).join(" | ")});
      break;
    case Op.Rto:
      r.arg0 = ctx.backoff;
      r.arg2 = ctx.timedOut ? 1 : 0;
      break;
    case Op.State: {
      const from = ctx.oldState;
      const to = ctx.newState;
      r.arg0 = ${stateOf("from")};
      r.arg1 = ${stateOf("to")};
      break;
    }`;
const CASES = {
  mainline: `
    case Op.HeaderOptionLength:
      r.option = ctx.reserveOption(4);
      break;
    case Op.WriteHeaderOption:
      r.option = ctx.storeOption(${KIND}, { value: htons(7) });
      break;
    case Op.ParseHeaderOption: {
      const found = ctx.loadOption(${KIND}, Mark);
      r.option = found ? 1000 : 0;
      break;
    }
    default:
      ctx.reply = -1;`,
  // An option's bytes are a reply of 32 bits: kind, length, 0, 7.
  patched: `
    case Op.OptionsSize:
      ctx.reply = 4;
      break;
    case Op.OptionsWrite:
      ctx.reply = ${(7 << 24) | (4 << 8) | KIND};
      break;
    case Op.MptcpFullyEstablished:
      r.arg1 = ctx.isMaster ? 1 : 0;
      ctx.reply = -1;
      break;
    case Op.MptcpAddRemoteAddress:
      r.arg0 = ntohl(ctx.remote.addr);
      r.arg1 = ntohs(ctx.remote.port);
      r.arg2 = ctx.remote.id;
      ctx.reply = -1;
      break;
    case Op.MptcpRemoveRemoteAddress:
      r.arg1 = ctx.addressId;
      ctx.reply = -1;
      break;
    case Op.MptcpSubflowEstablished: case Op.MptcpSubflowPriority:
      r.arg0 = ctx.localId;
      r.arg1 = ctx.remoteId;
      r.arg2 = ctx.backup ? 1 : 0;
      ctx.reply = -1;
      break;
    case Op.MptcpSubflowClosed:
      r.arg0 = ctx.localId;
      r.arg1 = ctx.remoteId;
      r.arg2 = ctx.error;
      ctx.reply = -1;
      break;
    case Op.MptcpAcceptSubflow:
      r.arg1 = ctx.remoteId;
      r.arg2 = ctx.backup ? 1 : 0;
      ctx.reply = -1;
      break;
    default:
      ctx.reply = -1;`,
} as const satisfies Record<TargetName, string>;

/** Source text of the recorder for the events of one target; `mptcp`: with the fields and requests of MPTCP. */
export function recorderSource(target: TargetName): string {
  const fields = Object.keys(FIELDS) as FieldName[];
  const set = setNames(target);
  const get = getNames(target);
  const words = fields.filter((name) => !BYTES.includes(name));
  const plain = words.filter((name) => !IP6.includes(name));
  const hasSessions = has(kernels[target], "event:mptcp-new-session");
  const hasOptionEvents = has(kernels[target], "tcp-option-events");
  const mptcp = hasSessions ? Object.entries(MPTCP_FIELDS) : [];
  const requests = hasSessions ? Object.entries(REQUESTS) : [];
  return `
import { array, be16, be32, i32, htons, ipv4, license, ntohl, ntohs, RingBuf, SkStorage, struct, u32, u64, u8 } from "tsbpf";
import { Callback, Op, sockOps } from "${hasSessions ? "tsbpf/mptcp" : "tsbpf/tcp"}";
license("GPL");
const NOBODY = ipv4("192.0.2.99");
class Record extends struct({
  arg0: u32, arg1: u32, arg2: u32, calls: i32, option: i32,
${words.map((name) => `  ${name}: ${typeOf(name)},`).join("\n")}
${mptcp.map(([name, type]) => `  ${name}: ${type},`).join("\n")}
${requests.map(([name]) => `  ${name}: i32,`).join("\n")}
${set.map((name) => `  set_${name}: i32,`).join("\n")}
${get.map((name) => `  get_${name}: u32,`).join("\n")}
  op: u8, stored: u8, ${BYTES.map((name) => `${name}: u8`).join(", ")},
${get.map((name) => `  has_${name}: u8,`).join("\n")}
}) {}
${hasOptionEvents ? "" : "class Mark extends struct({ value: be16 }) {}"}
export const records = new RingBuf({ value: Record, bytes: 1 << 20 });
class Seen extends struct({ events: u32 }) {}
export const seen = new SkStorage({ value: Seen });

export const recorder = sockOps((ctx) => {
  const r = new Record({ op: u8(ctx.op), family: u8(ctx.family) });
${[...plain, ...mptcp.map(([name]) => name)].map((name) => `  r.${name} = ctx.${name};`).join("\n")}
  r.localIp6 = ctx.localIp6;
  r.remoteIp6 = ctx.remoteIp6;
  const state = ctx.state;
  r.state = ${stateOf("state")};
  const count = seen.getOrCreate(ctx);
  if (count) r.stored = 1;
  r.option = 1;
  switch (ctx.op) {${handshakeCases(target)}${CASES[target]}
  }
${get
  .map(
    (name) =>
      `  const value_${name} = ctx.getSockOpt("${name}");\n  if (value_${name} !== undefined) { r.has_${name} = 1; r.get_${name} = value_${name}; }`,
  )
  .join("\n")}
${set.map((name) => `  r.set_${name} = ctx.setSockOpt("${name}", ${SET[name]});`).join("\n")}
${hasSessions ? `  if (ctx.op >= Op.MptcpNewSession) {\n${requests.map(([name, call]) => `    r.${name} = ${call};`).join("\n")}\n  }` : ""}
  records.output(r);
  return 1;
});
`;
}
