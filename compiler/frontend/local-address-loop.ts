/** `for (const local of session.localAddresses())`: the addresses of this host, in the map that the runtime keeps. */
import { ts } from "ts-morph";
import type { Value } from "../ir/ir.ts";
import type { ArrayLayout } from "../layout.ts";
import { argumentsOf } from "./arguments.ts";
import { at, scratch, type Lowering } from "./lowering.ts";
import { alwaysThere, lookupPointer } from "./map-calls.ts";
import { localAddressesMap } from "./maps.ts";
import { loadPrimitive } from "./memory.ts";
import type { Memory, Place } from "./operand.ts";
import { U32 } from "./types.ts";

/** The call, where an expression asks a session for them. */
export function localAddressesCall(
  over: ts.Expression,
): { readonly of: ts.Expression; readonly call: ts.CallExpression } | undefined {
  if (!ts.isCallExpression(over) || !ts.isPropertyAccessExpression(over.expression)) return undefined;
  return over.expression.name.text === "localAddresses" ? { of: over.expression.expression, call: over } : undefined;
}

type List = Place & { readonly type: ArrayLayout };
/** All slots, free ones among them; undefined where the call is wrong, which is reported. */
export function localAddressList(f: Lowering, call: ts.CallExpression): List | undefined {
  if (!argumentsOf(f, call, "localAddresses", 0)) return undefined;
  const span = at(f, call);
  const map = localAddressesMap(f.state, span);
  const key = scratch(f, 4, 4, "key", span);
  f.b.store(4, key, 0, f.b.constant("w32", 0n, span), span);
  const value = alwaysThere(f, map, lookupPointer(f, map, key, call), call, 0n) as Place;
  const [list] = (value.type as typeof map.value & { readonly kind: "struct" }).fields;
  return {
    kind: "place",
    type: list!.layout as ArrayLayout,
    at: { ...value.at, readOnly: "the runtime keeps the addresses of this host" },
  };
}

/** Is the slot in use? Its family, which is 0 otherwise. */
export function familyOfSlot(f: Lowering, slot: Memory, of: ArrayLayout["of"], node: ts.Node): Value {
  const family = of.kind === "struct" ? of.fields.find(({ name }) => name === "family") : undefined;
  const offset = slot.offset + (family?.offset ?? 0);
  return (loadPrimitive(f, U32, { ...slot, offset }, node) as { readonly value: Value }).value;
}
