import { cstr } from "tsbpf";
import { createHost, load } from "tsbpf/testing";
import { describe, expect, test } from "vitest";

const source = new URL("../congestion-control.ts", import.meta.url);
type Module = typeof import("../congestion-control.ts");

describe.each(["mainline", "patched"] as const)("congestion control on %s", (target) => {
  test("the client asks in the third ACK", async () => {
    const { congestionControl, wanted } = await load<Module>(source, { target });
    congestionControl.established("client");
    const bytes = congestionControl.write();
    expect(bytes?.length).toBe(4);
    expect([...bytes!]).toContain(wanted);
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

  test("a number outside of the table changes nothing", async () => {
    const { congestionControl } = await load<Module>(source, { target });
    const asked = await load<Module>(source, { target, params: { wanted: 200 } });
    asked.congestionControl.established("client");
    congestionControl.established("server");
    congestionControl.parse(asked.congestionControl.write()!);
    expect(congestionControl.sockOpts).toEqual({});
  });

  test("a scheme that this kernel lacks changes nothing", async () => {
    const host = createHost({ congestionControls: ["reno", "cubic"] });
    const { congestionControl, ccNames } = await load<Module>(source, { target, host });
    ccNames.set(3, cstr("bbr", 16));
    const asked = await load<Module>(source, { target, params: { wanted: 3 } });
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
