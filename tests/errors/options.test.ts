/** What a kernel cannot do for an option, or a socket option that it has not got, is an error that says so, with a remedy that works. */
import { describe, expect, test } from "vitest";
import { COMPILED } from "../../compiler/bpf/kinds/index.ts";
import { TARGETS, type TargetName } from "../../compiler/bpf/kernels.ts";
import type { Version } from "../../compiler/bpf/verifier-rules.ts";
import { compile } from "../../compiler/compile.ts";

const option = (handlers: string): string => `
import { license, struct, u8 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class Mark extends struct({ value: u8 }) {}
export const mark = tcpOption({ kind: 100, payload: Mark, established(conn) { conn.startWriting(); }, ${handlers} });
`;
const sets = (call: string): string => option(`parse(conn, option) { if (option.value === 1) conn.${call}; }`);
/** "KEY: MESSAGE" of each error; [] where it compiles. */
const errors = (text: string, target: TargetName, kernel?: Version): string[] =>
  compile({ path: "case.ts", text }, { target, ...(kernel ? { kernel } : {}) })
    .diagnostics.filter(({ severity }) => severity === "error")
    .map(({ key, message }) => `${key}: ${message}`);

test.each([
  ["read", "return ctx.remotePort === htons(1);"],
  ["written", "ctx.remotePort = htons(1); return true;"],
])("a field that came later than the oldest kernel is told of where it is %s", (_, body) => {
  const text = `
import { htons, license } from "tsbpf";
import { connectHook } from "tsbpf/connect";
license("GPL");
export const hook = connectHook({ connect4(ctx) { ${body} } });
`;
  expect(errors(text, "mainline")).toEqual([]);
  const fields = COMPILED.cgroup_sock_addr.fields as Record<string, { since?: Version }>;
  const before = fields["user_port"]!;
  try {
    fields["user_port"] = { ...before, since: "6.1" };
    expect(errors(text, "mainline")).toEqual([
      expect.stringMatching(/^needs-newer-kernel: .*[pP]ort came with Linux 6\.1/),
    ]);
    expect(errors(text, "mainline", "6.1")).toEqual([]);
  } finally {
    fields["user_port"] = before;
  }
});

describe("options of TCP", () => {
  test("the patched kernel does not tell SYN cookies", () => {
    const text = option("write(conn, option, segment) { option.value = segment.cookie ? 1 : 0; }");
    expect(errors(text, "patched")).toEqual(["needs-kernel: segment.cookie is not there on the target patched"]);
    expect(errors(text, "mainline")).toEqual([]);
  });
  test("what is sent before shows in the header, which is not made when lengths are asked", () => {
    const text = option(
      "length(conn, segment) { return segment.retransmitted ? 0 : 1; }, write(conn, option) { option.value = 1; }",
    );
    expect(errors(text, "mainline")).toEqual([expect.stringContaining("retransmitted")]);
    expect(errors(text.replace("retransmitted", "syn"), "mainline")).toEqual([]);
  });
  test("a function is given the number of bytes that came, not the segment that knows it", () => {
    const text = option(
      "length() { return 1; }, parse(conn, option, s) { if (bytes(s) === option.value) conn.stopWriting(); }, write() {}",
    )
      .replace("{ tcpOption }", "{ tcpOption, type ArrivingSegment }")
      .replace("struct, u8", "struct, u32, u8")
      .replace("class Mark", "const bytes = (s: ArrivingSegment): u32 => s.optionBytes;\nclass Mark");
    expect(errors(text, "mainline")).toEqual([
      "option-bytes: a function is not told how many bytes of the option came",
    ]);
    const mended = text
      .replace("s: ArrivingSegment", "count: u32")
      .replace("s.optionBytes", "count")
      .replace("bytes(s)", "bytes(s.optionBytes)")
      .replace(", type ArrivingSegment", "");
    expect(errors(mended, "mainline")).toEqual([]);
  });
  test("functions are given the segment that length is asked about, and the one that leaves, as one that is planned", () => {
    const want = (type: string) =>
      option("length(conn, s) { return want(s); }, write(conn, option, s) { option.value = u8(want(s) & 1); }")
        .replace("{ tcpOption }", `{ tcpOption, type ${type} }`)
        .replace("struct, u8", "struct, u32, u8")
        .replace("class Mark", `const want = (s: ${type}): u32 => (s.payload > 0 ? 1 : 0);\nclass Mark`);
    for (const target of TARGETS) expect(errors(want("PlannedSegment"), target)).toEqual([]);
    expect(errors(want("LeavingSegment"), "mainline")).toEqual([
      "type-mismatch: expected LeavingSegment, found PlannedSegment",
    ]);
  });
});

describe("socket options", () => {
  test.each([
    "length(conn) { return %; }, write(conn, option) { option.value = 1; }",
    "write(conn, option) { option.value = %; }",
  ])("what sends: %s", (handler) => {
    const text = option(handler.replace("%", 'conn.setSockOpt("TCP_NODELAY", true) === 0 ? 1 : 0'));
    expect(errors(text, "patched")).toEqual([expect.stringMatching(/^socket-option-sends: setting TCP_NODELAY/)]);
  });
  test.each([
    ['setSockOpt("TCP_NODELAY", true)', "TCP_NODELAY", "6.1"],
    ['setSockOpt("SO_BINDTOIFINDEX", 1)', "SO_BINDTOIFINDEX", "5.15"],
    ['getSockOpt("SO_MARK")', "reading SO_MARK", "5.15"],
    ['getSockOpt("TCP_KEEPIDLE")', "reading TCP_KEEPIDLE", "6.1"],
    ['setSockOpt("TCP_BPF_SOCK_OPS_CB_FLAGS", 1)', "TCP_BPF_SOCK_OPS_CB_FLAGS", "6.12"],
    ['setSockOpt("TCP_RTO_MAX_MS", 1000)', "TCP_RTO_MAX_MS", "6.15"],
    ['getSockOpt("TCP_BPF_RTO_MIN")', "reading TCP_BPF_RTO_MIN", "6.15"],
  ] as const)("%s", (call, what, since) => {
    const [error, ...others] = errors(sets(call), "mainline");
    expect(error).toBe(`needs-newer-kernel: ${what} came with Linux ${since}, and the object is for 5.10 and later`);
    expect(others).toEqual([]);
    expect(errors(sets(call), "mainline", since)).toEqual([]);
  });
  test("what is newer than the patched kernel is not there at all", () => {
    const text = sets('setSockOpt("TCP_RTO_MAX_MS", 1000)');
    expect(errors(text, "patched")).toEqual(["needs-kernel: TCP_RTO_MAX_MS is not there on the target patched"]);
  });
  test.each([
    'setSockOpt("SO_KEEPALIVE", true)',
    'getSockOpt("TCP_CONGESTION")',
    'setSockOpt("SO_BINDTODEVICE", "eth0")',
  ])("%s is there on all", (call) => {
    for (const target of TARGETS) expect(errors(sets(call), target)).toEqual([]);
  });
});
