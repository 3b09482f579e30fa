import { describe, expect, test } from "vitest";
import { batch, batchLine, pluginMain } from "../../runtime/vm/conformance.ts";
import { agreement } from "./agreement.ts";
import { checkMaps } from "./map-checks.ts";
import { checkSafety } from "./safety-cases.ts";

describe.each(["interpreter", "translator"] as const)("memory safety: %s", (engine) => {
  test("every bad program ends in a clean fault that names its instruction", () => {
    expect(checkSafety(engine)).toEqual([]);
  });
});

test("maps follow the kernel's rules", () => {
  expect(checkMaps()).toEqual([]);
});

test("both engines agree on 1000 random programs: registers, memory, steps", () => {
  expect(agreement(25, 40, 7)).toEqual([]);
});

describe("the conformance plugin", () => {
  test("r0 in hexadecimal on standard output", () => {
    // r0 = *(u32 *)(r1 + 0); exit
    expect(pluginMain("44332211", "61 10 00 00 00 00 00 00 95 00 00 00 00 00 00 00\n")).toEqual({
      exitCode: 0,
      stdout: "11223344\n",
      stderr: "",
    });
  });
  test("a message on standard error otherwise", () => {
    for (const [memory, program, message] of [
      ["", "7910000000000000950000000000000000", "an odd|whole number"],
      ["", "zz", "not hexadecimal"],
      ["", "791000000000000095000000000000", "whole number of 8-byte"],
      ["", "79100000000000009500000000000000", "instruction 0: read of 8 bytes through a null pointer"],
      ["", "", "the program is empty"],
    ] as const) {
      const result = pluginMain(memory, program);
      expect(result).toMatchObject({ exitCode: 1, stdout: "" });
      expect(result.stderr).toMatch(new RegExp(message));
    }
  });
  test("batch: one answer per line, errors included", () => {
    const lines = [
      "b7000000ffffffff9500000000000000",
      "",
      "8d",
      "6110000000000000 9500000000000000",
      "61100000000000009500000000000000 44332211",
    ];
    expect([...batch(lines)]).toEqual([
      "ffffffffffffffff",
      "",
      "error: 1 bytes are not a whole number of 8-byte instructions",
      expect.stringMatching(/^error: instruction 0/),
      "11223344",
    ]);
    expect(batchLine("05000000000000009500000000000000")).toBe("0");
  });
});
