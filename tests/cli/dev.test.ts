/** `tsbpf dev`: checks, the tests that are affected, and, as root, an atomic replacement. */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { affectedBy, testsBelow } from "../../runtime/cli/affected-tests.ts";
import { root } from "../programs.ts";
import { openLab, sh, whyNot } from "../runtime/lab.ts";

let folder: string;
const write = (name: string, text: string): void => {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), text);
};
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "tsbpf-dev-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const program = (name: string, number: number): string =>
  `import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
import { N } from "../shared/number.ts";
license("GPL");
export const ${name} = sockOps((ctx) => (ctx.mss + N === ${number} ? 0 : 1));
`;
const testOf = (name: string, expected: number): string =>
  `import { load } from "tsbpf/testing";
import { expect, test } from "vitest";
test("${name}", async () => {
  const module = await load<typeof import("../programs/${name}.ts")>(new URL("../programs/${name}.ts", import.meta.url));
  expect(module.${name}.event("Rtt", {}, { mss: 1 }).returned).toBe(${expected});
});
`;

describe("tests that are affected", () => {
  test("by a program, by a part of it, by themselves, by a helper of theirs", () => {
    write("tests/one.test.ts", testOf("one", 1));
    write("tests/two.test.ts", `import "./helper.ts";\n${testOf("two", 1)}`);
    write("tests/helper.ts", "export {};\n");
    write("node_modules/x/its.test.ts", testOf("one", 1));
    const at = (...names: string[]): string[] => names.map((name) => join(folder, name));
    const tests = testsBelow(folder).sort();
    expect(tests).toEqual(at("tests/one.test.ts", "tests/two.test.ts"));
    const parts = new Map([
      [join(folder, "programs/one.ts"), new Set(at("programs/one.ts", "shared/number.ts"))],
      [join(folder, "programs/two.ts"), new Set(at("programs/two.ts"))],
    ]);
    const affected = (...names: string[]) => affectedBy(at(...names), tests, parts);
    expect(affected("programs/two.ts")).toEqual(at("tests/two.test.ts"));
    expect(affected("shared/number.ts")).toEqual(at("tests/one.test.ts"));
    expect(affected("tests/one.test.ts")).toEqual(at("tests/one.test.ts"));
    expect(affected("tests/helper.ts")).toEqual(at("tests/two.test.ts"));
    expect(affected("elsewhere.ts")).toEqual([]);
  });
});

/** The command, and what it has said since the last change. */
function developing(...args: string[]) {
  const child = spawn(join(root, "bin/tsbpf"), ["dev", ...args], { cwd: folder });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (part: Buffer) => (text += part.toString()));
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  return {
    said: () => text,
    async after(change: () => void, expected: RegExp): Promise<string> {
      text = "";
      change();
      await expect.poll(() => text, { timeout: 200_000, interval: 50 }).toMatch(expected);
      return text;
    },
    stop(): Promise<number | null> {
      child.kill("SIGINT");
      return ended;
    },
  };
}

function project(): void {
  write("package.json", '{ "type": "module" }');
  write("tsbpf.config.ts", 'export default { sources: ["programs"] };');
  write("shared/number.ts", "export const N = 1;\n");
  for (const name of ["one", "two"]) {
    write(`programs/${name}.ts`, program(name, 100));
    write(`tests/${name}.test.ts`, testOf(name, 1));
  }
  mkdirSync(join(folder, "node_modules/.bin"), { recursive: true });
  symlinkSync(root, join(folder, "node_modules/tsbpf"));
  symlinkSync(join(root, "node_modules/vitest"), join(folder, "node_modules/vitest"));
  symlinkSync(join(root, "node_modules/.bin/vitest"), join(folder, "node_modules/.bin/vitest"));
}

test("checks, tests what is affected, and goes on", async () => {
  project();
  const { after, stop } = developing();
  try {
    const first = await after(() => undefined, /waiting for the next change/);
    expect(first).toMatch(/right {2}tests\/one\.test\.ts {2}1 passed, 0 failed/);
    expect(first).toMatch(/right {2}programs\/two\.ts {2}two: \d+ instructions/);
    const second = await after(() => write("programs/two.ts", program("two", 2)), /waiting/);
    expect(second).toMatch(/WRONG {2}tests\/two\.test\.ts {2}0 passed, 1 failed\n {2}two/);
    expect(second).not.toContain("tests/one.test.ts");
    const third = await after(
      () => write("programs/two.ts", program("two", 2).replace("ctx.mss", "ctx.mms")),
      /waiting/,
    );
    expect(third).toMatch(/error\[[\w-]+\][^]*WRONG {2}programs\/two\.ts/);
    const fourth = await after(() => write("programs/two.ts", program("two", 100)), /waiting/);
    expect(fourth).toMatch(/right {2}tests\/two\.test\.ts/);
    // What both import.
    const fifth = await after(() => write("shared/number.ts", "export const N = 99;\n"), /waiting/);
    expect(fifth).toMatch(/WRONG {2}tests\/one\.test\.ts[^]*WRONG {2}tests\/two\.test\.ts/);
  } finally {
    expect(await stop()).toBe(1);
  }
}, 900_000);

const skip = whyNot();
test.skipIf(skip !== undefined)(
  `loads, replaces atomically, takes away${skip === undefined ? "" : ` (${skip})`}`,
  async () => {
    project();
    const lab = openLab();
    const bpffs = mkdtempSync(join(tmpdir(), "tsbpf-bpffs-"));
    sh("mount", "-t", "bpf", "bpf", bpffs);
    lab.defer(() => {
      sh("umount", bpffs);
      rmSync(bpffs, { recursive: true });
    });
    const pins = join(bpffs, "tsbpf");
    const list = (): string => sh(join(root, "bin/tsbpf"), "list", "--pins", pins, "--json");
    /** The link of the program, and the program's number. */
    const attached = (): readonly string[] =>
      /"link": ?(\d+),\s*"program": ?"one",\s*"programId": ?(\d+)/.exec(list())?.slice(1) ?? [];
    try {
      const { after, stop } = developing(
        "programs/one.ts",
        "--no-tests",
        "--cgroup",
        lab.cgroup("dev"),
        "--pins",
        pins,
      );
      try {
        expect(await after(() => undefined, /waiting/)).toMatch(/one \(program \d+\) attached to/);
        const [link, id] = attached();
        expect(link).toBeDefined();
        // What is wrong stays out.
        expect(await after(() => write("programs/one.ts", "wrong"), /waiting/)).toMatch(/WRONG {2}programs\/one\.ts/);
        expect(attached()).toEqual([link, id]);
        const second = await after(() => write("programs/one.ts", program("one", 7)), /waiting/);
        expect(second).toMatch(/took the place of what was pinned/);
        const [sameLink, newId] = attached();
        expect([sameLink, newId === id]).toEqual([link, false]);
      } finally {
        expect(await stop()).toBe(0);
      }
      expect(attached()).toEqual([]);
    } finally {
      lab.close();
    }
  },
  600_000,
);
