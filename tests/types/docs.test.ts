/** Every exported name of the language has something to show when it is pointed at. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";
import { root } from "../programs.ts";

const folder = join(root, "runtime/dsl");
const files = readdirSync(folder)
  .filter((name) => name.endsWith(".d.ts"))
  .map((name) => join(folder, name));

/** "file: name" of exports without a doc comment. */
function undocumented(program: ts.Program): string[] {
  const checker = program.getTypeChecker();
  return files.flatMap((file) => {
    const module = checker.getSymbolAtLocation(program.getSourceFile(file)!);
    return (module ? checker.getExportsOfModule(module) : [])
      .filter((symbol) => symbol.getDocumentationComment(checker).length === 0)
      .map((symbol) => `${file.slice(folder.length + 1)}: ${symbol.name}`);
  });
}

test("exports of the language have doc comments", () => {
  const program = ts.createProgram(files, { noLib: true, module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext });
  expect(files.length).toBeGreaterThan(6);
  expect(undocumented(program)).toEqual([]);
});
