/** What was built before is never what would be built now, unless it is the same: each kind of input, changed once. */
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { root } from "../../programs.ts";
import { Project } from "./project.ts";

let project: Project;
beforeAll(() => (project = new Project()));
afterAll(() => project.close());
beforeEach(() => project.reset());

/** The same command with and without the cache; whether it came from there. */
function compared(args: readonly string[], env: Readonly<Record<string, string>> = {}, cwd?: string): boolean {
  const { replayed, ...with_ } = project.cached(args, env, cwd);
  expect(with_).toEqual(project.uncached(args, env, cwd));
  return replayed;
}
const NAMED = ["build", "--types", "src/main.ts"];
const ALL = ["build"];
const KERNEL = ["build", "src/plain.ts", "--btf", "kernel.btf"];

/** Compiles until it is kept, and sees it taken from there. */
function keep(args: readonly string[]): void {
  compared(args);
  expect(compared(args), "the second time").toBe(true);
}

test.each([
  ["build", NAMED, /^src\/main\.ts → out\/main\.o/],
  ["build of the project", ALL, /src\/plain\.ts → out\/plain\.o/],
  ["JSON", ["build", "--json", "src/main.ts"], /"ok": true/],
  ["instructions", ["build", "--emit", "asm", "src/main.ts"], /exit/],
  ["the IR", ["build", "--emit", "ir", "src/main.ts"], /program/],
  ["check", ["check", "src/main.ts"], /no errors/],
  ["with a kernel's types", KERNEL, /plain\.o/],
])("%s is done again as it was, with what it wrote, printed and warned of", (_what, args, says) => {
  project.forget();
  expect(compared(args)).toBe(false);
  expect(compared(args)).toBe(true);
  const { stdout, stderr } = project.cached(args);
  expect(stdout).toMatch(says);
  if (!args.includes("--json") && args !== KERNEL) expect(stderr).toContain("spare");
});

const CHANGES: readonly (readonly [what: string, args: readonly string[], change: () => void])[] = [
  ["the source", NAMED, () => project.renumber("node_modules/shared/index.ts", 6)],
  ["a source of the project", ALL, () => project.renumber("src/plain.ts", 8)],
  ["a module by path", NAMED, () => project.renumber("src/lib/limit.ts", 1)],
  ["a module by the paths of tsconfig.json", NAMED, () => project.renumber("src/own/floor.ts", 1)],
  [
    "a package that is found earlier",
    NAMED,
    () => {
      project.write("src/node_modules/shared/package.json", '{ "exports": "./index.ts" }');
      project.write("src/node_modules/shared/index.ts", 'export { limit as shared } from "../../lib/limit.ts";\n');
    },
  ],
  [
    "what a package exports",
    NAMED,
    () => project.write("node_modules/shared/package.json", '{ "exports": "./no.ts" }'),
  ],
  [
    "paths of tsconfig.json",
    NAMED,
    () => project.write("tsconfig.json", '{ "compilerOptions": { "paths": { "@own/*": ["./src/other/*"] } } }'),
  ],
  [
    "what tsconfig.json extends",
    NAMED,
    () => project.write("base.json", '{ "compilerOptions": { "noUnusedLocals": true } }'),
  ],
  [
    "a tsconfig.json that is found earlier",
    ["build", "src/plain.ts"],
    () => project.write("src/tsconfig.json", '{ "compilerOptions": { "noUnusedLocals": true } }'),
  ],
  [
    "the project file",
    NAMED,
    () => project.write("tsbpf.config.ts", 'export default { sources: ["src"], out: "o2" };'),
  ],
  ["a project file that goes", NAMED, () => project.remove("tsbpf.config.ts")],
  [
    "a project file that is found earlier",
    NAMED,
    () => project.write("src/package.json", '{ "tsbpf": { "out": "o3" } }'),
  ],
  ["two project files", NAMED, () => project.write("package.json", '{ "tsbpf": { "out": "o3" } }')],
  ["a program more", ALL, () => cpSync(project.at("src/plain.ts"), project.at("src/plain2.ts"))],
  ["a program less", ALL, () => project.remove("src/plain.ts")],
  ["a kernel's types", KERNEL, () => project.write("kernel.btf", "none at all")],
  ["a module that goes", NAMED, () => project.remove("src/lib/limit.ts")],
  [
    "a module that leads elsewhere",
    NAMED,
    () => {
      project.remove("src/lib/limit.ts");
      writeFileSync(join(project.base, "limit.ts"), "export const limit = 1;\n");
      symlinkSync(join(project.base, "limit.ts"), project.at("src/lib/limit.ts"));
    },
  ],
  [
    "a source that is no file",
    NAMED,
    () => {
      project.remove("src/main.ts");
      spawnSync("mkfifo", [project.at("src/main.ts")]);
    },
  ],
  ["a folder where the object goes", NAMED, () => mkdirSync(project.at("out/main.o/x"), { recursive: true })],
];

describe("is compiled when it changes", () => {
  test.each(CHANGES)("%s", (_what, args, change) => {
    keep(args);
    change();
    if (existsSync(project.folder)) project.age();
    expect(compared(args)).toBe(false);
  });

  test.each([
    ["target", [...NAMED, "--target", "patched"]],
    ["warnings are errors", [...NAMED, "--strict"]],
    ["the limit", [...NAMED, "--max-insns", "9"]],
    ["the folder", [...NAMED, "-o", "o4"]],
    ["a pass", [...NAMED, "--without-passes", "cse"]],
    ["the kernel", [...NAMED, "--kernel", "6.1"]],
    ["the root", [...NAMED, "--root", "src"]],
    ["what is printed", ["check", "src/main.ts"]],
  ])("an option: %s", (_what, args) => {
    project.forget();
    keep(NAMED);
    expect(compared(args)).toBe(false);
    // Both are kept, each under its own name.
    expect(compared(NAMED)).toBe(true);
  });

  test.each([
    ["FORCE_COLOR", { FORCE_COLOR: "1" }],
    ["NO_COLOR", { FORCE_COLOR: "1", NO_COLOR: "1" }],
    ["TERM", { TERM: "dumb" }],
  ])("the environment: %s", (_name, env) => {
    project.forget();
    keep(NAMED);
    expect(compared(NAMED, env)).toBe(false);
    expect(compared(NAMED, env)).toBe(true);
  });

  test("the current folder", () => {
    project.forget();
    keep(["build", "src/main.ts"]);
    cpSync(project.folder, join(project.base, "copy"), { recursive: true });
    expect(compared(["build", "src/main.ts"], {}, join(project.base, "copy"))).toBe(false);
    // By an absolute path, from elsewhere.
    keep(["build", project.at("src/main.ts")]);
    expect(compared(["build", project.at("src/main.ts")], {}, join(project.base, "copy"))).toBe(false);
  });

  test("whether it is a terminal", () => {
    project.forget();
    const line = `'${join(root, "bin/tsbpf")}' build --types src/main.ts`;
    const onTerminal = (env: Record<string, string>): string =>
      spawnSync("script", ["-qec", line, "/dev/null"], {
        cwd: project.folder,
        encoding: "utf8",
        env: {
          ...process.env,
          FORCE_COLOR: "",
          NODE_OPTIONS: "",
          XDG_CACHE_HOME: project.cache,
          TERM: "xterm",
          ...env,
        },
      }).stdout;
    const wanted = onTerminal({ TSBPF_NO_BUILD_CACHE: "1" });
    expect(wanted).toContain("\u001b[");
    compared(NAMED, { TERM: "xterm" });
    expect(onTerminal({})).toBe(wanted);
    expect(onTerminal({})).toBe(wanted);
    expect(compared(NAMED, { TERM: "xterm" })).toBe(true);
  });
});

test("what is only touched is taken from there, or compiled, and is the same", () => {
  keep(NAMED);
  utimesSync(project.at("src/main.ts"), new Date(), new Date(Date.now() + 5000));
  compared(NAMED);
});

test("a folder that the first build makes among the sources has it compiled once more", () => {
  project.forget();
  project.remove("out");
  expect([compared(ALL), compared(ALL), compared(ALL)]).toEqual([false, false, true]);
});

test("another build of the compiler, or another Node, keeps its own", () => {
  const copy = join(project.base, "package");
  for (const part of ["bin", "dist", "package.json"]) cpSync(join(root, part), join(copy, part), { recursive: true });
  symlinkSync(join(root, ".startup"), join(copy, ".startup"));
  const run = () =>
    spawnSync(join(copy, "bin/tsbpf"), NAMED, {
      cwd: project.folder,
      encoding: "utf8",
      env: { ...process.env, NODE_OPTIONS: "", XDG_CACHE_HOME: project.cache },
    });
  project.forget();
  run();
  const made = project.record();
  const before = readFileSync(made);
  // A record that does not say what it would say now is made anew.
  const isKept = (): boolean => {
    run();
    return readFileSync(made).equals(before);
  };
  expect(isKept()).toBe(true);
  const id = readFileSync(join(root, "dist/build.id"), "utf8").trim();
  const replay = readFileSync(join(root, "dist/replay.cjs"), "utf8");
  // It prints what no compiler prints, so that it is seen whether it is believed.
  const forged = (text: string): void => {
    const [head, body] = before.toString("utf8").split("\n\n");
    const record = JSON.parse(body!.split("\n")[1]!) as { printed: unknown[] };
    record.printed = [[1, text]];
    const said = JSON.stringify(record);
    const sum = spawnSync("sha256sum", { input: said, encoding: "utf8" }).stdout.split(" ")[0];
    writeFileSync(made, `${head}\n\n${sum}\n${said}\n`);
  };
  forged("from the record\n");
  expect(run().stdout).toBe("from the record\n");
  for (const [from, to] of [
    [id, "another build   "],
    ["process.version", '"v1.2.3"'],
    ["process.getuid", "((()=>12345))"],
  ] as const) {
    forged("from the record\n");
    expect(replay).toContain(from);
    writeFileSync(join(copy, "dist/replay.cjs"), replay.replaceAll(from, to));
    expect(run().stdout, to).toMatch(/^src\/main\.ts → /);
  }
  writeFileSync(join(copy, "dist/replay.cjs"), replay);
});
