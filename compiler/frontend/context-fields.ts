/** Loads from a context, and what handlers see of it. */
import type { ts } from "ts-morph";
import { HELPERS } from "../bpf/helpers.ts";
import { COMPILED, type ContextField } from "../bpf/kinds/index.ts";
import type { Type, Value } from "../ir/ir.ts";
import { hasCome } from "../bpf/since.ts";
import { FIELD_POINTERS } from "../ir/types.ts";
import { sameLayout } from "../layout.ts";
import type { AddressProperty, ContextProperty, HelperProperty, ScalarProperty } from "./context-properties.ts";
import { at, fail, type Lowering } from "./lowering.ts";
import { loadMember, storeMember, type KernelProperty } from "./kernel-members.ts";
import { asPlace, inside, loadPrimitive, newSlot } from "./memory.ts";
import { need, sayTooNew } from "./module-state.ts";
import { ERROR, type Context, type Operand, type Scalar } from "./operand.ts";
import { ROLES } from "./roles.ts";
import { segmentFact } from "./segments.ts";
import { BE32, I32 } from "./types.ts";
import { convert, describe } from "./values.ts";

/** Four words in network order. */
export const IP6_LAYOUT = { kind: "array", of: BE32, length: 4 } as const;

/** How the reason begins for which an address that may only be assigned as a whole cannot be written in parts. */
export const COPY_OF = "it is part of a copy of";

/** A field of a context, by its name in the kind's row. */
export function fieldOf(context: Pick<Context, "role">, name: string): ContextField {
  const fields: Readonly<Record<string, ContextField>> = COMPILED[ROLES[context.role].kind].fields;
  return fields[name]!;
}

/** A field that is about to be used: said where the kernels that are asked for have it not. */
function neededField(f: Lowering, context: Context, field: string, node: ts.Node, name: string): ContextField {
  const found = fieldOf(context, field);
  const { needs, since } = found;
  if (needs) need(f.state, needs, at(f, node), name);
  if (!hasCome(since, f.state.kernel.oldest)) sayTooNew(f.state, at(f, node), name, since!);
  return found;
}

/** Loads a field of the context; an 8-byte one as w64. */
export function loadField(
  f: Lowering,
  context: Context,
  field: string,
  node: ts.Node,
  index = 0,
  name?: string,
): Value {
  const { offset, bytes, pointer } = neededField(f, context, field, node, name ?? field);
  const type: Type = pointer ? FIELD_POINTERS[pointer] : bytes === 8 ? "w64" : "w32";
  return f.b.load(type, bytes, context.ctx, offset + index * bytes, at(f, node), name);
}

/** The present value of a property. */
export function loadProperty(
  f: Lowering,
  context: Context,
  found: ContextProperty,
  node: ts.Node,
  name: string,
): Operand {
  if ("helper" in found) return askHelper(f, context, found, node);
  if ("segment" in found) return segmentFact(f, context, found.segment, node);
  if ("member" in found) return loadMember(f, context, found.member, node, name);
  return found.type === "ip6" ? loadAddress(f, context, found, node, name) : loadScalar(f, context, found, node, name);
}

function askHelper(f: Lowering, context: Context, { helper, part, type }: HelperProperty, node: ts.Node): Scalar {
  const span = at(f, node);
  const whole = f.b.call(helper, HELPERS[helper].args.length > 0 ? [context.ctx] : [], "w64", span);
  const half = part === "high" ? f.b.binary("lshr", whole, f.b.constant("w64", 32n, span), span) : whole;
  return { kind: "scalar", type, value: part === "all" ? whole : f.b.unary("trunc", half, span) };
}

function loadScalar(f: Lowering, context: Context, found: ScalarProperty, node: ts.Node, name: string): Scalar {
  const span = at(f, node);
  const value = loadField(f, context, found.field, node, found.index ?? 0, name);
  const type = found.type;
  if (found.bit !== undefined) {
    const set = f.b.binary("and", value, f.b.constant("w32", BigInt(found.bit), span), span);
    return { kind: "scalar", type, value: f.b.compare("ne", set, f.b.constant("w32", 0n, span), span) };
  }
  switch (found.convert) {
    case "shift-3":
      return {
        kind: "scalar",
        type,
        value: f.b.binary("lshr", value, f.b.constant("w32", 3n, span), span),
        range: { min: 0n, max: 0x1fff_ffffn },
      };
    case "upper-half":
      return { kind: "scalar", type, value: f.b.binary("lshr", value, f.b.constant("w32", 16n, span), span) };
    case "to-be16":
      return { kind: "scalar", type, value: f.b.unary("bswap16", value, span) };
    case "not-zero":
      return { kind: "scalar", type, value: f.b.compare("ne", value, f.b.constant("w32", 0n, span), span) };
    default:
      // The kernel's word holds no more than the type says (ports, ids).
      return { kind: "scalar", type, value };
  }
}

/** Copied to the stack, because a pointer into the context cannot be passed around. */
function loadAddress(
  f: Lowering,
  context: Context,
  { field, write }: AddressProperty,
  node: ts.Node,
  name: string,
): Operand {
  const memory = newSlot(f, IP6_LAYOUT, name, node);
  if (!memory) return ERROR;
  for (let word = 0; word < 4; word++)
    f.b.store(4, memory.base, 4 * word, loadField(f, context, field, node, word, name), at(f, node));
  // A write to it would be lost: the next access reads the kernel's field anew.
  const readOnly = write ? `${COPY_OF} ${name}` : `${name} belongs to the kernel`;
  return { kind: "place", type: IP6_LAYOUT, at: { ...memory, readOnly }, fresh: true };
}

/** A property that handlers may assign. */
export type WritableProperty = (ScalarProperty | AddressProperty | KernelProperty) & { readonly write: true };
export const isWritable = (property: ContextProperty | undefined): property is WritableProperty =>
  property !== undefined && "write" in property;

/** `ctx.name = value`; a whole address word by word. */
export function storeProperty(
  f: Lowering,
  context: Context,
  property: WritableProperty,
  operand: Operand,
  node: ts.Node,
): Operand {
  if ("member" in property) return storeMember(f, context, property.member, operand, node);
  const { field, type } = property;
  const span = at(f, node);
  const { offset } = neededField(f, context, field, node, field);
  if (type !== "ip6") {
    const value = convert(f, operand, type, node);
    if (!value) return ERROR;
    f.b.store(4, context.ctx, offset, value, span);
    return { kind: "scalar", type, value };
  }
  const place = operand.kind === "place" || operand.kind === "nullable" ? asPlace(f, operand, node) : undefined;
  if (!place || !sameLayout(place.type, IP6_LAYOUT))
    return fail(f, "type-mismatch", node, { expected: "an IPv6 address", found: describe(operand) });
  const words = [0, 1, 2, 3].map((word) => loadPrimitive(f, BE32, inside(place.at, 4 * word), node).value);
  words.forEach((value, word) => f.b.store(4, context.ctx, offset + 4 * word, value, span));
  return place;
}

/** Result of a helper that gives 0 or a negative errno. */
export const errno = (f: Lowering, result: Value, node: ts.Node): Scalar => ({
  kind: "scalar",
  type: I32,
  value: f.b.unary("trunc", result, at(f, node)),
  range: { min: -4095n, max: 0n },
});
