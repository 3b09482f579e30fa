/**
 * The declarations do their work in any editor: plain tsc accepts the programs, rejects each mistake on its line and nowhere else,
 * accepts each correction, and accepts what is left to the compiler.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { accepted, leftToCompiler, mistakes } from "./files.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const tsc = join(root, "node_modules/typescript/bin/tsc");

interface Found {
  readonly line: number;
  readonly code: string;
}
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tsbpf-types-"));
  // As npm would install it: the declarations and the tsconfig that users extend.
  const installed = join(folder, "node_modules/tsbpf");
  mkdirSync(installed, { recursive: true });
  const exported = (name: string) => ({ types: `./runtime/dsl/${name}.d.ts` });
  cpSync(join(root, "runtime/dsl"), join(installed, "runtime/dsl"), { recursive: true, filter: (path) => !/\.(?<!\.d\.)ts$/.test(path) || path.endsWith(".d.ts") });
  const exports = {
    ".": exported("index"),
    "./tcp": exported("tcp"),
    "./mptcp": exported("mptcp"),
    "./delack": exported("delack"),
    "./connect": exported("connect"),
    "./sockopt": exported("sockopt"),
    "./cc": exported("cc"),
    "./lib": exported("lib"),
    "./tsconfig.json": "./runtime/dsl/tsconfig.json",
  };
  writeFileSync(join(installed, "package.json"), JSON.stringify({ name: "tsbpf", version: "0.0.0", exports }));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs tsc over files; gives what it found by file. */
function run(name: string, files: readonly { readonly file: string; readonly text: string }[]): Map<string, Found[]> {
  const dir = join(folder, name);
  mkdirSync(dir);
  for (const { file, text } of files) writeFileSync(join(dir, file), text);
  writeFileSync(join(dir, "tsconfig.json"), JSON.stringify({ extends: "tsbpf/tsconfig.json", include: ["*.ts"] }));
  const result = spawnSync(process.execPath, [tsc, "-p", join(dir, "tsconfig.json"), "--pretty", "false"], { encoding: "utf8", cwd: folder });
  const found = new Map<string, Found[]>();
  for (const line of result.stdout.split("\n")) {
    const error = /^(?:.*\/)?([^/(]+)\((\d+),\d+\): error (TS\d+): /.exec(line);
    if (error) found.set(error[1]!, [...(found.get(error[1]!) ?? []), { line: Number(error[2]), code: error[3]! }]);
    else if (line.startsWith("error")) throw new Error(line);
  }
  return found;
}

describe("types: plain tsc", () => {
  test("rejects each mistake with the expected error, on its line and on no other", () => {
    const found = run("mistakes", mistakes());
    for (const { file, line, codes } of mistakes()) {
      const errors = found.get(file) ?? [];
      expect({ file, lines: [...new Set(errors.map((one) => one.line))] }).toEqual({ file, lines: [line] });
      expect({ file, known: errors.some((one) => codes.includes(one.code)) }).toEqual({ file, known: true });
    }
  });

  test("accepts each correction", () => {
    const found = run(
      "corrected",
      mistakes().map(({ file, corrected }) => ({ file, text: corrected })),
    );
    expect([...found]).toEqual([]);
  });

  test("accepts the whole language", () => {
    expect([...run("accepted", accepted())]).toEqual([]);
  });

  test("accepts what is left to the compiler", () => {
    expect([...run("left", leftToCompiler())]).toEqual([]);
  });
});
