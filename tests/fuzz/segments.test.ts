/**
 * Option parsers of the bundled programs under a storm of hostile segments, in the virtual machine, which checks each access.
 * `npm run test:fuzz:segments` sends ten million in all, half an hour and more; `FUZZ_SEED` starts elsewhere.
 */
import { expect, test } from "vitest";
import { parsers, storm } from "./segments.ts";

const found = await parsers();
/** For each. */
const COUNT = Math.ceil(Number(process.env["FUZZ_SEGMENTS"] ?? 0) / found.length) || 500;
const SEED = Number(process.env["FUZZ_SEED"] ?? 7);

test("those that read options are among them", () => {
  expect(found.map(({ name }) => name.replace(/\..*/, ""))).toEqual(
    expect.arrayContaining(["user-timeout", "delayed-ack", "trace-context", "client-address", "initial-window"]),
  );
});

test.each(found.map((one) => [`${one.name} on ${one.target}`, one] as const))(
  `%s: ${COUNT} segments`,
  (_, one) => storm(one, COUNT, SEED),
  60_000 + COUNT * 20,
);

test("a fault is told with its seed and bytes", () => {
  const whole = found.find(({ name }) => name === "user-timeout.userTimeout")!.view;
  const broken = new Proxy<object>(whole, {
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
