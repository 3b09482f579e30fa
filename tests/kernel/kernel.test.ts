import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { cachedKernel, compilePrograms, debug, missingTool, repository, runInVm } from "./kernel.ts";

interface Result {
  readonly name: string;
  readonly failure?: string;
  readonly trace?: string;
  readonly ms: number;
}

const vm = join(repository, "tests/kernel/vm");
const kernel = cachedKernel();
const missing =
  kernel.missing ?? missingTool("qemu-system-x86_64", "python3", "clang-19", "bpftool", "ip", "ss", "tc", "ethtool");
const title = `hooks and helpers on the patched kernel${debug ? ", debug configuration" : ""}`;

/** The names of the tests in the virtual machine, read from their sources: none may vanish. */
function testNames(): string[] {
  return ["tcp", "mptcp", "session", "address", "announce", "id", "others", "netns", "sched"].flatMap((group) =>
    [...readFileSync(join(vm, `${group}_tests.py`), "utf8").matchAll(/^def test_(\w+)/gm)].map(
      (match) => `${group}: ${(match[1] ?? "").replaceAll("_", " ")}`,
    ),
  );
}

/** The values of REFUSED: as many as sched_tests.py has words for. */
function refusals(): number[] {
  const words = /^REFUSED = \[\n([^\]]*)^\]/m.exec(readFileSync(join(vm, "sched_tests.py"), "utf8"))?.[1] ?? "";
  return words
    .trim()
    .split("\n")
    .map((_, index) => index + 1);
}

describe.skipIf(missing)(missing === undefined ? title : `${title} (skipped: ${missing})`, () => {
  let results: Map<string, Result> | undefined;
  let report = "";
  let code: number | null = null;
  let probe: ReturnType<typeof compilePrograms> | undefined;
  afterAll(() => probe?.remove());

  /** Boots once for all tests, when the first one asks. */
  function run(): Map<string, Result> {
    if (results !== undefined) return results;
    results = new Map();
    const source = (name: string) => join(vm, `${name}.bpf.c`);
    probe = compilePrograms(
      [
        ...["probe", "strip", "others", "sched", "deny"].map((name) => ({ source: source(name) })),
        ...refusals().map((number) => ({
          source: source("refused"),
          as: `refused${number}`,
          define: `REFUSED=${number}`,
        })),
      ],
      join(kernel.directory ?? "", "include"),
    );
    const done = runInVm(["python3", "-B", join(vm, "main.py"), join(probe.directory, "probe.o")], debug ? 7200 : 3600);
    report = done.stderr;
    code = done.code;
    for (const line of done.stdout.split("\n")) {
      if (!line.startsWith("{")) continue;
      const result = JSON.parse(line) as Result;
      if (result.name !== undefined) results.set(result.name, result);
    }
    return results;
  }

  test.each(testNames())("%s", (name) => {
    const result = run().get(name);
    expect(result, `the test did not run; the virtual machine said:\n${report}`).toBeDefined();
    expect(result?.failure, result?.trace).toBeUndefined();
  });

  test("the kernel reported nothing: no warning, oops, lockdep or KASAN report", () => {
    run();
    expect(report).toBe("");
    expect(code).toBe(0);
  });
});
