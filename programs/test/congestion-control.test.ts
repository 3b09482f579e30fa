import { cstr } from "tsbpf";
import { createHost, load } from "tsbpf/testing";
import { describe, expect, test } from "vitest";

const source = new URL("../congestion-control.ts", import.meta.url);
type Module = typeof import("../congestion-control.ts");

describe.each(["mainline", "patched"] as const)("congestion control on %s", (target) => {
  test("the client asks for cubic in the third ACK, the server does not", async () => {
    const { congestionControl } = await load<Module>(source, { target });
    congestionControl.established("client");
    expect([...congestionControl.write()!]).toEqual([0x42, 4, 0, 3]);
    const server = congestionControl.on();
    server.established("server");
    expect(server.write()).toBeUndefined();
  });

  test("the wanted scheme goes out in network byte order", async () => {
    const { congestionControl } = await load<Module>(source, { target, params: { wanted: 0x0102 } });
    congestionControl.established("client");
    expect([...congestionControl.write()!]).toEqual([0x42, 4, 1, 2]);
  });

  test.each([
    [0, "vegas"],
    [1, "reno"],
    [2, "bbr"],
    [3, "cubic"],
  ])("42 04 00 0%i is %s", async (id, name) => {
    const { congestionControl } = await load<Module>(source, { target });
    congestionControl.established("server");
    congestionControl.parse(Uint8Array.of(0x42, 4, 0, id));
    expect(congestionControl.sockOpts.TCP_CONGESTION).toBe(name);
  });

  test("the server takes the name from its table, whatever stands there", async () => {
    const { congestionControl, ccNames } = await load<Module>(source, { target });
    const asked = await load<Module>(source, { target, params: { wanted: 2 } });
    asked.congestionControl.established("client");
    const bytes = asked.congestionControl.write()!;
    for (const name of ["westwood", "dctcp"] as const) {
      ccNames.set(2, cstr(name, 16));
      const connection = congestionControl.on();
      connection.established("server");
      connection.parse(bytes);
      expect(connection.sockOpts.TCP_CONGESTION).toBe(name);
    }
  });

  // 0x0103 is 3 in its low byte, 0x0300 is 3 read in the wrong order.
  test.each([4, 200, 0x0103, 0x0300, 0xffff])("%i is outside of the table and changes nothing", async (id) => {
    const { congestionControl } = await load<Module>(source, { target });
    const asked = await load<Module>(source, { target, params: { wanted: id } });
    asked.congestionControl.established("client");
    congestionControl.established("server");
    congestionControl.parse(asked.congestionControl.write()!);
    expect(congestionControl.sockOpts).toEqual({});
  });

  test("a scheme that this kernel lacks changes nothing", async () => {
    const host = createHost({ congestionControls: ["reno", "cubic"] });
    const { congestionControl } = await load<Module>(source, { target, host });
    const asked = await load<Module>(source, { target, params: { wanted: 2 } });
    asked.congestionControl.established("client");
    congestionControl.established("server");
    congestionControl.parse(asked.congestionControl.write()!);
    expect(congestionControl.sockOpts).toEqual({});
    expect(congestionControl.history).toMatch(/setsockopt TCP_CONGESTION = "bbr" → -2 \(ENOENT\)/);
  });

  test("stops writing once data arrives", async () => {
    const { congestionControl } = await load<Module>(source, { target });
    congestionControl.established("client");
    expect(congestionControl.write()).toBeDefined();
    congestionControl.receive(1000);
    congestionControl.receive(1000);
    congestionControl.write(); // the segment in whose event the program decides
    expect(congestionControl.write()).toBeUndefined();
  });
});
