/**
 * The files that are read as sources: TypeScript, regular, and below the project's root, which is the folder of the
 * nearest package.json, tsconfig.json or project file above the program, or that of the workspace which it is part of. A program, or a
 * link with a program's name, cannot make the compiler show other files in its errors.
 */
import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import type { FoundImport, ImportRefused, SourceFile } from "../../compiler/span.ts";
import { exists, realPath, withFile } from "./disk.ts";
import { moduleNames } from "./module-names.ts";
import { workspaceOf } from "./workspace.ts";
import { checkRegular, MAX_SOURCE_BYTES, readNamed, reason, trouble } from "./files.ts";

/** The project file of ours (runtime/project). */
export const PROJECT_FILE = "tsbpf.config.ts";
const MARKS = ["package.json", "tsconfig.json", PROJECT_FILE];
const DECLARATIONS = /\.d\.[mc]?ts$/;
const TYPESCRIPT = /\.[mc]?ts$/;

/** The folder whose files a program may import; without a mark above it, its own folder. */
export function projectRoot(program: string): string {
  const own = dirname(resolve(program));
  for (let at = own; ; at = dirname(at)) {
    if (MARKS.some((mark) => exists(join(at, mark)))) return workspaceOf(at) ?? at;
    if (dirname(at) === at) return own;
  }
}

/**
 * Finds what `import … from "./x.ts"` names beside the importing file, and what a name that is no path leads to, for one program. `root`
 * widens what may be read. Paths are shown relative to the current folder, as the user would write them, unless the importing file's is absolute.
 */
export function importReader(program: string, root?: string): (path: string, from: string) => FoundImport {
  let real: string | undefined;
  const byName = moduleNames();
  return (path, from) => {
    const above = resolve(root ?? projectRoot(program));
    real ??= realPath(above) ?? above;
    const wanted = isPath(path) ? join(isAbsolute(path) ? "" : dirname(from), path) : byName(path, from);
    if (wanted === undefined) return undefined;
    if (DECLARATIONS.test(wanted))
      return wanted.includes("/node_modules/")
        ? undefined
        : {
            refused: `the name leads to declarations, ${relative(above, wanted)}`,
            help: 'let "exports" of its package.json name the TypeScript source, or import that by its path',
          };
    const outside: ImportRefused = {
      refused: `it lies outside of the project, ${above}`,
      help: `--root DIR widens the project; or copy the file below ${above}`,
    };
    if (!isBelow(resolve(wanted), above) && !isBelow(resolve(wanted), real)) return outside;
    const candidate = candidates(wanted).find((one) => exists(one));
    if (candidate === undefined) {
      if (TYPESCRIPT.test(wanted) || !exists(wanted)) return undefined;
      return { refused: "it is not TypeScript", help: "import .ts, .mts or .cts files" };
    }
    const shown = isAbsolute(from) ? resolve(candidate) : relative("", candidate) || candidate;
    return read(candidate, real, shown, outside);
  };
}

/** What begins with a slash, or with one or two dots and a slash. */
const isPath = (name: string): boolean => /^\.{0,2}\//.test(name);

const isBelow = (path: string, root: string): boolean => {
  const rest = relative(root, path);
  return rest === "" || !(rest === ".." || rest.startsWith("../") || isAbsolute(rest));
};

/** The sources that an import may mean. As in Node: `./x.js` in TypeScript means x.ts. */
export function candidates(wanted: string): readonly string[] {
  if (TYPESCRIPT.test(wanted)) return [wanted];
  const script = /\.([mc]?)js$/.exec(wanted);
  return script ? [`${wanted.slice(0, script.index)}.${script[1]}ts`] : [`${wanted}.ts`];
}

/** Where the file really lies and what it is, is asked of its handle. */
function read(path: string, root: string, shown: string, outside: ImportRefused): SourceFile | ImportRefused {
  try {
    return withFile(path, (file) => {
      if (!isBelow(file.place, root)) return outside;
      if (!file.stat.isFile()) return { refused: "it is not a regular file", help: "import TypeScript files" };
      if (!TYPESCRIPT.test(file.place))
        return { refused: "it is a link to what is not TypeScript", help: "import .ts, .mts or .cts files" };
      if (file.stat.size > MAX_SOURCE_BYTES)
        return { refused: `it has ${file.stat.size} bytes`, help: `a source file may have ${MAX_SOURCE_BYTES}` };
      const text = textOf(file.bytes());
      if (text === undefined) return { refused: "it is not a text file", help: "import TypeScript files" };
      return { path: shown, text };
    });
  } catch (error) {
    return { refused: reason(error), help: "import a file that can be read" };
  }
}

/**
 * The program itself, as it is named. A link to it is followed within the project; the links on the way to the project's
 * root are the caller's own. Throws TroubleError.
 */
export function readProgram(path: string, root?: string): SourceFile {
  return readNamed(path, (file) => {
    checkRegular(path, file, MAX_SOURCE_BYTES, "a source file");
    const give = "give the TypeScript source: a .ts, .mts or .cts file";
    if (!TYPESCRIPT.test(path)) throw trouble("not-typescript", `${path} is not TypeScript`, give);
    if (!TYPESCRIPT.test(file.place))
      throw trouble("not-typescript", `${path} is a link to what is not TypeScript`, give);
    const above = resolve(root ?? projectRoot(path));
    if (!isBelow(file.place, realPath(above) ?? above))
      throw trouble(
        "outside-the-project",
        `${path} is a link to a file outside of the project, ${above}`,
        "name the file that it leads to, or widen the project: --root DIR",
      );
    const text = textOf(file.bytes());
    if (text === undefined)
      throw trouble("not-a-text-file", `${path} is not a text file`, "give the TypeScript source, not an object file");
    return { path, text };
  });
}

/** Undefined for what is no text. */
function textOf(bytes: Buffer): string | undefined {
  const text = bytes.toString("utf8");
  return text.includes("\0") ? undefined : text.replace(/^\uFEFF/, "");
}
