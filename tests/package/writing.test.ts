/** Archives, gzip and YAML of packages, as others read them. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { ATTACH_TYPES } from "../../compiler/bpf/kinds/attach-types.ts";
import { HOOKS } from "../../compiler/bpf/kinds/index.ts";
import type { BpfProgram } from "../../compiler/module.ts";
import { stored } from "../../runtime/package/gzip.ts";
import { SYSTEMD } from "../../runtime/package/kinds.ts";
import { tarOf } from "../../runtime/package/tar.ts";
import { Verbatim, yamlDocuments, yamlOf, type Yaml } from "../../runtime/package/yaml.ts";

const deep = `${"d".repeat(90)}/${"e".repeat(60)}/file`;

test("tar(1) reads an archive: paths, modes, owners, times and links", () => {
  const folder = mkdtempSync(join(tmpdir(), "tsbpf-tar-"));
  try {
    const file = join(folder, "a.tar");
    writeFileSync(
      file,
      tarOf(
        [
          { path: "b/run", bytes: Buffer.from("run"), runs: true },
          { path: deep, bytes: new Uint8Array(513).fill(7) },
          { path: "b/a", bytes: new Uint8Array() },
          { path: "b/link", bytes: new Uint8Array(), link: "../b/run" },
        ],
        1_000_000_000,
      ),
    );
    const { stdout, stderr } = spawnSync("tar", ["--numeric-owner", "--utc", "-tvf", file], { encoding: "utf8" });
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => line.replaceAll(/ +/g, " "));
    expect(stderr).toBe("");
    expect(lines).toEqual([
      "drwxr-xr-x 0/0 0 2001-09-09 01:46 b/",
      "-rw-r--r-- 0/0 0 2001-09-09 01:46 b/a",
      "lrwxrwxrwx 0/0 0 2001-09-09 01:46 b/link -> ../b/run",
      "-rwxr-xr-x 0/0 3 2001-09-09 01:46 b/run",
      `drwxr-xr-x 0/0 0 2001-09-09 01:46 ${"d".repeat(90)}/`,
      `drwxr-xr-x 0/0 0 2001-09-09 01:46 ${"d".repeat(90)}/${"e".repeat(60)}/`,
      `-rw-r--r-- 0/0 513 2001-09-09 01:46 ${deep}`,
    ]);
    expect(spawnSync("tar", ["-xf", file, "-C", folder]).status).toBe(0);
    expect(readFileSync(join(folder, deep))).toEqual(Buffer.alloc(513, 7));
    expect(statSync(join(folder, "b/run")).mode & 0o777).toBe(0o755);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a path that no archive has room for is an error", () => {
  expect(() => tarOf([{ path: "n".repeat(101), bytes: new Uint8Array() }], 0)).toThrow("does not fit");
});

test.each([0, 1, 65_534, 65_535, 65_536, 200_000])("zlib gives back %i bytes", (size) => {
  const bytes = Uint8Array.from({ length: size }, (_, at) => (at * 31) & 0xff);
  expect(gunzipSync(stored(bytes)).equals(bytes)).toBe(true);
});

const value: fc.Arbitrary<Yaml> = fc.letrec<{ value: Yaml }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.string({ unit: "grapheme" }),
    fc.constantFrom(
      "yes",
      "null",
      "1",
      "0x1",
      "1e3",
      "- a",
      "a: b",
      "# c",
      "~",
      "",
      " ",
      "a\nb",
      "*a",
      "&a",
      "!a",
      "{",
      "true",
      "x/y",
    ),
    fc.integer(),
    fc.boolean(),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(
      fc.string({ minLength: 1 }).filter((key) => key !== "__proto__" && key !== "<<"),
      tie("value"),
      { maxKeys: 4 },
    ),
  ),
})).value;

test("a reader of YAML gets back what was written", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom("a", "b", "c d"), value), (one) => {
      expect(parse(yamlOf(one))).toEqual(JSON.parse(JSON.stringify(one)));
    }),
    { numRuns: 500 },
  );
});

test("documents are apart, and templates go out as they are", () => {
  const documents = parseAllDocuments(yamlDocuments([{ a: 1 }, { b: [{ c: "d" }, "e"] }]));
  expect(documents.map((one) => (one as { toJS(): unknown }).toJS())).toEqual([{ a: 1 }, { b: [{ c: "d" }, "e"] }]);
  expect(yamlOf({ a: { b: new Verbatim((indent) => `{{ ${indent} }}`) } })).toBe("a:\n  b: {{ 4 }}\n");
});

test("systemd's types are bpftool's names of what is attached", () => {
  for (const { section, attach, bpftool } of HOOKS) {
    const program = { section, attachType: attach } as BpfProgram;
    expect([section, SYSTEMD.wordFor(program)]).toEqual([section, bpftool]);
  }
  expect(SYSTEMD.wordFor({ section: "xdp", attachType: ATTACH_TYPES.xdp } as BpfProgram)).toBeUndefined();
  expect(SYSTEMD.wordFor({ section: "kprobe/f", attachType: 0 } as BpfProgram)).toBeUndefined();
  expect(SYSTEMD.takes).toContain("sock_ops");
});
