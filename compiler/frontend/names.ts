/** From a name to what it stands for: local scopes first, then the file, then what the file imports. */
import { ts } from "ts-morph";
import { BAD_ENTITY, type Entity } from "./entities.ts";
import { bare, lookup, type Lowering } from "./lowering.ts";
import { say, spanOf, type Declaration, type FileScope, type ModuleState } from "./module-state.ts";
import { isLanguageModule, type LanguageModule, type ParsedFile } from "./project.ts";
import { evaluate } from "./visit.ts";
import { enumFields, insteadOfPattern } from "./remedies.ts";

/** The entity that an expression names; undefined for local names and for anything that is computed. */
export function entityAt(f: Lowering, written: ts.Expression): Entity | undefined {
  const node = bare(written);
  if (ts.isIdentifier(node)) {
    const local = lookup(f, node.text);
    if (local) return local.kind === "operand" && local.operand.kind === "entity" ? local.operand.entity : undefined;
    return resolveName(f.state, f.file, node.text);
  }
  if (ts.isPropertyAccessExpression(node)) return memberOf(f.state, entityAt(f, node.expression), node.name.text);
  return undefined;
}

/** A member of a namespace import or of a constant record. */
export function memberOf(state: ModuleState, of: Entity | undefined, name: string): Entity | undefined {
  if (of?.kind === "namespace") return { kind: "builtin", module: of.module, name };
  if (of?.kind === "file") return exportOf(state, of.file, name);
  if (of?.kind === "object") return of.fields.get(name);
  return undefined;
}

/** Stands for a name while its value is looked for: whoever finds it there goes in a circle. */
const EVALUATING: Entity = { kind: "error" };

/** What a name means at the top level of a file. */
export function resolveName(state: ModuleState, file: ParsedFile, name: string): Entity | undefined {
  const scope = state.scopes[file.index]!;
  const known = scope.evaluated.get(name);
  if (known === EVALUATING) {
    const { node } = scope.declared.get(name)!;
    say(state, "constant-cycle", spanOf(file, (node as { name?: ts.Node }).name ?? node), { name });
    return BAD_ENTITY;
  }
  if (known) return known;
  const declaration = scope.declared.get(name);
  if (!declaration) return undefined;
  scope.evaluated.set(name, EVALUATING);
  const entity =
    declaration.kind === "import" ? imported(state, scope, declaration) : evaluate(state, scope, name, declaration);
  scope.evaluated.set(name, entity);
  return entity;
}

function imported(state: ModuleState, scope: FileScope, declaration: Declaration & { kind: "import" }): Entity {
  const { specifier, name } = declaration;
  if (isLanguageModule(specifier)) {
    return name === undefined ? { kind: "namespace", module: specifier } : { kind: "builtin", module: specifier, name };
  }
  const index = scope.file.imports.get(specifier);
  if (index === undefined) return BAD_ENTITY;
  const { file } = state.scopes[index]!;
  if (name === undefined) return { kind: "file", file };
  return exportOf(state, file, name) ?? BAD_ENTITY;
}

/** What another file exports under a name; follows re-exports, also in circles. */
export function exportOf(
  state: ModuleState,
  file: ParsedFile,
  name: string,
  visited = new Set<string>(),
): Entity | undefined {
  const here = `${file.index} ${name}`;
  if (visited.has(here)) return undefined;
  visited.add(here);
  const scope = state.scopes[file.index]!;
  const exported = scope.exported.get(name);
  if (exported && "local" in exported) return resolveName(state, file, exported.local);
  const from = exported
    ? [{ specifier: exported.from, name: exported.name }]
    : scope.reexported.map((specifier) => ({ specifier, name }));
  for (const next of from) {
    if (isLanguageModule(next.specifier)) return { kind: "builtin", module: next.specifier, name: next.name };
    const index = scope.file.imports.get(next.specifier);
    const found = index === undefined ? undefined : exportOf(state, state.scopes[index]!.file, next.name, visited);
    if (found) return found;
  }
  return undefined;
}

/** Reads the top level of a file: its names, unevaluated. Reports statements that a module cannot have. */
export function collectScope(state: Pick<ModuleState, "diagnostics" | "seen">, file: ParsedFile): FileScope {
  const scope: FileScope = {
    file,
    declared: new Map(),
    types: new Map(),
    exported: new Map(),
    reexported: [],
    evaluated: new Map(),
  };
  for (const statement of file.tree.statements) collectStatement(state as ModuleState, scope, statement);
  return scope;
}

const has = (node: ts.Node, modifier: ts.SyntaxKind): boolean =>
  ts.canHaveModifiers(node) && (ts.getModifiers(node) ?? []).some((m) => m.kind === modifier);
const isExported = (node: ts.Node): boolean => has(node, ts.SyntaxKind.ExportKeyword);

function collectStatement(state: ModuleState, scope: FileScope, statement: ts.Statement): void {
  const declare = (name: string, declaration: Declaration, exported: boolean): void => {
    if (!scope.declared.has(name)) scope.declared.set(name, declaration);
    if (exported) scope.exported.set(name, { local: name });
  };
  const exported = isExported(statement);
  if (has(statement, ts.SyntaxKind.DefaultKeyword)) {
    const kind = ts.isFunctionDeclaration(statement) ? "function name(…) { … }" : "class Name extends struct({ … }) {}";
    say(state, "default-export", spanOf(scope.file, statement), { kind });
  }
  if (ts.isImportDeclaration(statement)) return collectImport(scope, statement);
  if (
    has(statement, ts.SyntaxKind.DeclareKeyword) &&
    !ts.isTypeAliasDeclaration(statement) &&
    !ts.isInterfaceDeclaration(statement)
  ) {
    const names = ts.isVariableStatement(statement)
      ? statement.declarationList.declarations.map((one) => one.name)
      : [(statement as ts.Statement & { name?: ts.Node }).name ?? statement];
    for (const name of names) {
      say(state, "declared-elsewhere", spanOf(scope.file, name), { name: ts.isIdentifier(name) ? name.text : "this" });
      if (ts.isIdentifier(name)) declare(name.text, { kind: "other", node: statement }, exported);
    }
    return;
  }
  if (ts.isVariableStatement(statement)) {
    const constant = (statement.declarationList.flags & ts.NodeFlags.Const) !== 0;
    for (const node of statement.declarationList.declarations) {
      if (ts.isIdentifier(node.name)) declare(node.name.text, { kind: "variable", node, constant, exported }, exported);
      else
        say(state, "destructuring", spanOf(scope.file, node.name), {
          instead: insteadOfPattern(scope.file, node.name, node.initializer),
        });
    }
    return;
  }
  if (ts.isFunctionDeclaration(statement) && statement.name)
    return declare(statement.name.text, { kind: "function", node: statement }, exported);
  if (ts.isClassDeclaration(statement) && statement.name)
    return declare(statement.name.text, { kind: "class", node: statement }, exported);
  if (ts.isTypeAliasDeclaration(statement) || ts.isInterfaceDeclaration(statement))
    return void scope.types.set(statement.name.text, statement);
  if (ts.isEnumDeclaration(statement)) {
    say(state, "enum", spanOf(scope.file, statement), {
      name: statement.name.text,
      members: enumFields(statement),
    });
    return declare(statement.name.text, { kind: "other", node: statement }, exported);
  }
  if (ts.isExportDeclaration(statement)) return collectExport(scope, statement);
  if (ts.isEmptyStatement(statement)) return;
  if (ts.isExpressionStatement(statement) && ts.isCallExpression(statement.expression)) return; // license(…), looked at later
  if (ts.isExportAssignment(statement)) {
    const value = bare(statement.expression);
    const call =
      ts.isCallExpression(value) && ts.isIdentifier(value.expression) ? `${value.expression.text}(…)` : undefined;
    const kind = ts.isIdentifier(value) ? `{ ${value.text} }` : `const name = ${call ?? "…"}`;
    return say(state, "default-export", spanOf(scope.file, statement), { kind });
  }
  say(state, "top-level-statement", spanOf(scope.file, statement), undefined);
}

function collectImport(scope: FileScope, statement: ts.ImportDeclaration): void {
  if (!ts.isStringLiteral(statement.moduleSpecifier) || !statement.importClause) return;
  const specifier = statement.moduleSpecifier.text;
  const bindings = statement.importClause.namedBindings;
  if (statement.importClause.name) {
    scope.declared.set(statement.importClause.name.text, {
      kind: "import",
      specifier,
      name: "default",
      node: statement,
    });
  }
  if (!bindings) return;
  if (ts.isNamespaceImport(bindings))
    return void scope.declared.set(bindings.name.text, { kind: "import", specifier, node: bindings });
  for (const element of bindings.elements) {
    scope.declared.set(element.name.text, {
      kind: "import",
      specifier,
      name: (element.propertyName ?? element.name).text,
      node: element,
    });
  }
}

function collectExport(scope: FileScope, statement: ts.ExportDeclaration): void {
  const from =
    statement.moduleSpecifier && ts.isStringLiteral(statement.moduleSpecifier)
      ? statement.moduleSpecifier.text
      : undefined;
  if (!statement.exportClause) {
    if (from !== undefined) scope.reexported.push(from);
    return;
  }
  if (!ts.isNamedExports(statement.exportClause)) return;
  for (const element of statement.exportClause.elements) {
    const name = (element.propertyName ?? element.name).text;
    scope.exported.set(element.name.text, from === undefined ? { local: name } : { from, name });
  }
}

/** The module that a builtin belongs to, for rules that depend on it. */
export const builtinNamed = (
  entity: Entity | undefined,
  ...names: readonly string[]
): { module: LanguageModule; name: string } | undefined =>
  entity?.kind === "builtin" && names.includes(entity.name) ? entity : undefined;
