// Output that cannot be written: every command ends in order, with one line and an exit code that says so.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { command } from "../../runtime/cli/command.ts";
import { registerRuntimeCommands } from "../../runtime/cli/register.ts";
import { leaves } from "./leaves.ts";
import { tsbpf } from "./run.ts";
import { fault, lost, noScript, ways } from "./lost-output.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tsbpf-lost-"));
  writeFileSync(join(folder, "wrong.ts"), "export const wrong: string = 1;\n");
  expect(tsbpf(["build", "-o", folder, "programs/fullmesh.ts"]).code).toBe(0);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** By command, as registered; "" is the command itself. Those that talk to the kernel have a table beside their tests. */
const COMMANDS: Readonly<Record<string, readonly (() => readonly string[])[]>> = {
  "": [() => ["--version"], () => ["--help"]],
  build: [
    () => ["build", "-o", folder, "programs/ndiffports.ts"],
    () => ["build", "--json", "-o", folder, "programs/ndiffports.ts"],
    () => ["build", "--emit", "asm", "programs/fullmesh.ts"],
  ],
  check: [() => ["check", "programs/ndiffports.ts"], () => ["check", "--json", join(folder, "wrong.ts")]],
  disasm: [() => ["disasm", join(folder, "fullmesh.o")]],
  explain: [() => ["explain"], () => ["explain", "var"]],
  completions: [() => ["completions", "bash"]],
  man: [() => ["man"]],
  types: [() => ["types", join(folder, "fullmesh.o")]],
  package: [
    () => [
      "package",
      "systemd",
      join(folder, "fullmesh.o"),
      "-o",
      join(mkdtempSync(join(folder, "package-")), "x.conf"),
    ],
  ],
  init: [() => ["init", "--help"], () => ["init", mkdtempSync(join(folder, "project-"))]],
  // What it says goes to its client, and its end is the client's: tests/cli/lsp.
  lsp: [() => ["lsp", "--help"]],
  playground: [() => ["playground", "--port", "0"]],
  // Its screen, and its end: tests/cli/dev.test.ts.
  dev: [() => ["dev", "--help"]],
  verify: [() => ["verify", join(folder, "fullmesh.o")], () => ["verify", "--verbose", join(folder, "fullmesh.o")]],
  vm: [() => ["vm", "--batch"]],
};

test("there is a row for every command that does without the kernel", () => {
  const ofKernel = new Command();
  registerRuntimeCommands(ofKernel, () => undefined);
  const known = leaves(ofKernel);
  const rest = leaves(command().program).filter((name) => !known.includes(name));
  expect(Object.keys(COMMANDS).filter(Boolean).toSorted()).toEqual(rest.toSorted());
});

describe.each(ways)("%s", (way) => {
  const skip = way === "a closed terminal" ? noScript : undefined;
  test.skipIf(skip)(
    `ends every command in order${skip ? ` (skipped: ${skip})` : ""}`,
    async () => {
      const faults: string[] = [];
      for (const args of Object.values(COMMANDS).flatMap((rows) => rows.map((row) => row()))) {
        // It reads from the terminal that is closed, and has nothing to say.
        if (way === "a closed terminal" && args[0] === "vm") continue;
        const wrong = fault(way, await lost(way, args, { input: "b7000000070000009500000000000000\n".repeat(3) }));
        if (wrong) faults.push(`${args.join(" ")}: ${wrong}`);
      }
      expect(faults).toEqual([]);
    },
    240_000,
  );
});

test("an error that cannot be told still is one", async () => {
  expect((await lost("both streams on a full disk", ["check", join(folder, "wrong.ts")])).code).toBe(1);
  expect((await lost("a full disk", ["check", "--nonsense"])).code).toBe(2);
});
