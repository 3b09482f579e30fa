/** Offsets that lie inside of their arrays, and of which a verifier does not see it. */
import { describe, expect, test } from "vitest";
import { backend } from "../../compiler/backend/emit.ts";
import { kernels } from "../../compiler/bpf/kernels.ts";
import type { Version } from "../../compiler/bpf/verifier-rules.ts";
import { compile } from "../../compiler/compile.ts";
import { looseOffsets } from "../../compiler/verifier/loose-offsets.ts";

const source = (body: string): string => `import { array, ArrayMap, i32, license, struct, u32, u8 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Slot extends struct({ d: i32, bytes: array(u8, 64), list: array(u32, 64) }) {}
export const m = new ArrayMap({ value: Slot, maxEntries: 1 });
export const p = sockOps(() => {
  const o = m.get(0);
${body}
  return 1;
});
`;
/** The compiled module as it is without regard to what verifiers see, and what they then need. */
function needs(
  text: string,
  release: Version,
): { readonly all: number; readonly loose: ReturnType<typeof looseOffsets>["needs"] } {
  const { ir } = compile({ path: "offsets.ts", text }, { verify: false });
  const { module, offsets } = backend(ir!, kernels.mainline);
  const [program] = module!.programs;
  const known = offsets.get(program!.name)!;
  return { all: known.length, loose: looseOffsets(module!, program!, kernels.mainline, release, known).needs };
}

describe("more offsets than a module is emitted for one by one, products that 5.10 forgets the bounds of", () => {
  const SITES = 30;
  const sites = Array.from(
    { length: SITES },
    (_, i) => `  if (o.bytes[${i}] > ${i}) o.list[(o.bytes[${i}] & 7) * (o.bytes[${i + 1}] & 7)] = ${i};`,
  );
  const text = source(sites.join("\n"));

  test("one walk finds them all", () => {
    const { all, loose } = needs(text, "5.10");
    expect(all).toBe(SITES);
    expect(loose.size).toBe(SITES);
  });

  test("the module is taken", () => {
    const { object, diagnostics } = compile({ path: "offsets.ts", text }, {});
    expect(diagnostics).toEqual([]);
    expect(object).toBeDefined();
  });
});

// Linux 6.18 holds a sum against the offset that was made of it, although a comparison has settled it since.
test("an offset that was made by a far sum, and is linked with what it was made of", () => {
  const text = source(
    "  const d = o.d;\n  const at: u32 = u32(d - 1779215807);\n  if (at < 64) o.bytes[at] = 1;\n  o.d = d;",
  );
  expect([...needs(text, "6.18").loose.values()].map((need) => [...need])).toEqual([["unlink"]]);
  const { object, diagnostics } = compile({ path: "offsets.ts", text }, {});
  expect(diagnostics).toEqual([]);
  expect(object).toBeDefined();
});

// Where a number is odd, at least 2 and less than 3, older kernels know of it what no number is, and make a number of the sum with an address.
test("an offset of which a way that nothing takes has said what contradicts itself", () => {
  const text = `import { array, ArrayMap, license, range, struct, u32, u8 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Slot extends struct({ a: u8, b: u32, list: array(u32, 3) }) {}
export const m = new ArrayMap({ value: Slot, maxEntries: 2 });
let count: u32 = 0;
const both = (x: u32, y: u32): u32 => (x < y ? y & x : x & 2);
const first = (x: u32, y: u32): u32 => { for (const i of range(2)) if (i === x) return both(i, y); return y; };
export const p = sockOps((ctx) => {
  const s = m.get(0);
  const list = m.get(1).list;
  const a = ctx.mss;
  for (const i of range(2)) s.a = u8(i < first(1, a) ? count : (list[a] ?? 3));
  s.b = a;
  return 1;
});
`;
  const settled = (["5.10", "6.18"] as const).map((release) =>
    [...needs(text, release).loose.values()].map((need) => [...need]),
  );
  // Newer ones forget all of it instead.
  expect(settled).toEqual([[["settle", "compare"]], [["compare"]]]);
  const { object, diagnostics } = compile({ path: "offsets.ts", text }, {});
  expect(diagnostics).toEqual([]);
  expect(object).toBeDefined();
});
