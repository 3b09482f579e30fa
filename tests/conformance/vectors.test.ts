import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { parseHex, parseProgram, runBare } from "../../runtime/vm/bare.ts";

interface Vector {
  readonly name: string;
  readonly insns: string;
  readonly mem: string;
  readonly result: string;
}

const file = fileURLToPath(new URL("../../../shared/data/conformance-vectors.json", import.meta.url));
const found = existsSync(file);
const vectors = found ? (JSON.parse(readFileSync(file, "utf8")) as readonly Vector[]) : [];

const skipped = found ? "" : " (skipped: no ../shared/data/conformance-vectors.json; our own run in any case)";
describe.skipIf(!found)(`public conformance vectors${skipped}`, () => {
  for (const engine of ["interpreter", "translator"] as const) {
    test(`${engine}: every vector but callx`, () => {
      const wrong = vectors.flatMap(({ name, insns, mem, result }) => {
        let got: string;
        try {
          got = `0x${runBare(parseProgram(insns), { memory: parseHex(mem), engine }).r0.toString(16)}`;
        } catch (error) {
          got = (error as Error).message;
        }
        return BigInt(result) === (got.startsWith("0x") ? BigInt(got) : undefined) ? [] : [`${name}: ${got}`];
      });
      expect(wrong).toEqual(["callx: a call through a register (callx) is not supported"]);
      expect(vectors.length).toBe(313);
    });
  }
});
