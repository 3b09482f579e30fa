/** A new project from the packed package: every line that its README tells to type. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { root } from "../programs.ts";
import { inFolder, tsbpf } from "./run.ts";

let folder: string;
const project = (): string => join(folder, "Hello World");
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tsbpf-init-"));
  const made = tsbpf(["init", project()]);
  expect(made.code, made.stderr).toBe(0);
  // A line that a shell takes as it stands, with the blank in the folder's name.
  expect(made.stdout + made.stderr).toContain(`\nNext: cd '${project()}' && npm install && npm test\n`);
  // As `npm install` would have it, from what is here: the package as it is packed, and what its project needs of others.
  const modules = join(project(), "node_modules");
  mkdirSync(join(modules, ".bin"), { recursive: true });
  const packed = execFileSync("npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder], {
    cwd: root,
    encoding: "utf8",
  });
  execFileSync("tar", ["-xzf", join(folder, packed.trim()), "-C", folder]);
  execFileSync("mv", [join(folder, "package"), join(modules, "tsbpf")]);
  const link = (name: string, at = join(root, "node_modules", name)): void => symlinkSync(at, join(modules, name));
  for (const name of readdirSync(join(root, "node_modules"))) if (!name.startsWith(".")) link(name);
  for (const name of ["tsc", "vitest", "eslint"]) link(`.bin/${name}`);
  link(".bin/tsbpf", "../tsbpf/bin/tsbpf");
}, 300_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const packageOf = (path: string) =>
  JSON.parse(readFileSync(path, "utf8")) as { version: string; dependencies?: Record<string, string> };
const readme = (): string => readFileSync(join(project(), "README.md"), "utf8");
/** The commands of the README, without comments. */
const lines = (): string[] =>
  /```sh\n([\s\S]*?)```/
    .exec(readme())![1]!
    .split("\n")
    .map((line) => line.replace(/#.*/, "").trim())
    .filter(Boolean);

const run = (line: string) =>
  spawnSync("bash", ["-c", line], { cwd: project(), encoding: "utf8", env: { ...process.env, CI: "1", NODE_ENV: "" } });

describe("a new project", () => {
  test("its README has these lines, and no place for a name is left", () => {
    expect(lines()).toEqual([
      "npm install",
      "npm test",
      "npm run types",
      "npm run check",
      "npm run build",
      "npm run lint",
      "sudo lab/lab.sh",
    ]);
    const { name, devDependencies } = JSON.parse(readFileSync(join(project(), "package.json"), "utf8")) as {
      name: string;
      devDependencies: Record<string, string>;
    };
    expect(name).toBe("hello-world");
    expect(devDependencies["tsbpf"]).toMatch(/^\^\d/);
    expect(existsSync(join(project(), ".gitignore"))).toBe(true);
  });

  test.each(["npm test", "npm run types", "npm run check", "npm run build", "npm run lint"])("%s", (line) => {
    const { status, stdout, stderr } = run(line);
    expect(status, stdout + stderr).toBe(0);
    if (line.endsWith("build"))
      expect(readdirSync(join(project(), "out"))).toEqual(["hello-option.o", "two-subflows.o"]);
  });

  const COMMANDS = ["", "build", "check", "explain", "disasm", "types", "verify", "vm", "man"];
  test.each(COMMANDS)("the examples of tsbpf %s --help run in it", (name) => {
    const help = run(`node_modules/.bin/tsbpf ${name} --help`).stdout;
    const examples = help.slice(help.indexOf("Example")).match(/^ {2}(?=\S).*\btsbpf .*$/gm) ?? [];
    expect(examples.length, help).toBeGreaterThan(0);
    // What doctor answers depends on the machine.
    for (const line of examples.filter((line) => !/vmlinux|sudo|man -l|doctor/.test(line))) {
      const example = line.trim().split(/ {2,}/)[0]!;
      const { status, stdout, stderr } = run(`export PATH=$PWD/node_modules/.bin:$PATH; set -e; ${example}`);
      expect(status, example + stdout + stderr).toBe(0);
    }
  });

  const lab =
    process.getuid?.() === 0 && ["tcpdump", "ip", "findmnt"].every((tool) => spawnSync("which", [tool]).status === 0);
  test.skipIf(!lab)("lab/lab.sh shows the option's bytes (root, tcpdump)", () => {
    const { status, stdout, stderr } = run("lab/lab.sh");
    expect(status, stdout + stderr).toBe(0);
    // Kind 254, 6 bytes, experiment 0x7473, and 42 in network byte order.
    expect(stdout).toContain("fe06 7473 002a");
    // Nothing of the processes that were ended.
    expect(stderr).toBe("");
  });

  test("npm create tsbpf makes the same one", () => {
    // As npm would have it: the package beside the one that it asks for.
    const modules = join(project(), "node_modules");
    cpSync(join(root, "scripts/create-tsbpf"), join(modules, "create-tsbpf"), { recursive: true });
    const { status, stdout, stderr } = run(
      "node node_modules/create-tsbpf/create.js other && diff -r programs other/programs",
    );
    expect(status, stdout + stderr).toBe(0);
    expect(existsSync(join(project(), "other/package.json"))).toBe(true);
    expect(run("node node_modules/create-tsbpf/create.js").status).toBe(2);
    expect(run("node node_modules/create-tsbpf/create.js other").status).toBe(1);
    const { version } = packageOf(join(root, "package.json"));
    const own = packageOf(join(root, "scripts/create-tsbpf/package.json"));
    expect([own.version, own.dependencies?.["tsbpf"]]).toEqual([version, version]);
  });

  test("is not made where something is", () => {
    inFolder((other) => {
      writeFileSync(join(other, "package.json"), "{}");
      const { code, stderr } = tsbpf(["init", other]);
      expect(code).toBe(1);
      expect(stderr).toContain("error[not-empty]");
      expect(readdirSync(other)).toEqual(["package.json"]);
    });
  });
});
