/** Every property that handlers see is set by a test, and read by a compiled program: a reader that is forgotten would give 0. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { htonl, htons } from "tsbpf";
import {
  load,
  type CongestionControlUnderTest,
  type MapUnderTest,
  type SchedulerSession,
  type SchedulerUnderTest,
  type SockOpsUnderTest,
} from "tsbpf/testing";
import { afterAll, describe, expect, test } from "vitest";
import { findMember, kernelTypes } from "../../compiler/bpf/kernel-types.ts";
import { COMPILED } from "../../compiler/bpf/kinds/index.ts";
import { PROPERTIES, type ContextProperty } from "../../compiler/frontend/context-properties.ts";
import { ROLES, type HookName, type StructRole } from "../../compiler/frontend/roles.ts";

const folder = mkdtempSync(join(tmpdir(), "tsbpf-fields-"));
afterAll(() => rmSync(folder, { recursive: true }));

type Form = "number" | "wide" | "bool" | "be16" | "be32" | "ip6" | "state";
function formOf(role: StructRole | undefined, property: ContextProperty): Form {
  if ("member" in property) {
    const { as, member } = property.member;
    if (as !== undefined) return as === "tcp-state" ? "state" : as;
    const { type, bits } = findMember(kernelTypes(), ROLES[role!].struct, member)!;
    if (bits === 1 || (type.kind === "int" && type.bool)) return "bool";
    return type.kind === "int" && type.bytes === 8 ? "wide" : "number";
  }
  if ("segment" in property)
    return property.segment === "payload" || property.segment === "optionBytes" ? "number" : "bool";
  const { type } = property;
  if (type === "ip6") return "ip6";
  if (type.kind === "be") return type.bits === 16 ? "be16" : "be32";
  if (type.kind === "int") return type.bits === 64 ? "wide" : "number";
  return type.kind === "string" ? "state" : "bool";
}
/** The property as a number of 64 bits. */
const WORD: Readonly<Record<Form, (text: string) => string>> = {
  number: (text) => `u64(${text})`,
  wide: (text) => `u64(${text})`,
  bool: (text) => `u64(${text})`,
  be16: (text) => `u64(ntohs(${text}))`,
  be32: (text) => `u64(ntohl(${text}))`,
  ip6: (text) => `u64(ntohl(${text}[3]))`,
  state: (text) => `${text} === "lastAck" ? 1n : 0n`,
};
/** What a test sets, and the number that the program should see; each is another's only by chance. */
const VALUE: Readonly<Record<Form, (index: number) => readonly [given: unknown, seen: bigint]>> = {
  number: (index) => [1 + index, BigInt(1 + index)],
  wide: (index) => [(1n << 33n) + BigInt(index), (1n << 33n) + BigInt(index)],
  bool: () => [true, 1n],
  be16: (index) => [htons(0x1200 + index), BigInt(0x1200 + index)],
  be32: (index) => [htonl(0x0a00_0000 + index), BigInt(0x0a00_0000 + index)],
  ip6: (index) => [`2001:db8::${(0x100 + index).toString(16)}`, BigInt(0x100 + index)],
  state: () => ["lastAck", 1n],
};

/** How many numbers the narrowest place for the property tells apart. */
function roomOf(role: StructRole | undefined, property: ContextProperty): number {
  if (!("member" in property)) return 250;
  const { bits = 8 } = findMember(kernelTypes(), ROLES[role!].struct, property.member.member)!;
  return 2 ** bits - 2;
}

interface Field {
  readonly name: string;
  readonly form: Form;
  readonly given: unknown;
  readonly seen: bigint;
}
const fieldsOf = (properties: Readonly<Record<string, ContextProperty>>, role?: StructRole): readonly Field[] =>
  Object.entries(properties).map(([name, property], index) => {
    const form = formOf(role, property);
    const [given, seen] = VALUE[form](form === "number" ? index % roomOf(role, property) : index);
    return { name, form, given, seen };
  });
const given = (fields: readonly Field[]): Record<string, unknown> =>
  Object.fromEntries(fields.map((field) => [field.name, field.given]));
const seen = (fields: readonly Field[]): Record<string, bigint> =>
  Object.fromEntries(fields.map((field) => [field.name, field.seen]));

interface Module {
  readonly got: MapUnderTest<number, Record<string, bigint>>;
  readonly under: unknown;
}
/** A program that notes properties of `from`; `body` stands around the statements that do. */
async function noting(
  fields: readonly Field[],
  from: string,
  imports: string,
  body: (note: string) => string,
): Promise<Module> {
  const path = join(folder, `${from}${fields.length}-${Math.random()}.ts`);
  const note = fields.map(({ name, form }) => `got.get(0).${name} = ${WORD[form](`${from}.${name}`)};`).join("\n");
  writeFileSync(
    path,
    `import { ArrayMap, license, ntohl, ntohs, struct, u64 } from "tsbpf";\n${imports}\nlicense("GPL");
class Got extends struct({ ${fields.map(({ name }) => `${name}: u64`).join(", ")} }) {}
export const got = new ArrayMap({ value: Got, maxEntries: 1 });
export const under = ${body(note)};\n`,
  );
  return (await load(path, { target: "patched" })) as Module;
}

test("a connection and a session of the model", async () => {
  const fields = fieldsOf(PROPERTIES.session);
  const module = await noting(
    fields,
    "ctx",
    'import { Op, sockOps } from "tsbpf/mptcp";',
    (note) => `sockOps((ctx) => { if (ctx.op === Op.MptcpFullyEstablished) {\n${note}\n} return 1; })`,
  );
  const under = module.under as SockOpsUnderTest;
  const event = (set: readonly Field[]): Record<string, bigint> => {
    under.event("MptcpFullyEstablished", {}, given(set));
    return { ...module.got.get(0)! };
  };
  // The family follows from the addresses; a connection has those of one.
  const set = fields.filter(({ name }) => name !== "family");
  const [ip4, ip6] = [set.filter(({ form }) => form !== "ip6"), set.filter(({ form }) => form !== "be32")];
  expect(event(ip4)).toMatchObject({ ...seen(ip4), family: 2n });
  expect(event(ip6)).toMatchObject({ ...seen(ip6), family: 10n });
});

/** A hook: where its maker is from, what the call is given, and what follows from it for each property. */
interface Hook {
  readonly maker: string;
  readonly module: string;
  readonly call: Readonly<Record<string, unknown>>;
  readonly sees: Readonly<Record<string, bigint>>;
}
const CONNECT = {
  maker: "connectHook",
  module: "tsbpf/connect",
  call: { type: 2, protocol: 17, pid: 4321, uid: 77, remotePort: htons(0x1234) },
  sees: { type: 2n, protocol: 17n, pid: 4321n, uid: 77n, remotePort: 0x1234n },
} as const satisfies Hook;
const SOCKOPT = {
  maker: "sockOptHook",
  module: "tsbpf/sockopt",
  call: { level: 6, optname: 18, uid: 77, value: [1, 2, 3, 4, 5, 6] },
  sees: { level: 6n, optname: 18n, optlen: 6n, uid: 77n },
} as const satisfies Hook;
const HOOKS: Readonly<Record<HookName, Hook>> = {
  connect4: {
    ...CONNECT,
    call: { ...CONNECT.call, remoteIp4: htonl(0x0a01_0203) },
    sees: { ...CONNECT.sees, family: 2n, remoteIp4: 0x0a01_0203n },
  },
  connect6: {
    ...CONNECT,
    call: { ...CONNECT.call, remoteIp6: "2001:db8::77" },
    sees: { ...CONNECT.sees, family: 10n, remoteIp6: 0x77n },
  },
  setsockopt: SOCKOPT,
  getsockopt: {
    ...SOCKOPT,
    call: { ...SOCKOPT.call, retval: -92 },
    sees: { ...SOCKOPT.sees, retval: BigInt.asUintN(64, -92n) },
  },
};
describe.each(Object.entries(HOOKS) as [HookName, Hook][])("hook %s", (name, { maker, module: from, call, sees }) => {
  test("sees what it is given", async () => {
    const module = await noting(
      fieldsOf(PROPERTIES[name]),
      "ctx",
      `import { ${maker} } from "${from}";`,
      (note) => `${maker}({ ${name}(ctx) {\n${note}\nreturn true; } })`,
    );
    const under = module.under as Readonly<Record<string, (given: object) => unknown>>;
    // A view has the handlers of its whole kind.
    const { kind } = ROLES[name];
    expect(Object.keys(COMPILED[kind].hooks).filter((one) => typeof under[one] !== "function")).toEqual([]);
    under[name]!(call);
    const { cookie, ...rest } = module.got.get(0)!;
    if ("cookie" in PROPERTIES[name]) expect(cookie).not.toBe(0n);
    expect(rest).toEqual(sees);
  });
});

describe("structs of the kernel", () => {
  const IMPORTS = 'import { congestionControl, renoCongAvoid, renoSsthresh, renoUndoCwnd } from "tsbpf/cc";';
  const control = (handler: string): string => `congestionControl({
ssthresh: (sk) => renoSsthresh(sk), undoCwnd: (sk) => renoUndoCwnd(sk), congAvoid: (sk, ack, acked) => renoCongAvoid(sk, ack, acked),
${handler} })`;
  const loaded = async (role: StructRole, from: string, handler: (note: string) => string) => {
    const fields = fieldsOf(PROPERTIES[role], role);
    const module = await noting(fields, from, IMPORTS, (note) => control(handler(note)));
    return { fields, module, under: module.under as CongestionControlUnderTest<unknown> };
  };
  test("tcp_sock", async () => {
    const { fields, module, under } = await loaded("tcpSock", "sk", (note) => `init(sk) {\n${note}\n}`);
    under.init(under.socket(given(fields)));
    expect({ ...module.got.get(0)! }).toEqual(seen(fields));
  });
  test("ack_sample", async () => {
    const { fields, module, under } = await loaded(
      "ackSample",
      "sample",
      (note) => `pktsAcked(sk, sample) {\n${note}\n}`,
    );
    under.pktsAcked(under.socket(), given(fields));
    expect({ ...module.got.get(0)! }).toEqual(seen(fields));
  });
  test("rate_sample", async () => {
    const { fields, module, under } = await loaded(
      "rateSample",
      "sample",
      (note) => `congControl(sk, ack, flag, sample) {\n${note}\n}`,
    );
    under.congControl(under.socket(), 1, 0, given(fields));
    expect({ ...module.got.get(0)! }).toEqual(seen(fields));
  });

  const SCHEDULER = 'import { scheduler } from "tsbpf/mptcp";';
  /** A scheduler that notes in each choice, and the numbers that it has noted of a session which `make` makes. */
  const chooses = async (
    role: StructRole,
    from: string,
    body: (note: string) => string,
    make: (it: SchedulerUnderTest, fields: Record<string, unknown>) => SchedulerSession,
  ): Promise<void> => {
    const fields = fieldsOf(PROPERTIES[role], role);
    const handler = (note: string): string => `scheduler({ getSend(session) { ${body(note)} return false; } })`;
    const module = await noting(fields, from, SCHEDULER, handler);
    const under = module.under as SchedulerUnderTest;
    under.getSend(make(under, given(fields)));
    expect({ ...module.got.get(0)! }).toEqual(seen(fields));
  };
  test("mptcp_sock", () =>
    chooses(
      "mptcpSock",
      "session",
      (note) => note,
      (it, fields) => it.session(fields),
    ));
  test("mptcp_subflow_context", () =>
    chooses(
      "subflow",
      "subflow",
      (note) => `for (const subflow of session.subflows(1)) { ${note} }`,
      (it, fields) => it.session({ subflows: [fields] }),
    ));
  test("tcp_sock of a subflow", () =>
    chooses(
      "subflowTcp",
      "tcp",
      (note) => `for (const subflow of session.subflows(1)) { const tcp = subflow.tcp; if (tcp) { ${note} } }`,
      (it, tcp) => it.session({ subflows: [{ tcp }] }),
    ));
});
