/**
 * Where an import leads that is a name and no path: what TypeScript says, by the `paths` of the nearest tsconfig.json and by the
 * packages in node_modules, which in a workspace are links to its folders.
 */
import { dirname, resolve } from "node:path";
import { ts } from "ts-morph";
import { realPath, status } from "./disk.ts";
import { MAX_SOURCE_BYTES, readBounded } from "./files.ts";
import { isOthers } from "./others.ts";

const fileExists = (path: string): boolean => status(path)?.kind === "file";
const readFile = (path: string): string | undefined => {
  try {
    return readBounded(path, MAX_SOURCE_BYTES, "a file about packages").toString("utf8");
  } catch {
    return undefined;
  }
};
const host: ts.ModuleResolutionHost & ts.ParseConfigFileHost = {
  fileExists,
  readFile,
  directoryExists: (path) => status(path)?.kind === "folder",
  realpath: (path) => realPath(path) ?? path,
  getCurrentDirectory: () => process.cwd(),
  useCaseSensitiveFileNames: true,
  // Which files a tsconfig.json is about is not asked.
  readDirectory: () => [],
  onUnRecoverableConfigFileDiagnostic: () => undefined,
};

/** Resolves names for the imports of one program: gives the path of a file, or undefined where there is no such module. */
export function moduleNames(): (name: string, from: string) => string | undefined {
  const options = new Map<string, ts.CompilerOptions>();
  const optionsFor = (folder: string): ts.CompilerOptions => {
    const config = ts.findConfigFile(folder, (path) => fileExists(path) && !isOthers(path));
    if (config === undefined) return {};
    const read = options.get(config) ?? ts.getParsedCommandLineOfConfigFile(config, {}, host)?.options ?? {};
    options.set(config, read);
    return read;
  };
  return (name, from) => {
    const { paths, pathsBasePath, baseUrl, customConditions } = optionsFor(dirname(resolve(from)));
    const own = { paths, pathsBasePath, baseUrl, customConditions, moduleResolution: ts.ModuleResolutionKind.Bundler };
    const wanted = { ...own, module: ts.ModuleKind.ESNext, allowImportingTsExtensions: true };
    return ts.resolveModuleName(name, resolve(from), wanted as ts.CompilerOptions, host).resolvedModule
      ?.resolvedFileName;
  };
}
