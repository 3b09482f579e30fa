/** From source text to IR: parse, find the declarations, lower the programs, and repeat every check that the editor makes. */
import { ts } from "ts-morph";
import type { KernelTypes } from "../bpf/kernel-types.ts";
import {
  DEFAULT_TARGET,
  kernelOf,
  kernels,
  oldestWith,
  TARGETS,
  type Feature,
  type Kernel,
  type OldestKernel,
  type TargetName,
} from "../bpf/kernels.ts";
import type { Diagnostic } from "../diagnostics.ts";
import type { Finding } from "../findings.ts";
import type { IrModule } from "../ir/ir.ts";
import type { FoundImport, SourceFile } from "../span.ts";
import { LICENSES } from "../bpf/licenses.ts";
import { checkUncalled } from "./functions.ts";
import { moduleState, say, spanOf, type FileScope, type KnownReferences, type ModuleState } from "./module-state.ts";
import { collectScope, resolveName } from "./names.ts";
import { deepestNesting } from "./nesting.ts";
import { checkObject } from "./object-checks.ts";
import { lowerProgram } from "./programs.ts";
import {
  isLanguageModule,
  LANGUAGE_MODULES,
  MODULE_NEEDS,
  openProject,
  type Declarations,
  type Project,
} from "./project.ts";
import { eventIndex, exportIndex } from "./typescript-words.ts";
import { typeScriptErrors } from "./typescript-errors.ts";
import { VISITORS } from "./visitors.ts";

export interface FrontendInput {
  readonly entry: SourceFile;
  /** Finds an imported file; undefined when there is none. */
  readonly readImport: (path: string, from: string) => FoundImport;
  /** Absent: follows from the imports. */
  readonly target?: TargetName;
  /** The oldest version of Linux that must run it; absent: the target's. */
  readonly kernel?: OldestKernel;
  /** The kernel's structs; absent: those of the repository. */
  readonly types?: KernelTypes;
  /** The texts of runtime/dsl/*.d.ts. */
  readonly declarations: Declarations;
  /** A file without programs is fine: it is looked at, not built. */
  readonly library?: boolean;
}
export interface FrontendOutput {
  /** Absent when there are errors. */
  readonly module?: IrModule;
  readonly diagnostics: readonly Diagnostic[];
  readonly sources: readonly SourceFile[];
  readonly target: TargetName;
  /** What was found out about names, also where there are errors. */
  readonly findings: readonly Finding[];
  /** The target with its oldest kernel; absent where it did not come to that. */
  readonly kernel?: Kernel;
}

/** Larger texts are no programs, and checking them would take minutes. */
const MAX_CHARACTERS = 1024 * 1024;

/** Lowers one module. Errors are diagnostics; it does not throw on any text. */
export function frontend(input: FrontendInput): FrontendOutput {
  const sources: SourceFile[] = [input.entry];
  const target = input.target ?? DEFAULT_TARGET;
  const only = (diagnostics: readonly Diagnostic[]): FrontendOutput => ({ diagnostics, sources, target, findings: [] });
  const early: Pick<ModuleState, "diagnostics" | "seen"> = { diagnostics: [], seen: new Set() };
  if (input.entry.text.length > MAX_CHARACTERS) {
    say(
      early as ModuleState,
      "source-too-large",
      { file: 0, start: 0, end: 1 },
      { size: input.entry.text.length, limit: MAX_CHARACTERS },
    );
    return only(early.diagnostics);
  }
  try {
    const readImport: FrontendInput["readImport"] = (path, from) => {
      const found = input.readImport(path, from);
      if (found && !("refused" in found) && !sources.some((one) => one.path === found.path)) sources.push(found);
      return found;
    };
    const project = openProject(input.entry, readImport, input.declarations);
    return lowerProject(project, input);
  } catch (error) {
    // The parser, the type checker and lowering all recurse as deep as the source nests.
    if (!(error instanceof RangeError)) throw error;
    const nestings = sources.map(({ text }, file) => ({ ...deepestNesting(text), file }));
    const { what, depth, instead, at, file } = nestings.reduce((a, b) => (b.depth > a.depth ? b : a));
    say(early as ModuleState, "nested-too-deep", { file, start: at, end: at + 1 }, { what, depth, instead });
    return only(early.diagnostics);
  }
}

/** Lowers once, and again where an assignment has shown that less holds of a variable than uses of it took for granted. */
function lowerProject(project: Project, input: FrontendInput): FrontendOutput {
  const references = { known: new Map(), again: false };
  for (;;) {
    references.again = false;
    const output = lowerOnce(project, input, references);
    if (!references.again) return output;
  }
}

function lowerOnce(project: Project, input: FrontendInput, references: KnownReferences): FrontendOutput {
  const sources = project.files.map((file) => file.source);
  const early: Pick<ModuleState, "diagnostics" | "seen"> = { diagnostics: [], seen: new Set() };
  const scopes = project.files.map((file) => collectScope(early, file));
  const target = input.target ?? targetOf(project);
  const kernel = kernelOf(target, oldestFor(project, target, input.kernel), input.types);
  const state = moduleState(project, kernel, scopes, {
    exportsOf: exportIndex(input.declarations),
    eventsOf: eventIndex(input.declarations),
    references,
    visit: VISITORS,
  });
  state.diagnostics.push(...early.diagnostics);
  if (typeof input.kernel === "string" && input.kernel !== kernel.oldest)
    say(
      state,
      "kernel-fixed",
      { file: 0, start: 0, end: Math.min(1, input.entry.text.length) },
      { asked: input.kernel, target, release: kernel.oldest },
    );
  const done = (module?: IrModule): FrontendOutput => ({
    ...(module ? { module } : {}),
    diagnostics: sorted(state.diagnostics),
    sources,
    target,
    findings: state.findings,
    kernel,
  });

  const syntax = project.files.flatMap((file) => typeScriptErrors(state, file, "syntax"));
  if (syntax.length > 0) {
    // A tree with holes in it would only produce errors about the holes.
    state.diagnostics.length = 0;
    state.diagnostics.push(...syntax);
    return done();
  }
  missingImports(state);
  if (input.entry.text.trim() === "") say(state, "empty-file", { file: 0, start: 0, end: 0 }, undefined);

  const module = lowerModule(state, scopes, input.library === true);
  for (const file of project.files) state.diagnostics.push(...typeScriptErrors(state, file, "types"));
  if (fromOtherTarget(state)) {
    const others = state.diagnostics.filter((one) => one.key !== "needs-kernel");
    state.diagnostics.splice(0, state.diagnostics.length, ...others);
  }
  if (state.silent && !state.diagnostics.some((one) => one.severity === "error"))
    say(state, "not-understood", state.silent, undefined);
  return state.diagnostics.some((one) => one.severity === "error") ? done() : done(module);
}

/** The first target that has what the imported modules are about. */
function targetOf(project: Project): TargetName {
  const needs = neededBy(project);
  return TARGETS.find((name) => needs.every((feature) => kernels[name].features.has(feature))) ?? DEFAULT_TARGET;
}
const neededBy = (project: Project): readonly Feature[] =>
  project.files.flatMap((file) =>
    file.tree.statements.flatMap((statement) => {
      if (!ts.isImportDeclaration(statement) || !ts.isStringLiteral(statement.moduleSpecifier)) return [];
      const name = statement.moduleSpecifier.text;
      return isLanguageModule(name) ? (MODULE_NEEDS[name] ?? []) : [];
    }),
  );

/** A name is imported from the wrong module, and the right one would have chosen another target. */
const fromOtherTarget = (state: ModuleState): boolean =>
  state.diagnostics.some(({ key, facts }) => {
    const home = key === "type-error" ? /^import it from (.+)$/.exec((facts as { help?: string }).help ?? "")?.[1] : "";
    if (!home || !isLanguageModule(home)) return false;
    const needs = MODULE_NEEDS[home];
    return needs !== undefined && !state.kernel.features.has(needs);
  });

/** The oldest kernel: as given, else the first that has what the imported modules are about, or the target's. */
function oldestFor(project: Project, target: TargetName, given: OldestKernel | undefined): OldestKernel | undefined {
  if (typeof given === "string" || given?.[target] !== undefined) return given;
  return oldestWith(target, neededBy(project));
}

function missingImports(state: ModuleState): void {
  for (const { file, node, name, refused } of state.project.missing) {
    say(state, "missing-import", spanOf(state.project.files[file]!, node), {
      name,
      ...(refused ? { refused } : {}),
      relative: name.startsWith(".") || name.startsWith("/"),
      ...(name.startsWith("tsbpf/") ? { modules: Object.keys(LANGUAGE_MODULES) } : {}),
    });
  }
}

function lowerModule(state: ModuleState, scopes: readonly FileScope[], library: boolean): IrModule {
  for (const scope of scopes) {
    licenseOf(state, scope);
    for (const [name, declaration] of scope.declared)
      if (declaration.kind !== "import") resolveName(state, scope.file, name);
  }
  const exported = state.programs.filter((program) => program.exported);
  for (const program of state.programs) {
    if (!program.exported && state.diagnostics.every((one) => one.key !== "default-export"))
      say(state, "not-exported", spanOf(program.file, program.node), { name: program.name });
  }
  const programs = exported.flatMap((program) => lowerProgram(state, program));
  for (const scope of scopes) {
    for (const [name, declaration] of scope.declared) {
      const entity = declaration.kind === "import" ? undefined : resolveName(state, scope.file, name);
      if (entity?.kind === "function" && entity.file === scope.file) checkUncalled(state, entity);
    }
  }
  const escaped = state.diagnostics.some((one) => one.key === "context-escapes");
  if (!escaped) for (const span of state.contextGlobals) say(state, "context-escapes", span, { what: "the context" });
  checkObject(state, exported, programs, library);
  return {
    license: state.license?.id ?? "",
    target: state.target,
    needs: [...state.needs].sort(),
    maps: state.maps.map((map) => map.spec),
    globals: state.globals,
    functions: [...state.functions.values()].map((lowered) => lowered.func),
    programs,
    ...(state.structOps.length > 0 ? { structOps: state.structOps } : {}),
    sources: state.project.files.map((file) => file.source),
  };
}

/** `license("GPL")` at the top level; other calls there do nothing, and are errors. */
function licenseOf(state: ModuleState, scope: FileScope): void {
  for (const statement of scope.file.tree.statements) {
    if (!ts.isExpressionStatement(statement) || !ts.isCallExpression(statement.expression)) continue;
    const { expression: callee, arguments: args } = statement.expression;
    const entity = ts.isIdentifier(callee) ? resolveName(state, scope.file, callee.text) : undefined;
    if (entity?.kind !== "builtin" || entity.name !== "license") {
      // What is not imported the checker says.
      const unknown = !entity && ts.isIdentifier(callee) && state.exportsOf(callee.text) !== undefined;
      if (entity?.kind !== "error" && !unknown)
        say(state, "top-level-statement", spanOf(scope.file, statement), undefined);
      if (!unknown || callee.text !== "license") continue;
    }
    const text = args[0];
    if (!text || !ts.isStringLiteralLike(text)) {
      say(state, "literal-needed", spanOf(scope.file, text ?? statement), {
        what: "the license",
        example: 'license("GPL")',
      });
      continue;
    }
    if (!(LICENSES as readonly string[]).includes(text.text))
      say(state, "license", spanOf(scope.file, text), { id: text.text, known: LICENSES });
    else if (state.license && state.license.id !== text.text) {
      const other = spanOf(state.project.files[state.license.file]!, state.license.node);
      say(state, "license-twice", spanOf(scope.file, text), { id: text.text, other: state.license.id }, [
        { span: other, text: "the other one" },
      ]);
    } else state.license ??= { id: text.text, node: text, file: scope.file.index };
  }
}

/** By place; one report per line and key. */
function sorted(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const key = (one: Diagnostic): number => (one.span ? one.span.file * 2 ** 32 + one.span.start : -1);
  return [...diagnostics].sort((a, b) => key(a) - key(b));
}
