import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { root } from "../programs.ts";
import { inFolder, tsbpf as start } from "./run.ts";

const ndiffports = join(root, "programs/ndiffports.ts");

/** What must hold of every failure: a clear first line, no stack trace, exit 1. */
function expectFailure(ran: { code: number | null; stdout: string; stderr: string }, key: string | RegExp): void {
  expect(ran.stderr).toMatch(typeof key === "string" ? new RegExp(`error\\[${key}\\]`) : key);
  expect(ran.stderr).not.toMatch(/\n\s+at .*:\d+:\d+\)?\n/);
  expect(ran.code).toBe(1);
}

// Both ways to start the command (tests/cli/startup.test.ts) must do the same.
const starts = [
  ["as installed", {}],
  ["without snapshot and code cache", { TSBPF_NO_CODE_CACHE: "1" }],
] as const;

describe.each(starts)("build, %s", (_how, env) => {
  const tsbpf: typeof start = (args, options) => start(args, { ...options, env: { ...env, ...options?.env } });

  test("says what it wrote", () =>
    inFolder((folder) => {
      const ran = tsbpf(["build", ndiffports], { cwd: folder });
      expect(ran).toMatchObject({ code: 0, stderr: "" });
      expect(ran.stdout).toMatch(/ndiffports\.ts → ndiffports\.o \(target patched\)/);
      expect(ran.stdout).toMatch(/ndiffports {2}section sockops, \d+ of 4096 instructions, \d+ bytes of stack/);
      expect(readFileSync(join(folder, "ndiffports.o")).subarray(0, 4)).toEqual(Buffer.from("\x7fELF"));
      expect(readdirSync(folder)).toEqual(["ndiffports.o"]);
    }));

  test("is deterministic", () =>
    inFolder((folder) => {
      tsbpf(["build", "-o", "a", ndiffports], { cwd: folder });
      tsbpf(["build", "-o", "b", ndiffports], { cwd: folder });
      expect(readFileSync(join(folder, "a/ndiffports.o"))).toEqual(readFileSync(join(folder, "b/ndiffports.o")));
    }));

  test("--json has the same facts", () =>
    inFolder((folder) => {
      const ran = tsbpf(["build", "--json", ndiffports], { cwd: folder });
      const report = JSON.parse(ran.stdout).files[0];
      expect(report).toMatchObject({ ok: true, object: "ndiffports.o", target: "patched", diagnostics: [] });
      expect(report.programs[0]).toMatchObject({ name: "ndiffports", section: "sockops", maxInstructions: 4096 });
      expect(report.needs).toContain("helper:mptcp-open-subflow");
    }));

  test("--emit asm and ir print, and write nothing", () =>
    inFolder((folder) => {
      expect(tsbpf(["build", "--emit", "asm", ndiffports], { cwd: folder }).stdout).toMatch(/exit/);
      expect(tsbpf(["build", "--emit", "ir", ndiffports], { cwd: folder }).stdout).toMatch(/mptcp_open_subflow/);
      expect(readdirSync(folder)).toEqual([]);
    }));

  test("--print-after shows a pass, and names the passes when there is none such", () =>
    inFolder((folder) => {
      expect(tsbpf(["build", "--print-after", "lower", ndiffports], { cwd: folder }).stdout).toMatch(
        /mptcp_open_subflow/,
      );
      const after = (what: string): string =>
        tsbpf(["build", "--print-after", what, ndiffports], { cwd: folder }).stdout;
      expect(after("proofs")).toBe(after("proofs/merge-blocks"));
      expect(after("proofs")).not.toBe(after("lowering"));
      const ran = tsbpf(["build", "--print-after", "nonsense", ndiffports], { cwd: folder });
      expectFailure(ran, "no-such-pass");
      expect(ran.stderr).toMatch(/lower, .*inline/);
    }));

  test("--without-passes takes names of passes that can be left out, and names them when there is none such", () =>
    inFolder((folder) => {
      const without = (names: string): ReturnType<typeof tsbpf> =>
        tsbpf(["build", "--without-passes", names, ndiffports], { cwd: folder });
      expect(without("cse,dce").stdout).toMatch(/instructions/);
      // The second one exists, and is needed.
      for (const names of ["cse,nonsense", "cse,lower-memory"]) {
        const ran = without(names);
        expectFailure(ran, "no-such-pass");
        expect(ran.stderr).toContain(`no pass that can be switched off is called "${names.slice(4)}"`);
        expect(ran.stderr).toMatch(/can be switched off: .*cse.*dce/);
        expect(ran.stderr).not.toMatch(/: .*lower-memory,/);
      }
    }));

  test("one bad file does not stop the others", () =>
    inFolder((folder) => {
      writeFileSync(join(folder, "bad.ts"), "export const = 1;\n");
      const ran = tsbpf(["build", "bad.ts", ndiffports], { cwd: folder });
      expectFailure(ran, "syntax");
      expect(existsSync(join(folder, "ndiffports.o"))).toBe(true);
      expect(existsSync(join(folder, "bad.o"))).toBe(false);
    }));

  test("a failed build leaves the object that was there", () =>
    inFolder((folder) => {
      const source = join(folder, "pm.ts");
      writeFileSync(source, readFileSync(ndiffports, "utf8"));
      expect(tsbpf(["build", "pm.ts"], { cwd: folder }).code).toBe(0);
      const before = readFileSync(join(folder, "pm.o"));
      writeFileSync(
        source,
        readFileSync(ndiffports, "utf8").replace("range(extraSubflows, 8)", "range(extraSubflows, extraSubflows)"),
      );
      expect(tsbpf(["build", "pm.ts"], { cwd: folder }).code).toBe(1);
      expect(readFileSync(join(folder, "pm.o"))).toEqual(before);
      expect(readdirSync(folder).sort()).toEqual(["pm.o", "pm.ts"]);
    }));
});

describe.each(starts)("input that is no program, %s", (_how, env) => {
  const tsbpf: typeof start = (args, options) => start(args, { ...options, env: { ...env, ...options?.env } });

  const cases: readonly (readonly [string, (folder: string) => string, string | RegExp])[] = [
    ["a missing file", () => "nowhere.ts", "cannot-read"],
    ["a directory", (folder) => (mkdirSync(join(folder, "dir.ts")), "dir.ts"), "is-a-directory"],
    ["an empty file", (folder) => (writeFileSync(join(folder, "empty.ts"), ""), "empty.ts"), "empty-file"],
    [
      "a file of comments",
      (folder) => (writeFileSync(join(folder, "c.ts"), "// nothing\n"), "c.ts"),
      /error\[[a-z-]+\]: .*program/,
    ],
    [
      "a 10 MB file",
      (folder) => (writeFileSync(join(folder, "big.ts"), "x".repeat(10 << 20)), "big.ts"),
      "file-too-large",
    ],
    [
      "a binary file",
      (folder) => (writeFileSync(join(folder, "b.ts"), Buffer.from([127, 69, 76, 70, 0, 0])), "b.ts"),
      "not-a-text-file",
    ],
    ["a syntax error", (folder) => (writeFileSync(join(folder, "s.ts"), "export const x = {;\n"), "s.ts"), "syntax"],
    [
      "a missing import",
      (folder) => (
        writeFileSync(join(folder, "i.ts"), `import { x } from "./gone.ts";\nexport const y = x;\n`),
        "i.ts"
      ),
      /error\[[a-z-]+\]: .*gone/,
    ],
    ["a dangling link", (folder) => (symlinkSync("nowhere", join(folder, "l.ts")), "l.ts"), "cannot-read"],
  ];
  test.each(cases)("%s", (_name, make, key) =>
    inFolder((folder) => {
      const ran = tsbpf(["build", make(folder)], { cwd: folder });
      expectFailure(ran, key);
      expect(readdirSync(folder).filter((file) => file.endsWith(".o"))).toEqual([]);
    }),
  );

  test("a folder that cannot be written", () =>
    inFolder((folder) => {
      writeFileSync(join(folder, "file"), "");
      expectFailure(tsbpf(["build", "-o", "file", ndiffports], { cwd: folder }), "cannot-write");
      expectFailure(tsbpf(["build", "-o", "/proc/1", ndiffports], { cwd: folder }), "cannot-write");
    }));

  test.skipIf(process.getuid?.() === 0)("a folder without the right to write (not as root, who may)", () =>
    inFolder((folder) => {
      mkdirSync(join(folder, "locked"));
      chmodSync(join(folder, "locked"), 0o500);
      expectFailure(tsbpf(["build", "-o", "locked", ndiffports], { cwd: folder }), "cannot-write");
    }),
  );

  test("a full disk", () => expectFailure(tsbpf(["build", "-o", "/dev/full/x", ndiffports]), "cannot-write"));

  test("a name with a line break draws no line of its own", () =>
    inFolder((folder) => {
      const name = "x\nerror[forged]: y";
      writeFileSync(join(folder, `${name}.ts`), readFileSync(ndiffports, "utf8"));
      const built = tsbpf(["build", "-o", name, `${name}.ts`], { cwd: folder });
      expect(built.code).toBe(0);
      writeFileSync(join(folder, `${name}.bad.ts`), "export const = ;");
      for (const args of [
        ["check", `${name}.ts`],
        ["check", `${name}.bad.ts`],
        ["disasm", join(name, `${name}.o`), join(name, `${name}.o`)],
        ["disasm", `${name}.ts`],
        ["verify", join(name, `${name}.o`)],
        ["build", "-o", `${name}.ts`, `${name}.ts`],
      ]) {
        const { stdout, stderr } = tsbpf(args, { cwd: folder });
        expect(stdout + stderr, args.join(" ")).not.toMatch(/^error\[forged\]/m);
      }
      expect(built.stdout).not.toMatch(/^error\[forged\]/m);
    }));

  test("two sources for one object", () =>
    inFolder((folder) => {
      for (const dir of ["a", "b"]) {
        mkdirSync(join(folder, dir));
        writeFileSync(join(folder, dir, "pm.ts"), readFileSync(ndiffports, "utf8"));
      }
      expectFailure(tsbpf(["build", "a/pm.ts", "b/pm.ts"], { cwd: folder }), "same-output");
    }));
});

describe.each(starts)("the command line, %s", (_how, env) => {
  const tsbpf: typeof start = (args, options) => start(args, { ...options, env: { ...env, ...options?.env } });

  test.each([
    ["no command", []],
    ["an unknown command", ["compile"]],
    ["an unknown option", ["build", "--fast", "x.ts"]],
    ["no file", ["build"]],
    ["an unknown target", ["build", "--target", "windows", "x.ts"]],
    ["a bad number", ["build", "--max-insns", "many", "x.ts"]],
  ] as const)("%s exits 2", (_name, args) => {
    const ran = tsbpf(args);
    expect(ran.code).toBe(2);
    expect(ran.stderr).not.toBe("");
  });

  test("--help and --version exit 0", () => {
    expect(tsbpf(["--help"])).toMatchObject({ code: 0, stderr: "" });
    expect(tsbpf(["build", "--help"]).stdout).toMatch(/Examples:/);
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    // The version alone on its line; then the targets with their kernels.
    expect(tsbpf(["--version"]).stdout.trimEnd().split("\n")).toEqual([
      version,
      "mainline: Linux 5.10 and later",
      "patched: Linux 6.12 with kernel/",
      expect.stringMatching(/^verifiers: Linux 5\.10, .*6\.18$/),
    ]);
  });

  test("colour only when asked for, never with NO_COLOR", () =>
    inFolder((folder) => {
      writeFileSync(join(folder, "bad.ts"), "export const = 1;\n");
      const escape = "\u001b[";
      expect(tsbpf(["check", "bad.ts"], { cwd: folder }).stderr).not.toContain(escape);
      expect(tsbpf(["check", "bad.ts"], { cwd: folder, env: { FORCE_COLOR: "1" } }).stderr).toContain(escape);
      expect(
        tsbpf(["check", "bad.ts"], { cwd: folder, env: { FORCE_COLOR: "1", NO_COLOR: "1" } }).stderr,
      ).not.toContain(escape);
    }));
});

describe("unused names", () => {
  const text = `import { license, log, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
function first(a: u32, b: u32): u32 {
  return a;
}
export const p = sockOps((ctx) => {
  const idle = ctx.mss;
  ctx.reply = first(1, 2) > 1 ? 1 : 0;
  return 1;
});
`;
  const config = (options: object, more: object = {}): string =>
    `// comments and a comma too many are fine\n${JSON.stringify({ ...more, compilerOptions: options }).slice(0, -1)},}`;
  const check = (folder: string, ...options: string[]) => {
    const ran = start(["build", "--json", ...options, "p.ts"], { cwd: folder });
    const { ok, diagnostics } = JSON.parse(ran.stdout).files[0];
    return {
      code: ran.code,
      ok,
      said: diagnostics.map((d: { key: string; severity: string }) => `${d.severity} ${d.key}`),
    };
  };
  const warnings = ["warning unused", "warning unused-parameter", "warning unused"];

  test("are warnings, and the object is written", () =>
    inFolder((folder) => {
      writeFileSync(join(folder, "p.ts"), text);
      expect(check(folder)).toEqual({ code: 0, ok: true, said: warnings });
      expect(existsSync(join(folder, "p.o"))).toBe(true);
    }));

  test("are errors with --strict", () =>
    inFolder((folder) => {
      writeFileSync(join(folder, "p.ts"), text);
      const strict = check(folder, "--strict");
      expect(strict).toEqual({ code: 1, ok: false, said: warnings.map((one) => one.replace("warning", "error")) });
      expect(existsSync(join(folder, "p.o"))).toBe(false);
    }));

  test("are errors where the user's tsconfig says so, also one that it extends", () =>
    inFolder((folder) => {
      writeFileSync(join(folder, "p.ts"), text);
      writeFileSync(join(folder, "tsconfig.json"), config({ noUnusedLocals: true }));
      expect(check(folder).said).toEqual(["error unused", "warning unused-parameter", "error unused"]);
      writeFileSync(join(folder, "base.json"), config({ noUnusedLocals: true, noUnusedParameters: true }));
      writeFileSync(join(folder, "tsconfig.json"), config({ noUnusedLocals: false }, { extends: "./base" }));
      expect(check(folder).said).toEqual(["warning unused", "error unused-parameter", "warning unused"]);
      writeFileSync(join(folder, "tsconfig.json"), "{ not json");
      expect(check(folder)).toMatchObject({ code: 0, said: warnings });
    }));
});
