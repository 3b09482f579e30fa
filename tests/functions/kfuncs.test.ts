/** Calls of kernel functions, from the text of the IR to a program in the kernel. */
import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { backend } from "../../compiler/backend/emit.ts";
import { HELPERS } from "../../compiler/bpf/helpers.ts";
import type { KfuncName } from "../../compiler/bpf/kfuncs.ts";
import { kernels } from "../../compiler/bpf/kernels.ts";
import { compile } from "../../compiler/compile.ts";
import type { CongestionCall } from "../../compiler/frontend/congestion-calls.ts";
import { checkModule } from "../../compiler/ir/check.ts";
import { printModule } from "../../compiler/ir/print.ts";
import { readModule } from "../../compiler/ir/read.ts";
import { readObject } from "../../compiler/object/read.ts";
import { writeObject } from "../../compiler/object/write.ts";
import { optimize } from "../../compiler/passes/pipeline.ts";
import { createHistory } from "../../runtime/testing/history.ts";
import { createHost, servicesOf } from "../../runtime/testing/host.ts";
import { exportsOf, viewOf } from "../../runtime/testing/views.ts";
import { createMachine } from "../../runtime/vm/machine.ts";
import { bpftool } from "../object/kernel.ts";

const loader = bpftool();

const TEXT = `target mainline
license "GPL"

program sockops sock_ops 3 func stamps(%0.ctx: ptr ctx(sock_ops)) -> w32 {
b0:
  %1: ptr trusted(bpf_sock_ops_kern) = call kfunc bpf_cast_to_kern_ctx(%0)
  %2: w64 = const 0
  call kfunc bpf_rcu_read_lock()
  call kfunc bpf_rcu_read_unlock()
  %3: w64 = call kfunc bpf_sock_ops_enable_tx_tstamp(%1, %2)
  %4: w32 = const 1
  return %4
}
`;

/** What the program calls, in order. */
const CALLED: readonly KfuncName[] = [
  "bpf_cast_to_kern_ctx",
  "bpf_rcu_read_lock",
  "bpf_rcu_read_unlock",
  "bpf_sock_ops_enable_tx_tstamp",
];

function made(text: string) {
  const module = { ...readModule(text), sources: [{ path: "stamps.ts", text: "stamps" }] };
  expect(checkModule(module)).toEqual([]);
  expect(printModule(module)).toBe(text);
  const optimized = optimize(module, kernels.mainline, { maxInsns: 4096 });
  expect(checkModule(optimized.module)).toEqual([]);
  return backend(optimized.module, kernels.mainline).module!;
}

test("each call refers to an undefined symbol of the function's name, and reads back so", () => {
  const module = made(TEXT);
  const names = module.programs[0]!.externs!.map(({ name }) => name);
  expect(names).toEqual(CALLED);
  const { module: read } = readObject(writeObject(module));
  expect(read!.programs[0]!.externs).toEqual(module.programs[0]!.externs);
});

for (const [what, from, to, message] of [
  ["an unknown name", "bpf_rcu_read_lock()", "bpf_make_coffee()", "unknown kernel function"],
  ["an argument too few", "tstamp(%1, %2)", "tstamp(%1)", "takes 2 arguments, not 1"],
  ["the context for the kernel's own", "tstamp(%1, %2)", "tstamp(%0, %2)", "must lead to bpf_sock_ops_kern"],
  ["a result of another type", "%3: w64 = call", "%3: w32 = call", "the kernel function returns w64"],
] as const)
  test(`${what} is an error of the checker`, () => {
    expect(checkModule(readModule(TEXT.replace(from, to))).join("\n")).toContain(message);
  });

/** Names of all functions of the running kernel; those that the program calls need not all be there. */
const known = existsSync("/proc/kallsyms") ? readFileSync("/proc/kallsyms", "utf8") : "";
const missing = CALLED.find((name) => !new RegExp(` ${name}\\n`).test(known));
const reason = loader.available ? missing && ` (skipped: this kernel has no ${missing})` : loader.reason;
test.skipIf(reason !== undefined)(`the kernel takes the object${reason ?? ""}`, () => {
  const module = made(TEXT);
  loader.load(writeObject(module), (pin) => {
    const shown = loader.run("prog", "dump", "xlated", "pinned", pin("stamps"));
    expect(shown).toContain("bpf_sock_ops_enable_tx_tstamp");
  });
});

/** How a congestion control says each call, and what it is in the object: a function of the kernel's, or a helper. */
const CALLS = {
  slowStart: { says: "slowStart(sk, acked)", calls: "tcp_slow_start" },
  congAvoidAi: { says: "congAvoidAi(sk, sk.sndCwnd, acked)", calls: "tcp_cong_avoid_ai" },
  renoSsthresh: { says: "renoSsthresh(sk)", calls: "tcp_reno_ssthresh" },
  renoCongAvoid: { says: "renoCongAvoid(sk, ack, acked)", calls: "tcp_reno_cong_avoid" },
  renoUndoCwnd: { says: "renoUndoCwnd(sk)", calls: "tcp_reno_undo_cwnd" },
  sendAck: { says: "sendAck(sk, ack)", calls: HELPERS.tcp_send_ack.id },
} as const satisfies Record<CongestionCall, { readonly says: string; readonly calls: KfuncName | number }>;

test.each(Object.entries(CALLS))("%s of a congestion control is that call, and the machine makes it", (name, row) => {
  const text = `
import { license } from "tsbpf";
import { congestionControl, ${name} } from "tsbpf/cc";
license("GPL");
export const cc = congestionControl({
  ssthresh: (sk) => 2,
  congAvoid(sk, ack, acked) { ${row.says}; },
  undoCwnd: (sk) => 2,
});
`;
  const { module, diagnostics } = compile({ path: "cc.ts", text });
  expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  const { insns, externs = [] } = module!.programs.find((one) => one.name.endsWith("_cong_avoid"))!;
  const calls = insns.flatMap(({ code, src, imm }, slot) => {
    if (code !== 0x85) return [];
    return [src === 0 ? imm : externs.find((extern) => extern.slot === slot)?.name];
  });
  expect(calls).toEqual([row.calls]);

  const host = createHost();
  const machine = createMachine(module!, { services: servicesOf(host, () => undefined), stepLimit: 1000 });
  const parts = { machine, host, history: createHistory(), steps: { last: 0, max: 0 } };
  const cc = viewOf(exportsOf(module!)[0]!, parts, []) as Viewed;
  expect(() => cc.congAvoid(cc.socket({ sndCwnd: 10, sndSsthresh: 20 }), 1000, 3)).not.toThrow();
});
interface Viewed {
  readonly socket: (fields: object) => object;
  readonly congAvoid: (sk: object, ack: number, acked: number) => void;
}

test("a program that calls the kernel's functions may have functions of its own that stay", () => {
  const text = `
import { license, u32 } from "tsbpf";
import { congestionControl, renoCongAvoid, renoSsthresh, renoUndoCwnd, type TcpSock } from "tsbpf/cc";
license("GPL");
function weight(sk: TcpSock, by: u32): u32 {
  if (sk.sndCwnd > 4 * by && sk.lost < by && sk.delivered > 9) return sk.sndCwnd * by + sk.lost / by;
  return renoSsthresh(sk) + sk.delivered * by;
}
export const cc = congestionControl({
  ssthresh: (sk) => weight(sk, sk.srttUs) + weight(sk, sk.advmss) + weight(sk, sk.mssCache),
  congAvoid: (sk, ack, acked) => renoCongAvoid(sk, ack, acked),
  undoCwnd: (sk) => renoUndoCwnd(sk),
});
`;
  const { module, diagnostics } = compile({ path: "cc.ts", text });
  expect(diagnostics).toEqual([]);
  expect(module!.programs[0]!.functions.map(({ name }) => name)).toEqual(["cc_ssthresh", "weight"]);
});
