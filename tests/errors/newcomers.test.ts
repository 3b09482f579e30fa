/**
 * Mistakes of people who are new to the language, in programs that are right without them: one mistake is one error, and the program
 * with what the remedy says in its place is right. Names that nobody uses are no matter here.
 */
import { describe, expect, test } from "vitest";
import { compile } from "../../compiler/compile.ts";

const OPTION = `import { ArrayMap, array, be16, HashMap, htonl, htons, ipv4, license, log, param, range, SkStorage, struct, u8, u16, u32, u64 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class Seen extends struct({ options: u32, bytes: u64, ports: array(u16, 4) }) {}
export const greeting = param(u16, 42);
export const seen = new SkStorage({ value: Seen });
export const slots = new ArrayMap({ value: u64, maxEntries: 4 });
export const counts = new HashMap({ key: u16, value: u32, maxEntries: 64 });
export const entries = new HashMap({ key: u32, value: Seen, maxEntries: 64 });
class Hello extends struct({ value: be16 }) {}
export const hello = tcpOption({
  kind: 66,
  payload: Hello,
  established(conn, side) {
    if (side === "client") conn.startWriting();
  },
  write(conn, option) {
    option.value = htons(greeting);
  },
  parse(conn, option, segment) {
    const own = seen.getOrCreate(conn);
    if (own === undefined) return;
    own.options += 1;
  },
});
`;
const MANAGER = `import { ipv4, license, range, u8 } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";
license("GPL");
export const manager = pathManager({
  fullyEstablished(session, isMaster) {
    if (isMaster) session.openSubflow();
  },
});
`;
const CONTROL = `import { license, max, struct, u32 } from "tsbpf";
import { congestionControl, renoCongAvoid, renoSsthresh, renoUndoCwnd } from "tsbpf/cc";
license("GPL");
class Own extends struct({ lowest: u32 }) {}
export const mine = congestionControl({
  name: "ts_mine",
  state: Own,
  init(sk) {
    sk.state.lowest = 7;
  },
  ssthresh: (sk) => renoSsthresh(sk),
  congAvoid: (sk, ack, acked) => renoCongAvoid(sk, ack, acked),
  undoCwnd: (sk) => renoUndoCwnd(sk),
});
`;
const SCHEDULER = `import { license, u32 } from "tsbpf";
import { scheduler, type MptcpSubflow } from "tsbpf/mptcp";
license("GPL");
export const quickest = scheduler({
  getSend(session) {
    let best: MptcpSubflow | undefined;
    for (const subflow of session.subflows(8)) {
      const tcp = subflow.tcp;
      if (tcp === undefined) continue;
      if (tcp.srttUs < 1000) best = subflow;
    }
    best?.schedule();
    return best !== undefined;
  },
});
`;

/** A program, the part of it that is replaced, what is written there, what is said of it, and what the remedy makes of it. */
type Row = readonly [
  what: string,
  program: string,
  part: string,
  wrong: string,
  says: Readonly<Record<string, string>>,
  right: string,
];
const COUNTED = "own.options += 1;";
const WRITTEN = "option.value = htons(greeting);";
const ROWS: readonly Row[] = [
  [
    "== null: what is missing is undefined",
    OPTION,
    "own === undefined",
    "own == null",
    { "loose-equality": "write === undefined" },
    "own === undefined",
  ],
  [
    "=== null: the value is not told missing behind it",
    OPTION,
    "own === undefined",
    "own === null",
    { "not-in-bpf": "write undefined" },
    "own === undefined",
  ],
  [
    "arithmetic with what a map may not have",
    OPTION,
    COUNTED,
    "counts.set(1, counts.get(1) + 1);",
    {
      "type-error":
        "say what counts where nothing is there: (counts.get(1) ?? 0), or test it first: const value = counts.get(1); if (value === undefined) return;",
    },
    "counts.set(1, (counts.get(1) ?? 0) + 1);",
  ],
  [
    "a field of what a map may not have",
    OPTION,
    COUNTED,
    "entries.get(1).options += 1;",
    { "type-error": "test it first: const value = entries.get(1); if (value === undefined) return;" },
    "const value = entries.get(1); if (value === undefined) return; value.options += 1;",
  ],
  [
    "! in a handler",
    OPTION,
    COUNTED,
    "const entry = entries.get(1); entry!.options += 1;",
    { "non-null-assertion": "test it first: if (entry === undefined) return;" },
    "const entry = entries.get(1); if (entry === undefined) return; entry.options += 1;",
  ],
  [
    "?. on the left side",
    OPTION,
    COUNTED,
    "const entry = entries.get(1); entry?.options = 1;",
    { "type-error": "test it first: if (entry) entry.field = …" },
    "const entry = entries.get(1); if (entry) entry.options = 1;",
  ],
  [
    "a swap",
    OPTION,
    COUNTED,
    "let a = own.options; let b: u32 = 2; [a, b] = [b, a]; own.options = a + b;",
    { destructuring: "assign one after the other: const kept = a; a = b; b = kept;" },
    "let a = own.options; let b: u32 = 2; const kept = a; a = b; b = kept; own.options = a + b;",
  ],
  [
    "fields taken apart",
    OPTION,
    COUNTED,
    "const { payload } = segment; own.options += payload;",
    { destructuring: "name each value: const payload = segment.payload" },
    "const payload = segment.payload; own.options += payload;",
  ],
  [
    "a parameter taken apart",
    OPTION,
    "parse(conn, option, segment) {",
    "parse(conn, option, { payload }) {",
    { destructuring: "take it whole, under a name, and its fields where they are used: value.payload" },
    "parse(conn, option, value) {",
  ],
  [
    "an IPv4 address as a text",
    OPTION,
    'side === "client"',
    'conn.remoteIp4 === "10.0.0.1"',
    { "not-comparable": "convert it: ipv4(…)" },
    'conn.remoteIp4 === ipv4("10.0.0.1")',
  ],
  [
    "a member of a text",
    OPTION,
    'side === "client"',
    "side.length > 5",
    { "no-member": 'a text has no members: compare it as a whole, === "client"' },
    'side === "client"',
  ],
  [
    "a state in capitals",
    OPTION,
    'side === "client"',
    'side === "Client"',
    { "type-mismatch": 'write "client"' },
    'side === "client"',
  ],
  [
    "a param that is assigned",
    OPTION,
    WRITTEN,
    "greeting = 7;",
    {
      "read-only": "load it with --param greeting=…, or copy it into a variable of your own: let own = greeting",
    },
    "let own = greeting; own = 7; option.value = htons(own);",
  ],
  [
    "a window that is assigned",
    OPTION,
    WRITTEN,
    "conn.sndCwnd = 20;",
    {
      "read-only": "what can be set goes by setSockOpt(…); to compute with it, copy it into a variable of your own",
    },
    'if (conn.setSockOpt("TCP_BPF_SNDCWND_CLAMP", 20) !== 0) option.value = htons(greeting);',
  ],
  [
    "log as a function of several values",
    OPTION,
    COUNTED,
    'log("options", own.options);',
    { "log-call": "write log`options ${own.options}` without parentheses" },
    "log`options ${own.options}`;",
  ],
  [
    "a text that was built is printed",
    OPTION,
    COUNTED,
    "const text = `port ${conn.localPort}`; \n log`${text}`;",
    { "string-built": "use string constants and compare them whole; print with log`text ${value}`" },
    "log`port ${conn.localPort}`;",
  ],
  [
    "a struct larger than the stack",
    `class Big extends struct({ bytes: array(u8, 600) }) {}\n${OPTION}`,
    COUNTED,
    "const big = new Big(); big.bytes[3] = 1;",
    {
      "stack-variable":
        "keep it in a map: const memory = new ArrayMap({ value: Big, maxEntries: 1 }) at the top level, and const big = memory.get(0) here",
    },
    "const big = memory.get(0); big.bytes[3] = 1; } }); const memory = new ArrayMap({ value: Big, maxEntries: 1 }); export const other = tcpOption({ kind: 67, payload: Hello, parse(conn, option) { log`${option.value}`;",
  ],
  [
    "an entry of a map in brackets",
    OPTION,
    COUNTED,
    "counts[3] = 1;",
    { "not-a-struct": "read with counts.get(key), write with counts.set(key, value)" },
    "counts.set(3, 1);",
  ],
  [
    "has",
    OPTION,
    COUNTED,
    "if (!counts.has(3)) counts.set(3, 1);",
    { "map-method": "write get(key) !== undefined" },
    "if (!(counts.get(3) !== undefined)) counts.set(3, 1);",
  ],
  [
    "the entry of a map as a variable",
    OPTION,
    COUNTED,
    "const count = counts.get(3); if (count !== undefined) count++;",
    { "constant-assigned": "to change the map: counts.set(3, …); to change count alone, declare it with let" },
    "const count = counts.get(3); if (count !== undefined) counts.set(3, count + 1);",
  ],
  [
    "the result of get as a variable",
    OPTION,
    COUNTED,
    "slots.get(conn.localPort) += 1n;",
    {
      "not-assignable":
        "store it: slots.set(conn.localPort, …); to change what is there: const entry = slots.ref(conn.localPort); if (entry) entry.value = …",
    },
    "const entry = slots.ref(conn.localPort); if (entry) entry.value += 1n;",
  ],
  [
    "a type that is none, in a map that is used",
    OPTION,
    "new HashMap({ key: u16, value: u32,",
    "new HashMap({ key: u16, value: number,",
    {
      "not-a-field-type": "use u8, u16, u32, i32, u64, i64, be16, be32, array(T, n), cstring(n) or a struct",
    },
    "new HashMap({ key: u16, value: u32,",
  ],
  [
    "an endless loop with statements behind it",
    OPTION,
    COUNTED,
    "while (true) {}\n own.options += 1;",
    { "unbounded-loop": "give it a constant bound: for (const i of range(count, 16))" },
    "const count = own.options; for (const i of range(count, 16)) {}\n own.options += 1;",
  ],
  [
    "a spread of a list",
    OPTION,
    COUNTED,
    "const all = [...own.ports]; own.options += all[0];",
    { spread: "list the values one by one, or loop where they come from: for (const x of …)" },
    "for (const x of own.ports) own.options += x;",
  ],
  [
    "an enum",
    `enum Kind { A, B = 5, C }\n${OPTION}`,
    COUNTED,
    "own.options += Kind.C;",
    { enum: "write constants: const Kind = { A: 0, B: 5, C: 6 } as const;" },
    COUNTED,
  ],
  [
    "a payload that is a record of types",
    OPTION,
    "class Hello extends struct({ value: be16 }) {}",
    "const Hello = { value: be16 };",
    {
      "not-constant": "types are the fields of a struct: class Name extends struct({ … }) {}",
      "type-mismatch": "declare it as a class: class Hello extends struct({ … }) {}",
    },
    "class Hello extends struct({ value: be16 }) {}",
  ],
  [
    "a payload that is an interface",
    OPTION,
    "class Hello extends struct({ value: be16 }) {}",
    "interface Hello { value: be16 }",
    { "type-mismatch": "declare it as a class: class Hello extends struct({ … }) {}" },
    "class Hello extends struct({ value: be16 }) {}",
  ],
  [
    "a payload that is an object",
    OPTION,
    "payload: Hello",
    "payload: new Hello()",
    { "type-mismatch": "write Hello" },
    "payload: Hello",
  ],
  [
    "a class that is no struct",
    OPTION,
    "class Hello extends struct({ value: be16 }) {}",
    "class Hello { value: be16; }",
    { class: "write class Hello extends struct({ field: u32 }) {}" },
    "class Hello extends struct({ value: be16 }) {}",
  ],
  [
    "a field beside the handlers",
    OPTION,
    "payload: Hello,",
    "payload: Hello, count: 0,",
    { "type-error": "what lives longer than an event is a variable at the top level: let count: u32 = 0" },
    "payload: Hello,",
  ],
  [
    "a function from the wrong module",
    OPTION,
    '"tsbpf/tcp"',
    '"tsbpf/mptcp"',
    { "type-error": "import it from tsbpf/tcp" },
    '"tsbpf/tcp"',
  ],
  [
    "a function from a module of the other target",
    MANAGER,
    '"tsbpf/mptcp"',
    '"tsbpf/tcp"',
    { "type-error": "import it from tsbpf/mptcp" },
    '"tsbpf/mptcp"',
  ],
  [
    "a module that is not there",
    MANAGER,
    '"tsbpf/mptcp"',
    '"tsbpf/multipath"',
    {
      "missing-import":
        "the modules are tsbpf/mptcp, tsbpf/tcp, tsbpf/delack, tsbpf/sockopt, tsbpf/connect, tsbpf/cc, tsbpf",
    },
    '"tsbpf/mptcp"',
  ],
  [
    "license without its import",
    MANAGER,
    "ipv4, license, range",
    "ipv4, range",
    { "type-error": 'write import { license } from "tsbpf";' },
    "ipv4, license, range",
  ],
  [
    "the local end as a text",
    MANAGER,
    "session.openSubflow()",
    'session.openSubflow({ from: { addr: "10.0.0.2" } })',
    { "type-mismatch": "convert it: ipv4(…)" },
    'session.openSubflow({ from: { addr: ipv4("10.0.0.2") } })',
  ],
  [
    "a timer of JavaScript's",
    MANAGER,
    "session.openSubflow()",
    "setTimeout(session, 1000)",
    {
      "javascript-global":
        "programs are driven by kernel events; in a path manager session.setTimer(ms) has timer(session, …) called",
    },
    "session.setTimer(1000)",
  ],
  [
    "forEach of a range",
    MANAGER,
    "session.openSubflow()",
    "range(2, 8).forEach(session)",
    { "range-outside-loop": "write for (const i of range(2, 8)) { … }" },
    "for (const i of range(2, 8)) { session.openSubflow(); }",
  ],
  [
    "a factor with a fraction",
    CONTROL,
    "renoSsthresh(sk)",
    "max(sk.sndCwnd * 0.7, 2)",
    { fraction: "multiply, then divide: (sk.sndCwnd * 7) / 10" },
    "max((sk.sndCwnd * 7) / 10, 2)",
  ],
  [
    "a field of the state without the state",
    CONTROL,
    "sk.state.lowest = 7",
    "sk.lowest = 7",
    { "no-member": "it has state.lowest" },
    "sk.state.lowest = 7",
  ],
  [
    "a handler that the kernel wants, with a state",
    CONTROL,
    "  ssthresh: (sk) => renoSsthresh(sk),\n",
    "",
    { "ops-member": "the kernel refuses one without; NewReno's is ssthresh: (sk) => renoSsthresh(sk)" },
    "  ssthresh: (sk) => renoSsthresh(sk),\n",
  ],
  [
    "what may be missing in a loop",
    SCHEDULER,
    "if (tcp === undefined) continue;",
    "",
    { "type-error": "test it first: if (tcp === undefined) continue;" },
    "if (tcp === undefined) continue;",
  ],
  [
    "what may be missing where a result is due",
    SCHEDULER,
    "best?.schedule();",
    "best.schedule();",
    { "type-error": "test it first: if (best === undefined) return false;" },
    "if (best === undefined) return false; best.schedule();",
  ],
  [
    "subflows without a bound",
    SCHEDULER,
    "subflows(8)",
    "subflows()",
    { "argument-count": "say how many there are at most: subflows(8)" },
    "subflows(8)",
  ],
];

const said = (text: string) =>
  compile({ path: "mistake.ts", text }).diagnostics.filter((one) => !one.key.startsWith("unused"));
const pairs = (text: string): (readonly string[])[] => said(text).map((one) => [one.key, one.help ?? ""]);

describe("newcomers' mistakes", () => {
  test.each(ROWS)("%s", (_, program, part, wrong, says, right) => {
    expect(program).toContain(part);
    expect(pairs(program.replace(part, () => wrong))).toEqual(Object.entries(says));
    const mended = program.replace(part, () => right).replace("enum Kind { A, B = 5, C }", "");
    expect(pairs(mended), mended).toEqual([]);
  });

  test("a name that the remedy needs is not told unused", () => {
    const wrong = OPTION.replace(WRITTEN, "option.value = greeting;");
    expect(compile({ path: "mistake.ts", text: wrong }).diagnostics.map((one) => one.key)).toEqual(["type-mismatch"]);
    const right = compile({ path: "mistake.ts", text: OPTION }).diagnostics.map((one) => one.key);
    expect(right).toContain("unused");
  });

  test("of a long list the nearest are named", () => {
    const [member] = said(OPTION.replace(WRITTEN, "if (conn.data_segs_out > 2) conn.stopWriting();"));
    expect(member!.help).toMatch(/^it has dataSegsOut, (\w+(\(\))?, ){9}…$/);
  });
});
