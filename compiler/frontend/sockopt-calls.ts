/** Calls in a socket option hook. */
import type { ts } from "ts-morph";
import { alignOf, sizeOf } from "../layout.ts";
import { argumentsOf } from "./arguments.ts";
import { fieldOf, loadField } from "./context-fields.ts";
import { fieldType } from "./declare.ts";
import { at, fail, type Lowering } from "./lowering.ts";
import { ERROR, UNDEFINED, type Context, type Operand } from "./operand.ts";
import { isPrimitive, typeName } from "./types.ts";

/** The kernel shows one page of a value (PAGE_SIZE). */
const MOST_SHOWN = 4096;

/** `ctx.optval(T)`: the value as a T, in place, or undefined where it is shorter. */
export function optval(f: Lowering, context: Context, call: ts.CallExpression): Operand {
  const args = argumentsOf(f, call, "optval", 1);
  const layout = args && fieldType(f, args[0]!);
  if (!layout) return ERROR;
  const size = sizeOf(layout);
  if (size > MOST_SHOWN)
    return fail(f, "count-range", args[0]!, {
      what: `the size of ${typeName(layout)}`,
      found: `${size} bytes`,
      range: `at most ${MOST_SHOWN}, which is what the kernel shows`,
    });
  const span = at(f, call);
  const start = loadField(f, context, "optval", call);
  const shown = loadField(f, context, "optval_end", call);
  const found = { type: "ptr packet" as const };
  const there = f.b.label();
  const missing = f.b.label();
  const done = f.b.label();
  const end = f.b.ptradd(start, f.b.constant("w64", BigInt(size), span), span);
  f.b.branch("ugt", end, shown, missing, there, span);
  f.b.place(missing);
  f.b.set(found, f.b.null(start, span));
  f.b.jump(done, span);
  f.b.place(there);
  f.b.set(found, start);
  f.b.jump(done, span);
  f.b.place(done);
  const pointer = f.b.get(found);
  f.b.forget(found);
  return {
    kind: "nullable",
    of: layout,
    pointer,
    align: alignOf(layout),
    ...(isPrimitive(layout) ? { ref: true } : {}),
  };
}

/** `ctx.skipKernel()`: a length of -1 tells the kernel that the program has done it all. */
export function skipKernel(f: Lowering, context: Context, call: ts.CallExpression): Operand {
  if (!argumentsOf(f, call, "skipKernel", 0)) return ERROR;
  const span = at(f, call);
  f.b.store(4, context.ctx, fieldOf(context, "optlen").offset, f.b.constant("w32", 0xffff_ffffn, span), span);
  return UNDEFINED;
}
