/**
 * A type checker that has seen the declarations of the language and no program yet, made ahead of time: for one program, because what a
 * checker has seen it keeps. TypeScript makes a checker for a program and never changes it; in the bundles a program asks its host for
 * one first (scripts/typescript-module.mjs). Elsewhere nobody asks, and every program gets its own.
 */
import { ts } from "ts-morph";

/** TypeScript's binder, which is not part of its public interface. */
type Bind = (file: ts.SourceFile, options: ts.CompilerOptions) => void;
/** Where each file stands among the others, by which the checker orders what is declared in several. */
type Program = ts.Program & { fileIndexMap?: Map<ts.SourceFile, number> };

/** What a program of the bundles asks its host. */
export interface CheckerHost extends ts.CompilerHost {
  readonly typeChecker?: (program: ts.Program, bind: Bind) => ts.TypeChecker | undefined;
}

let ready: { readonly program: Program; readonly checker: ts.TypeChecker; taken: boolean } | undefined;

/**
 * Keeps the checker of a program of declarations for the next program that asks, and has it look at them.
 * @returns tells whether that program has taken it
 */
export function keepReady(program: ts.Program): () => boolean {
  const checker = program.getTypeChecker();
  for (const file of program.getSourceFiles()) look(checker, file);
  const kept = { program, checker, taken: false };
  ready = kept;
  return () => kept.taken;
}

/**
 * Gives the checker to a program of the same declarations and these files of a user's.
 * @returns undefined where there is none, or a file changes what is declared for all (`declare global`)
 */
export function takeReady(
  program: ts.Program,
  files: readonly ts.SourceFile[],
  bind: Bind,
): ts.TypeChecker | undefined {
  const taken = ready;
  if (!taken?.program.fileIndexMap) return undefined;
  ready = undefined;
  const augments = files.some(
    (file) => (file as { moduleAugmentations?: readonly unknown[] }).moduleAugmentations?.length !== 0,
  );
  const all = program.getSourceFiles();
  if (augments || taken.program.getSourceFiles().some((file) => !all.includes(file))) return undefined;
  for (const file of files) bind(file, program.getCompilerOptions());
  // The checker asks the program that it was made for, which from now on answers as this one does.
  const { fileIndexMap } = taken.program;
  Object.assign(taken.program, program);
  fileIndexMap.clear();
  all.forEach((file, index) => fileIndexMap.set(file, index));
  taken.taken = true;
  return taken.checker;
}

/** Has the checker find out the type of all that a file declares. */
function look(checker: ts.TypeChecker, file: ts.SourceFile): void {
  const typeOf = (symbol: ts.Symbol): ts.Type => checker.getTypeOfSymbol(symbol);
  const visit = (node: ts.Node): void => {
    const symbol = isNamed(node) ? checker.getSymbolAtLocation(node.name) : undefined;
    if (symbol) {
      const type = symbol.flags & ts.SymbolFlags.Type ? checker.getDeclaredTypeOfSymbol(symbol) : typeOf(symbol);
      type.getProperties().forEach(typeOf);
      for (const signature of [...type.getCallSignatures(), ...type.getConstructSignatures()]) {
        signature.getReturnType();
        signature.parameters.forEach(typeOf);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
}

const isNamed = (node: ts.Node): node is ts.Node & { readonly name: ts.Node } =>
  ts.isTypeAliasDeclaration(node) ||
  ts.isInterfaceDeclaration(node) ||
  ts.isVariableDeclaration(node) ||
  ts.isFunctionDeclaration(node) ||
  ts.isEnumDeclaration(node) ||
  ts.isPropertySignature(node) ||
  ts.isMethodSignature(node) ||
  (ts.isClassDeclaration(node) && node.name !== undefined);
