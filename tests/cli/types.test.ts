/** `tsbpf types`. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { root } from "../programs.ts";
import { inFolder, tsbpf } from "./run.ts";

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
