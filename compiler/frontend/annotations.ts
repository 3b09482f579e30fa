/** Type annotations to types of the language. */
import { ts } from "ts-morph";
import { OPTION_NAMES } from "../bpf/option-names.ts";
import { LOCAL_ADDRESS } from "../local-addresses.ts";
import { sameLayout } from "../layout.ts";
import { unlessCheckerFails } from "./checker-failure.ts";
import { at, fail, type Lowering } from "./lowering.ts";
import { say, spanOf } from "./module-state.ts";
import { builtinNamed, resolveName } from "./names.ts";
import { BOOL, I32, IP6, isAggregate, isPrimitive, isScalar, PRIMITIVES, type DslType } from "./types.ts";
import { roleNamed } from "./roles.ts";
import { stringType, TCP_STATE } from "./values.ts";

const K = ts.SyntaxKind;
export const CC_NAMES = [
  "reno",
  "cubic",
  "vegas",
  "bbr",
  "dctcp",
  "westwood",
  "bic",
  "htcp",
  "illinois",
  "yeah",
  "nv",
  "cdg",
];

/** The type that an annotation names; reports and gives undefined when the language has not got it. */
export function annotation(f: Lowering, node: ts.TypeNode, depth = 0): DslType | undefined {
  if (depth > 32) return void fail(f, "type-unknown", node, { text: "this type" });
  switch (node.kind) {
    case K.BooleanKeyword:
      return BOOL;
    case K.UndefinedKeyword:
    case K.VoidKeyword:
      return { kind: "undefined" };
    case K.NumberKeyword:
      return PRIMITIVES["u32"];
    case K.BigIntKeyword:
      return PRIMITIVES["u64"];
    case K.AnyKeyword:
    case K.UnknownKeyword:
      return void fail(f, "any", node, { text: node.kind === K.AnyKeyword ? "any" : "unknown" });
    case K.StringKeyword:
      return void fail(f, "string-type", node, undefined);
    default:
      break;
  }
  if (ts.isParenthesizedTypeNode(node)) return annotation(f, node.type, depth + 1);
  if (ts.isTypeOperatorNode(node) && node.operator === K.ReadonlyKeyword) return annotation(f, node.type, depth + 1);
  if (ts.isLiteralTypeNode(node)) {
    if (ts.isStringLiteral(node.literal)) return stringType(f, [node.literal.text]);
    if (node.literal.kind === K.TrueKeyword || node.literal.kind === K.FalseKeyword) return BOOL;
    if (ts.isNumericLiteral(node.literal)) return PRIMITIVES["u32"];
  }
  if (ts.isUnionTypeNode(node)) return union(f, node, depth);
  if (ts.isTypeReferenceNode(node)) return reference(f, node, depth);
  return fromChecker(f, node);
}

function union(f: Lowering, node: ts.UnionTypeNode, depth: number): DslType | undefined {
  const isUndefined = (type: ts.TypeNode): boolean => type.kind === K.UndefinedKeyword;
  const rest = node.types.filter((type) => !isUndefined(type));
  if (rest.every((type) => ts.isLiteralTypeNode(type) && ts.isStringLiteral(type.literal))) {
    const texts = rest.map((type) => ((type as ts.LiteralTypeNode).literal as ts.StringLiteral).text);
    const of = stringType(f, texts);
    return rest.length < node.types.length ? { kind: "optional", of } : of;
  }
  const types = rest.map((type) => annotation(f, type, depth + 1));
  const [of] = types;
  if (!of || types.includes(undefined)) return undefined;
  const alike = types.every(
    (type) => type!.kind === of.kind && (of.kind !== "int" || sameLayout(type as typeof of, of)),
  );
  if (!alike) return void fail(f, "union-type", node, undefined);
  if (rest.length === node.types.length) return of;
  if (isScalar(of) || isAggregate(of)) return { kind: "optional", of };
  if (of.kind === "ref") return { kind: "optional", of: of.of, ref: true };
  return of.kind === "context" ? { ...of, nullable: true } : of;
}

function reference(f: Lowering, node: ts.TypeReferenceNode, depth: number): DslType | undefined {
  if (ts.isIdentifier(node.typeName)) {
    const name = node.typeName.text;
    const alias = f.state.scopes[f.file.index]!.types.get(name);
    if (alias && ts.isTypeAliasDeclaration(alias) && !alias.typeParameters) return annotation(f, alias.type, depth + 1);
    const entity = resolveName(f.state, f.file, name);
    if (entity?.kind === "struct") return entity.layout;
    const builtin = entity?.kind === "builtin" ? builtinType(entity.name) : undefined;
    const [kept] = node.typeArguments ?? [];
    if (builtin?.kind === "context" && builtin.role === "tcpSock" && kept) {
      const state = annotation(f, kept, depth + 1);
      return state?.kind === "struct" ? { ...builtin, state } : builtin;
    }
    if (builtin) return builtin;
    if (builtinNamed(entity, "CcName")) return stringType(f, CC_NAMES);
    if (builtinNamed(entity, "CString") && node.typeArguments?.[0]) {
      const size = Number(node.typeArguments[0].getText(f.file.tree));
      if (size > 0) return { kind: "cstring", size };
    }
    const [argument] = node.typeArguments ?? [];
    if (argument && builtinNamed(entity, "Ref")) {
      const of = annotation(f, argument, depth + 1);
      return of && isPrimitive(of) ? { kind: "ref", of } : of;
    }
    if (argument && builtinNamed(entity, "FixedArray") && node.typeArguments?.[1]) {
      const of = annotation(f, argument, depth + 1);
      const length = Number(node.typeArguments[1].getText(f.file.tree));
      if (of && (isPrimitive(of) || isAggregate(of)) && length > 0) return { kind: "array", of, length };
    }
    if (argument && !entity && (name === "Readonly" || name === "NonNullable"))
      return annotation(f, argument, depth + 1);
  }
  return fromChecker(f, node);
}

function builtinType(name: string): DslType | undefined {
  if (Object.hasOwn(PRIMITIVES, name)) return PRIMITIVES[name];
  const role = roleNamed(name);
  if (role) return { kind: "context", role };
  if (name === "Errno") return I32;
  if (name === "Ip6") return IP6;
  if (name === LOCAL_ADDRESS.name) return LOCAL_ADDRESS;
  if (name === "OptionKind") return PRIMITIVES["u8"];
  if (name === "Op" || name === "Callback" || Object.hasOwn(OPTION_NAMES, name)) return PRIMITIVES["u32"];
  if (name === "TcpState") return TCP_STATE;
  return undefined;
}

/** Types computed by TypeScript (`Parameters<typeof f>[0]`): what they come to, where that is a primitive or a struct. */
function fromChecker(f: Lowering, node: ts.TypeNode): DslType | undefined {
  const checker = f.state.project.program().getTypeChecker();
  const type = unlessCheckerFails(() => checker.getTypeFromTypeNode(node));
  if (!type) {
    say(f.state, "type-unknown", spanOf(f.file, node), { text: node.getText(f.file.tree).slice(0, 60) });
    return undefined;
  }
  const found = ofType(f, checker, type);
  if (!found && !(type.flags & ts.TypeFlags.Any))
    say(f.state, "type-unknown", spanOf(f.file, node), { text: node.getText(f.file.tree).slice(0, 60) });
  // An unresolved name is `any` here; the type checker has its own words for it.
  if (!found && type.flags & ts.TypeFlags.Any && !checker.getSymbolAtLocation(node))
    say(f.state, "type-unknown", at(f, node), { text: node.getText(f.file.tree).slice(0, 60) });
  return found;
}

/** An integer flows into the wider ones, so that the brand of each names the narrower ones, too. */
const WIDEST_FIRST = ["u64", "i64", "u32", "i32", "u16", "u8", "be64", "be32", "be16"] as const;

function ofType(f: Lowering, checker: ts.TypeChecker, type: ts.Type): DslType | undefined {
  const alias = type.aliasSymbol?.name;
  const builtin = alias === undefined ? undefined : builtinType(alias);
  if (builtin) return builtin;
  if (type.flags & ts.TypeFlags.BooleanLike) return BOOL;
  if (type.flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Void)) return { kind: "undefined" };
  if (type.isStringLiteral()) return stringType(f, [type.value]);
  if (type.isUnion() && type.types.every((one) => one.isStringLiteral()))
    return stringType(
      f,
      type.types.map((one) => one.value),
    );
  if (type.flags & ts.TypeFlags.Number) return PRIMITIVES["u32"];
  if (type.flags & ts.TypeFlags.BigInt) return PRIMITIVES["u64"];
  if (type.isUnion() && type.types.every((one) => one.isNumberLiteral()))
    return PRIMITIVES[type.types.some((one) => one.value < 0) ? "i32" : "u32"];
  if (type.isNumberLiteral()) return PRIMITIVES[type.value < 0 ? "i32" : "u32"];
  const symbol = type.getSymbol();
  const role = symbol && roleNamed(symbol.name);
  if (role) return { kind: "context", role };
  if (type.isIntersection()) {
    // A flavoured integer whose alias was lost: its brand property lists the names that flow into it, its own among them.
    const brand = type.getProperties().find((property) => /INT|BE/.test(String(property.escapedName)));
    const held = brand && checker.getTypeOfSymbol(brand);
    const parts = held ? (held.isUnion() ? held.types : [held]) : [];
    const names = parts.flatMap((part) =>
      part.isStringLiteral() ? [part.value] : part.isNumberLiteral() ? [`be${part.value}`] : [],
    );
    const own = WIDEST_FIRST.find((name) => names.includes(name));
    if (own) return PRIMITIVES[own];
  }
  const declaration = symbol?.declarations?.[0];
  if (declaration && ts.isClassDeclaration(declaration) && declaration.name) {
    const index = f.state.project.files.findIndex((file) => file.tree === declaration.getSourceFile());
    const entity = index < 0 ? undefined : resolveName(f.state, f.state.project.files[index]!, declaration.name.text);
    if (entity?.kind === "struct") return entity.layout;
  }
  return undefined;
}
