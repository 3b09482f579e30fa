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
