/** Programs that the generator found faults with, kept small. */
import { expect, test } from "vitest";
import { sizeOf } from "../../compiler/layout.ts";
import { compileText } from "./compiled.ts";
import { canLoad, kernelRunner } from "./kernel-runner.ts";
import { machineRunner } from "./run.ts";

const source = (body: string): string => `import { array, ArrayMap, be16, license, ntohs, struct, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Cells extends struct({ a: u32, b: u32, list: array(u32, 4), port: be16 }) {}
export const cells = new ArrayMap({ value: Cells, maxEntries: 1 });
export const program = sockOps(() => {
  const m = cells.get(0);
  const end: u32 = ntohs(m.port);
  ${body}
  m.b = end;
  return 1;
});
`;

const denied = canLoad();

// The kernel's verifier forgets what a 32-bit quotient, remainder, negation or byte swap leaves in a register, its upper half
// included: the bounds check must stay, and the index must be widened where the verifier sees it.
test.each([
  ["quotient", "m.a = m.list[m.a / 40] ?? 7;", 81, 30],
  ["remainder out of range", "m.a = m.list[m.a % 9] ?? 7;", 8, 7],
  ["remainder that is always inside", "m.a = m.list[m.a % 3] ?? 7;", 8, 30],
  ["remainder that is always inside, written to", "m.list[m.a % 3] = 5; m.a = m.list[2];", 8, 5],
  ["quotient of a small number, masked", "m.list[(3 / m.a) & 3] = 5; m.a = m.list[3];", 1, 5],
  ["byte swap", "m.a = m.list[end] ?? 7;", 0, 20],
  ["shift by a variable", "m.a = m.list[m.a << m.b] ?? 7;", 1, 20],
  ["negation", "m.a = m.list[-m.a] ?? 7;", 2 ** 32 - 3, 40],
  ["number that only we know", "m.a = m.list[(m.list[0] / 20 | 0xffff_ffff) % 6] ?? 7;", 1, 40],
  ["number that only we know, written to", "m.list[(m.list[0] | 0xffff_ffff) % 6] = 5; m.a = m.list[3];", 1, 5],
  [
    "number that only we know to be outside, kept out",
    "const q = m.a % 3 + 4; if (q < 3) m.list[q] = 5; m.a = q;",
    4,
    5,
  ],
])("an index that is a %s", (_what, body, a, expected) => {
  const module = compileText(source(body));
  if (typeof module === "string") throw new Error(module);
  const runners = [
    machineRunner(module, "program"),
    ...(denied === undefined ? [kernelRunner(module, "program")] : []),
  ];
  for (const runner of runners) {
    const value = new Uint8Array(sizeOf(module.maps[0]!.value!));
    const view = new DataView(value.buffer);
    view.setUint32(0, a, true);
    [10, 20, 30, 40].forEach((n, i) => view.setUint32(8 + 4 * i, n, true));
    view.setUint16(24, 1, false);
    runner.write("cells", new Uint8Array(4), value);
    expect(runner.run()).toBeUndefined();
    const [entry] = runner.read("cells");
    expect(new DataView(entry!.value.buffer, entry!.value.byteOffset).getUint32(0, true)).toBe(expected);
    runner.close();
  }
});

// Unrolled turns share the stack variable of their keys: storing one turn's key higher up must not reach the look-up before it.
test("keys of other turns do not reach a look-up that needs the old one", () => {
  const text = `import { array, ArrayMap, i32, i64, license, max, range, struct, u16, u32, u64 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
let mask: i32 = 2992;
let small: u16 = 33;
class Part extends struct({ a: u32, sum: u64 }, { packed: true }) {}
class In extends struct({ a: u64, b: u32, wide: i64, short: u16, list: array(u64, 8), last: i32 }) {}
class Out extends struct({ count: u32, wide: i64, part: Part, at: u16, list: array(i64, 4) }, { packed: true }) {}
export const inputs = new ArrayMap({ value: In, maxEntries: 4 });
export const outputs = new ArrayMap({ value: Out, maxEntries: 2 });
function nothing(a: u32, o: Out): void {}
function decides(): boolean {
  let found: u32 = u32(inputs.get(3).list[5] >= 5n);
  nothing(max(found, found), outputs.get(0));
  found ^= u32(mask);
  return found > 1;
}
function choose(part: Part, wide: i64): u32 {
  return u32(wide) + 0;
}
export const program = sockOps(() => {
  const p = inputs.get(0);
  const out = outputs.get(1);
  let total: i64 = -257n;
  switch (choose(out.part, p.wide) % 8) {
    case 0: {
      let one: u16 = 0;
      if (decides()) {
        one = small;
      } else if (1 >= inputs.get(3).short) {
      }
      total += i64(one);
      break;
    }
    case 1:
      for (const turn of range(6)) {
        out.part.sum += p.list[3] >> inputs.get(1).list[turn];
      }
      for (let again: i64 = 0n; again !== 3n; again++) {
        if (1 <= p.short) out.list[2] = inputs.get(3).wide;
      }
  }
  return 1;
});
`;
  const sums = [[], ["cse"], ["hoist-stores"], ["cse", "hoist-stores"]].map((without) => {
    const module = compileText(text, without);
    if (typeof module === "string") throw new Error(module);
    const runner = machineRunner(module, "program");
    const size = sizeOf(module.maps[0]!.value!);
    for (let slot = 0; slot < 4; slot++) {
      const value = new Uint8Array(size);
      const view = new DataView(value.buffer);
      view.setBigInt64(16, 1n, true);
      view.setUint16(24, 5 + slot, true);
      for (let at = 0; at < 8; at++)
        view.setBigUint64(32 + 8 * at, slot === 1 ? BigInt(at % 3) : 100n * BigInt(at + 1), true);
      runner.write("inputs", Uint8Array.of(slot, 0, 0, 0), value);
    }
    expect(runner.run()).toBeUndefined();
    const last = runner.read("outputs")[1]!.value;
    return new DataView(last.buffer, last.byteOffset).getBigUint64(16, true);
  });
  // 400 shifted by 0, 1, 2, 0, 1, 2.
  expect(sums).toEqual([1400n, 1400n, 1400n, 1400n]);
});
