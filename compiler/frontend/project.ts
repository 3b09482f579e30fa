/**
 * Source texts to parsed and checked TypeScript: the only code that talks to the TypeScript compiler's program.
 * Everything is in memory; the language's declarations come in as texts and the options are ours, whatever tsconfig the user has.
 */
import { ts } from "ts-morph";
import type { Feature } from "../bpf/kernels.ts";
import type { FoundImport, ImportRefused, SourceFile } from "../span.ts";
import { balanceChains } from "./balance.ts";
import { shortenFlow } from "./flow.ts";
import { keepReady, takeReady, type CheckerHost } from "./ready-checker.ts";

export type DeclarationName = "index" | "tcp" | "mptcp" | "delack" | "connect" | "sockopt" | "cc" | "lib";
export type Declarations = Readonly<Record<DeclarationName, string>>;

/** What users write in `import … from "…"`, and the declaration file behind it. */
export const LANGUAGE_MODULES = {
  tsbpf: "index",
  "tsbpf/tcp": "tcp",
  "tsbpf/mptcp": "mptcp",
  "tsbpf/delack": "delack",
  "tsbpf/connect": "connect",
  "tsbpf/sockopt": "sockopt",
  "tsbpf/cc": "cc",
} as const satisfies Record<string, DeclarationName>;
/** What a module of the language is about, where not every target or version has it: importing it chooses one that does, and the versions that do. */
export const MODULE_NEEDS: Readonly<Partial<Record<keyof typeof LANGUAGE_MODULES, Feature>>> = {
  "tsbpf/mptcp": "event:mptcp-new-session",
  "tsbpf/cc": "struct-ops-links",
  "tsbpf/delack": "delayed-ack-options",
};
export type LanguageModule = keyof typeof LANGUAGE_MODULES;
export const isLanguageModule = (name: string): name is LanguageModule => Object.hasOwn(LANGUAGE_MODULES, name);

/** One user file: its source, its tree, and where its imports lead. */
export interface ParsedFile {
  readonly index: number;
  readonly source: SourceFile;
  readonly tree: ts.SourceFile;
  /** Specifier as written to the index of a user file. */
  readonly imports: ReadonlyMap<string, number>;
}

export interface Project {
  readonly files: readonly ParsedFile[];
  /** Imports of files that were not found, and of modules that are not part of the language. */
  readonly missing: readonly {
    readonly file: number;
    readonly node: ts.Expression;
    readonly name: string;
    /** There, but not read. */
    readonly refused?: ImportRefused;
  }[];
  /** Made on first use: binding and checking cost most of a cold run. */
  readonly program: () => ts.Program;
}

/**
 * The options of runtime/dsl/tsconfig.json, two that are warnings here and left to the user there, and one that makes what is said of a
 * program independent of what the checker has seen before. A test compares the two.
 */
export const compilerOptions: ts.CompilerOptions = {
  noLib: true,
  types: [],
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  moduleDetection: ts.ModuleDetectionKind.Force,
  verbatimModuleSyntax: true,
  isolatedModules: true,
  erasableSyntaxOnly: true,
  allowImportingTsExtensions: true,
  noEmit: true,
  strict: true,
  noUncheckedIndexedAccess: true,
  noImplicitReturns: true,
  noImplicitOverride: true,
  noFallthroughCasesInSwitch: true,
  noPropertyAccessFromIndexSignature: true,
  noUnusedLocals: true,
  noUnusedParameters: true,
  allowUnreachableCode: false,
  allowUnusedLabels: false,
  stableTypeOrdering: true,
};

const virtualPath = (index: number): string => `/program/${index}.ts`;
const declarationPath = (name: DeclarationName): string => `/tsbpf/${name}.d.ts`;

const parse = (path: string, text: string): ts.SourceFile =>
  ts.createSourceFile(
    path,
    text,
    { languageVersion: ts.ScriptTarget.ES2022, setExternalModuleIndicator: markAsModule },
    true,
  );

/** What `moduleDetection: force` does: a file is a module even without imports. */
function markAsModule(file: ts.SourceFile): void {
  if (!file.isDeclarationFile) (file as { externalModuleIndicator?: unknown }).externalModuleIndicator = file;
  else {
    const marks = (s: ts.Statement): boolean =>
      ts.isExportDeclaration(s) ||
      ts.isImportDeclaration(s) ||
      (ts.canHaveModifiers(s) && (ts.getModifiers(s) ?? []).some((m) => m.kind === ts.SyntaxKind.ExportKeyword));
    const found = file.statements.find(marks);
    if (found) (file as { externalModuleIndicator?: unknown }).externalModuleIndicator = found;
  }
}

/** The declarations do not change between compilations of one process, so they are parsed once. */
const parsedDeclarations = new Map<string, ts.SourceFile>();
function declarationTree(name: DeclarationName, text: string): ts.SourceFile {
  const key = `${name}\0${text}`;
  const tree = parsedDeclarations.get(key) ?? parse(declarationPath(name), text);
  parsedDeclarations.set(key, tree);
  return tree;
}

/**
 * A comment must not switch checking off: what is rejected does not depend on `@ts-ignore`, `@ts-expect-error` or
 * `@ts-nocheck`. These two properties are where the parser keeps them.
 */
function withoutDirectives(tree: ts.SourceFile): ts.SourceFile {
  const internal = tree as { commentDirectives?: unknown; checkJsDirective?: unknown };
  internal.commentDirectives = undefined;
  internal.checkJsDirective = undefined;
  return tree;
}

/** The specifiers of a file's import and export declarations. */
const specifiers = (tree: ts.SourceFile): ts.StringLiteral[] =>
  tree.statements.flatMap((statement) => {
    const found =
      ts.isImportDeclaration(statement) || ts.isExportDeclaration(statement) ? statement.moduleSpecifier : undefined;
    return found && ts.isStringLiteral(found) ? [found] : [];
  });

/** A path without `.` and `x/..`: one file is one module, however it is named. */
function normal(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "." || (part === "" && parts.length > 0)) continue;
    if (part === ".." && parts.length > 0 && parts.at(-1) !== ".." && parts.at(-1) !== "") parts.pop();
    else parts.push(part);
  }
  return parts.join("/");
}

/** Parses the entry and, transitively, every user file that it imports. */
export function openProject(
  entry: SourceFile,
  readImport: (path: string, from: string) => FoundImport,
  declarations: Declarations,
): Project {
  const files: (ParsedFile & { imports: Map<string, number> })[] = [];
  const byPath = new Map<string, number>();
  const missing: Project["missing"][number][] = [];

  const add = (source: SourceFile): number => {
    const index = files.length;
    const tree = withoutDirectives(parse(virtualPath(index), source.text));
    balanceChains(tree);
    files.push({ index, source, tree, imports: new Map() });
    byPath.set(normal(source.path), index);
    return index;
  };
  add(entry);
  for (let at = 0; at < files.length; at++) {
    const file = files[at]!;
    for (const node of specifiers(file.tree)) {
      if (isLanguageModule(node.text) || file.imports.has(node.text)) continue;
      const found = readImport(node.text, file.source.path);
      if (!found || "refused" in found)
        missing.push({ file: at, node, name: node.text, ...(found ? { refused: found } : {}) });
      else file.imports.set(node.text, byPath.get(normal(found.path)) ?? add(found));
    }
  }

  let made: ts.Program | undefined;
  return { files, missing, program: () => (made ??= makeProgram(files, declarations)) };
}

/**
 * Gets ready what the next program begins with. It changes nothing but the time that the next one takes.
 * @returns tells whether the next one has begun with it
 */
export function prepareChecker(declarations: Declarations): () => boolean {
  return keepReady(makeProgram([], declarations));
}

function makeProgram(files: readonly ParsedFile[], declarations: Declarations): ts.Program {
  const trees = new Map<string, ts.SourceFile>();
  for (const file of files) trees.set(virtualPath(file.index), file.tree);
  for (const name of Object.keys(declarations) as DeclarationName[]) {
    trees.set(declarationPath(name), declarationTree(name, declarations[name]));
  }
  const resolve = (name: string, from: string): ts.ResolvedModuleFull | undefined => {
    if (isLanguageModule(name)) {
      return {
        resolvedFileName: declarationPath(LANGUAGE_MODULES[name]),
        extension: ts.Extension.Dts,
        isExternalLibraryImport: true,
      };
    }
    const file = files.find((f) => virtualPath(f.index) === from);
    const target = file?.imports.get(name);
    return target === undefined ? undefined : { resolvedFileName: virtualPath(target), extension: ts.Extension.Ts };
  };
  const host: CheckerHost = {
    ...(files.length > 0
      ? {
          typeChecker: (program, bind) =>
            takeReady(
              program,
              files.map((file) => file.tree),
              bind,
            ),
        }
      : {}),
    getSourceFile: (path) => trees.get(path),
    getDefaultLibFileName: () => declarationPath("lib"),
    writeFile: () => undefined,
    getCurrentDirectory: () => "/",
    getCanonicalFileName: (path) => path,
    useCaseSensitiveFileNames: () => true,
    getNewLine: () => "\n",
    fileExists: (path) => trees.has(path),
    readFile: (path) => trees.get(path)?.text,
    directoryExists: () => true,
    getDirectories: () => [],
    resolveModuleNameLiterals: (literals, from) =>
      literals.map((literal) => ({ resolvedModule: resolve(literal.text, from) })),
    resolveTypeReferenceDirectiveReferences: (references) =>
      references.map(() => ({ resolvedTypeReferenceDirective: undefined })),
  };
  const program = ts.createProgram({
    // All declarations and first, so that their order is the same for every program.
    rootNames: [...trees.keys()]
      .filter((path) => !path.startsWith("/program/"))
      .concat(files.length > 0 ? [virtualPath(0)] : []),
    options: compilerOptions,
    host,
  });
  for (const file of files) shortenFlow(file.tree, program.getTypeChecker());
  return program;
}
