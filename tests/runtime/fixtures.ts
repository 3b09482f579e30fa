/** What the tests of the loader share: a value with every kind of field, and a look at what the kernel still holds. */
import { structLayout, type Layout } from "../../compiler/layout.ts";
import { allMaps, allPrograms } from "../../runtime/kernel/info.ts";
import { be, int } from "./hand-made.ts";
import { until } from "./lab.ts";

/** Everything that the kernel holds of one test file, whose names start with a prefix of its own. */
const held = (prefix: string): string[] =>
  [...allPrograms(), ...allMaps()].map((one) => one.name).filter((name) => name.startsWith(prefix));

/** The kernel frees programs after a grace period, and their maps with them. */
export const nothingHeld = async (prefix: string): Promise<void> =>
  void (await until(`nothing in the kernel but ${held(prefix).join(", ")}`, () => held(prefix).length === 0));

export const nested: Layout = structLayout(
  "Nested",
  [
    { name: "flag", layout: int(8) },
    { name: "port", layout: be(16) },
    { name: "addr", layout: be(32) },
    {
      name: "deep",
      layout: structLayout(
        "Deep",
        [
          { name: "low", layout: int(8) },
          { name: "high", layout: int(64, true) },
        ],
        true,
      ),
    },
    { name: "list", layout: { kind: "array", of: int(16), length: 3 } },
    { name: "name", layout: { kind: "cstring", size: 8 } },
    { name: "total", layout: int(64) },
    { name: "wire", layout: be(64) },
  ],
  false,
);
export const nestedValue = {
  flag: 255,
  port: 443,
  addr: 0x0a000001,
  deep: { low: 7, high: -(1n << 62n) },
  list: [1, 65535, 3],
  name: "cubic",
  total: (1n << 64n) - 1n,
  wire: 0x0102030405060708n,
};
