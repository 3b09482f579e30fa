/**
 * The files that a program may import: TypeScript, regular, and below the project's root, which is the folder of the
 * nearest package.json or tsconfig.json above the program. A program from elsewhere cannot make the compiler show other
 * files in its errors.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
} from "node:fs";
import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import type { FoundImport, ImportRefused } from "../span.ts";
import { MAX_SOURCE_BYTES, reason } from "./files.ts";

const MARKS = ["package.json", "tsconfig.json"];
const TYPESCRIPT = /\.[mc]?ts$/;

/** The folder whose files a program may import; without a mark above it, its own folder. */
export function projectRoot(program: string): string {
  const own = dirname(resolve(program));
  for (let at = own; ; at = dirname(at)) {
    if (MARKS.some((mark) => existsSync(join(at, mark)))) return at;
    if (dirname(at) === at) return own;
  }
}

/**
 * Finds `import … from "./x.ts"` beside the importing file, for one program. `root` widens what may be read. Paths are
 * shown relative to the current folder, as the user would write them, unless the importing file's is absolute.
 */
export function importReader(program: string, root?: string): (path: string, from: string) => FoundImport {
  let real: string | undefined;
  return (path, from) => {
    const above = resolve(root ?? projectRoot(program));
    real ??= existsSync(above) ? realpathSync(above) : above;
    const wanted = isAbsolute(path) ? path : join(dirname(from), path);
    const outside: ImportRefused = {
      refused: `it lies outside of the project, ${above}`,
      help: `--root DIR widens the project; or copy the file below ${above}`,
    };
    if (!isBelow(resolve(wanted), above) && !isBelow(resolve(wanted), real)) return outside;
    const candidate = candidates(wanted).find((one) => existsSync(one));
    if (candidate === undefined) {
      if (TYPESCRIPT.test(wanted) || !existsSync(wanted)) return undefined;
      return { refused: "it is not TypeScript", help: "import .ts, .mts or .cts files" };
    }
    const shown = isAbsolute(from) ? resolve(candidate) : relative("", candidate) || candidate;
    return read(candidate, real, shown, outside);
  };
}

const isBelow = (path: string, root: string): boolean => {
  const rest = relative(root, path);
  return rest === "" || !(rest === ".." || rest.startsWith("../") || isAbsolute(rest));
};

/** As in Node: `./x.js` in TypeScript means x.ts. */
function candidates(wanted: string): readonly string[] {
  if (TYPESCRIPT.test(wanted)) return [wanted];
  const script = /\.([mc]?)js$/.exec(wanted);
  return script ? [`${wanted.slice(0, script.index)}.${script[1]}ts`] : [`${wanted}.ts`];
}

/** Opens once; where the file really lies and what it is, is asked of the handle. */
function read(path: string, root: string, shown: string, outside: ImportRefused): SourceOrRefused {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const place = realPlace(fd, path);
    if (!isBelow(place, root)) return outside;
    const stat = fstatSync(fd);
    if (!stat.isFile()) return { refused: "it is not a regular file", help: "import TypeScript files" };
    if (!TYPESCRIPT.test(place))
      return { refused: "it is a link to what is not TypeScript", help: "import .ts, .mts or .cts files" };
    if (stat.size > MAX_SOURCE_BYTES)
      return { refused: `it has ${stat.size} bytes`, help: `a source file may have ${MAX_SOURCE_BYTES}` };
    const text = readFileSync(fd, "utf8");
    if (text.includes("\0")) return { refused: "it is not a text file", help: "import TypeScript files" };
    return { path: shown, text: text.replace(/^\uFEFF/, "") };
  } catch (error) {
    return { refused: reason(error), help: "import a file that can be read" };
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
type SourceOrRefused = Exclude<FoundImport, undefined>;

function realPlace(fd: number, path: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return realpathSync(path);
  }
}
