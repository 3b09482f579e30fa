/** `tsbpf explain`, as it is installed: from the file that the build writes. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { catalogue } from "../../compiler/diagnostics.ts";
import { root } from "../programs.ts";
import { tsbpf } from "./run.ts";

describe("explain", () => {
  test("lists every key under its topic", () => {
    const { code, stdout } = tsbpf(["explain"]);
    expect(code).toBe(0);
    const listed = [...stdout.matchAll(/^ {2}([\w-]+) +\S/gm)].map((match) => match[1]);
    expect(new Set(listed)).toEqual(new Set(Object.keys(catalogue)));
    expect(stdout).toMatch(/^Limits\n {2}unbounded-loop/m);
  });

  test("says what one means, with both examples, in lines of 80 columns", () => {
    const { code, stdout } = tsbpf(["explain", "loose-equality"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^error\[loose-equality\]: /);
    expect(stdout).toMatch(/\nWrong:\n\n[^]*mss == 1460\) ctx\.reply = 1; \/\/ <- loose-equality\n/);
    expect(stdout).toMatch(/\nRight:\n\n[^]*mss === 1460/);
    const prose = stdout.split("\n").filter((line) => !line.startsWith(" "));
    expect(Math.max(...prose.map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  test("takes a key as a report shows it, and shows what examples ask of the tests as comments", () => {
    expect(tsbpf(["explain", "error[var]:"]).stdout).toBe(tsbpf(["explain", "var"]).stdout);
    expect(tsbpf(["explain", "pin-twice"]).stdout).toContain("// other.ts: import");
    expect(tsbpf(["explain", "source-too-large"]).stdout).toContain("// 1100000 times: /");
    expect(JSON.parse(tsbpf(["explain", "--json", "unused"]).stdout)).toMatchObject({ severity: "warning" });
  });

  test("names the nearest to a mistyped one", () => {
    const { code, stderr } = tsbpf(["explain", "lose-equality"]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error\[no-such-key\].*"lose-equality"\n {2}help: the nearest names are loose-equality, /);
  });

  const script = spawnSync("script", ["--version"]).status === 0;
  test.skipIf(!script)("a report points to it, once, and on a terminal alone (script)", () => {
    const files = ["var", "throw"].map((key) => `tests/errors/cases/${key}.ts`);
    const command = `${join(root, "bin/tsbpf")} check ${files.join(" ")}`;
    const { stdout } = spawnSync("script", ["-qec", command, "/dev/null"], { cwd: root, encoding: "utf8" });
    expect(stdout.match(/"tsbpf explain [\w-]+" says more/g)).toEqual(['"tsbpf explain var" says more']);
    expect(tsbpf(["check", ...files]).stderr).not.toContain("explain");
  });
});
