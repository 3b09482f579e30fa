import { expect, test } from "vitest";
import { runBare, type BareOptions } from "../../runtime/vm/bare.ts";
import { createKernelBench } from "../differential/vm-kernel.ts";
import { mapValue, reg, store } from "../vm/assemble.ts";
import { OWN_VECTORS } from "./own-vectors.ts";

test.each(["interpreter", "translator"] as const)("own vectors: %s", (engine) => {
  const wrong = OWN_VECTORS.flatMap(({ name, insns, memory, result }) => {
    const options: BareOptions = { engine, ...(memory ? { memory } : {}) };
    const { r0 } = runBare(insns, options);
    return r0 === result ? [] : [`${name}: 0x${r0.toString(16)} instead of 0x${result.toString(16)}`];
  });
  expect(wrong).toEqual([]);
});

const bench = createKernelBench(8);
test.skipIf("unavailable" in bench)("own vectors: the kernel gives the same (skipped without root and BPF)", () => {
  if ("unavailable" in bench) return;
  const plain = OWN_VECTORS.filter(
    ({ memory, insns }) => !memory && insns.at(-1)!.code === 0x95 && !insns.some((one) => one.code === 0x85),
  );
  const wrong = plain.flatMap(({ name, insns, result }) => {
    // r0 goes into the map's value; the program itself returns an int only.
    const batch = [...insns.slice(0, -1), ...mapValue(9, 0, 0), store(8, 9, 0, reg(0)), insns.at(-1)!];
    const ran = bench.run({ insns: batch, value: new Uint8Array(8) });
    if ("refused" in ran) return [`${name}: ${ran.refused}`];
    const r0 = new DataView(ran.value.buffer, ran.value.byteOffset).getBigUint64(0, true);
    return r0 === result ? [] : [`${name}: 0x${r0.toString(16)}`];
  });
  bench.close();
  expect(wrong).toEqual([]);
  expect(plain.length).toBeGreaterThan(60);
});
