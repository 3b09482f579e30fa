import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { parseHex, parseProgram } from "../../runtime/vm/bare.ts";
import { containRandom, containVectors } from "./containment-run.ts";
import { createKernelBench } from "./vm-kernel.ts";
import { differential } from "./vm.ts";

const kernel = createKernelBench(64);
const unavailable = "unavailable" in kernel ? kernel.unavailable : undefined;
if (!("unavailable" in kernel)) kernel.close();

describe.skipIf(unavailable !== undefined)(
  `against the running kernel${unavailable ? ` (skipped: ${unavailable})` : ""}`,
  () => {
    test("2000 random programs leave the same registers in the kernel and in both engines", () => {
      const result = differential({ count: 2000, seed: 20, piecesPerLoad: 40, translateEvery: 10 });
      expect(result).toMatchObject({ programs: 2000, mismatches: [], refused: 0 });
    });
  },
);

describe("every concrete register lies inside of the verifier's state", () => {
  test("on 300 random programs, at each of their steps", () => {
    const result = containRandom(300, 5);
    expect(result).toMatchObject({ traces: 300, violations: [], stopped: [] });
    expect(result.registers).toBeGreaterThan(100_000);
  });

  const file = fileURLToPath(new URL("../../../shared/data/conformance-vectors.json", import.meta.url));
  test.skipIf(!existsSync(file))("on the public vectors (skipped where ../shared/data is missing)", () => {
    const vectors = (JSON.parse(readFileSync(file, "utf8")) as { name: string; insns: string; mem: string }[]).map(
      (one) => ({
        name: one.name,
        insns: parseProgram(one.insns),
        memory: parseHex(one.mem),
      }),
    );
    const result = containVectors(vectors);
    expect(result).toMatchObject({ traces: 312, violations: [] });
    // The verifier refuses constant shifts beyond the width; the machine masks them.
    expect(result.stopped.filter((one) => !one.includes("invalid shift"))).toEqual([]);
  });
});
