// More offsets that an old verifier loses sight of than a module is emitted for one by one.
import { expect, test } from "vitest";
import { compile } from "../../compiler/compile.ts";

/** The index is a product of variables, which 5.10 forgets the bounds of; we know that it lies inside. */
const SITES = 30;
const TEXT = `import { array, ArrayMap, license, struct, u32, u8 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class In extends struct({ bytes: array(u8, 64), list: array(u32, 64) }) {}
export const m = new ArrayMap({ value: In, maxEntries: 1 });
export const p = sockOps(() => {
  const o = m.get(0);
${Array.from({ length: SITES }, (_, i) => `  if (o.bytes[${i}] > ${i}) o.list[(o.bytes[${i}] & 7) * (o.bytes[${i + 1}] & 7)] = ${i};`).join("\n")}
  return 1;
});
`;

test("a module with very many offsets that 5.10 loses sight of is taken by it", () => {
  const { object, diagnostics } = compile({ path: "many.ts", text: TEXT }, {});
  expect(diagnostics).toEqual([]);
  expect(object).toBeDefined();
});
