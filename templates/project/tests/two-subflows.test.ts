import { load } from "tsbpf/testing";
import { expect, test } from "vitest";

const source = new URL("../programs/two-subflows.ts", import.meta.url);
type Module = typeof import("../programs/two-subflows.ts");

test("a session gets one more subflow, once", async () => {
  const { twoSubflows } = await load<Module>(source);
  const session = twoSubflows.session();
  session.establish();
  session.settle();
  expect(session.subflows.map((one) => one.state)).toEqual(["established"]);
});

test.each([
  [0, 0],
  [3, 3],
  [200, 8],
])("extraSubflows = %i opens %i", async (extraSubflows, opened) => {
  const { twoSubflows } = await load<Module>(source, { params: { extraSubflows } });
  twoSubflows.emit("fullyEstablished", { isMaster: true });
  expect(twoSubflows.subflows).toHaveLength(opened);
});
