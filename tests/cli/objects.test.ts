/** `disasm`, `verify` and `vm`: objects and raw programs through the built command. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { root } from "../programs.ts";
import { inFolder, tsbpf } from "./run.ts";

const userTimeout = join(root, "programs/user-timeout.ts");
const corpus = join(root, "../shared/data/verifier-corpus.json");

/** r0 = 7; exit */
const seven = "b7000000070000009500000000000000";
/** exit without having set r0 */
const noResult = "9500000000000000";

describe("disasm", () => {
  test("shows instructions under their source lines", () =>
    inFolder((folder) => {
      tsbpf(["build", userTimeout], { cwd: folder });
      const ran = tsbpf(["disasm", "user-timeout.o"], { cwd: folder });
      expect(ran).toMatchObject({ code: 0, stderr: "" });
      expect(ran.stdout).toMatch(/user-timeout\.ts:\d+/);
      expect(ran.stdout).toMatch(/option\.value = htons/);
      expect(ran.stdout).toMatch(/call .*store_hdr_opt/);
      const report = JSON.parse(tsbpf(["disasm", "--json", "user-timeout.o"], { cwd: folder }).stdout);
      expect(report.files[0].programs[0].instructions.at(-1).text).toMatch(/exit|goto/);
    }));

  test.each([
    ["no ELF", Buffer.from("hello, this is text")],
    ["an empty file", Buffer.alloc(0)],
    ["half a header", Buffer.from("\x7fELF\x02\x01\x01")],
  ])("%s is one clear error", (_name, bytes) =>
    inFolder((folder) => {
      writeFileSync(join(folder, "x.o"), bytes);
      for (const command of ["disasm", "verify"]) {
        const ran = tsbpf([command, "x.o"], { cwd: folder });
        expect(ran.code).toBe(1);
        expect(ran.stderr).toMatch(/^error\[bad-object\]: x\.o: /);
        expect(ran.stderr).not.toMatch(/\n\s+at /);
      }
    }),
  );

  test("a truncated object is refused", () =>
    inFolder((folder) => {
      tsbpf(["build", userTimeout], { cwd: folder });
      const whole = readFileSync(join(folder, "user-timeout.o"));
      writeFileSync(join(folder, "half.o"), whole.subarray(0, whole.length / 2));
      expect(tsbpf(["disasm", "half.o"], { cwd: folder }).code).toBe(1);
    }));
});

describe("verify", () => {
  test("an object of ours is judged with the members of the release that is named", () =>
    inFolder((folder) => {
      const built = tsbpf(["build", join(root, "programs/cubic.ts"), "--kernel", "6.1", "-o", "."], { cwd: folder });
      expect(built.stderr + built.stdout).toContain("cubic_cong_avoid");
      const placed = new Set<string>();
      for (const release of ["6.1", "6.12", "6.18"]) {
        const { stdout, stderr, code } = tsbpf(["verify", "--verbose", "--kernel", release, "cubic.o"], {
          cwd: folder,
        });
        expect(code, stderr).toBe(0);
        const accepted = (stdout + stderr).match(new RegExp(`accepted by Linux ${release.replace(".", "[.]")},`, "g"));
        expect(accepted).toHaveLength(7);
        // Where snd_cwnd and the like are.
        placed.add((stdout.match(/trusted_ptr_tcp_sock\(off=\d+\)/g) ?? []).join(" "));
      }
      expect(placed.size).toBe(3);
    }));

  test("accepts what build made, and shows register states when asked", () =>
    inFolder((folder) => {
      tsbpf(["build", userTimeout], { cwd: folder });
      const ran = tsbpf(["verify", "user-timeout.o"], { cwd: folder });
      expect(ran).toMatchObject({ code: 0, stderr: "" });
      expect(ran.stdout).toMatch(/userTimeout: accepted by Linux 5\.10, \d+ instructions processed/);
      expect(tsbpf(["verify", "--verbose", "user-timeout.o"], { cwd: folder }).stdout).toMatch(/R1=ctx/);
    }));

  test("an object whose bytecode was changed is rejected at the place", () =>
    inFolder((folder) => {
      tsbpf(["build", userTimeout], { cwd: folder });
      const path = join(folder, "user-timeout.o");
      const bytes = readFileSync(path);
      // r0 = 1; exit: the return of every path. Returning 2 is not allowed to sock_ops.
      const returns = Buffer.from("b700000001000000", "hex");
      const at =
        bytes.indexOf(returns) >= 0 ? bytes.indexOf(returns) : bytes.indexOf(Buffer.from("b400000001000000", "hex"));
      expect(at).toBeGreaterThan(0);
      bytes[at + 4] = 2;
      writeFileSync(path, bytes);
      const ran = tsbpf(["verify", "user-timeout.o"], { cwd: folder });
      expect(ran.code).toBe(1);
      expect(ran.stderr).toMatch(/error\[verifier-rejects\]/);
    }));

  test("a corpus gets one JSON line per program, also for entries that are none", () =>
    inFolder((folder) => {
      const programs = [
        { name: "good", type: "socket_filter", attach: 0, flags: 0, insns: seven, maps: {} },
        { name: "bad", type: "socket_filter", attach: 0, flags: 0, insns: noResult, maps: {} },
        { name: "odd", type: "socket_filter", attach: 0, flags: 0, insns: "b7", maps: {} },
        17,
      ];
      writeFileSync(join(folder, "corpus.json"), JSON.stringify(programs));
      const ran = tsbpf(["verify", "--corpus", "corpus.json", "--json"], { cwd: folder });
      expect(ran.code).toBe(0);
      const answers = ran.stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      expect(answers.map((answer) => answer.verdict)).toEqual(["accept", "reject", "reject", "reject"]);
      expect(answers[1]).toMatchObject({ name: "bad", failingInsn: 0 });
    }));

  test.skipIf(!existsSync(corpus))("the shared corpus (skipped without ../shared/data): no false accept", () => {
    const ran = tsbpf(["verify", "--corpus", corpus, "--json"]);
    const answers = new Map(
      ran.stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line))
        .map((answer) => [answer.name, answer.verdict]),
    );
    const labelled = JSON.parse(readFileSync(corpus, "utf8")) as { name: string; verdict: string }[];
    expect(answers.size).toBe(labelled.length);
    expect(labelled.filter((p) => p.verdict === "reject" && answers.get(p.name) === "accept")).toEqual([]);
  });
});

describe("vm", () => {
  test("speaks the plugin protocol", () => {
    expect(tsbpf(["vm", "--plugin", ""], { input: seven })).toMatchObject({ code: 0, stdout: "7\n" });
    // r0 = *(u8 *)(r1 + 1)
    const second = "71100100000000009500000000000000";
    expect(tsbpf(["vm", "--plugin", "aa bb"], { input: second })).toMatchObject({ code: 0, stdout: "bb\n" });
    const bad = tsbpf(["vm", "--plugin", "aa"], { input: second });
    expect(bad.code).not.toBe(0);
    expect(bad).toMatchObject({ stdout: "" });
    expect(bad.stderr).toMatch(/instruction 0/);
  });

  test("--batch answers line by line", () => {
    const ran = tsbpf(["vm", "--batch"], { input: `${seven}\nzz\n${seven}\n` });
    const lines = ran.stdout.trim().split("\n");
    expect(lines[0]).toMatch(/^(0x)?7$/);
    expect(lines[1]).toMatch(/^error: /);
    expect(lines[2]).toBe(lines[0]);
  });
});
