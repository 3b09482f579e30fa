/** The arguments of a call, as many as there must be. */
import { ts } from "ts-morph";
import { fail, type Lowering } from "./lowering.ts";

/** The arguments; reports too few, too many and spreads. `optional`: how many of them may be left out. */
export function argumentsOf(
  f: Lowering,
  call: ts.CallExpression,
  name: string,
  count: number,
  optional = 0,
): readonly ts.Expression[] | undefined {
  const args = call.arguments;
  const spread = args.find((arg) => ts.isSpreadElement(arg));
  if (spread) return void fail(f, "spread", spread, { of: "list" });
  if (args.length >= count - optional && args.length <= count) return args;
  const least = count - optional;
  const expected =
    optional === 0 ? `${count} ${count === 1 ? "argument" : "arguments"}` : `${least} to ${count} arguments`;
  return void fail(f, "argument-count", call, { what: name, expected: `${expected}, not ${args.length}` });
}
