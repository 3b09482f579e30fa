/** Calls of kernel functions, from the text of the IR to a program in the kernel. */
import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { backend } from "../../compiler/backend/emit.ts";
import type { KfuncName } from "../../compiler/bpf/kfuncs.ts";
import { kernels } from "../../compiler/bpf/kernels.ts";
import { compile } from "../../compiler/compile.ts";
import { checkModule } from "../../compiler/ir/check.ts";
import { printModule } from "../../compiler/ir/print.ts";
import { readModule } from "../../compiler/ir/read.ts";
import { readObject } from "../../compiler/object/read.ts";
import { writeObject } from "../../compiler/object/write.ts";
import { optimize } from "../../compiler/passes/pipeline.ts";
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
