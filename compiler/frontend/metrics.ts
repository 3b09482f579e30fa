/** `metric("requests_total", { help })`: numbers for those who watch, in a map with one copy for each CPU. */
import { ts } from "ts-morph";
import type { MapSpec, Metric, MetricLabel } from "../module.ts";
import type { Value } from "../ir/ir.ts";
import { propertyValue } from "./aggregates.ts";
import { argumentsOf } from "./arguments.ts";
import type { MetricEntity } from "./entities.ts";
import { at, bare, fail, scratch, type Lowering } from "./lowering.ts";
import { lookupPointer } from "./map-calls.ts";
import { mapRow } from "./map-kinds.ts";
import { wrongHelp, wrongLabel, wrongName, wrongValues } from "./metric-rules.ts";
import { spanOf } from "./module-state.ts";
import { ERROR, UNDEFINED, type Operand } from "./operand.ts";
import { I64, U32, U64 } from "./types.ts";
import { convert } from "./values.ts";
import { expression } from "./visit.ts";

const PROPERTIES = ["help", "type", "label", "values"] as const;
type Property = (typeof PROPERTIES)[number];
const EXAMPLE = '{ help: "Options that were answered." }';

/** The kernel keeps so much of a map's name (BPF_OBJ_NAME_LEN, include/uapi/linux/bpf.h), and metrics are known by it. */
const LETTERS_OF_NAME = 15;
const kept = (name: string): string => name.slice(0, LETTERS_OF_NAME);

/** A metric at the top level; undefined: reported. */
export function declareMetric(
  f: Lowering,
  name: string,
  call: ts.CallExpression,
  nameNode: ts.Node,
): MetricEntity | undefined {
  const args = argumentsOf(f, call, "metric", 2);
  const title = args && textOf(f, args[0]!, "the name of a metric", '"requests_total"');
  const properties = args && propertiesOf(f, args[1]!);
  if (!args || title === undefined || !properties) return undefined;
  const type = typeOf(f, properties.get("type"));
  const help = properties.has("help") ? textOf(f, properties.get("help")!, "the help of a metric", EXAMPLE) : "";
  const label = labelOf(f, properties);
  if (type === undefined || help === undefined || label === null) return undefined;
  const wrong = wrongName(title, type);
  if (wrong) return void fail(f, "metric-name", args[0]!, { name: title.slice(0, 120), ...wrong });
  const poor = wrongHelp(help);
  if (poor !== undefined)
    return void fail(f, "metric-help", properties.get("help") ?? args[1]!, { name: title, wrong: poor });
  if (f.state.maps.some(({ spec }) => spec.metric?.name === title))
    return void fail(f, "metric-twice", args[0]!, { name: title });
  const other = f.state.maps.find(({ spec }) => spec.metric && kept(spec.name) === kept(name))?.spec.name;
  if (other !== undefined) return void fail(f, "metric-map-name", nameNode, { name, other, letters: LETTERS_OF_NAME });
  f.state.names.add(name);
  const metric: Metric = { name: title, help, type, ...(label ? { label } : {}) };
  const value = type === "counter" ? U64 : I64;
  const row = mapRow("PerCpuArray");
  const spec: MapSpec = {
    name,
    type: row.type,
    key: U32,
    value,
    maxEntries: label?.values.length ?? 1,
    flags: row.flags,
    pinned: false,
    initial: [],
    metric,
    span: spanOf(f.file, nameNode),
  };
  const map = { kind: "map", mapKind: "PerCpuArray", spec, value } as const;
  f.state.maps.push(map);
  return { kind: "metric", metric, map };
}

function textOf(f: Lowering, node: ts.Expression, what: string, example: string): string | undefined {
  const text = bare(node);
  return ts.isStringLiteralLike(text) ? text.text : void fail(f, "literal-needed", node, { what, example });
}

function propertiesOf(f: Lowering, node: ts.Expression): ReadonlyMap<Property, ts.Expression> | undefined {
  const written = bare(node);
  if (!ts.isObjectLiteralExpression(written))
    return void fail(f, "literal-needed", node, { what: "what a metric is", example: EXAMPLE });
  const properties = new Map<Property, ts.Expression>();
  for (const property of written.properties) {
    const found = propertyValue(f, property);
    if (!found) return undefined;
    const known = PROPERTIES.find((one) => one === found.name);
    if (!known) return void fail(f, "metric-property", property, { name: found.name, known: PROPERTIES });
    properties.set(known, found.value);
  }
  return properties;
}

function typeOf(f: Lowering, node: ts.Expression | undefined): Metric["type"] | undefined {
  if (!node) return "counter";
  const text = bare(node);
  const found = ts.isStringLiteralLike(text) && (["counter", "gauge"] as const).find((one) => one === text.text);
  return (
    found || void fail(f, "literal-needed", node, { what: "the type of a metric", example: '"counter" or "gauge"' })
  );
}

/** Undefined: it has none; null: reported. */
function labelOf(f: Lowering, properties: ReadonlyMap<Property, ts.Expression>): MetricLabel | undefined | null {
  const [name, values] = [properties.get("label"), properties.get("values")];
  if (!name && !values) return undefined;
  if (!name || !values) {
    fail(f, "metric-label", (name ?? values)!, { wrong: name ? "it has no values" : "its values have no name" });
    return null;
  }
  const text = textOf(f, name, "the name of a label", '"result"');
  const texts = textsOf(f, values);
  if (text === undefined || !texts) return null;
  const wrong = wrongLabel(text) ?? wrongValues(texts);
  if (wrong === undefined) return { name: text, values: texts };
  fail(f, "metric-label", wrongLabel(text) === undefined ? values : name, { wrong });
  return null;
}

function textsOf(f: Lowering, node: ts.Expression): readonly string[] | undefined {
  const list = bare(node);
  const texts = ts.isArrayLiteralExpression(list) ? list.elements.map((one) => bare(one)) : undefined;
  const isText = (one: ts.Expression): one is ts.StringLiteralLike => ts.isStringLiteralLike(one);
  if (texts?.every(isText)) return texts.map((one) => one.text);
  return void fail(f, "literal-needed", node, { what: "the values of a label", example: '["ok", "failed"]' });
}

/** `seen.add(1n)`, and with a label `seen.add("in", 1n)`. In one step: a program may be interrupted by another on its CPU. */
export function metricCall(f: Lowering, entity: MetricEntity, method: string, call: ts.CallExpression): Operand {
  const { metric, map } = entity;
  const { name } = map.spec;
  if (method !== "add")
    return fail(f, "metric-method", (call.expression as ts.PropertyAccessExpression).name, {
      metric: name,
      name: method,
    });
  const args = argumentsOf(f, call, `${name}.add`, metric.label ? 2 : 1);
  if (!args) return ERROR;
  const span = at(f, call);
  const slot = metric.label ? slotOf(f, entity, metric.label, args[0]!) : f.b.constant("w32", 0n, span);
  const node = args.at(-1)!;
  const amount = convert(f, expression(f, node, map.value), map.value as typeof U64, node);
  if (!slot || !amount) return ERROR;
  const key = scratch(f, 4, 4, "key", span);
  f.b.store(4, key, 0, slot, span);
  const pointer = lookupPointer(f, map, key, call);
  const known = f.b.constantOf(slot);
  const isThere = known !== undefined && known < BigInt(map.spec.maxEntries);
  const there = f.b.label();
  const done = f.b.label();
  const never = f.b.label();
  f.b.branch("ne", pointer, f.b.null(pointer, span), there, isThere ? never : done, span);
  if (isThere) {
    f.b.place(never);
    f.b.jump(f.impossible, span);
  }
  f.b.place(there);
  f.b.atomic("add", 8, pointer, 0, amount, span);
  f.b.jump(done, span);
  f.b.place(done);
  return UNDEFINED;
}

/** The slot of a label's value: by its text, or by its number in the list. A number beyond the last counts nothing. */
function slotOf(
  f: Lowering,
  { metric, map }: MetricEntity,
  { values }: MetricLabel,
  node: ts.Expression,
): Value | undefined {
  const text = bare(node);
  if (!ts.isStringLiteralLike(text)) {
    const operand = expression(f, node, U32);
    if (operand.kind === "scalar" && operand.type.kind === "string")
      return slotOfText(f, operand.value, operand.type.codes, values, node);
    if (operand.kind === "literal" && operand.value >= BigInt(values.length))
      return void fail(f, "metric-value", node, { metric: map.spec.name, value: `${operand.value}`, known: values });
    return convert(f, operand, U32, node);
  }
  const index = values.indexOf(text.text);
  if (index >= 0) return f.b.constant("w32", BigInt(index), at(f, node));
  return void fail(f, "metric-value", node, { metric: metric.name, value: text.text, known: values });
}

/** The slot of a text that is chosen when the program runs, which is a number of its type's. */
function slotOfText(
  f: Lowering,
  chosen: Value,
  codes: ReadonlyMap<string, bigint>,
  values: readonly string[],
  node: ts.Node,
): Value {
  const span = at(f, node);
  const word = (value: number | bigint): Value => f.b.constant("w32", BigInt(value), span);
  const slot = { type: "w32" as const };
  const done = f.b.label();
  f.b.set(slot, word(values.length));
  for (const [text, code] of codes) {
    const [same, other] = [f.b.label(), f.b.label()];
    f.b.branch("eq", chosen, word(code), same, other, span);
    f.b.place(same);
    f.b.set(slot, word(values.includes(text) ? values.indexOf(text) : values.length));
    f.b.jump(done, span);
    f.b.place(other);
  }
  f.b.jump(done, span);
  f.b.place(done);
  const found = f.b.get(slot);
  f.b.forget(slot);
  return found;
}
