/** Evaluates a declaration at the top level: structs, maps, params, constants, variables, functions, programs. */
import { ts } from "ts-morph";
import { functionBuilder } from "../ir/build.ts";
import { sizeOf, structLayout, type Layout } from "../layout.ts";
import { annotation } from "./annotations.ts";
import { encode } from "./encode.ts";
import { isMapKind } from "./map-kinds.ts";
import { BAD_ENTITY, type Entity } from "./entities.ts";
import { isProgramKind } from "./program-kinds.ts";
import { bare, fail, type Lowering } from "./lowering.ts";
import { declareMap } from "./maps.ts";
import { declareMetric } from "./metrics.ts";
import {
  addGlobal,
  freshName,
  keptName,
  spanOf,
  type Declaration,
  type FileScope,
  type ModuleState,
} from "./module-state.ts";
import { entityAt } from "./names.ts";
import type { ParsedFile } from "./project.ts";
import {
  isAggregate,
  FIELD_TYPES,
  isPrimitive,
  isScalar,
  typeName,
  U32,
  U8,
  type Aggregate,
  type DslType,
  type Primitive,
} from "./types.ts";
import { constantOf, convert, describe, literalType, toScalar } from "./values.ts";
import { arrayLiteralLayout, propertyValue } from "./aggregates.ts";
import { expression } from "./visit.ts";

/** A function that is never emitted: to evaluate what must be constant with the rules of ordinary expressions. */
export function constantContext(state: ModuleState, file: ParsedFile): Lowering {
  const span = { file: file.index, start: 0, end: 0 };
  // Local names of the function around it are in scope, but their values are none of this one's.
  const b = functionBuilder("constant", [], undefined, span, 2 ** 40);
  return {
    state,
    b,
    impossible: b.label(),
    file,
    scope: { names: new Map(), parent: undefined },
    jumps: [],
    returns: { what: "function", type: undefined, annotated: false },
    scratch: new Map(),
    constantOnly: true,
    held: [],
    replaced: [],
  };
}

/** Evaluates an expression that must be an integer constant; reports when it is not one. */
export function constantInteger(f: Lowering, node: ts.Expression, what: string): number | undefined {
  const inner = { ...f, ...constantContext(f.state, f.file), scope: f.scope };
  const operand = expression(inner, node);
  if (operand.kind === "error") return undefined;
  if (operand.kind === "literal") return Number(operand.value);
  const scalar = operand.kind === "scalar" ? operand : undefined;
  const value = scalar && scalar.type.kind === "int" ? constantOf(inner, scalar) : undefined;
  if (value === undefined) return void fail(f, "not-constant", node, { what });
  return Number(value);
}

export function evaluate(state: ModuleState, scope: FileScope, name: string, declaration: Declaration): Entity {
  const { file } = scope;
  switch (declaration.kind) {
    case "function":
      return { kind: "function", name, file, node: declaration.node };
    case "class":
      return structClass(state, file, declaration.node);
    case "variable":
      return variable(state, scope, name, declaration);
    default:
      return BAD_ENTITY;
  }
}

// --- structs and field types -------------------------------------------------------------------------------------

function structClass(state: ModuleState, file: ParsedFile, node: ts.ClassDeclaration): Entity {
  const f = constantContext(state, file);
  const base = node.heritageClauses?.find((clause) => clause.token === ts.SyntaxKind.ExtendsKeyword)?.types[0]
    ?.expression;
  const call = base && bare(base);
  if (!call || !ts.isCallExpression(call) || !isBuiltin(f, call.expression, "struct")) {
    fail(f, "class", node.name ?? node, { name: node.name?.text ?? "Name" });
    return BAD_ENTITY;
  }
  if (node.members.length > 0) fail(f, "struct-member", node.members[0]!, { name: node.name!.text });
  return structOf(f, node.name!.text, call);
}

const isBuiltin = (f: Lowering, node: ts.Expression, ...names: string[]): boolean => {
  const entity = entityAt(f, node);
  return entity?.kind === "builtin" && entity.module === "tsbpf" && names.includes(entity.name);
};

function structOf(f: Lowering, name: string, call: ts.CallExpression): Entity {
  const [record, options] = call.arguments;
  const fieldsNode = record && bare(record);
  if (!fieldsNode || !ts.isObjectLiteralExpression(fieldsNode)) {
    fail(f, "literal-needed", call, { what: "the fields of a struct", example: "struct({ kind: u8, port: be16 })" });
    return BAD_ENTITY;
  }
  const fields: { name: string; layout: Layout }[] = [];
  for (const property of fieldsNode.properties) {
    const found = propertyValue(f, property);
    const layout = found && fieldType(f, found.value);
    if (!found || !layout) continue;
    const clash = fields.find((field) => keptName(field.name) === keptName(found.name));
    if (clash?.name === found.name) fail(f, "duplicate-field", property, { name: found.name });
    else if (clash)
      fail(f, "name-collision", property, {
        what: "field",
        name: found.name,
        other: clash.name,
        cut: keptName(clash.name),
        length: undefined,
      });
    else if (/^(__proto__|constructor|prototype)$/.test(found.name))
      fail(f, "reserved-name", property, { name: found.name });
    else fields.push({ name: found.name, layout });
  }
  if (fields.length === 0 && fieldsNode.properties.length === 0) fail(f, "empty-struct", call, { name });
  let packed = false;
  if (options) {
    const literal = bare(options);
    const property = ts.isObjectLiteralExpression(literal)
      ? literal.properties.map((p) => propertyValue(f, p)).find((p) => p?.name === "packed")
      : undefined;
    if (property && bare(property.value).kind === ts.SyntaxKind.TrueKeyword) packed = true;
    else if (property && bare(property.value).kind !== ts.SyntaxKind.FalseKeyword)
      fail(f, "not-constant", property.value, { what: "packed" });
  }
  const layout = structLayout(name, fields, packed);
  const { parent } = call;
  const named =
    ts.isExpressionWithTypeArguments(parent) && ts.isClassDeclaration(parent.parent.parent)
      ? parent.parent.parent.name
      : ts.isVariableDeclaration(parent)
        ? parent.name
        : undefined;
  f.state.findings.push({ kind: "struct", at: spanOf(f.file, named ?? call.expression), layout });
  return { kind: "struct", layout };
}

/** The layout that an expression names: u8, array(u8, 4), cstring(16), a struct class. Reports what is none. */
export function fieldType(f: Lowering, written: ts.Expression): Layout | undefined {
  const node = bare(written);
  if (ts.isCallExpression(node)) {
    const entity = entityAt(f, node.expression);
    if (entity?.kind === "builtin" && entity.name === "array") return arrayType(f, node);
    if (entity?.kind === "builtin" && entity.name === "cstring") {
      const size = node.arguments[0] && positiveCount(f, node.arguments[0], "the size of a cstring");
      return size === undefined ? undefined : { kind: "cstring", size };
    }
    if (entity?.kind === "builtin" && entity.name === "struct") {
      const made = structOf(f, "anonymous", node);
      return made.kind === "struct" ? made.layout : undefined;
    }
  }
  const entity = entityAt(f, node);
  if (entity?.kind === "builtin" && Object.hasOwn(FIELD_TYPES, entity.name)) return FIELD_TYPES[entity.name];
  if (entity?.kind === "struct" || entity?.kind === "layout") return entity.layout;
  if (entity?.kind !== "error") fail(f, "not-a-field-type", node, { text: node.getText(f.file.tree).slice(0, 40) });
  return undefined;
}

function arrayType(f: Lowering, call: ts.CallExpression): Layout | undefined {
  const [of, length] = call.arguments;
  const element = of && fieldType(f, of);
  const count = length && positiveCount(f, length, "the length of an array");
  if (!element || count === undefined) return undefined;
  const layout: Layout = { kind: "array", of: element, length: count };
  if (sizeOf(layout) <= 0x1000_0000) return layout;
  return void fail(f, "count-range", length!, {
    what: "the length of an array",
    found: `${count}`,
    range: "so many that it has at most 256 MiB",
  });
}

/** A constant of at least 1. */
export function positiveCount(f: Lowering, node: ts.Expression, what: string): number | undefined {
  const count = constantInteger(f, node, what);
  if (count === undefined) return undefined;
  if (count >= 1 && count <= 0xffff_ffff) return count;
  return void fail(f, "count-range", node, { what, found: `${count}`, range: "1 to 4294967295" });
}

// --- variables ---------------------------------------------------------------------------------------------------

function variable(
  state: ModuleState,
  scope: FileScope,
  name: string,
  declaration: Declaration & { kind: "variable" },
): Entity {
  const { file } = scope;
  const { node, constant } = declaration;
  const f = constantContext(state, file);
  if (!node.initializer) return uninitialised(f, name, declaration);
  const init = bare(unwrapConst(node.initializer));
  if (constant) {
    const made = constantDeclaration(f, scope, name, declaration, init);
    if (made) return made;
  }
  return globalVariable(f, name, declaration, init);
}

/** `{…} as const` and `[…] as const` say nothing that we do not know. */
const unwrapConst = (node: ts.Expression): ts.Expression => {
  const inner = bare(node);
  return ts.isAsExpression(inner) && ts.isTypeReferenceNode(inner.type) && inner.type.getText() === "const"
    ? inner.expression
    : node;
};

/** Declarations that are not data of the object: maps, structs, programs, functions, scalar constants. */
function constantDeclaration(
  f: Lowering,
  scope: FileScope,
  name: string,
  declaration: Declaration & { kind: "variable" },
  init: ts.Expression,
): Entity | undefined {
  const { state, file } = f;
  if (ts.isNewExpression(init)) {
    const entity = entityAt(f, init.expression);
    if (entity?.kind === "builtin" && isMapKind(entity.name)) {
      return declareMap(f, name, entity.name, init, declaration.node.name) ?? BAD_ENTITY;
    }
    if (entity?.kind === "struct") return undefined;
    expression(f, init);
    return BAD_ENTITY;
  }
  if (ts.isArrowFunction(init) || ts.isFunctionExpression(init)) return { kind: "function", name, file, node: init };
  if (ts.isCallExpression(init)) {
    const entity = entityAt(f, init.expression);
    if (entity?.kind === "builtin") {
      if (isProgramKind(entity.name)) {
        const exported = [...scope.exported.values()].some((e) => "local" in e && e.local === name);
        const made: Entity = {
          kind: "program",
          programKind: entity.name,
          name,
          file,
          exported,
          module: entity.module,
          call: init,
          node: declaration.node.name,
        };
        state.programs.push(made);
        return made;
      }
      if (entity.name === "struct") return structOf(f, name, init);
      if (entity.name === "array" || entity.name === "cstring") {
        const layout = fieldType(f, init);
        return layout ? { kind: "layout", layout } : BAD_ENTITY;
      }
      if (entity.name === "param") return param(f, name, declaration, init);
      if (entity.name === "metric") return declareMetric(f, name, init, declaration.node.name) ?? BAD_ENTITY;
    }
  }
  if (ts.isObjectLiteralExpression(init) && !declaration.node.type) return constantRecord(f, name, init);
  if (ts.isArrayLiteralExpression(init)) return undefined;
  const named = entityAt(f, init);
  if (named && named.kind !== "global" && named.kind !== "object") {
    if (named.kind !== "builtin") return named;
    if (Object.hasOwn(FIELD_TYPES, named.name) || isMapKind(named.name)) return named;
  }
  return scalarConstant(f, declaration, init);
}

function uninitialised(f: Lowering, name: string, declaration: Declaration & { kind: "variable" }): Entity {
  const type = declaration.node.type && annotation(f, declaration.node.type);
  if (declaration.node.exclamationToken)
    fail(f, "definite-assignment", declaration.node, {
      name,
      type: declaration.node.type?.getText(f.file.tree).slice(0, 30) ?? "u32",
    });
  if (!type) {
    fail(f, "needs-initial", declaration.node, { name });
    return BAD_ENTITY;
  }
  return makeGlobal(f, name, declaration, type, undefined);
}

/** `param(u16, 20)`, of any type that has bytes: read-only data that the loader may set. */
function param(
  f: Lowering,
  name: string,
  declaration: Declaration & { kind: "variable" },
  call: ts.CallExpression,
): Entity {
  const [typeNode, initial] = call.arguments;
  const type = typeNode && fieldType(f, typeNode);
  if (!type || !initial) return BAD_ENTITY;
  const bytes = encode(f, type, initial);
  if (!bytes) return BAD_ENTITY;
  f.state.names.add(keptName(name));
  const made = addGlobal(f.state, name, ".rodata", type, bytes, true, spanOf(f.file, declaration.node.name));
  return { kind: "global", name, type, mutable: false, variable: made };
}

function constantRecord(f: Lowering, name: string, node: ts.ObjectLiteralExpression): Entity {
  const fields = new Map<string, Entity>();
  for (const property of node.properties) {
    const found = propertyValue(f, property);
    if (!found) continue;
    const value = bare(found.value);
    if (ts.isObjectLiteralExpression(value)) fields.set(found.name, constantRecord(f, `${name}.${found.name}`, value));
    else fields.set(found.name, constantOperand(f, expression(f, value), value, undefined));
  }
  return { kind: "object", name, node, file: f.file.index, fields };
}

function scalarConstant(
  f: Lowering,
  declaration: Declaration & { kind: "variable" },
  init: ts.Expression,
): Entity | undefined {
  const declared = declaration.node.type && annotation(f, declaration.node.type);
  if (declared && isAggregate(declared)) return undefined;
  const operand = expression(f, init, declared);
  // A place (a constant string) lies in read-only data already.
  if (operand.kind === "place") return { kind: "constant", operand };
  return constantOperand(f, operand, init, declared);
}

/** A compile-time scalar as an entity; typed when the declaration says so. */
function constantOperand(
  f: Lowering,
  operand: ReturnType<typeof expression>,
  node: ts.Expression,
  declared: DslType | undefined,
): Entity {
  if (operand.kind === "error") return BAD_ENTITY;
  if (declared?.kind === "int" && operand.kind === "literal") {
    const scalar = toScalar(f, operand, node, declared);
    const bits = scalar && f.b.constantOf(scalar.value);
    return scalar && bits !== undefined ? { kind: "constant", operand, type: declared, bits } : BAD_ENTITY;
  }
  if (operand.kind === "literal" || operand.kind === "text" || operand.kind === "undefined")
    return { kind: "constant", operand };
  if (operand.kind === "scalar" && f.b.constantOf(operand.value) !== undefined) {
    const type = declared && isScalar(declared) ? declared : operand.type;
    const value = convert(f, operand, type, node);
    const bits = value && f.b.constantOf(value);
    return bits === undefined ? BAD_ENTITY : { kind: "constant", operand, type, bits };
  }
  const isType = operand.kind === "entity" && operand.entity.kind === "builtin" && operand.entity.name in FIELD_TYPES;
  fail(f, "not-constant", node, {
    what: "the value of a top-level constant",
    ...(isType ? { help: "types are the fields of a struct: class Name extends struct({ … }) {}" } : {}),
  });
  return BAD_ENTITY;
}

/** `let` at the top level, and structs and lists, which lie in memory. */
function globalVariable(
  f: Lowering,
  name: string,
  declaration: Declaration & { kind: "variable" },
  init: ts.Expression,
): Entity {
  const declared = declaration.node.type && annotation(f, declaration.node.type);
  if (declaration.node.type && !declared) return BAD_ENTITY;
  const type = declared ?? inferred(f, init, declaration);
  return type ? makeGlobal(f, name, declaration, type, init) : BAD_ENTITY;
}

function inferred(
  f: Lowering,
  init: ts.Expression,
  declaration: Declaration & { kind: "variable" },
): DslType | undefined {
  if (ts.isNewExpression(init)) {
    const entity = entityAt(f, init.expression);
    if (entity?.kind === "struct") return entity.layout;
    return void fail(f, "map-not-constant", init, undefined);
  }
  if (ts.isArrayLiteralExpression(init)) return arrayLiteralLayout(f, init);
  if (ts.isObjectLiteralExpression(init)) return void fail(f, "untyped-object", init, undefined);
  const operand = expression(f, init);
  if (operand.kind === "error") return undefined;
  if (operand.kind === "literal") return literalType(operand.value, operand.wide);
  if (operand.kind === "scalar" || operand.kind === "place") return operand.type;
  return void fail(f, "global-type", declaration.node, { found: describe(operand) });
}

function makeGlobal(
  f: Lowering,
  name: string,
  declaration: Declaration & { kind: "variable" },
  type: DslType,
  init: ts.Expression | undefined,
): Entity {
  if (type.kind === "context") {
    // Storing a context in it is reported there; if nobody does, the declaration is.
    f.state.contextGlobals.push(spanOf(f.file, declaration.node));
    return BAD_ENTITY;
  }
  const layout: Primitive | Aggregate | undefined =
    type.kind === "bool"
      ? U8
      : type.kind === "string"
        ? U32
        : isPrimitive(type) || isAggregate(type)
          ? type
          : undefined;
  if (!layout) {
    fail(f, "global-type", declaration.node, { found: typeName(type) });
    return BAD_ENTITY;
  }
  const bytes = init ? encode(f, type, init) : new Uint8Array(sizeOf(layout));
  if (!bytes) return BAD_ENTITY;
  const mutable = !declaration.constant || layout.kind === "struct";
  const section = !mutable ? ".rodata" : bytes.some((byte) => byte !== 0) ? ".data" : ".bss";
  const variable = addGlobal(
    f.state,
    freshName(f.state, name),
    section,
    layout,
    bytes,
    false,
    spanOf(f.file, declaration.node.name),
  );
  return { kind: "global", name: variable.name, type, mutable, variable };
}
