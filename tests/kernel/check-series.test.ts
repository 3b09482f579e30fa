// kernel/check-series.sh --style-only: the series passes, and what is wrong with a patch is said. (Its builds take half an hour.)
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { missingTool, repository } from "./kernel.ts";

const tarball = "/usr/src/linux-source-6.12.tar.xz";
const missing =
  missingTool("bash", "patch", "perl", "make", "tar", "xz", "gcc") ??
  (existsSync(tarball) ? undefined : `needs ${tarball}`);

describe.skipIf(missing)(missing ? `kernel/check-series.sh (skipped: ${missing})` : "kernel/check-series.sh", () => {
  let directory = "";
  const patches = (): string => join(directory, "kernel/patches");
  const names = (): string[] =>
    readFileSync(join(patches(), "series"), "utf8")
      .split("\n")
      .filter((line) => line.endsWith(".patch"));

  // Of the tree only what the patches change, and checkpatch.pl.
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "tsbpf-series-"));
    cpSync(join(repository, "kernel"), join(directory, "kernel"), { recursive: true });
    const texts = names().map((name) => readFileSync(join(patches(), name), "utf8"));
    const named = (pattern: RegExp): string[] =>
      texts.flatMap((text) => [...text.matchAll(pattern)].map((match) => match[1] ?? ""));
    // What the series itself creates is not in the tree.
    const created = new Set(named(/^--- \/dev\/null\n\+\+\+ b\/(.*)$/gm));
    const files = named(/^--- a\/(.*)$/gm).filter((file) => !created.has(file));
    const source = join(directory, "source");
    mkdirSync(join(source, "net/mptcp"), { recursive: true });
    const wanted = [
      "Makefile",
      "scripts/checkpatch.pl",
      "scripts/spelling.txt",
      "scripts/const_structs.checkpatch",
      ...files,
    ];
    const globs = [...new Set(wanted)].map((file) => `linux-source-6.12/${file}`);
    const unpacked = spawnSync("tar", ["-xf", tarball, "-C", source, "--strip-components=1", ...globs], {
      encoding: "utf8",
    });
    expect(unpacked.stderr.split("\n").filter((line) => line.includes("Not found"))).toEqual([]);
    const makefile = readFileSync(join(source, "Makefile"), "utf8").split("\n\n")[0] ?? "";
    writeFileSync(join(source, "Makefile"), `${makefile}\nmrproper:\n`);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  /** Runs it, with one patch changed. */
  function check(change = (text: string): string => text): { readonly status: number | null; readonly said: string } {
    const path = join(patches(), "0004-tcp-add-socket-options-for-the-delayed-ACK.patch");
    const before = readFileSync(path, "utf8");
    try {
      writeFileSync(path, change(before));
      const { status, stderr } = spawnSync(join(directory, "kernel/check-series.sh"), ["--style-only"], {
        encoding: "utf8",
        env: {
          ...process.env,
          KERNEL_SOURCE: join(directory, "source"),
          TSBPF_KERNEL_CACHE: join(directory, "cache"),
        },
      });
      return { status, said: stderr };
    } finally {
      writeFileSync(path, before);
    }
  }

  test("passes the series", () => {
    const { status, said } = check();
    expect(status, said).toBe(0);
    for (const name of names()) expect(said).toContain(name);
  });

  test("complains of style", () => {
    const { status, said } = check((text) => text.replace(/^\+\t(.*)$/m, "+        $1"));
    expect(said).toMatch(/LEADING_SPACE|CODE_INDENT/);
    expect(said).toContain("0004-tcp-add-socket-options-for-the-delayed-ACK.patch: checkpatch.pl --strict complains");
    expect(status).toBe(1);
  });

  test("complains of a hunk whose line number is off", () => {
    const { status, said } = check((text) =>
      text.replace(
        /^@@ -(\d+),(\d+) \+(\d+),/m,
        (_, a: string, n: string, b: string) => `@@ -${Number(a) + 2},${n} +${Number(b) + 2},`,
      ),
    );
    expect(said).toMatch(/0004-.*: its line numbers are off/);
    expect(status).toBe(1);
  });

  test("says which patch does not apply", () => {
    const { status, said } = check((text) => text.replace(/^ \t(.*)$/m, " \tnot there $1"));
    expect(said).toMatch(/0004-.* does not apply/);
    expect(status).toBe(1);
  });
});
