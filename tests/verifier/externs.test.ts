/** Objects that only the running kernel completes: no verdict, and why. */
import { describe, expect, test } from "vitest";
import { NEWEST } from "../../compiler/bpf/verifier-rules.ts";
import type { BpfModule, BpfProgram } from "../../compiler/module.ts";
import { listing } from "../../compiler/object/listing.ts";
import { verifyProgram } from "../../compiler/verifier/module.ts";
import { copy, exit, mapFd, mov, raw } from "./assemble.ts";

function moduleOf(program: Partial<BpfProgram>): BpfModule {
  const whole: BpfProgram = {
    name: "probe",
    section: "sockops",
    type: "sock_ops",
    attachType: 3,
    insns: [],
    relocations: [],
    lines: [],
    functions: [{ name: "probe", slot: 0 }],
    stack: 0,
    ...program,
  };
  return { license: "GPL", target: "unknown", needs: [], maps: [], globals: [], programs: [whole], sources: [] };
}
const said = (module: BpfModule): string => {
  const { result, diagnostics } = verifyProgram(module, module.programs[0]!, "mainline", NEWEST);
  expect(result.verdict).toBe("unsupported");
  expect(diagnostics.map((one) => one.severity)).toEqual(["warning"]);
  return diagnostics[0]!.message;
};

describe("what only the kernel knows", () => {
  // As clang leaves it: a local call with -1, to be filled in.
  const kfunc = moduleOf({
    insns: [copy(6, 1), raw(0x85, 0, 1, 0, -1), mov(0, 1), exit],
    externs: [{ slot: 1, name: "bpf_cast_to_kern_ctx", kind: "function" }],
  });
  test("a function of the kernel", () => {
    expect(said(kfunc)).toMatch(/cannot tell .*bpf_cast_to_kern_ctx, a function of the kernel/);
    expect(listing(kfunc)).toContain("call bpf_cast_to_kern_ctx, a function of the kernel");
  });
  test("a variable of the kernel, which without this would be the number 0", () => {
    const module = moduleOf({
      insns: [raw(0x18, 1), raw(0), mov(0, 1), exit],
      externs: [{ slot: 0, name: "LINUX_KERNEL_VERSION", kind: "variable" }],
    });
    expect(said(module)).toMatch(/LINUX_KERNEL_VERSION, a variable of the kernel/);
    expect(listing(module)).toContain("LINUX_KERNEL_VERSION, of the kernel");
  });
  test("a map that could not be read", () => {
    const module = moduleOf({
      insns: [...mapFd(1, 0), mov(0, 1), exit],
      relocations: [{ slot: 0, kind: "map", map: "outer" }],
    });
    expect(said(module)).toMatch(/the map outer, whose definition/);
  });
});
