/** The functions of the language: each call has the type that is declared, and becomes the helper that it should. */
import { expect, test } from "vitest";
import { HELPERS, type HelperName } from "../../compiler/bpf/helpers.ts";
import { fromOn } from "../../compiler/bpf/kernels.ts";
import { callableSince, onlyAttachType } from "../../compiler/bpf/kinds/index.ts";
import { isAtLeast, OLDEST, type Version } from "../../compiler/bpf/verifier-rules.ts";
import { compile } from "../../compiler/compile.ts";
import { builtinNames } from "../../compiler/frontend/builtins.ts";
import { CONGESTION_CALLS } from "../../compiler/frontend/congestion-calls.ts";
import { PROGRAM_KINDS } from "../../compiler/frontend/program-kinds.ts";
import { PRIMITIVES } from "../../compiler/frontend/types.ts";

interface Row {
  readonly call: string;
  /** Of the result, in the declarations and where it is lowered; absent: it gives nothing. */
  readonly type?: string;
  /** What is done with the result; "" for what the call does by itself. */
  readonly use?: string;
  readonly helpers?: readonly HelperName[];
  /** From a module of its own. */
  readonly from?: string;
}
const CALLS: Readonly<Record<string, Row>> = {
  htons: { call: "htons(u16(ctx.mss))", type: "be16", use: "result === ctx.remotePort" },
  htonl: { call: "htonl(ctx.mss)", type: "be32", use: "result === ctx.remoteIp4" },
  htonll: { call: "htonll(u64(ctx.mss))", type: "be64", use: "ntohll(result) > 9n" },
  ntohs: { call: "ntohs(ctx.remotePort)", type: "u16", use: "result === ctx.localPort" },
  ntohl: { call: "ntohl(ctx.remoteIp4)", type: "u32", use: "result > ctx.mss" },
  ntohll: { call: "ntohll(htonll(u64(ctx.mss)))", type: "u64", use: "result > 9n" },
  min: { call: "min(ctx.mss, ctx.segsIn)", type: "u32", use: "result > 9" },
  max: { call: "max(ctx.mss, ctx.segsIn)", type: "u32", use: "result > 9" },
  clamp: { call: "clamp(ctx.mss, 3, 300)", type: "u32", use: "result > 9" },
  ipv4: { call: 'ipv4("192.0.2.1")', type: "be32", use: "result === ctx.remoteIp4" },
  ipv6: { call: 'ipv6("2001:db8::1")', type: "Ip6", use: "result[0] === ctx.remoteIp6[0]" },
  inPrefix: { call: 'inPrefix(ctx.remoteIp4, "192.0.2.0/24")', type: "boolean", use: "result" },
  cstr: { call: 'cstr("cubic", 16)', use: 'ctx.getSockOpt("TCP_CONGESTION") === result', helpers: ["getsockopt"] },
  sizeOf: { call: "sizeOf(Pair)", type: "u32", use: "result > ctx.mss" },
  atomicAdd: { call: 'atomicAdd(pair, "a", 1)', use: "" },
  setDelayedAck: {
    call: "setDelayedAck(ctx, 40_000, 2)",
    type: "i32",
    use: "result === 0",
    helpers: ["setsockopt", "setsockopt"],
    from: "tsbpf/delack",
  },
  ktimeNs: { call: "ktimeNs()", type: "u64", use: "result > 9n", helpers: ["ktime_get_ns"] },
  randomU32: { call: "randomU32()", type: "u32", use: "result > 9", helpers: ["get_prandom_u32"] },
};

/** Those that tests elsewhere are about: conversions, what makes programs and types, calls of congestion controls, and statements. */
const ELSEWHERE = new Set([
  ...Object.keys(PRIMITIVES),
  ...Object.keys(PROGRAM_KINDS),
  ...Object.keys(CONGESTION_CALLS),
  ...["struct", "array", "cstring", "param", "metric", "license", "log", "range"],
]);

test("every function has a row", () => {
  expect(Object.keys(CALLS).sort()).toEqual(
    builtinNames()
      .filter((name) => !ELSEWHERE.has(name))
      .sort(),
  );
});

test.each(Object.entries(CALLS))("%s", (name, { call, type, use = "", helpers = [], from }) => {
  const words = new Set(
    [...`${call} ${use} ${type}`.matchAll(/\b(?!cubic)[a-zA-Z]\w*(?=\()|\b(?:be|u|i)\d+\b|\bIp6\b/g)].map(
      ([word]) => word,
    ),
  );
  const mine = [...words].filter((word) => word in CALLS || /^(?:be|u|i)\d+$|^Ip6$/.test(word));
  const imported = ["ArrayMap", "license", "struct", ...mine.filter((word) => !from || word !== name)];
  const text = `
import { ${[...new Set([...imported, "u32"])].join(", ")} } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
${from ? `import { ${name} } from "${from}";` : ""}
license("GPL");
class Pair extends struct({ a: u32, b: u32 }) {}
const pairs = new ArrayMap({ value: Pair, maxEntries: 1 });
export const p = sockOps((ctx) => {
  const pair = pairs.get(0);
  ${use === "" ? `${call};` : `const result${type ? `: ${type}` : ""} = ${call};\n  if (${use}) return 1;`}
  return pair.b > 4 ? 1 : 0;
});
`;
  // Some helpers came to this kind later than the oldest kernel.
  const newest = helpers
    .flatMap((helper) => callableSince("sock_ops", onlyAttachType("sock_ops")!, helper) ?? [])
    .reduce((a, b) => (isAtLeast(b, a) ? b : a), OLDEST as Version);
  const { module, diagnostics } = compile({ path: "calls.ts", text }, { kernel: fromOn(newest) });
  expect(diagnostics.map(({ message }) => message)).toEqual([]);
  const called = module!.programs[0]!.insns.flatMap(({ code, src, imm }) => (code === 0x85 && src === 0 ? [imm] : []));
  const lookups: readonly number[] = [HELPERS.map_lookup_elem.id];
  expect(called.filter((id) => !lookups.includes(id))).toEqual(helpers.map((helper) => HELPERS[helper].id));
});
