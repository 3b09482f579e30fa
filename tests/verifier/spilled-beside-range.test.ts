/** A number that ends where an array begins on the stack: in the same eight bytes, verifiers before 6.12 lose it when the array is written. */
import { expect, test } from "vitest";
import { compile } from "../../compiler/compile.ts";
import { createMachine } from "../../runtime/vm/machine.ts";

// `mark` has its last byte at offset 8 of the struct, and `list` begins at offset 9.
const text = `import { array, ArrayMap, license, struct, u32, u8 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Packed extends struct({ k: u8, at: u32, mark: u32, list: array(u32, 4) }, { packed: true }) {}
export const input = new ArrayMap({ value: Packed, maxEntries: 1 });
export const sums = new ArrayMap({ value: u32, maxEntries: 1 });
export const p = sockOps(() => {
  const from = input.get(0);
  const copy = new Packed(from);
  if (from.at > 2) copy.mark = 0x01020304;
  copy.list[copy.at & 3] = 7;
  sums.set(0, copy.mark);
  return 1;
});
`;

test.each(["5.10", "6.1", "6.12", "6.18"] as const)("is read again, on %s", (kernel) => {
  const { module, diagnostics } = compile({ path: "beside.ts", text }, { kernel });
  expect(diagnostics).toEqual([]);
  const machine = createMachine(module!, {
    services: { cpus: 1, cpu: () => 0, now: () => 1n, random: () => 4, print: () => undefined },
  });
  // `at` is 3: the last element is written, and the mark.
  machine.maps.get("input")!.update(new Uint8Array(4), Uint8Array.of(0, 3, 0, 0, 0, ...new Uint8Array(20)), 0n);
  expect(machine.run("p", { read: () => 0, services: { socket: {} } })).toMatchObject({ ok: true, returned: 1 });
  expect(machine.maps.get("sums")!.read(new Uint8Array(4))![0]).toEqual(Uint8Array.of(4, 3, 2, 1));
});

// What is put in front of the store for 5.10 is not there for those that need none.
test("costs later kernels nothing", () => {
  const count = (kernel: "5.10" | "6.12"): number =>
    compile({ path: "beside.ts", text }, { kernel }).module!.programs[0]!.insns.length;
  expect(count("5.10") - count("6.12")).toBe(2);
});
