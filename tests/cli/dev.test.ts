/** `tsbpf dev`: checks, the tests that are affected, and, as root, an atomic replacement. */
import { spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { affectedBy, reaches, testsBelow } from "../../runtime/cli/affected-tests.ts";
import { vitestAbove } from "../../runtime/cli/project-tests.ts";
import { rerun } from "../../runtime/cli/rerun.ts";
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
    const affected = (...names: string[]) => affectedBy(at(...names), reaches(tests, parts), parts);
    expect(affected("programs/two.ts")).toEqual(at("tests/two.test.ts"));
    expect(affected("shared/number.ts")).toEqual(at("tests/one.test.ts"));
    expect(affected("tests/one.test.ts")).toEqual(at("tests/one.test.ts"));
    expect(affected("tests/helper.ts")).toEqual(at("tests/two.test.ts"));
    expect(affected("elsewhere.ts")).toEqual([]);
  });

  /** Of the tests with these texts, which name the program "one" too, those that a change of a file affects. */
  function affectedOf(texts: Readonly<Record<string, string>>, changed: string): readonly string[] {
    write("programs/one.ts", "");
    write("programs/two.ts", "");
    const part = (name: string) => [join(folder, name), new Set([join(folder, name)])] as const;
    const parts = new Map([part("programs/one.ts"), part("programs/two.ts")]);
    const tests = Object.entries(texts).map(([name, text]) => {
      write(`tests/${name}.test.ts`, `import "../programs/one.ts";\n${text}`);
      return join(folder, `tests/${name}.test.ts`);
    });
    const found = affectedBy([join(folder, changed)], reaches(tests, parts), parts);
    return found.map((path) => path.slice(join(folder, "tests/").length, -".test.ts".length));
  }

  test("by what is named with another ending, with none, by its folder, by a name of tsconfig.json", () => {
    for (const name of ["js", "none", "index/index", "lib/helper"])
      write(
        `tests/${name}.ts`,
        'export * from "../programs/two.ts";\n'.replace("..", name.includes("/") ? "../.." : ".."),
      );
    write("tsconfig.json", '{ "compilerOptions": { "paths": { "@lib/*": ["./tests/lib/*"] } } }');
    const texts = {
      js: 'import "./js.js";',
      none: 'import "./none";',
      index: 'import "./index";',
      names: 'import { x } from "@lib/helper";',
      other: 'import { join } from "node:path";',
    };
    expect(affectedOf(texts, "programs/two.ts")).toEqual(["js", "none", "index", "names"]);
  });

  test("by everything, where a test names what is not found, a folder, or no program", () => {
    mkdirSync(join(folder, "tests/lib.js"), { recursive: true });
    write("tests/alone.test.ts", 'readFile(join(root, "programs/two.ts"));\n');
    const texts = { missing: 'import "./gone.ts";', made: "import(`./${name}.ts`);", folder: '"./lib.js"', other: "" };
    expect(affectedOf(texts, "elsewhere.ts")).toEqual(["missing", "made", "folder"]);
    const alone = join(folder, "tests/alone.test.ts");
    expect(affectedBy(["/elsewhere.ts"], reaches([alone], new Map()), new Map())).toEqual([alone]);
  });

  test("a folder that is gone has none", () => expect(testsBelow(join(folder, "gone"))).toEqual([]));
});

test("an error of a later run ends it all, and is thrown", async () => {
  let runs = 0;
  const ended = rerun([folder], () => {
    if (++runs > 1) throw new Error("of the second run");
    setTimeout(() => write("changed.ts", ""), 20);
    return 0;
  });
  await expect(ended).rejects.toThrow("of the second run");
});

const root0 = process.getuid?.() === 0;
test.skipIf(!root0)(`vitest is not somebody else's${root0 ? "" : " (needs root)"}`, () => {
  const NOBODY = 65534;
  write("node_modules/.bin/vitest", "");
  write("project/sub/file.ts", "");
  expect(vitestAbove(join(folder, "project/sub"))).toEqual({ vitest: join(folder, "node_modules/.bin/vitest") });
  chmodSync(folder, 0o1777);
  chownSync(join(folder, "node_modules"), NOBODY, NOBODY);
  expect(vitestAbove(join(folder, "project/sub"))).toEqual({ refused: join(folder, "node_modules") });
  // A link to it counts as what it leads to; in the project, it is the project's.
  write("theirs/vitest", "");
  chownSync(join(folder, "theirs"), NOBODY, NOBODY);
  mkdirSync(join(folder, "project/node_modules/.bin"), { recursive: true });
  symlinkSync(join(folder, "theirs/vitest"), join(folder, "project/node_modules/.bin/vitest"));
  expect(vitestAbove(join(folder, "project/sub"))).toEqual({ refused: join(folder, "theirs") });
  rmSync(join(folder, "project/node_modules/.bin/vitest"));
  write("project/node_modules/.bin/vitest", "");
  chownSync(join(folder, "project"), NOBODY, NOBODY);
  expect(vitestAbove(join(folder, "project/sub")).vitest).toBe(join(folder, "project/node_modules/.bin/vitest"));
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

test("ends while tests run, and ends them", async () => {
  project();
  rmSync(join(folder, "node_modules/.bin/vitest"));
  // It does not listen, and neither does its child.
  write(
    "node_modules/.bin/vitest",
    `#!/bin/sh\ntrap "" TERM INT\nsleep 300 &\necho $! >"${folder}/pid"\nwait\nsleep 300\n`,
  );
  chmodSync(join(folder, "node_modules/.bin/vitest"), 0o755);
  const { stop } = developing();
  const pid = (): string => (existsSync(join(folder, "pid")) ? readFileSync(join(folder, "pid"), "utf8").trim() : "");
  await expect.poll(pid, { timeout: 100_000 }).not.toBe("");
  const [child, ended] = [pid(), stop()];
  expect(await ended).toBe(0);
  await expect.poll(() => existsSync(`/proc/${child}`), { timeout: 10_000 }).toBe(false);
}, 120_000);

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
