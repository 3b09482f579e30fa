/** What handlers can call on what they are given: each call has the type that is declared, and becomes the helper or the kfunc that it should. */
import { expect, test } from "vitest";
import { helperName, type HelperName } from "../../compiler/bpf/helpers.ts";
import type { KfuncName } from "../../compiler/bpf/kfuncs.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import { compile } from "../../compiler/compile.ts";
import { methodsOf } from "../../compiler/frontend/contexts.ts";
import { ROLES, type Role } from "../../compiler/frontend/roles.ts";

interface Row {
  /** `$` is what it is called on. A statement where it is no value. */
  readonly call: string;
  /** Of the result, in the declarations and where it is lowered; absent: it gives nothing. */
  readonly type?: string;
  /** A condition on the result; absent: that it is not 0. */
  readonly use?: string;
  /** What is called, in order; looking a value up is left out. */
  readonly calls?: readonly (HelperName | KfuncName)[];
  /** Constants among the arguments of the last call, by register. */
  readonly args?: Readonly<Record<number, number>>;
  /** Instead of the role's. */
  readonly program?: Program;
}
interface Program {
  readonly from: string;
  readonly imports: string;
  readonly name: string;
  readonly around: (body: string) => string;
  /** What the program calls by itself, before the body and after it. */
  readonly before?: readonly HelperName[];
  readonly after?: readonly HelperName[];
}

const setSockOpt: Row = {
  call: '$.setSockOpt("TCP_KEEPIDLE", 9)',
  type: "i32",
  calls: ["setsockopt"],
  args: { 2: 6, 3: 4 },
};
const getSockOpt: Row = {
  call: '$.getSockOpt("TCP_CONGESTION") === cstr("cubic", 16)',
  type: "boolean",
  calls: ["getsockopt"],
  args: { 2: 6, 3: 13 },
};
const OPTIONS = { setSockOpt, getSockOpt };
const MPTCP: Readonly<Record<string, Row>> = {
  openSubflow: { call: "$.openSubflow()", type: "i32", calls: ["mptcp_open_subflow"], args: { 2: 0, 4: 0 } },
  closeSubflow: { call: "$.closeSubflow()", type: "i32", calls: ["mptcp_close_subflow"], args: { 2: 0, 4: 0 } },
  setPriority: { call: "$.setPriority(true)", type: "i32", calls: ["mptcp_set_priority"], args: { 4: 1 } },
  setTimer: { call: "$.setTimer(77)", type: "i32", calls: ["mptcp_set_timer"], args: { 2: 77 } },
  announceAddress: {
    call: '$.announceAddress({ addr: ipv4("192.0.2.1") })',
    type: "i32",
    calls: ["mptcp_announce_addr"],
    args: { 4: 1 },
  },
  withdrawAddress: {
    call: '$.withdrawAddress({ addr: ipv4("192.0.2.1") })',
    type: "i32",
    calls: ["mptcp_announce_addr"],
    args: { 4: 0 },
  },
  // Of a map that whoever runs the path manager fills.
  localAddresses: { call: "for (const local of $.localAddresses()) if (local.addr === $.localIp4) note();" },
};
const optval: Row = { call: "$.optval(u32)", use: "result && result.value > 7" };
const bindSource = (address: string): Row => ({ call: `$.bindSource(${address})`, type: "i32", calls: ["bind"] });

const pathManager: Program = {
  from: "tsbpf/mptcp",
  imports: "pathManager",
  name: "session",
  around: (body) => `pathManager({ fullyEstablished(session) { ${body} } })`,
};
const option: Program = {
  from: "tsbpf/tcp",
  imports: "tcpOption",
  name: "conn",
  after: ["sock_ops_cb_flags_set", "load_hdr_opt"],
  around: (body) =>
    `tcpOption({ kind: 66, payload: Pair, established(conn) { ${body} }, parse(_conn, option) { if (option.a > 7) note(); } })`,
};
/** It has its connections to itself: the socket's flags are all that it keeps. */
const writing: Program = {
  ...option,
  before: ["reserve_hdr_opt", "store_hdr_opt"],
  after: [],
  around: (
    body,
  ) => `tcpOption({ kind: 66, payload: Pair, exclusive: true, established(conn, side) { if (side === "client") { ${body} } else conn.startWriting(); },
    write(_conn, option) { option.a = 1; } })`,
};
const patchedEvents: Program = {
  from: "tsbpf/mptcp",
  imports: "Callback, sockOps",
  name: "ctx",
  around: (body) => `sockOps((ctx) => { ${body} return 1; })`,
};
const inEvent = (op: string): Program => ({
  from: "tsbpf/tcp",
  imports: "Op, sockOps",
  name: "ctx",
  around: (body) => `sockOps((ctx) => { if (ctx.op === Op.${op}) { ${body} } return 1; })`,
});
const hook = (maker: string, from: string, handler: string, type?: string): Program => ({
  from,
  imports: `${maker}${type === undefined ? "" : `, type ${type}`}`,
  name: "ctx",
  around: (body) =>
    type === undefined
      ? `${maker}({ ${handler}(ctx) { ${body} return true; } })`
      : `${maker}({ ${handler}(own) { common(own); return true; } });\nfunction common(ctx: ${type}): void { ${body} }`,
});
const congestion: Program = {
  from: "tsbpf/cc",
  imports: "congestionControl, renoCongAvoid, renoSsthresh, renoUndoCwnd",
  name: "sk",
  around: (body) => `congestionControl({ init(sk) { ${body} }, ssthresh: (sk) => renoSsthresh(sk),
    undoCwnd: (sk) => renoUndoCwnd(sk), congAvoid: (sk, ack, acked) => renoCongAvoid(sk, ack, acked) })`,
};
const scheduling: Program = {
  from: "tsbpf/mptcp",
  imports: "scheduler",
  name: "session",
  around: (body) => `scheduler({ getSend(session) { ${body} return true; } })`,
};
const ITERATES = ["bpf_iter_mptcp_subflow_new", "bpf_iter_mptcp_subflow_next"] as const;
const END = "bpf_iter_mptcp_subflow_destroy";
const ofSubflow = (method: string, kfunc: KfuncName, type?: string): Row => ({
  call: `one.${method}()`,
  ...(type === undefined ? {} : { type }),
  calls: [...ITERATES, kfunc, END],
  program: {
    ...scheduling,
    name: "one",
    around: (body) => scheduling.around(`for (const one of session.subflows(1)) { ${body} }`),
  },
});

interface OfRole {
  /** Absent: it has no methods. */
  readonly program?: Program;
  readonly methods: Readonly<Record<string, Row>>;
}
const NONE: OfRole = { methods: {} };
const TABLE: Readonly<Record<Role, OfRole>> = {
  // A connection as a function of one's own takes it.
  conn: {
    program: {
      ...option,
      imports: "tcpOption, type TcpConn",
      around: (body) => `${option.around("common(conn);")};\nfunction common(conn: TcpConn): void { ${body} }`,
    },
    methods: OPTIONS,
  },
  option: {
    program: option,
    methods: {
      ...OPTIONS,
      startWriting: { call: "$.startWriting();", calls: ["sock_ops_cb_flags_set"], program: writing },
      stopWriting: { call: "$.stopWriting();", calls: ["sock_ops_cb_flags_set"], program: writing },
      synOption: {
        call: "$.synOption(100, Pair)",
        use: "result && result.a > 7",
        calls: ["load_hdr_opt"],
        args: { 3: 10, 4: 1 },
      },
    },
  },
  planned: NONE,
  leaving: NONE,
  arriving: NONE,
  session: { program: pathManager, methods: { ...OPTIONS, ...MPTCP } },
  remote: NONE,
  local: NONE,
  ctx: {
    program: patchedEvents,
    methods: {
      ...OPTIONS,
      ...MPTCP,
      setCallbacks: {
        call: "$.setCallbacks(Callback.Rto | Callback.State)",
        type: "i32",
        calls: ["sock_ops_cb_flags_set"],
        args: { 2: 5 },
      },
      reserveOption: {
        call: "$.reserveOption(12)",
        type: "i32",
        calls: ["reserve_hdr_opt"],
        args: { 2: 12, 3: 0 },
        program: inEvent("HeaderOptionLength"),
      },
      storeOption: {
        call: "$.storeOption(100, new Pair({ a: 1, b: 2 }))",
        type: "i32",
        calls: ["store_hdr_opt"],
        args: { 3: 10, 4: 0 },
        program: inEvent("WriteHeaderOption"),
      },
      loadOption: {
        call: "$.loadOption(100, Pair)",
        use: "result && result.a > 7",
        calls: ["load_hdr_opt"],
        args: { 3: 10, 4: 0 },
        program: inEvent("ParseHeaderOption"),
      },
    },
  },
  connect: { program: hook("connectHook", "tsbpf/connect", "connect4", "ConnectCtx"), methods: OPTIONS },
  connect4: {
    program: hook("connectHook", "tsbpf/connect", "connect4"),
    methods: { ...OPTIONS, bindSource: { ...bindSource('ipv4("192.0.2.1")'), args: { 3: 16 } } },
  },
  connect6: {
    program: hook("connectHook", "tsbpf/connect", "connect6"),
    methods: { ...OPTIONS, bindSource: { ...bindSource('ipv6("2001:db8::1")'), args: { 3: 28 } } },
  },
  sockopt: { program: hook("sockOptHook", "tsbpf/sockopt", "setsockopt", "SockOptCtx"), methods: { optval } },
  setsockopt: {
    program: hook("sockOptHook", "tsbpf/sockopt", "setsockopt"),
    methods: { optval, skipKernel: { call: "$.skipKernel();" } },
  },
  getsockopt: { program: hook("sockOptHook", "tsbpf/sockopt", "getsockopt"), methods: { optval } },
  tcpSock: {
    program: congestion,
    methods: {
      setSockOpt: {
        call: '$.setSockOpt("TCP_CONGESTION", cstr("reno", 16))',
        type: "i32",
        calls: ["setsockopt"],
        args: { 2: 6, 3: 13 },
      },
    },
  },
  ackSample: NONE,
  rateSample: NONE,
  mptcpSock: {
    program: scheduling,
    methods: {
      subflows: { call: "for (const one of $.subflows(1)) if (one.subflowId > 7) note();", calls: [...ITERATES, END] },
      setTimeout: { call: "$.setTimeout();", calls: ["mptcp_set_timeout"] },
      windowEnd: { call: "$.windowEnd()", type: "u64", use: "result > 7n", calls: ["mptcp_wnd_end"] },
    },
  },
  subflow: {
    program: scheduling,
    methods: {
      schedule: ofSubflow("schedule", "mptcp_subflow_set_scheduled"),
      isActive: ofSubflow("isActive", "mptcp_subflow_active", "boolean"),
      memoryFree: ofSubflow("memoryFree", "bpf_sk_stream_memory_free", "boolean"),
    },
  },
  subflowTcp: NONE,
};
const ROWS = (Object.keys(TABLE) as Role[]).flatMap((role) =>
  Object.entries(TABLE[role].methods).map(([name, row]) => ({
    role,
    name,
    row,
    program: row.program ?? TABLE[role].program!,
  })),
);

test.each(Object.keys(ROLES) as Role[])("every method of %s has a row", (role) => {
  expect(Object.keys(TABLE[role].methods).sort()).toEqual([...methodsOf(role)].sort());
});

/** What a register holds before an instruction, if the instructions before it put a constant there. */
function constantBefore(insns: readonly RawInsn[], slot: number, register: number): number | undefined {
  for (let at = slot - 1; at >= 0; at--) {
    const { code, dst, imm } = insns[at]!;
    if (dst !== register || [1, 2, 3, 5, 6].includes(code & 7)) continue;
    return code === 0xb7 || code === 0xb4 ? imm : undefined;
  }
  return undefined;
}

test.each(ROWS)("$role: $name", ({ row, program }) => {
  const call = row.call.replaceAll("$", program.name);
  const isNumber = row.type === "i32";
  const isValue = row.type !== undefined || row.use !== undefined;
  const use = row.use ?? (isNumber ? "result !== 0" : "result");
  const body = isValue
    ? `const result${row.type ? `: ${row.type}` : ""} = ${call};\n  if (${use}) note();`
    : `${call}${call.endsWith(";") ? "" : ";"}`;
  const words = `${body} ${program.around("")}`;
  const used = ["cstr", "ipv4", "ipv6", "i32", "u64"].filter((name) => new RegExp(`\\b${name}\\b`).test(words));
  const text = `
import { ArrayMap, license, struct, u32${used.map((name) => `, ${name}`).join("")} } from "tsbpf";
import { ${program.imports} } from "${program.from}";
license("GPL");
class Pair extends struct({ a: u32, b: u32 }) {}
export const seen = new ArrayMap({ value: u32, maxEntries: 1 });
function note(): void { seen.set(0, 1); }
export const p = ${program.around(body)};
`;
  const { module, diagnostics } = compile({ path: "methods.ts", text }, { functions: "inline" });
  const said = diagnostics.filter(({ key }) => key !== "unused");
  expect(said.map(({ message }) => message)).toEqual([]);
  const { insns, externs = [] } = module!.programs[0]!;
  const kfuncs = new Map(externs.map(({ slot, name }) => [slot, name]));
  const found = insns.flatMap(({ code, src, imm }, slot) => {
    const name = code !== 0x85 ? undefined : src === 0 ? helperName(imm) : kfuncs.get(slot);
    return name === undefined || name === "map_lookup_elem" || name === "map_update_elem" ? [] : [{ name, slot }];
  });
  const { before = [], after = [] } = program;
  expect(found.map(({ name }) => name)).toEqual([...before, ...(row.calls ?? []), ...after]);
  const last = found.at(found.length - after.length - 1);
  const args = Object.keys(row.args ?? {}).map(Number);
  expect(args.map((register) => [register, constantBefore(insns, last!.slot, register)])).toEqual(
    args.map((register) => [register, row.args![register]]),
  );
});
