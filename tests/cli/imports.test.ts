// What a program may make the compiler read: TypeScript below its project, and nothing of anybody else's.
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { CompileFailure } from "../../runtime/testing/compile-file.ts";
import { load } from "../../runtime/testing/index.ts";
import { compileFile, type BuildOptions } from "../../runtime/cli/compile-file.ts";
import { TroubleError } from "../../runtime/files/files.ts";
import { readProgram } from "../../runtime/files/imports.ts";
import { diagnosticsToJson, renderDiagnostics } from "../../compiler/diagnostics/render.ts";
import { root } from "../programs.ts";
import { inFolder, tsbpf } from "./run.ts";

const SECRET = "root:x:0:0:s3cret line\n";
const program = (specifier: string): string => `import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
import { part } from ${JSON.stringify(specifier)};
license("GPL");
export const program = sockOps((ctx) => (ctx.sndCwnd === part() ? 1 : 0));
`;
const PART = 'import { u32 } from "tsbpf";\nexport const part = (): u32 => u32(1);\n';

/** A project in a folder, with a secret beside it. */
function inProject(body: (project: string, outside: string) => void): void {
  inFolder((folder) => {
    const project = join(folder, "project");
    mkdirSync(join(project, "src/lib"), { recursive: true });
    writeFileSync(join(project, "package.json"), "{}");
    writeFileSync(join(project, "src/lib/part.ts"), PART);
    writeFileSync(join(folder, "secret"), SECRET);
    writeFileSync(join(folder, "secret.ts"), SECRET);
    writeFileSync(join(folder, "part.ts"), PART);
    body(project, folder);
  });
}
/** Of the program itself: what is wrong with a name for it, undefined when nothing is. */
const refusal = (path: string, above?: string): string | undefined => {
  try {
    readProgram(path, above);
    return undefined;
  } catch (error) {
    return error instanceof TroubleError ? `${error.message}; ${error.trouble.help ?? ""}` : String(error);
  }
};
/** As `tsbpf check` does, in this process. */
const check = (project: string, specifier: string, more: BuildOptions = {}) => {
  const path = join(project, "src/a.ts");
  writeFileSync(path, program(specifier));
  const { diagnostics, sources } = compileFile(path, { library: true, ...more });
  return {
    code: diagnostics.some((one) => one.severity === "error") ? 1 : 0,
    text: renderDiagnostics(diagnostics, sources, { colour: false }),
    json: JSON.stringify(diagnosticsToJson(diagnostics, sources)),
  };
};
const good = { code: 0, text: "" };

describe("the program that is named", () => {
  test("is TypeScript below its project, or a link to that", () => {
    inProject((project, folder) => {
      writeFileSync(join(project, "src/data"), SECRET);
      writeFileSync(join(project, "src/m.mts"), PART);
      for (const [name, target] of [
        ["shadow.ts", join(folder, "secret")],
        ["data.ts", "data"],
        ["other.ts", join(folder, "secret.ts")],
        ["near.ts", "lib/part.ts"],
        ["m.ts", "m.mts"],
        ["gone.ts", "nowhere"],
      ] as const)
        symlinkSync(target, join(project, "src", name));
      spawnSync("mkfifo", [join(project, "src/pipe.ts")]);
      mkdirSync(join(project, "src/folder.ts"));
      symlinkSync(project, join(folder, "way"));
      const at = (name: string): string => join(project, "src", name);
      for (const name of ["lib/part.ts", "m.mts", "near.ts", "m.ts"]) expect(refusal(at(name)), name).toBeUndefined();
      // The way to the project may lead over links of the caller's.
      expect(refusal(join(folder, "way/src/near.ts"))).toBeUndefined();
      expect(refusal(at("other.ts"), folder)).toBeUndefined();
      for (const [name, words] of [
        ["shadow.ts", "is a link to what is not TypeScript"],
        ["data.ts", "is a link to what is not TypeScript"],
        ["data", "data is not TypeScript; give the TypeScript source: a .ts, .mts or .cts file"],
        ["other.ts", `is a link to a file outside of the project, ${project}; name the file that it leads to, or`],
        ["pipe.ts", "is not a regular file"],
        ["folder.ts", "is a directory"],
        ["gone.ts", "no such file"],
      ] as const)
        expect(refusal(at(name)), name).toContain(words);
      expect(refusal(at("near.ts"), join(project, "src/lib"))).toBeUndefined();
      expect(refusal(at("m.ts"), join(project, "src/lib"))).toContain("outside of the project");
      expect(refusal("/dev/zero")).toContain("is not a regular file");
    });
  });

  test("shows no line of what a link leads to, whichever command is asked", () => {
    inProject((project, folder) => {
      symlinkSync(join(folder, "secret"), join(project, "shadow.ts"));
      symlinkSync(join(folder, "secret"), join(project, "shadow.o"));
      for (const args of [
        ["check", "shadow.ts"],
        ["build", "--json", "shadow.ts"],
        ["verify", "--corpus", "shadow.ts"],
        ["disasm", "shadow.o"],
        ["run", "shadow.ts", "--cgroup", "x"],
        ["load", "shadow.o"],
      ]) {
        const { code, stdout, stderr } = tsbpf(args, { cwd: project });
        expect(code, args.join(" ")).toBe(1);
        expect(stdout + stderr, args.join(" ")).not.toContain("s3cret");
        expect(stdout + stderr, args.join(" ")).not.toContain("root:");
      }
    });
  }, 60_000);
});

describe("imports", () => {
  test("of files in the project are read, under each of their names", () => {
    inProject((project) => {
      writeFileSync(join(project, "src/m.mts"), PART);
      writeFileSync(join(project, "src/c.cts"), PART);
      symlinkSync("lib/part.ts", join(project, "src/link.ts"));
      for (const name of [
        "./lib/part.ts",
        "./lib/part",
        "./lib/part.js",
        "./m.mjs",
        "./c.cts",
        "../src/lib/part.ts",
        "./link.ts",
      ])
        expect(check(project, name), name).toMatchObject(good);
    });
  });

  test("of anything else are refused with the reason, and show nothing of it", () => {
    inProject((project, folder) => {
      const { status } = spawnSync("mkfifo", [join(project, "src/pipe.ts")]);
      expect(status).toBe(0);
      symlinkSync(join(folder, "secret"), join(project, "src/link.ts"));
      symlinkSync(join(folder, "secret.ts"), join(project, "src/other.ts"));
      symlinkSync(folder, join(project, "src/up"));
      writeFileSync(join(project, "src/data"), SECRET);
      symlinkSync("data", join(project, "src/data-link.ts"));
      mkdirSync(join(project, "src/folder.ts"));
      const cases: readonly (readonly [specifier: string, words: string])[] = [
        ["../../secret", "it lies outside of the project"],
        ["../../secret.ts", "it lies outside of the project"],
        ["../../absent.ts", "it lies outside of the project"],
        [join(folder, "secret"), "it lies outside of the project"],
        ["/etc/passwd", "it lies outside of the project"],
        ["./link.ts", "it lies outside of the project"],
        ["./other.ts", "it lies outside of the project"],
        ["./up/secret.ts", "it lies outside of the project"],
        ["./data", "it is not TypeScript"],
        ["./data-link.ts", "it is a link to what is not TypeScript"],
        ["./pipe.ts", "it is not a regular file"],
        ["./folder.ts", "it is not a regular file"],
        ["./absent.ts", "cannot find the file ./absent.ts"],
      ];
      for (const [specifier, words] of cases) {
        const { code, text, json } = check(project, specifier);
        expect(code, specifier).toBe(1);
        expect(text, specifier).toContain("error[missing-import]");
        expect(text, specifier).toContain(words);
        expect(text + json, specifier).not.toContain("s3cret");
      }
    });
  }, 120_000);

  test("reach as far as --root says", () => {
    inProject((project, folder) => {
      expect(check(project, "../../part.ts").text).toContain(`outside of the project, ${project}`);
      expect(check(project, "../../part.ts").text).toContain("help: --root DIR widens the project");
      expect(check(project, "../../part.ts", { root: folder })).toMatchObject(good);
      expect(check(project, "./lib/part.ts", { root: join(project, "src") })).toMatchObject(good);
      expect(check(project, "../../part.ts", { root: join(project, "src") }).code).toBe(1);
      writeFileSync(join(project, "src/a.ts"), program("../../part.ts"));
      expect(tsbpf(["check", "src/a.ts"], { cwd: project })).toMatchObject({ code: 1 });
      expect(tsbpf(["check", "src/a.ts", "--root", ".."], { cwd: project })).toMatchObject({ code: 0, stderr: "" });
    });
  });

  test("by the paths of the nearest tsconfig.json, as tsc takes them", () => {
    inProject((project) => {
      writeFileSync(
        join(project, "base.json"),
        '{ "compilerOptions": { "paths": { "#lib/*": ["./src/lib/*"], "one": ["./src/lib/part.ts"] } } }',
      );
      writeFileSync(join(project, "src/tsconfig.json"), '{ "extends": "../base.json", /* a comment */ }');
      expect(check(project, "#lib/part.ts")).toMatchObject(good);
      expect(check(project, "#lib/part")).toMatchObject(good);
      expect(check(project, "one")).toMatchObject(good);
      expect(check(project, "#lib/absent.ts").text).toContain("there is no module #lib/absent.ts for BPF programs");
      // What they lead to is judged like any other file.
      writeFileSync(join(project, "src/tsconfig.json"), '{ "compilerOptions": { "paths": { "*": ["../../*"] } } }');
      const { text, json } = check(project, "secret.ts");
      expect(text).toContain("it lies outside of the project");
      expect(text + json).not.toContain("s3cret");
      // The language cannot be led elsewhere, and one file is one module by each of its names.
      writeFileSync(
        join(project, "src/tsconfig.json"),
        '{ "compilerOptions": { "paths": { "tsbpf": ["./lib/part.ts"], "a": ["./lib/part.ts"], "b": ["./lib/part.ts"] } } }',
      );
      writeFileSync(join(project, "src/lib/part.ts"), `${PART}export const other = part;\n`);
      expect(check(project, "a")).toMatchObject(good);
    });
  });

  test.each([
    ["npm", { "package.json": '{ "workspaces": ["packages/*"] }' }],
    [
      "yarn, in its older form",
      { "package.json": '{ "workspaces": { "packages": ["./packages/own", "packages/sha*"] } }' },
    ],
    [
      "pnpm",
      {
        "package.json": "{}",
        "pnpm-workspace.yaml": 'packages:\n  # All of them.\n  - "packages/**"\nonlyBuilt:\n  - "x"\n',
      },
    ],
  ])("of packages of a workspace: %s", (_, files) => {
    inFolder((folder) => {
      for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
      const [own, shared] = [join(folder, "packages/own"), join(folder, "packages/shared")];
      for (const path of [join(own, "node_modules/@lab"), join(own, "src"), join(shared, "src"), join(shared, "dist")])
        mkdirSync(path, { recursive: true });
      writeFileSync(join(own, "package.json"), '{ "name": "own" }');
      writeFileSync(
        join(shared, "package.json"),
        '{ "name": "@lab/shared", "exports": { ".": "./src/part.ts", "./built": { "types": "./dist/part.d.ts" } } }',
      );
      writeFileSync(join(shared, "src/part.ts"), PART);
      writeFileSync(join(shared, "dist/part.d.ts"), "export declare const part: () => number;");
      symlinkSync(shared, join(own, "node_modules/@lab/shared"));
      expect(check(own, "@lab/shared")).toMatchObject(good);
      expect(check(own, "../../shared/src/part.ts")).toMatchObject(good);
      expect(check(own, "@lab/shared/built").text).toContain(
        "the name leads to declarations, packages/shared/dist/part.d.ts",
      );
      expect(check(own, "@lab/shared/src/part.ts").text).toContain("there is no module");
      // A package that no workspace lists has nothing of its neighbours.
      mkdirSync(join(folder, "elsewhere/src"), { recursive: true });
      writeFileSync(join(folder, "elsewhere/package.json"), "{}");
      expect(check(join(folder, "elsewhere"), "../../packages/shared/src/part.ts").text).toContain(
        "it lies outside of the project",
      );
    });
  });

  test("of Node's modules and of packages with declarations alone: there is no such module for programs", () => {
    inProject((project) => {
      mkdirSync(join(project, "node_modules/left"), { recursive: true });
      writeFileSync(join(project, "node_modules/left/package.json"), '{ "name": "left", "types": "index.d.ts" }');
      writeFileSync(join(project, "node_modules/left/index.d.ts"), "export declare const part: () => number;");
      for (const name of ["node:fs", "fs", "left", "gone"])
        expect(check(project, name).text, name).toContain(`there is no module ${name} for BPF programs`);
    });
  });

  test("stay in the program's own folder where no project is", () => {
    inFolder((folder) => {
      mkdirSync(join(folder, "a/b"), { recursive: true });
      writeFileSync(join(folder, "a/b/part.ts"), PART);
      writeFileSync(join(folder, "part.ts"), PART);
      writeFileSync(join(folder, "a/near.ts"), program("./b/part.ts"));
      writeFileSync(join(folder, "a/far.ts"), program("../part.ts"));
      expect(tsbpf(["check", join(folder, "a/near.ts")])).toMatchObject({ code: 0, stderr: "" });
      expect(tsbpf(["check", join(folder, "a/far.ts")]).stderr).toContain(
        `outside of the project, ${join(folder, "a")}`,
      );
    });
  });

  test("a tsconfig.json that is no file says nothing, and nobody waits for it", () => {
    inProject((project) => {
      spawnSync("mkfifo", [join(project, "tsconfig.json")]);
      writeFileSync(join(project, "src/a.ts"), `${program("./lib/part.ts")}const unused = 1;\n`);
      const { status, stderr } = spawnSync(join(root, "bin/tsbpf"), ["check", "src/a.ts"], {
        cwd: project,
        encoding: "utf8",
        timeout: 20_000,
      });
      expect(stderr).toContain("warning[unused]");
      expect(status).toBe(0);
    });
  }, 30_000);

  test("of unit tests obey the same rule", async () => {
    const paths: string[] = [];
    inFolder((folder) => paths.push(folder));
    await expect(
      (async () => {
        const folder = paths[0]!;
        mkdirSync(folder, { recursive: true });
        writeFileSync(join(folder, "a.ts"), program("/etc/passwd"));
        await load(join(folder, "a.ts"));
      })(),
    ).rejects.toThrow(CompileFailure);
  });
});
