/** Which functions call which. */
import { isFunctionCall, type Func, type FunctionCall, type IrModule } from "./ir.ts";

/** The calls of functions in a function. */
export const callsOf = (func: Func): FunctionCall[] => func.blocks.flatMap(({ insts }) => insts.filter(isFunctionCall));

/** The functions that the programs call, directly or through others: each before what it calls. Recursion is an error of the frontend. */
export function callersFirst(module: IrModule): Func[] {
  const byName = new Map(module.functions.map((one) => [one.name, one]));
  const done = new Set<string>();
  const order: Func[] = [];
  const visit = (caller: Func): void => {
    for (const { target } of callsOf(caller)) {
      const callee = byName.get(target.name);
      if (!callee || done.has(target.name)) continue;
      done.add(target.name);
      visit(callee);
      order.push(callee);
    }
  };
  for (const { func } of module.programs) visit(func);
  return order.reverse();
}
