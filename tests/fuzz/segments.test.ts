/**
 * Option parsers of the bundled programs under a storm of hostile segments, in the virtual machine, which checks each access.
 * `npm run test:fuzz:segments -- 10000000` sends so many in all.
 */
import { join } from "node:path";
import { load } from "tsbpf/testing";
import { expect, test } from "vitest";
import { programsFolder } from "../programs.ts";
import { parsers, storm } from "./segments.ts";

const found = await parsers();

test("those that read options are among them", () => {
  expect(found.map(({ name }) => name.replace(/\..*/, ""))).toEqual(
    expect.arrayContaining(["user-timeout", "delayed-ack", "trace-context", "client-address", "initial-window"]),
  );
});

test.each(found.map((one) => [`${one.name} on ${one.target}`, one] as const))("%s: 1,000 segments", (_, one) => {
  storm(one, 1000, 7);
});

test("a fault is told with its seed and bytes", async () => {
  const { userTimeout } = await load<{ userTimeout: never }>(join(programsFolder, "user-timeout.ts"), {});
  const broken = new Proxy(userTimeout as object, {
    get: (target, key) =>
      key === "on"
        ? () => broken
        : key === "parse"
          ? () => {
              throw new Error("fault");
            }
          : (Reflect.get(target, key) as unknown),
  });
  expect(() => storm({ name: "x", target: "mainline", view: broken as never }, 10, 3)).toThrow(
    /^x on mainline, seed 3, options [0-9a-f]*: fault$/,
  );
});
