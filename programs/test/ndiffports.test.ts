import { htons, ipv4 } from "tsbpf";
import { load } from "tsbpf/testing";
import { describe, expect, test } from "vitest";

const source = new URL("../ndiffports.ts", import.meta.url);
type Module = typeof import("../ndiffports.ts");

describe("ndiffports", () => {
  test("opens two more subflows, once", async () => {
    const { ndiffports } = await load<Module>(source);
    ndiffports.emit("fullyEstablished", { isMaster: true }, { token: 7 });
    ndiffports.emit("fullyEstablished", { isMaster: false }, { token: 7 });
    expect(ndiffports.subflows).toHaveLength(2);
  });

  test("leaves addresses and ports to the kernel, or names the session's own", async () => {
    const { ndiffports } = await load<Module>(source);
    ndiffports.emit("fullyEstablished", { isMaster: true }, { token: 7 });
    for (const { from, to } of ndiffports.subflows) {
      expect(from?.addr).toBeUndefined();
      expect(to?.addr).toBeUndefined();
    }
  });

  test("the loader may change the number; eight is the most", async () => {
    for (const [extraSubflows, opened] of [
      [0, 0],
      [1, 1],
      [5, 5],
      [8, 8],
      [200, 8],
    ] as const) {
      const { ndiffports } = await load<Module>(source, { params: { extraSubflows } });
      ndiffports.emit("fullyEstablished", { isMaster: true });
      expect(ndiffports.subflows).toHaveLength(opened);
    }
  });

  test("a whole session: the subflows open later, and do not open more", async () => {
    const { ndiffports } = await load<Module>(source);
    const session = ndiffports.session({
      localIp4: ipv4("10.0.0.1"),
      remoteIp4: ipv4("10.0.0.2"),
      remotePort: htons(443),
    });
    session.establish();
    expect(session.subflows.map((one) => one.state)).toEqual(["pending", "pending"]);
    session.settle();
    expect(session.subflows.map((one) => one.state)).toEqual(["established", "established"]);
    session.close();
    expect(session.subflows.map((one) => one.state)).toEqual(["closed", "closed"]);
  });

  test("what the peer refuses stays refused", async () => {
    const { ndiffports } = await load<Module>(source);
    const session = ndiffports.session({}, { subflow: (_, index) => (index === 0 ? "refuse" : "open") });
    session.establish();
    session.settle();
    expect(session.subflows.map((one) => one.state)).toEqual(["refused", "established"]);
  });
});
