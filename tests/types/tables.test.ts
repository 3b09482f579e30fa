/** The declarations and the tables of the compiler say the same: who adds a row is told which declaration lacks it, and the other way round. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import { TARGETS } from "../../compiler/bpf/kernels.ts";
import { SOCKET_OPTIONS } from "../../compiler/bpf/socket-options.ts";
import { COMPILED } from "../../compiler/bpf/kinds/index.ts";
import { OPS_STRUCTS } from "../../compiler/bpf/kinds/struct-ops.ts";
import { builtinNames } from "../../compiler/frontend/builtins.ts";
import { PROPERTIES, type ScalarProperty } from "../../compiler/frontend/context-properties.ts";
import { methodsOf } from "../../compiler/frontend/contexts.ts";
import { mapMethods } from "../../compiler/frontend/map-calls.ts";
import { MAPS, type MapKind } from "../../compiler/frontend/map-kinds.ts";
import { PROGRAM_KINDS, type ProgramKind } from "../../compiler/frontend/program-kinds.ts";
import { typeName } from "../../compiler/frontend/types.ts";
import { ROLES, type Role } from "../../compiler/frontend/roles.ts";
import { freshFields } from "../../runtime/testing/connection.ts";
import { IMPLEMENTATIONS } from "../../runtime/vm/helpers.ts";
import { MAP_KINDS } from "../../runtime/vm/maps/create.ts";
import * as mapClasses from "../../runtime/dsl/map-classes.ts";
import { root } from "../programs.ts";

const folder = join(root, "runtime/dsl");
const files = readdirSync(folder).filter((name) => name.endsWith(".d.ts") && name !== "lib.d.ts");
const program = ts.createProgram(
  files.map((name) => join(folder, name)),
  { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, target: ts.ScriptTarget.ES2022, strict: true },
);
const checker = program.getTypeChecker();
const exportsOf = (file: string): readonly ts.Symbol[] =>
  checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(join(folder, file))!)!);
const resolved = (symbol: ts.Symbol): ts.Symbol =>
  symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
const symbols = files.flatMap((file) => exportsOf(file).map(resolved));
/** The types of this name: modules for different kernels may each have one. */
function typesNamed(name: string): readonly ts.Type[] {
  const found = symbols.filter((symbol) => symbol.name === name).map((symbol) => checker.getDeclaredTypeOfSymbol(symbol));
  expect(found.length, `exports that are called ${name}`).toBeGreaterThan(0);
  return found.flatMap((type) => (type.isUnion() ? type.types : [type]));
}
/** Properties by name, of each type that it may be. */
const propertiesOf = (types: readonly ts.Type[]): ReadonlyMap<string, ts.Symbol> =>
  new Map(
    types.flatMap((type) =>
      checker.getPropertiesOfType(type).flatMap((symbol) => (symbol.name.startsWith("__") ? [] : [[symbol.name, symbol] as const])),
    ),
  );
const typeOf = (symbol: ts.Symbol): ts.Type => checker.getNonNullableType(checker.getTypeOfSymbol(symbol));
const isMethod = (symbol: ts.Symbol): boolean => typeOf(symbol).getCallSignatures().length > 0;
/** CheckFlags.Readonly, which Readonly<T> gives to its properties. */
const MADE_READONLY = 8;
const isReadonly = (symbol: ts.Symbol): boolean =>
  (((symbol as { readonly links?: { readonly checkFlags?: number } }).links?.checkFlags ?? 0) & MADE_READONLY) !== 0 ||
  (symbol.declarations ?? []).some((one) => (ts.getCombinedModifierFlags(one) & ts.ModifierFlags.Readonly) !== 0);
const sorted = (names: Iterable<string>): string[] => [...names].sort();

describe.each(files.filter((file) => file !== "testing.d.ts"))("%s", (file) => {
  test("has the values that the module beside it exports, and no others", async () => {
    const module = (await import(join(folder, file.replace(".d.ts", ".ts")))) as object;
    const declared = exportsOf(file).filter((symbol) => resolved(symbol).flags & ts.SymbolFlags.Value);
    expect(declared.length).toBeGreaterThan(0);
    expect(sorted(declared.map(({ name }) => name))).toEqual(sorted(Object.keys(module)));
  });
});

/** What handlers see that is no property of a table: made by code of their own. */
const BY_CODE: { readonly [R in Role]?: readonly string[] } = {
  tcpSock: ["state"],
  subflow: ["tcp"],
  ctx: ["remote", "reply"],
};
test.each([
  ["set", "SetSockOpts"],
  ["get", "GetSockOpts"],
] as const)("socket options that a program may %s are declared, and a number is no boolean", (call, type) => {
  const OF_VALUE = { u32: "number", bool: "boolean", name: "object", device: "object", header: "object" } as const;
  const rows = Object.entries(SOCKET_OPTIONS).filter(([, row]) => call in row && row.value !== "header");
  const found = propertiesOf(typesNamed(type));
  expect(sorted(found.keys())).toEqual(sorted(rows.map(([name]) => name)));
  const isNumber = (symbol: ts.Symbol): boolean => (typeOf(symbol).flags & ts.TypeFlags.Intersection) !== 0;
  const isBoolean = (symbol: ts.Symbol): boolean => (typeOf(symbol).flags & ts.TypeFlags.Boolean) !== 0;
  const kindOf = (symbol: ts.Symbol): string => (isBoolean(symbol) ? "boolean" : isNumber(symbol) ? "number" : "object");
  expect(rows.map(([name]) => `${name} ${kindOf(found.get(name)!)}`)).toEqual(rows.map(([name, { value }]) => `${name} ${OF_VALUE[value]}`));
});
test("the headers that a program may read are declared", () => {
  const names = typesNamed("SynSockOpt").flatMap((one) => (one.isStringLiteral() ? [one.value] : []));
  const rows = Object.entries(SOCKET_OPTIONS).flatMap(([name, { value }]) => (value === "header" ? [name] : []));
  expect(sorted(names)).toEqual(sorted(rows));
});

describe.each(Object.keys(ROLES) as Role[])("role %s", (role) => {
  const seen = (): ReadonlyMap<string, ts.Symbol> => propertiesOf(typesNamed(ROLES[role].name));

  test("has a type with its properties and calls, and no others", () => {
    const properties = seen();
    const known = [...Object.keys(PROPERTIES[role]), ...methodsOf(role), ...(BY_CODE[role] ?? [])];
    expect(sorted(properties.keys())).toEqual(sorted(new Set(known)));
    expect(sorted([...properties].flatMap(([name, symbol]) => (isMethod(symbol) ? [name] : [])))).toEqual(sorted(methodsOf(role)));
  });

  test("may assign what is not readonly", () => {
    const mine = Object.entries(PROPERTIES[role]).flatMap(([name, row]) => ("write" in row ? [name] : []));
    const theirs = [...seen()].flatMap(([name, symbol]) => (isMethod(symbol) || isReadonly(symbol) ? [] : [name]));
    expect(sorted(theirs.filter((name) => !BY_CODE[role]?.includes(name)))).toEqual(sorted(mine));
  });
});

/** What is no plain number to a test: an enum of its own, which the language reads as a word. */
const OF_ITS_OWN: readonly string[] = ["ctx.op"];
test.each(Object.keys(ROLES) as Role[])("properties of role %s are declared with the type that they are lowered to", (role) => {
  const seen = propertiesOf(typesNamed(ROLES[role].name));
  const said = (symbol: ts.Symbol): string => {
    const type = typeOf(symbol);
    const words = type.isUnion() && type.types.every((one) => one.isStringLiteral());
    return words ? "words" : (type.aliasSymbol?.name ?? checker.typeToString(type));
  };
  const wanted = (type: ScalarProperty["type"] | "ip6"): string =>
    type === "ip6" ? "Ip6" : typeName(type).replace(/^".*/, "words");
  const rows = Object.entries(PROPERTIES[role]).flatMap(([name, row]) =>
    "type" in row && !OF_ITS_OWN.includes(`${role}.${name}`) ? [[name, wanted(row.type)] as const] : [],
  );
  expect(rows.map(([name]) => `${name}: ${said(seen.get(name)!)}`)).toEqual(rows.map((row) => row.join(": ")));
});

test("a module gives tests a view of every program that it may export", () => {
  const text = readFileSync(join(folder, "testing.d.ts"), "utf8");
  const views = text.slice(text.indexOf("export type UnderTest<M>"), text.indexOf("What `load` may be told"));
  const named = (name: string): string => (name === "sockOps" ? 'Program<"sockOps">' : `${name[0]!.toUpperCase()}${name.slice(1)}Program`);
  expect(Object.keys(PROGRAM_KINDS).filter((name) => !views.includes(`extends ${named(name)}`))).toEqual([]);
});

describe("roles that do for others", () => {
  /** What a type extends, and what that extends. */
  const above = (type: ts.Type): readonly string[] =>
    type.isUnion()
      ? type.types.map(above).reduce((all, one) => all.filter((name) => one.includes(name)))
      : (type.isClassOrInterface() || type.symbol?.flags & ts.SymbolFlags.Interface
          ? checker.getBaseTypes((type as ts.TypeReference).target ?? (type as ts.InterfaceType))
          : []
        ).flatMap((base) => [base.symbol.name, ...above(base)]);
  const types = (role: Role): readonly ts.Type[] =>
    symbols.filter(({ name }) => name === ROLES[role].name).map((symbol) => checker.getDeclaredTypeOfSymbol(symbol));

  test.each(Object.keys(ROLES) as Role[])("%s: those whose type extends its type", (role) => {
    const mine = new Set<string>(ROLES[role].from);
    const theirs = (Object.keys(ROLES) as Role[]).filter((other) =>
      types(other).some((type) => above(type).includes(ROLES[role].name)),
    );
    expect(sorted(theirs)).toEqual(sorted(mine));
  });
  test.each(Object.keys(ROLES) as Role[])("%s stands for a socket where its type extends SocketOwner", (role) => {
    expect(types(role).some((type) => above(type).includes("SocketOwner"))).toBe("socket" in ROLES[role]);
  });
});

test("every function of the language is declared and lowered", () => {
  const NOT_COMPILED = ["testing.d.ts", "config.d.ts"];
  const declared = files
    .filter((file) => !NOT_COMPILED.includes(file))
    .flatMap((file) => exportsOf(file))
    .filter((symbol) => resolved(symbol).flags & ts.SymbolFlags.Value && isMethod(resolved(symbol)))
    .map(({ name }) => name);
  expect(sorted(new Set(declared))).toEqual(sorted(new Set(builtinNames())));
});

/** Handlers of each function that makes programs; undefined: they are events, which tables of their own check. */
const HANDLERS: Readonly<Record<ProgramKind, readonly string[] | undefined>> = {
  pathManager: undefined,
  tcpOption: undefined,
  sockOps: undefined,
  connectHook: Object.keys(COMPILED.cgroup_sock_addr.hooks),
  sockOptHook: Object.keys(COMPILED.cgroup_sockopt.hooks),
  scheduler: Object.keys(OPS_STRUCTS.mptcp_sched_ops.members),
  congestionControl: Object.keys(OPS_STRUCTS.tcp_congestion_ops.members),
};
describe.each(Object.entries(HANDLERS).filter(([, handlers]) => handlers !== undefined))("%s", (name, handlers) => {
  test("is declared with its handlers", () => {
    const signatures = checker.getTypeOfSymbol(symbols.find((symbol) => symbol.name === name)!).getCallSignatures();
    const [parameter] = signatures[0]!.getParameters();
    const type = typeOf(parameter!);
    const found = [...propertiesOf([checker.getBaseConstraintOfType(type) ?? type])];
    expect(sorted(found.flatMap(([handler, symbol]) => (isMethod(symbol) ? [handler] : [])))).toEqual(sorted(handlers!));
  });
  test("has them in its view in tests", () => {
    const view = `${name[0]!.toUpperCase()}${name.slice(1)}UnderTest`;
    const found = propertiesOf(typesNamed(view));
    expect(handlers!.filter((handler) => !found.has(handler))).toEqual([]);
  });
});

test("every function that makes programs is declared", () => {
  expect(Object.keys(PROGRAM_KINDS).filter((name) => !symbols.some((symbol) => symbol.name === name))).toEqual([]);
});

/** Maps that scripts do not read, with the reason. */
const NOT_IN_SCRIPTS: { readonly [K in MapKind]?: string } = {};
describe.each(Object.keys(MAPS) as MapKind[])("map %s", (kind) => {
  test("is a class with its methods, in the declarations and in Node", () => {
    const mine = sorted(mapMethods(kind));
    const theirs = [...propertiesOf(typesNamed(kind))].flatMap(([name, symbol]) => (isMethod(symbol) ? [name] : []));
    expect(sorted(theirs)).toEqual(mine);
    const made = new mapClasses[kind]({ value: undefined as never });
    expect((made as unknown as { readonly type: string }).type).toBe(MAPS[kind].type);
    expect(mine.filter((name) => !(name in made))).toEqual([]);
  });
  test("is in the table of docs/language/maps.md", () => {
    const page = readFileSync(join(root, "docs/language/maps.md"), "utf8");
    expect(page.split("\n").filter((line) => line.startsWith(`| \`${kind}\` `))).toHaveLength(1);
  });
  test("is there in the virtual machine, in tests, and in scripts unless there is a reason", () => {
    expect(MAP_KINDS[MAPS[kind].type], "MAP_KINDS of runtime/vm/maps/create.ts").toBeDefined();
    const names = (file: string): boolean => readFileSync(join(root, file), "utf8").includes(`extends ${kind}<`);
    expect(names("runtime/dsl/testing.d.ts"), "UnderTest in runtime/dsl/testing.d.ts").toBe(true);
    expect(readFileSync(join(root, "runtime/kernel/typed.ts"), "utf8").includes(`${kind}<infer`), "runtime/kernel/typed.ts").toBe(
      NOT_IN_SCRIPTS[kind] === undefined,
    );
  });
});

test("no target is named as tests name a release of one", () => {
  expect(TARGETS.filter((name) => /^linux-\d/.test(name))).toEqual([]);
});

test("a test may set every field of the model's connections", () => {
  const declared = propertiesOf(typesNamed("SessionFields")).keys();
  expect(sorted(declared)).toEqual(sorted([...Object.keys(freshFields()), "localIp6", "remoteIp6"]));
});

test.each(Object.keys(ROLES) as Role[])("properties of role %s are fields of its kind", (role) => {
  const { kind } = ROLES[role];
  const fields: object = COMPILED[kind].fields;
  const used = Object.values(PROPERTIES[role]).flatMap((row) => ("field" in row ? [row.field] : []));
  expect(used.filter((field) => !Object.hasOwn(fields, field))).toEqual([]);
});

test("helpers that the language calls are there in the virtual machine", () => {
  const folder = join(root, "compiler/frontend");
  const called = readdirSync(folder)
    .filter((file) => file.endsWith(".ts") && !file.includes(".generated."))
    .flatMap((file) => [...readFileSync(join(folder, file), "utf8").matchAll(/\.call\(\s*"(\w+)"/g)].map((call) => call[1]!));
  expect(called.length).toBeGreaterThan(10);
  expect([...new Set(called)].filter((name) => !Object.hasOwn(IMPLEMENTATIONS, name))).toEqual([]);
});

test("tests may load for every target", () => {
  const target = propertiesOf(typesNamed("LoadOptions")).get("target")!;
  const literals = (typeOf(target) as ts.UnionType).types.flatMap((one) => (one.isStringLiteral() ? [one.value] : []));
  expect(sorted(literals)).toEqual(sorted(TARGETS));
});

test("a project file may name every target", () => {
  const target = propertiesOf(typesNamed("Config")).get("target")!;
  const literals = (typeOf(target) as ts.UnionType).types.flatMap((one) => (one.isStringLiteral() ? [one.value] : []));
  expect(sorted(literals)).toEqual(sorted(TARGETS));
});
