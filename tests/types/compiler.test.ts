/** The compiler repeats what tsc finds, and finds what tsc cannot. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { compile } from "../../compiler/compile.ts";
import { SOCK_OPS_CALLBACKS, SOCK_OPS_EVENTS } from "../../compiler/bpf/kinds/sock-ops.ts";
import { compilerOptions } from "../../compiler/frontend/project.ts";
import { lineAndColumn } from "../../compiler/span.ts";
import { accepted, leftToCompiler, mistakes } from "./files.ts";

const dsl = (name: string): string => readFileSync(fileURLToPath(new URL(`../../runtime/dsl/${name}`, import.meta.url)), "utf8");

/** Errors of a text as "line key", and the messages for a person who reads a failure. */
function check(path: string, text: string) {
  const result = compile({ path, text }, { library: true });
  const errors = result.diagnostics.filter((one) => one.severity === "error");
  return {
    result,
    lines: [...new Set(errors.map((one) => lineAndColumn(text, one.span?.start ?? 0).line))],
    messages: errors.map((one) => one.message),
    helps: errors.map((one) => one.help),
  };
}

describe("types: mistakes", () => {
  test.each(mistakes())("$file is rejected on its line, and its correction compiles", ({ file, text, line, corrected }) => {
    const wrong = check(file, text);
    expect(wrong.lines, wrong.messages.join("\n")).toEqual([line]);
    const right = check(file, corrected);
    expect(right.messages).toEqual([]);
    expect(right.result.object).toBeDefined();
  });

  test("nearly every one says what to write instead", () => {
    const silent = mistakes().filter(({ file, text }) => check(file, text).helps.every((help) => help === undefined));
    expect(silent.map(({ file }) => file)).toEqual([]);
  });
});

/** The line of the mistake: the files differ from each other in one place. */
const LINES: Readonly<Record<string, number>> = {
  "21-option-too-large.ts": 13,
  "23-context-escapes.ts": 19,
  "24-global-object.ts": 19,
  "27-never-writes.ts": 17,
  "28-same-kind-twice.ts": 27,
  "29-async-helper.ts": 11,
};

describe("types: left to the compiler", () => {
  test.each(leftToCompiler())("$file is rejected on its line", ({ file, text }) => {
    const found = check(file, text);
    expect(found.lines, found.messages.join("\n")).toEqual([LINES[file] ?? 18]);
    expect(found.helps.some((help) => help !== undefined)).toBe(true);
  });
});

describe("types: the whole language", () => {
  test.each(accepted())("$file compiles without a word", ({ file, text }) => {
    const { result, messages } = check(file, text);
    expect(messages).toEqual([]);
    expect(result.diagnostics).toEqual([]);
    expect(result.object).toBeDefined();
  });
});

describe("types: declarations and tables", () => {
  /** `Name = 4` in the enum of that name. */
  const members = (file: string, name: string): [string, number][] => {
    const body = new RegExp(`enum ${name} \\{([^}]*)\\}`).exec(dsl(file))![1]!;
    return [...body.matchAll(/(\w+) = (\w+)/g)].map((found) => [found[1]!, Number(found[2])]);
  };

  test.each(["tcp.d.ts", "mptcp.d.ts"])("the events of %s have the kernel's numbers", (file) => {
    const found = members(file, "Op");
    expect(found.length).toBeGreaterThan(5);
    for (const [name, op] of found) expect({ name, op }).toEqual({ name, op: SOCK_OPS_EVENTS[name as keyof typeof SOCK_OPS_EVENTS]?.op });
  });

  test.each(["tcp.d.ts", "mptcp.d.ts"])("the callbacks of %s have the kernel's bits", (file) => {
    for (const [name, bit] of members(file, "Callback")) {
      if (name !== "None") expect({ name, bit }).toEqual({ name, bit: SOCK_OPS_CALLBACKS[name as keyof typeof SOCK_OPS_CALLBACKS]?.bit });
    }
  });

  test("the compiler checks with the options that users are given", () => {
    const given = (JSON.parse(dsl("tsconfig.json")) as { compilerOptions: Record<string, unknown> }).compilerOptions;
    // These name files or are spelt as text there.
    // Unused names are warnings here; in the editor they are greyed out, and the user's tsconfig may make more of them.
    // The order in which the parts of a union are named is no matter of what is right.
    const { noUnusedLocals, noUnusedParameters, stableTypeOrdering, ...ours } = compilerOptions;
    expect({ noUnusedLocals, noUnusedParameters, stableTypeOrdering }).toEqual({
      noUnusedLocals: true,
      noUnusedParameters: true,
      stableTypeOrdering: true,
    });
    const { types: _types, target: _target, module: _module, moduleResolution: _resolution, moduleDetection: _detection, ...rest } = given;
    expect(Object.keys(rest).length).toBeGreaterThan(10);
    expect(ours).toMatchObject(rest);
    expect(Object.keys(ours).sort()).toEqual(Object.keys(given).sort());
  });
});
