import { load } from "tsbpf/testing";
import { expect, test } from "vitest";

const source = new URL("../initial-window-raw.ts", import.meta.url);
type Module = typeof import("../initial-window-raw.ts");

test("the client asks for 20 segments, as initial-window.ts does, until two segments with data have come", async () => {
  const { initialWindowRaw } = await load<Module>(source);
  initialWindowRaw.established("client");
  expect(initialWindowRaw.write()).toEqual(Uint8Array.of(66, 4, 0, 20));
  expect(initialWindowRaw.write({ dataSegsIn: 1 })).toEqual(Uint8Array.of(66, 4, 0, 20));
  expect(initialWindowRaw.write({ dataSegsIn: 2 })).toEqual(Uint8Array.of(66, 4, 0, 20));
  expect(initialWindowRaw.write()).toBeUndefined();
});

test("a server writes nothing", async () => {
  const { initialWindowRaw } = await load<Module>(source);
  initialWindowRaw.established("server");
  expect(initialWindowRaw.write()).toBeUndefined();
});

test("the answer to events of others is the kernel's own", async () => {
  const { initialWindowRaw } = await load<Module>(source);
  expect(initialWindowRaw.event("TimeoutInit")).toEqual({ returned: 1, reply: -1 });
});
