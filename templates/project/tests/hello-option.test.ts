import { connect, load } from "tsbpf/testing";
import { expect, test } from "vitest";

const source = new URL("../programs/hello-option.ts", import.meta.url);
type Module = typeof import("../programs/hello-option.ts");

test("the client says 42, in network byte order", async () => {
  const { helloOption } = await load<Module>(source);
  helloOption.established("client");
  // Kind, length, the experiment's number, the payload.
  expect(helloOption.write()).toEqual(Uint8Array.of(254, 6, 0x74, 0x73, 0, 42));
});

test("the loader may set another number", async () => {
  const { helloOption } = await load<Module>(source, { params: { greeting: 7 } });
  helloOption.established("client");
  expect(helloOption.write()?.at(-1)).toBe(7);
});

test("the server hears it, over a connection", async () => {
  const client = await load<Module>(source);
  const server = await load<Module>(source);
  const network = connect(client.helloOption, server.helloOption);
  network.open();
  network.transfer("client", 10_000);
  expect(server.heard.get(42)).toBeGreaterThan(0);
  expect(client.heard.get(42)).toBeUndefined();
});
