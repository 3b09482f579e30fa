// kernel/build.sh fails early and says why. Every case ends before anything is compiled.
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { missingTool, repository } from "./kernel.ts";

const missing =
  process.platform !== "linux" ? "needs Linux" : missingTool("bash", "patch", "make", "flock", "dpkg-query", "gcc");
const root = process.getuid?.() === 0;

describe.skipIf(missing)(missing ? `kernel/build.sh (skipped: ${missing})` : "kernel/build.sh", () => {
  let directory = "";
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "tsbpf-build-"));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  interface Outcome {
    readonly status: number | null;
    readonly said: string;
    /** What is left in the cache, other than its lock. */
    readonly left: readonly string[];
  }

  /** Runs build.sh (or another one) with a cache of its own. */
  function build(env: Readonly<Record<string, string>>, args: readonly string[] = [], script?: string): Outcome {
    const cache = join(directory, "cache");
    const done = spawnSync(script ?? join(repository, "kernel/build.sh"), [...args], {
      encoding: "utf8",
      env: { ...process.env, TSBPF_KERNEL_CACHE: cache, ...env },
      timeout: 50_000,
    });
    const there = spawnSync("find", [env["TSBPF_KERNEL_CACHE"] ?? cache, "-mindepth", "1", "-not", "-name", ".lock"], {
      encoding: "utf8",
    });
    return { status: done.status, said: done.stderr, left: there.stdout.split("\n").filter(Boolean) };
  }

  /** A directory that passes for a tree of a version; of its files, only those of `files` are there. */
  function tree(
    name: string,
    version: readonly [number, number],
    files: Readonly<Record<string, string>> = {},
  ): string {
    const path = join(directory, name);
    const makefile = `VERSION = ${version[0]}\nPATCHLEVEL = ${version[1]}\nSUBLEVEL = 9\nNAME = A Tree\nmrproper:\n`;
    for (const [file, text] of Object.entries({ Makefile: makefile, "net/mptcp/pm.c": "\n", ...files })) {
      mkdirSync(join(path, file, ".."), { recursive: true });
      writeFileSync(join(path, file), text);
    }
    return path;
  }

  /** A directory of commands that stand before the real ones in PATH. */
  function commands(name: string, scripts: Readonly<Record<string, string>>): string {
    const path = join(directory, name);
    mkdirSync(path);
    for (const [command, text] of Object.entries(scripts)) {
      writeFileSync(join(path, command), `#!/bin/sh\n${text}\n`);
      chmodSync(join(path, command), 0o755);
    }
    return `${path}:${process.env["PATH"]}`;
  }

  test("an argument that it does not know", () => {
    expect(build({}, ["--debug"])).toMatchObject({ status: 1, left: [] });
  });

  test("--if-cached builds nothing, and says nothing", () => {
    expect(build({ KERNEL_SOURCE: tree("cached", [6, 12]) }, ["--if-cached"])).toEqual({
      status: 3,
      said: "",
      left: [],
    });
  });

  test("KERNEL_SOURCE that is no tree, or of another release", () => {
    const none = build({ KERNEL_SOURCE: directory });
    expect(none).toMatchObject({ status: 1, left: [] });
    expect(none.said).toContain(`KERNEL_SOURCE=${directory} is not a Linux source tree`);
    const other = build({ KERNEL_SOURCE: tree("other", [6, 13]) });
    expect(other).toMatchObject({ status: 1, left: [] });
    expect(other.said).toContain("KERNEL_SOURCE is Linux 6.13.9; the series is for 6.12");
  });

  test("a patch that does not apply: which one, which file, which hunk; nothing stays behind", () => {
    const filler = Array.from({ length: 8000 }, (_, i) => `line ${i}\n`).join("");
    const source = tree("drifted", [6, 12], {
      "include/uapi/linux/bpf.h": filler,
      "net/core/filter.c": filler,
      "net/ipv4/tcp_output.c": filler,
    });
    const { status, said, left } = build({ KERNEL_SOURCE: source });
    expect(status).toBe(1);
    expect(said).toContain(
      "0001-tcp-let-a-BPF-program-add-a-TCP-option-to-outgoing-s.patch does not apply to Linux 6.12.9:",
    );
    expect(said).toContain("  include/uapi/linux/bpf.h, hunk 1, line 6911");
    expect(said).toContain("  net/core/filter.c, hunk 2, line 9338");
    expect(left).toEqual([]);
    expect(readdirSync(source).sort()).toEqual(["Makefile", "include", "net"]);
  });

  test("a tree that has the series already", () => {
    // A series of one patch that the tree has: what the tree of a full series looks like to the script.
    const kernel = join(directory, "kernel");
    cpSync(join(repository, "kernel"), kernel, { recursive: true });
    const patch = "--- a/net/mptcp/pm.c\n+++ b/net/mptcp/pm.c\n@@ -1 +1,2 @@\n \n+int new;\n";
    writeFileSync(join(kernel, "patches/0001-new.patch"), patch);
    writeFileSync(join(kernel, "patches/series"), "0001-new.patch\n");
    const source = tree("patched", [6, 12], { "net/mptcp/pm.c": "\nint new;\n" });
    const { status, said, left } = build({ KERNEL_SOURCE: source }, [], join(kernel, "build.sh"));
    expect({ status, left }).toEqual({ status: 1, left: [] });
    expect(said).toContain("has 0001-new.patch already; name an unpatched tree");
  });

  test.skipIf(!root)("no network: apt-get is tried, with and without an update, and what it said is shown", () => {
    const path = commands("offline", {
      "dpkg-query": "exit 1",
      "apt-get": 'echo "E: Failed to fetch: apt-get $*" >&2; exit 100',
    });
    const { status, said, left } = build({ PATH: path });
    expect({ status, left }).toEqual({ status: 1, left: [] });
    expect(said).toContain("E: Failed to fetch: apt-get update");
    expect(said).toMatch(/apt-get could not install linux-source-6\.12 \(no network\?/);
  });

  test.skipIf(!root)("no disk", () => {
    const small = join(directory, "small");
    mkdirSync(small);
    spawnSync("mount", ["-t", "tmpfs", "-o", "size=64M", "tmpfs", small]);
    try {
      const { status, said, left } = build({ KERNEL_SOURCE: tree("disk", [6, 12]), TSBPF_KERNEL_CACHE: small });
      expect({ status, left }).toEqual({ status: 1, left: [] });
      expect(said).toContain(`needs 6000 MB in ${small}, 64 MB are free (set TSBPF_KERNEL_CACHE)`);
    } finally {
      spawnSync("umount", [small]);
    }
  });

  test("a cache that is not writable", () => {
    const { status, said } = build({ KERNEL_SOURCE: tree("cache", [6, 12]), TSBPF_KERNEL_CACHE: "/proc/tsbpf" });
    expect(status).toBe(1);
    expect(said).toContain("cannot write to the cache, /proc/tsbpf (set TSBPF_KERNEL_CACHE)");
  });
});
