/** log`text ${value}`: bpf_trace_printk with the format in read-only data. */
import { ts } from "ts-morph";
import type { Value } from "../ir/ir.ts";
import { at, fail, type Lowering } from "./lowering.ts";
import { constantBytes } from "./module-state.ts";
import { entityAt } from "./names.ts";
import { ERROR, UNDEFINED, type Operand } from "./operand.ts";
import { utf8 } from "./strings.ts";
import { describe, toScalar } from "./values.ts";
import { expression } from "./visit.ts";

/** What bpf_trace_printk takes. */
const MAX_VALUES = 3;

export function log(f: Lowering, node: ts.TaggedTemplateExpression): Operand {
  const entity = entityAt(f, node.tag);
  if (entity?.kind === "error") return ERROR;
  if (entity?.kind === "function" || (entity?.kind === "builtin" && entity.name !== "log")) {
    const name = node.tag.getText(f.file.tree).slice(0, 40);
    return fail(f, "not-in-bpf", node, { what: `${name} before a text`, instead: `call it: ${name}(…)` });
  }
  if (entity?.kind !== "builtin") return fail(f, "string-built", node, undefined);
  if (f.constantOnly) return fail(f, "not-constant", node, { what: "log" });
  const { template } = node;
  const head = ts.isNoSubstitutionTemplateLiteral(template) ? template.text : template.head.text;
  const parts = ts.isNoSubstitutionTemplateLiteral(template) ? [] : template.templateSpans;
  if (parts.length > MAX_VALUES) return fail(f, "log-values", node, { count: parts.length });
  let format = escaped(head);
  const values: Value[] = [];
  let failed = false;
  for (const part of parts) {
    const printed = printable(f, expression(f, part.expression), part.expression, values.length);
    if (!printed) failed = true;
    else {
      format += printed.specifier + escaped(part.literal.text);
      values.push(printed.value);
    }
  }
  if (failed) return ERROR;
  const bytes = Uint8Array.from([...utf8(`${format}\n`), 0]);
  const span = at(f, node);
  const text = constantBytes(f.state, "fmt", { kind: "cstring", size: bytes.length }, bytes, span);
  f.b.call(
    "trace_printk",
    [f.b.global(text.name, span), f.b.constant("w32", BigInt(bytes.length), span), ...values],
    "w64",
    span,
  );
  return UNDEFINED;
}

/** The kernel refuses a format with anything but ASCII and a lone percent sign. */
const escaped = (text: string): string => text.replaceAll("%", "%%").replace(/[^\x20-\x7e\t\n]/g, "?");

function printable(
  f: Lowering,
  operand: Operand,
  node: ts.Expression,
  index: number,
): { specifier: string; value: Value } | undefined {
  if (operand.kind === "error") return undefined;
  const span = at(f, node);
  if (operand.kind === "text") return void fail(f, "log-value", node, { found: "a string" });
  if (operand.kind !== "scalar" && operand.kind !== "literal" && operand.kind !== "optional")
    return void fail(f, "log-value", node, { found: describe(operand) });
  const scalar = toScalar(f, operand, node);
  if (!scalar) return undefined;
  const { type, value } = scalar;
  switch (type.kind) {
    case "int":
      // trace_printk takes 64-bit arguments and prints the width that the specifier names.
      return { specifier: `%${type.bits === 64 ? "ll" : ""}${type.signed ? "d" : "u"}`, value };
    case "bool":
      return { specifier: "%u", value };
    case "be":
      if (type.bits === 16) return { specifier: "%u", value: f.b.unary("bswap16", value, span) };
      if (type.bits === 64) return { specifier: "%llu", value: f.b.unary("bswap64", value, span) };
      {
        // %pI4 prints the four bytes behind a pointer.
        const slot = f.b.slot(4, 4, `printed ${index}`, span);
        f.b.store(4, slot, 0, value, span);
        return { specifier: "%pI4", value: slot };
      }
    case "string":
      return void fail(f, "log-value", node, { found: "a string" });
  }
}
