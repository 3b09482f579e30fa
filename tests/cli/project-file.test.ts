/** The project file: what it may say, who listens to it, and that it is never run. */
import { spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Config } from "tsbpf/config";
import { projectAbove, sourcesOf } from "../../runtime/project/project-file.ts";
import { TroubleError } from "../../runtime/files/files.ts";
import { readLiteral } from "../../runtime/project/literal.ts";
import { quick } from "../../runtime/lsp/requests.ts";
import { root } from "../programs.ts";
import { tsbpf } from "./run.ts";

const PROGRAM = `import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const one = sockOps(() => 1);
`;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tsbpf-project-"));
  mkdirSync(join(folder, "programs"));
  write("programs/one.ts", PROGRAM);
});
afterEach(() => rmSync(folder, { recursive: true }));
const write = (path: string, text: string): void => writeFileSync(join(folder, path), text);
const run = (...args: string[]) => tsbpf(args, { cwd: folder });

/** What is said of a project file, or undefined. */
function said(): string | undefined {
  try {
    projectAbove(folder);
    return undefined;
  } catch (error) {
    if (!(error instanceof TroubleError)) throw error;
    return `${error.message}; ${error.trouble.help}`.replaceAll(`${folder}/`, "");
  }
}

describe("what it may say", () => {
  const ALL = {
    sources: ["programs"],
    out: "out",
    target: "mainline",
    kernel: "6.1",
    btf: "vmlinux",
    maxInsns: 5000,
    strict: true,
    types: false,
    root: ".",
  } as const satisfies Required<Config>;

  test.each([
    ["tsbpf.config.ts", `export default ${JSON.stringify(ALL)};`],
    [
      "tsbpf.config.ts",
      `import { defineConfig } from "tsbpf/config";\nexport default defineConfig(${JSON.stringify(ALL)});`,
    ],
    ["tsbpf.config.ts", `export default (${JSON.stringify(ALL)} as const) satisfies object;`],
    ["package.json", JSON.stringify({ name: "x", tsbpf: ALL })],
  ])("%s: %s", (path, text) => {
    write(path, text);
    const project = projectAbove(join(folder, "programs"))!;
    expect(project.folder).toBe(folder);
    const paths = { out: join(folder, "out"), btf: join(folder, "vmlinux"), root: folder };
    expect(project.settings).toEqual({ ...ALL, ...paths, kernel: { mainline: ALL.kernel } });
  });

  test.each([
    [
      "export default { sourcs: [] }",
      /^tsbpf\.config\.ts:1:18: there is no setting "sourcs"; the settings are sources, out,/,
    ],
    ["export default {\n  out: 3,\n}", /^tsbpf\.config\.ts:2:3: "out" cannot be 3; give a path$/],
    ["export default { sources: [] }", /:1:18: "sources" cannot be \[\]; give a list of files/],
    ["export default { sources: 'programs' }", /:1:18: "sources" cannot be "programs"; give a list/],
    ["export default { target: 'windows' }", /"target" cannot be "windows"; give "mainline" or "patched"$/],
    ["export default { target: 'toString' }", /"target" cannot be "toString"/],
    ["export default { toString: 1 }", /there is no setting "toString"/],
    ["export default { kernel: '4.2' }", /"kernel" cannot be "4\.2"; give a release of Linux, "5\.10" or newer$/],
    ["export default { maxInsns: 0.5 }", /"maxInsns" cannot be 0\.5; give a whole number/],
    ["export default { strict: 'no' }", /"strict" cannot be "no"; give true or false$/],
    ["export default []", /^tsbpf\.config\.ts: an object of settings is needed/],
    ["export const config = {}", /:1:1: it has no `export default/],
    [
      "export default { out: process.env.OUT }",
      /:1:23: this is not written down as a value; the file is read, not run/,
    ],
    ["const out = 'a';\nexport default { out }", /:2:18: this is not written down as a value/],
    ["export default { ...{} }", /:1:18: this is not written down as a value/],
    ["export default { out: `a${1}` }", /:1:23: this is not written down as a value/],
    ["export default { out: 'a'", /^tsbpf\.config\.ts:1:26: '}' expected\./],
  ])("%s", (text, expected) => {
    write("tsbpf.config.ts", text);
    expect(said()).toMatch(expected);
  });

  test("a file that runs nothing when it is read", () => {
    write("tsbpf.config.ts", `import { writeFileSync } from "node:fs";\nwriteFileSync("ran", "");\nexport default {};`);
    expect(run("check").code).toBe(0);
    expect(existsSync(join(folder, "ran"))).toBe(false);
  });

  test("two of them in one folder", () => {
    write("tsbpf.config.ts", "export default {};");
    write("package.json", '{ "tsbpf": {} }');
    expect(said()).toMatch(/^tsbpf\.config\.ts and the key "tsbpf" of package\.json both .*; keep one of them$/);
  });

  test.each(["{", "[]", "null", '{ "name": "x" }'])("a package.json that says nothing of us: %s", (text) => {
    write("package.json", text);
    expect(projectAbove(folder)?.folder).not.toBe(folder);
    expect(said()).toBeUndefined();
  });

  test("the nearest one counts", () => {
    write("tsbpf.config.ts", "export default { strict: true };");
    write("programs/tsbpf.config.ts", "export default { types: true };");
    expect(projectAbove(join(folder, "programs"))!.settings).toEqual({ types: true });
  });

  test.skipIf(process.getuid?.() !== 0)("another user's, in a folder of everybody's, does not (root only)", () => {
    write("tsbpf.config.ts", "export default { out: '/' };");
    write("package.json", '{ "tsbpf": {} }');
    for (const path of ["tsbpf.config.ts", "package.json"]) chownSync(join(folder, path), 1234, 1234);
    chmodSync(folder, 0o1777);
    expect(projectAbove(join(folder, "programs"))?.folder).not.toBe(folder);
    // A folder of the user's own, as one who builds with sudo has it.
    chmodSync(folder, 0o755);
    expect(said()).toMatch(/both say what the project is/);
  });

  test("places are those of the settings", () => {
    const read = readLiteral("x.ts", "export default {\n  a: 1,\n  'b': [true, 'c'],\n};");
    expect(read).toEqual({
      value: { a: 1, b: [true, "c"] },
      places: new Map([
        ["a", { line: 2, column: 3 }],
        ["b", { line: 3, column: 3 }],
      ]),
    });
  });
});

describe("the programs of a project", () => {
  const found = (sources: readonly string[]): string[] => {
    write("tsbpf.config.ts", `export default { sources: ${JSON.stringify(sources)} };`);
    return sourcesOf(projectAbove(folder)!).map((path) => path.slice(folder.length + 1));
  };
  beforeEach(() => {
    mkdirSync(join(folder, "programs/deep"));
    mkdirSync(join(folder, "programs/node_modules"));
    for (const path of [
      "two.mts",
      "one.test.ts",
      "one.spec.ts",
      "types.d.ts",
      "notes.md",
      "deep/three.ts",
      "node_modules/no.ts",
    ])
      write(`programs/${path}`, PROGRAM);
  });

  test.each([
    [["programs"], ["programs/deep/three.ts", "programs/one.ts", "programs/two.mts"]],
    [["programs/*.ts"], ["programs/one.ts"]],
    [["programs/**/t*"], ["programs/deep/three.ts", "programs/two.mts"]],
    [["programs/one.ts", "programs/*.ts"], ["programs/one.ts"]],
    // The project file itself is none.
    [["**/*.ts"], ["programs/deep/three.ts", "programs/one.ts"]],
  ])("%s", (sources, expected) => {
    expect(found(sources)).toEqual(expected);
  });

  test("none", () => {
    expect(() => found(["nothing/*.ts"])).toThrow(/names no programs: nothing is found for "nothing\/\*\.ts"$/);
  });
});

describe("the commands", () => {
  test("without a file and without a project, say what to write, and that works", () => {
    const { code, stderr } = run("build");
    expect(code).toBe(2);
    const [, path, text] = /write (\S+): (.*)$/m.exec(stderr)!;
    write(path!, text!);
    expect(run("build").code).toBe(0);
    expect(existsSync(join(folder, "one.o"))).toBe(true);
  });

  test("from a folder below, with the command line before the file", () => {
    write("tsbpf.config.ts", "export default { out: 'out', types: true, kernel: '6.12' };");
    const cwd = join(folder, "programs");
    const { code, stdout, stderr } = tsbpf(["build"], { cwd });
    expect(code, stderr).toBe(0);
    expect(stdout).toContain("Linux 6.12 and later");
    expect(readdirSync(join(folder, "out")).sort()).toEqual(["one.d.ts", "one.o"]);
    expect(tsbpf(["build", "--kernel", "6.1", "-o", "here"], { cwd }).stdout).toContain("Linux 6.1 and later");
    expect(existsSync(join(cwd, "here/one.o"))).toBe(true);
  });

  test("hold for a file of the project that is named, and for the language server", () => {
    write("tsbpf.config.ts", "export default { strict: true };");
    write("programs/one.ts", PROGRAM.replace("{ license }", "{ license, u32 }"));
    expect(run("check", "programs/one.ts").code).toBe(1);
    const path = join(folder, "programs/one.ts");
    const ask = () => quick({ entry: { path, text: readFileSync(path, "utf8") }, open: new Map() }).diagnostics;
    expect(ask().map((one) => one.severity)).toEqual(["error"]);
    write("tsbpf.config.ts", "export default { strict: 1 };");
    expect(ask().map((one) => one.severity)).toEqual(["warning"]);
  });

  test("build passes over what programs share, and writes no object of standard input", () => {
    write("tsbpf.config.ts", "export default {};");
    write("programs/shared.ts", "export const N = 1;\n");
    const { code, stdout } = run("build");
    expect(code).toBe(0);
    expect(stdout).toContain("programs/shared.ts: no programs, nothing is written\n");
    expect(readdirSync(folder).filter((name) => name.endsWith(".o"))).toEqual(["one.o"]);
    expect(run("build", "programs/shared.ts").code).toBe(1);
    expect(run("build", "-")).toMatchObject({ code: 1, stderr: expect.stringContaining("tsbpf check -") });
  });

  test("a wrong project file is one error, and in JSON too", () => {
    write("tsbpf.config.ts", "export default { out: 3 };");
    expect(run("build")).toMatchObject({ code: 1, stdout: "" });
    const { code, stdout } = run("build", "--json", "programs/one.ts");
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ files: [{ ok: false, trouble: { key: "project-file" } }] });
  });

  test("check -: the text on standard input, where it is said to lie", () => {
    write("programs/part.ts", "export const N = 1;\n");
    const text = PROGRAM.replace("() => 1", "() => N").replace(
      "license",
      `license } from "tsbpf";\nimport { N } from "./part.ts";\nimport { u32`,
    );
    const check = (input: string, ...args: string[]) => tsbpf(["check", "-", ...args], { cwd: folder, input });
    expect(check(PROGRAM)).toMatchObject({ code: 0, stdout: "-: no errors\n" });
    expect(check(text).stderr).toContain("stdin.ts:2:19");
    const { code, stderr } = check(text, "--stdin-path", "programs/new.ts");
    expect([code, stderr]).toMatchObject([0, expect.stringContaining("programs/new.ts:3:1")]);
    expect(check(PROGRAM, "--watch").stderr).toContain("standard input cannot be watched");
    // Each of several is of its own project.
    mkdirSync(join(folder, "apart"));
    write("apart/tsbpf.config.ts", "export default { out: 3 };");
    expect(check(PROGRAM, "programs/one.ts", "--stdin-path", "apart/new.ts").stderr.match(/cannot be 3/g)).toHaveLength(
      1,
    );
    expect(check("x".repeat(1024 * 1024 + 1)).stderr).toContain("standard input is longer than");
  });
});

/** The command with --watch, and what it has said since the last change. */
function watching(...args: string[]) {
  const child = spawn(join(root, "bin/tsbpf"), [...args, "--watch"], { cwd: folder });
  let text = "";
  child.stdout.on("data", (part: Buffer) => (text += part.toString()));
  child.stderr.on("data", (part: Buffer) => (text += part.toString()));
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  return {
    said: () => text,
    /** Makes a change, and waits for what is said of it. */
    async after(change: () => void, expected: RegExp): Promise<void> {
      text = "";
      change();
      await expect.poll(() => text, { timeout: 30_000, interval: 20 }).toMatch(expected);
    },
    stop(): Promise<number | null> {
      child.kill("SIGINT");
      return ended;
    },
  };
}

describe("--watch", () => {
  test("runs again after a change of a program, of what it imports, of the project file, and for a new program", async () => {
    write("part.ts", "export const N = 1;\n");
    write("tsbpf.config.ts", "export default { out: 'out' };");
    const { after, stop } = watching("check");
    try {
      await after(() => undefined, /programs\/one\.ts: no errors/);
      await after(
        () => write("programs/one.ts", PROGRAM.replace("1)", "2)")),
        /-- \d\d:\d\d:\d\d one\.ts has changed[^]*error\[type-error\]/,
      );
      const imports = `import { N } from "../part.ts";\n${PROGRAM.replace("() => 1", "() => N")}`;
      await after(() => write("programs/one.ts", imports), /no errors/);
      await after(() => write("part.ts", "export const N = 2;\n"), /part\.ts has changed[^]*error\[/);
      await after(() => write("part.ts", "export const N = 1;\n"), /no errors/);
      await after(() => write("programs/two.ts", PROGRAM), /2 files: no errors/);
      await after(() => write("tsbpf.config.ts", "export default { out: 3 };"), /"out" cannot be 3/);
      await after(() => write("tsbpf.config.ts", "export default {};"), /2 files: no errors/);
    } finally {
      expect(await stop()).toBe(0);
    }
  }, 240_000);

  test("a program that was gone for a moment is looked at again", async () => {
    const { after, stop } = watching("check", "programs/one.ts");
    try {
      await after(() => undefined, /no errors/);
      await after(() => rmSync(join(folder, "programs/one.ts")), /no such file/);
      await after(() => write("programs/one.ts", PROGRAM), /no errors/);
    } finally {
      await stop();
    }
  }, 120_000);

  test("settings in package.json that were wrong are read again", async () => {
    write("package.json", '{ "tsbpf": {} }');
    const { after, stop } = watching("check");
    try {
      await after(() => undefined, /no errors/);
      await after(() => write("package.json", '{ "tsbpf": { "out": 3 } }'), /"out" cannot be 3/);
      await after(() => write("package.json", '{ "tsbpf": {} }'), /no errors/);
    } finally {
      await stop();
    }
  }, 120_000);

  test("declarations that it writes are no change", async () => {
    const { said, after, stop } = watching("build", "--types", "-o", "programs", "programs/one.ts");
    try {
      await after(() => undefined, /one\.o/);
      await after(() => write("programs/one.ts", `${PROGRAM}\n`), /has changed[^]*one\.o/);
      await new Promise((resolve) => setTimeout(resolve, 1500));
      expect(said().match(/has changed/g)).toHaveLength(1);
    } finally {
      await stop();
    }
  }, 120_000);
});
