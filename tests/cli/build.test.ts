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
      const ran = tsbpf(["build", "--print-after", "nonsense", ndiffports], { cwd: folder });
      expectFailure(ran, "no-such-pass");
      expect(ran.stderr).toMatch(/lower, .*inline/);
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
    expect(tsbpf(["--version"]).stdout.trim()).toBe(version);
  });

  test("the examples of --help run", () => {
    const help = tsbpf(["--help"]).stdout;
    const lines = help.slice(help.indexOf("Examples:")).split("\n").slice(1);
    const commands = lines.map((line) => /^ {2}tsbpf (.*?)(?: {2,}|$)/.exec(line)?.[1]).filter((c) => c !== undefined);
    expect(commands.length).toBeGreaterThan(3);
    inFolder((folder) => {
      symlinkSync(join(root, "programs"), join(folder, "programs"));
      for (const command of commands) {
        if (command === "doctor") continue; // Its answer depends on the machine.
        expect(tsbpf(command.split(" "), { cwd: folder }), command).toMatchObject({ code: 0 });
      }
    });
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
