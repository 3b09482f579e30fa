import { connect, load } from "tsbpf/testing";
import { describe, expect, test } from "vitest";

const source = new URL("../user-timeout.ts", import.meta.url);
type Module = typeof import("../user-timeout.ts");

describe.each(["mainline", "patched"] as const)("user timeout on %s", (target) => {
  test("the client announces ten seconds, in network byte order", async () => {
    const { userTimeout } = await load<Module>(source, { target });
    userTimeout.established("client");
    expect(userTimeout.write()).toEqual(Uint8Array.of(28, 4, 0, 10));
  });

  test("the wire format of the paper: one second is 1c 04 00 01", async () => {
    const { userTimeout } = await load<Module>(source, { target, params: { timeoutSeconds: 1 } });
    userTimeout.established("client");
    expect(userTimeout.write()).toEqual(Uint8Array.of(0x1c, 0x04, 0x00, 0x01));
  });

  test("a server does not announce", async () => {
    const { userTimeout } = await load<Module>(source, { target });
    userTimeout.established("server");
    expect(userTimeout.write()).toBeUndefined();
  });

  test("stops writing after the first data segments", async () => {
    const { userTimeout } = await load<Module>(source, { target });
    userTimeout.established("client");
    const written = Array.from({ length: 5 }, () => userTimeout.send(100) !== undefined);
    expect(written).toEqual([true, true, true, false, false]);
  });

  test.each([
    ["seconds", [28, 4, 0x00, 0x1e], 30_000],
    ["minutes", [28, 4, 0x80, 0x02], 120_000],
    ["too short: the lower limit holds", [28, 4, 0x00, 0x00], 1_000],
    ["too long: the upper limit holds", [28, 4, 0xff, 0xff], 600_000],
  ])("adopts %s", async (_, bytes, milliseconds) => {
    const { userTimeout } = await load<Module>(source, { target });
    userTimeout.established("server");
    userTimeout.parse(bytes);
    expect(userTimeout.sockOpts.TCP_USER_TIMEOUT).toBe(milliseconds);
  });

  test("an option of another length is not delivered", async () => {
    const { userTimeout } = await load<Module>(source, { target });
    userTimeout.established("server");
    userTimeout.parse([28, 3, 1]);
    userTimeout.parse([28, 6, 0, 10, 0, 0]);
    expect(userTimeout.sockOpts.TCP_USER_TIMEOUT).toBeUndefined();
  });

  test("other options before it are skipped", async () => {
    const { userTimeout } = await load<Module>(source, { target });
    userTimeout.established("server");
    userTimeout.parse([1, 1, 66, 4, 0, 40, 28, 4, 0, 5]);
    expect(userTimeout.sockOpts.TCP_USER_TIMEOUT).toBe(5_000);
  });

  test("from one end to the other", async () => {
    const { userTimeout } = await load<Module>(source, { target });
    const network = connect(userTimeout, userTimeout);
    network.open();
    network.transfer("client", 10_000);
    expect(network.server.sockOpts.TCP_USER_TIMEOUT).toBe(10_000);
    expect(network.client.sockOpts.TCP_USER_TIMEOUT).toBeUndefined();
  });

  test("a middlebox that strips the option leaves the connection as it was", async () => {
    const { userTimeout } = await load<Module>(source, { target });
    const network = connect(userTimeout, userTimeout, { strip: [28] });
    network.open();
    network.transfer("client", 10_000);
    expect(network.server.sockOpts).toEqual({});
  });
});
