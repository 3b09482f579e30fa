// What a program may make the compiler read: TypeScript below its project, and nothing of anybody else's.
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { CompileFailure } from "../../runtime/testing/compile-file.ts";
import { load } from "../../runtime/testing/index.ts";
import { compileFile, type BuildOptions } from "../../compiler/cli/build.ts";
import { diagnosticsToJson, renderDiagnostics } from "../../compiler/diagnostics/render.ts";
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
