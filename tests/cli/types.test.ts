/** `tsbpf types`. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { btfBuilder } from "../../compiler/object/btf.ts";
import { root } from "../programs.ts";
import { inFolder, tsbpf } from "./run.ts";

/** struct outer { struct inner part; struct outer *next; u32 : 1; u32 flag : 2; s32 list[3]; }, the inner one with a part that has no name. */
function smallKernel(): Uint8Array {
  const btf = btfBuilder();
  const u32 = btf.add({ kind: "int", name: "u32", size: 4, bits: 32, signed: false });
  const s32 = btf.add({ kind: "int", name: "s32", size: 4, bits: 32, signed: true });
  const member = (name: string, type: number, offset: number, bits = 0) => ({ name, type, offset, bits });
  const half = btf.add({ kind: "struct", name: "", size: 4, members: [member("b", u32, 0)] });
  const inner = btf.add({
    kind: "struct",
    name: "inner",
    size: 8,
    members: [member("a", u32, 0), member("", half, 32)],
  });
  const list = btf.add({ kind: "array", element: s32, index: u32, length: 3 });
  // The struct that follows the pointer to it.
  const next = btf.add({ kind: "ptr", type: list + 2 });
  const members = [
    member("part", inner, 0),
    member("next", next, 64),
    member("flag", u32, 129, 2),
    member("list", list, 160),
  ];
  btf.add({ kind: "struct", name: "outer", size: 32, members });
  return btf.finish();
}

describe("types", () => {
  test("says of an object what build --types writes beside it, and of its source the same", () => {
    inFolder((cwd) => {
      const source = join(root, "programs/user-timeout.ts");
      expect(tsbpf(["build", "--types", source], { cwd }).code).toBe(0);
      const written = readFileSync(join(cwd, "user-timeout.d.ts"), "utf8");
      expect(written).toContain("readonly timeoutSeconds: number;");
      expect(tsbpf(["types", "user-timeout.o"], { cwd }).stdout).toBe(written);
      expect(tsbpf(["types", source], { cwd }).stdout).toBe(written);
    });
  });

  test("has layouts as JSON", () => {
    const { code, stdout } = tsbpf(["types", "--json", "programs/user-timeout.ts"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      params: expect.arrayContaining([
        { name: "timeoutSeconds", layout: { kind: "int", bits: 16, signed: false } },
      ]) as unknown,
    });
  });

  test("declares structs of a kernel, and those that lie in them, as TypeScript reads them", () => {
    inFolder((cwd) => {
      writeFileSync(join(cwd, "kernel.btf"), smallKernel());
      const { code, stdout } = tsbpf(["types", "vmlinux", "outer", "--btf", "kernel.btf"], { cwd });
      expect(code).toBe(0);
      expect(stdout.replace(/^.*\n/, "")).toBe(
        [
          'import type { i32, u32, u64 } from "tsbpf";',
          "",
          "/** struct outer, 32 bytes. */",
          "export interface outer {",
          "  /** At 0, 8 bytes. */",
          "  readonly part: inner;",
          "  /** At 8, 8 bytes, a pointer to struct outer. */",
          "  readonly next: u64;",
          "  /** At 16, 2 bits from bit 1 on. */",
          "  readonly flag: u32;",
          "  /** At 20, 12 bytes, 3 elements. */",
          "  readonly list: readonly i32[];",
          "}",
          "",
          "/** struct inner, 8 bytes. */",
          "export interface inner {",
          "  /** At 0, 4 bytes. */",
          "  readonly a: u32;",
          "  /** At 4, 4 bytes. */",
          "  readonly b: u32;",
          "}",
          "",
        ].join("\n"),
      );
      const { stdout: layouts } = tsbpf(["types", "vmlinux", "inner", "--json", "--btf", "kernel.btf"], { cwd });
      expect(JSON.parse(layouts)).toMatchObject({ inner: { bytes: 8 } });
      const missing = tsbpf(["types", "vmlinux", "oter", "--btf", "kernel.btf"], { cwd });
      expect(missing).toMatchObject({
        code: 1,
        stdout: "",
        stderr: expect.stringContaining("is it outer?") as unknown,
      });
      expect(tsbpf(["types", "vmlinux"], { cwd })).toMatchObject({ code: 1, stdout: "" });
      expect(tsbpf(["types", "text.o", "outer"], { cwd })).toMatchObject({ code: 1, stdout: "" });
    });
  });

  test("of a wrong source it says what is wrong, of another file that it is no object", () => {
    inFolder((cwd) => {
      writeFileSync(join(cwd, "wrong.ts"), "export const a = 1.5;\n");
      writeFileSync(join(cwd, "text.o"), "no ELF");
      expect(tsbpf(["types", "wrong.ts"], { cwd })).toMatchObject({ code: 1, stdout: "" });
      expect(tsbpf(["types", "text.o"], { cwd })).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("error[bad-object]") as unknown,
      });
    });
  });
});
