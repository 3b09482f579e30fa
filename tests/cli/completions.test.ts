/** What shells and man(1) are told, tried in them: a terminal of bash's own, fish's `complete -C`, zsh's and man's parsers. */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { TARGETS } from "../../compiler/bpf/kernels.ts";
import { root } from "../programs.ts";
import { inFolder, tsbpf } from "./run.ts";

const has = (tool: string): boolean => spawnSync("which", [tool]).status === 0;
const command = join(root, "bin/tsbpf");
const inFiles = <T>(body: (folder: string) => T): T =>
  inFolder((folder) => {
    for (const name of ["a.ts", "b c.ts", "d.txt", "x.o"]) writeFileSync(join(folder, name), "");
    mkdirSync(join(folder, "folder"));
    return body(folder);
  });

describe("completions", () => {
  test.skipIf(!has("script"))(
    "bash completes commands, options, choices, keys and files (script)",
    () => {
      const typed = [
        ["bui\t--tar\tmai\ta\t", "<build><--target><mainline><a.ts>"],
        ["explain loose\t", "<explain><loose-equality>"],
        ["check --target=pa\tb\t", "<check><--target=patched><b c.ts>"],
        ["map ge\t--js\t", "<map><get><--json>"],
        ["disasm x\t", "<disasm><x.o>"],
        ["build -o fol\t", "<build><-o><folder/>"],
        ["help comp\t", "<help><completions>"],
        // Nothing is made up where nothing is known.
        ["build d\t --kernel 6\t", "<build><d><--kernel><6>"],
      ] as const;
      const lines = [
        "PS1=; bind 'set bell-style none'",
        `source <(${command} completions bash)`,
        "tsbpf() { printf '<%s>' \"$@\"; echo; }",
        ...typed.map(([keys]) => `tsbpf ${keys}`),
        "exit",
      ];
      const { stdout } = inFiles((cwd) =>
        spawnSync("script", ["-qec", "bash --norc --noprofile -i", "/dev/null"], {
          cwd,
          encoding: "utf8",
          input: `${lines.join("\n")}\n`,
          timeout: 60_000,
        }),
      );
      const ran = stdout.split(/\r?\n/).flatMap((line) => /(?:<[^<>%]+>){2,}$/.exec(line)?.[0] ?? []);
      expect(ran, stdout).toEqual(typed.map(([, words]) => words));
    },
    90_000,
  );

  test.skipIf(!has("fish"))(
    "fish offers the same (fish)",
    () => {
      const asked = ["bui", "build --target ", "explain loose", "map ", "check ", "build -o f"];
      const questions = asked.map((line) => `echo ask; complete -C 'tsbpf ${line}'`).join("; ");
      const { stdout } = inFiles((cwd) =>
        spawnSync("fish", ["--no-config", "-c", `${command} completions fish | source; ${questions}`], {
          cwd,
          encoding: "utf8",
          timeout: 60_000,
        }),
      );
      const answers = stdout.split(/^ask$/m).slice(1);
      const words = answers.map((text) => text.split("\n").flatMap((line) => line.split("\t")[0] || []));
      expect(words.slice(0, 4)).toEqual([
        ["build"],
        [...TARGETS],
        ["loose-equality"],
        expect.arrayContaining(["get", "set", "dump"]),
      ]);
      expect(words[4]).toEqual(expect.arrayContaining(["a.ts", "b c.ts", "x.o"]));
      expect(words[5]).toEqual(["folder/"]);
    },
    90_000,
  );

  test.each(["bash", "zsh", "fish"].filter(has))("%s reads its own without a word", (shell) => {
    const { stdout } = tsbpf(["completions", shell]);
    const read = inFolder((folder) => {
      writeFileSync(join(folder, "completions"), stdout);
      return spawnSync(shell, ["-n", join(folder, "completions")], { encoding: "utf8", timeout: 60_000 });
    });
    expect([read.status, read.stderr]).toEqual([0, ""]);
    expect(stdout).toContain("without-passes");
  });

  test("another shell is refused with the names of those that are known", () => {
    const { code, stderr } = tsbpf(["completions", "csh"]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/bash, zsh, fish/);
  });
});

describe("the manual page", () => {
  const page = join(root, "dist/tsbpf.1");
  const commands = [...tsbpf(["--help"]).stdout.matchAll(/^ {2}(?!tsbpf)([a-z]+)\b(?=.*\s{2})/gm)].map(
    (match) => match[1]!,
  );

  test("has each command of --help", () => {
    const { stdout } = tsbpf(["man"]);
    expect(commands.length).toBeGreaterThan(15);
    expect(commands.filter((name) => name !== "help" && !stdout.includes(`.SS tsbpf ${name}`))).toEqual([]);
  });

  test.skipIf(!has("mandoc"))("mandoc has no warning", () => {
    const { stdout, stderr } = spawnSync("mandoc", ["-Tlint", "-Wwarning", page], { encoding: "utf8" });
    expect(stdout + stderr).toBe("");
  });

  test.skipIf(!has("groff"))("groff has no warning", () => {
    const { status, stderr } = spawnSync("groff", ["-man", "-ww", "-z", "-Tutf8", page], { encoding: "utf8" });
    expect([status, stderr]).toEqual([0, ""]);
  });
});
