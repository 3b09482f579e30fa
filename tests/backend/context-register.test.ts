/** Where the context is copied out of r1 and put back, seen on the emitted instructions. */
import { expect, test } from "vitest";
import { backend } from "../../compiler/backend/emit.ts";
import { isaOf } from "../../compiler/bpf/isa.ts";
import { select } from "../../compiler/backend/select.ts";
import { disassemble } from "../../compiler/bpf/disassemble.ts";
import { kernels } from "../../compiler/bpf/kernels.ts";
import { checkModule } from "../../compiler/ir/check.ts";
import type { IrModule } from "../../compiler/ir/ir.ts";
import { readModule } from "../../compiler/ir/read.ts";

function moduleOf(body: string): IrModule {
  const module = readModule(
    `target mainline\nlicense "GPL"\n\nprogram sockops sock_ops 3 func p(%0.ctx: ptr ctx(sock_ops)) -> w32 {\n${body}\n}\n`,
  );
  expect(checkModule(module)).toEqual([]);
  return module;
}

/** The instructions of a program with this body, as text. */
function emitted(body: string): string[] {
  const module = moduleOf(body);
  const { module: made, diagnostics } = backend(module, kernels.mainline);
  expect(diagnostics).toEqual([]);
  const { insns } = made!.programs[0]!;
  return insns.map((_, at) => disassemble(insns, at).text);
}

const SAVE = /^r[6-9] = r1$/;
const RESTORE = /^r1 = r[6-9]$/;
const count = (text: readonly string[], what: RegExp): number => text.filter((line) => what.test(line)).length;

test("only the way with the call copies the context", () => {
  const text = emitted(`b0:
  %1: w32 = load4 %0 + 0
  %2: w32 = const 4
  %3: w32 = const 1
  branch eq %1, %2, b1, b2
b1:
  call helper sock_ops_cb_flags_set(%0, %3)
  store4 %0 + 4, %1
  return %3
b2:
  store4 %0 + 4, %2
  return %3`);
  expect(count(text, SAVE)).toBe(1);
  const decision = text.findIndex((line) => line.startsWith("if "));
  const call = text.findIndex((line) => line.startsWith("call"));
  const save = text.findIndex((line) => SAVE.test(line));
  expect(save).toBeGreaterThan(decision);
  expect(save).toBeLessThan(call);
  expect(text.slice(0, decision).join("\n"), "before it the context is read from r1").toContain("(r1 + 0x0)");
  const copy = text[save]!.slice(0, 2);
  expect(text.slice(call).join("\n"), "behind the call it is reached through the copy").toContain(`(${copy} + 0x4)`);
  expect(count(text, /^\*\(u32 \*\)\(r1 \+ 0x4\) = /), "the other way still has it in r1").toBe(1);
});

test("where a way with a call joins one without, the context is back in r1 for the next call", () => {
  const text = emitted(`b0:
  %1: w32 = load4 %0 + 0
  %2: w32 = const 4
  %3: w32 = const 1
  branch eq %1, %2, b1, b2
b1:
  call helper sock_ops_cb_flags_set(%0, %3)
  jump b3
b2:
  jump b3
b3:
  call helper sock_ops_cb_flags_set(%0, %2)
  return %3`);
  expect(count(text, SAVE)).toBe(1);
  expect(count(text, RESTORE)).toBe(1);
  const calls = text.flatMap((line, at) => (line.startsWith("call") ? [at] : []));
  const save = text.findIndex((line) => SAVE.test(line));
  const restore = text.findIndex((line) => RESTORE.test(line));
  expect(calls).toHaveLength(2);
  expect(save).toBeGreaterThan(text.findIndex((line) => line.startsWith("if ")));
  expect(save).toBeLessThan(calls[0]!);
  expect(restore).toBeGreaterThan(calls[0]!);
  expect(restore).toBeLessThan(calls[1]!);
});

test("nothing is copied where no one needs the context behind the call", () => {
  const body = `b0:
  %1: w32 = load4 %0 + 0
  call helper sock_ops_cb_flags_set(%0, %1)
  %2: w32 = const 1
  return %2`;
  const text = emitted(body);
  expect(count(text, SAVE)).toBe(0);
  expect(count(text, RESTORE)).toBe(0);
  expect(count(text, /^call/)).toBe(1);
  // The allocator would drop a copy that nobody reads, so selection itself is asked as well. (r1 = r1 passes the argument.)
  const { func } = moduleOf(body).programs[0]!;
  const { blocks } = select(func, [], isaOf(kernels.mainline));
  const copies = blocks.flatMap(({ insns }) =>
    insns.filter((insn) => insn.kind === "mov" && insn.dst !== 1 && "reg" in insn.src && insn.src.reg === 1),
  );
  expect(copies).toEqual([]);
});

test("two ways that need the copy get it once, above both", () => {
  const text = emitted(`b0:
  %1: w32 = load4 %0 + 0
  %2: w32 = const 4
  %3: w32 = const 1
  branch eq %1, %2, b1, b2
b1:
  call helper sock_ops_cb_flags_set(%0, %3)
  store4 %0 + 4, %1
  return %3
b2:
  call helper sock_ops_cb_flags_set(%0, %2)
  store4 %0 + 8, %1
  return %3`);
  expect(count(text, SAVE)).toBe(1);
  expect(text.findIndex((line) => SAVE.test(line))).toBeLessThan(text.findIndex((line) => line.startsWith("if ")));
});
