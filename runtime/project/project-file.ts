/**
 * The project file: `tsbpf.config.ts`, or the key "tsbpf" of a package.json. The nearest one at or above a folder counts. It is
 * read and not run, so that looking at somebody's project runs nothing of theirs.
 */
import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import { ts } from "ts-morph";
import type { Config } from "tsbpf/config";
import { fromOn, kernels, type OldestKernel, type TargetName } from "../../compiler/bpf/kernels.ts";
import { RELEASES, releaseOf, versionIn, type Version } from "../../compiler/bpf/verifier-rules.ts";
import type { CompileOptions } from "../../compiler/compile.ts";
import { exists, realPath, sources } from "../files/disk.ts";
import { MAX_SOURCE_BYTES, readBounded, trouble, type TroubleError } from "../files/files.ts";
import { PROJECT_FILE } from "../files/imports.ts";
import { isOthers } from "../files/others.ts";
import { kernelTypesOf } from "./kernel-types.ts";
import { readLiteral } from "./literal.ts";

/** What a project file says; paths are as one would write them from here. */
export interface Settings {
  readonly sources?: readonly string[];
  readonly out?: string;
  readonly target?: TargetName;
  /** By target: a project may have programs for several. */
  readonly kernel?: Exclude<OldestKernel, Version>;
  readonly btf?: string;
  readonly maxInsns?: number;
  readonly strict?: boolean;
  readonly types?: boolean;
  readonly root?: string;
}
export interface Project {
  /** The file, as a user would name it from here. */
  readonly path: string;
  /** Absolute. */
  readonly folder: string;
  readonly settings: Settings;
}

const PACKAGE = "package.json";

/** What one value may be: it gives the setting, or says what is needed. */
type Reader<T> = (value: unknown, folder: string) => T | { readonly needed: string };
const flag: Reader<boolean> = (value) => (typeof value === "boolean" ? value : { needed: "true or false" });
const place: Reader<string> = (value, folder) =>
  typeof value === "string" && value !== "" ? shown(resolve(folder, value)) : { needed: "a path" };

/** Every setting of `Config`, and how it is read. */
const READERS: { readonly [K in keyof Config]-?: Reader<NonNullable<Settings[K]>> } = {
  sources: (value) =>
    Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === "string" && one !== "")
      ? (value as string[])
      : { needed: 'a list of files, folders or patterns, such as ["programs/*.ts"]' },
  out: place,
  target: (value) =>
    typeof value === "string" && Object.hasOwn(kernels, value)
      ? (value as TargetName)
      : {
          needed: Object.keys(kernels)
            .map((name) => `"${name}"`)
            .join(" or "),
        },
  kernel: (value) => {
    const found = typeof value === "string" ? versionIn(value) : undefined;
    return found !== undefined && releaseOf(found) !== undefined
      ? fromOn(found)
      : { needed: `a release of Linux, "${RELEASES[0]}" or newer` };
  },
  btf: place,
  maxInsns: (value) =>
    Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 1_000_000
      ? Number(value)
      : { needed: "a whole number from 1 to 1000000" },
  strict: flag,
  types: flag,
  root: place,
};

/** What of it the compiler is told. Throws TroubleError when the file with the kernel's types is none. */
export const compileOptionsOf = ({
  target,
  kernel,
  btf,
  maxInsns,
  strict,
}: Omit<Settings, "kernel" | "sources"> & { readonly kernel?: OldestKernel }): CompileOptions => ({
  ...(target ? { target } : {}),
  ...(kernel ? { kernel } : {}),
  ...(btf === undefined ? {} : { types: kernelTypesOf(btf) }),
  ...(maxInsns === undefined ? {} : { maxInsns }),
  ...(strict ? { strict } : {}),
});

/** The nearest project file at or above a folder that nobody else can have put there. Throws TroubleError when it cannot be read or says what it may not. */
export function projectAbove(folder: string): Project | undefined {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const found = projectIn(at);
    if (found || dirname(at) === at) return found;
  }
}

function projectIn(folder: string): Project | undefined {
  const own = join(folder, PROJECT_FILE);
  const inPackage = packageSettings(join(folder, PACKAGE));
  if (!exists(own) || isOthers(own)) return inPackage && { ...inPackage, folder };
  if (inPackage)
    throw trouble(
      "two-project-files",
      `${shown(own)} and the key "tsbpf" of ${inPackage.path} both say what the project is`,
      "keep one of them",
    );
  const path = shown(own);
  const read = readLiteral(path, readBounded(own, MAX_SOURCE_BYTES, "a project file").toString("utf8"));
  if ("problem" in read)
    throw wrong(`${path}:${read.problem.line}:${read.problem.column}`, read.problem.text, VALUES_ONLY);
  const where = (key: string): string => {
    const at = read.places.get(key);
    return at ? `${path}:${at.line}:${at.column}` : path;
  };
  return { path, folder, settings: settingsOf(read.value, folder, where) };
}
const VALUES_ONLY =
  "the file is read, not run: export default defineConfig({ … }) with strings, numbers, true, false and lists of them";

/** What a package.json says under "tsbpf". One that cannot be read is not ours to complain of. */
function packageSettings(path: string): Omit<Project, "folder"> | undefined {
  if (!exists(path) || isOthers(path)) return undefined;
  let value: unknown;
  try {
    value = (JSON.parse(readBounded(path, MAX_SOURCE_BYTES, "a package.json").toString("utf8")) as { tsbpf?: unknown })
      .tsbpf;
  } catch {
    return undefined;
  }
  if (value === undefined) return undefined;
  const name = shown(path);
  return { path: name, settings: settingsOf(value, dirname(path), () => name) };
}

function settingsOf(value: unknown, folder: string, where: (key: string) => string): Settings {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw wrong(where(""), "an object of settings is needed", `the settings are ${NAMES}`);
  const read = Object.entries(value).map(([key, given]) => {
    if (!Object.hasOwn(READERS, key))
      throw wrong(where(key), `there is no setting "${key}"`, `the settings are ${NAMES}`);
    const setting = (READERS[key as keyof Config] as Reader<unknown>)(given, folder);
    if (typeof setting === "object" && setting !== null && "needed" in setting)
      throw wrong(
        where(key),
        `"${key}" cannot be ${JSON.stringify(given)}`,
        `give ${(setting as { needed: string }).needed}`,
      );
    return [key, setting] as const;
  });
  return Object.fromEntries(read);
}
const NAMES = Object.keys(READERS).join(", ");
const wrong = (at: string, text: string, help: string): TroubleError => trouble("project-file", `${at}: ${text}`, help);

const shown = (path: string): string => {
  const near = relative("", path);
  return near === "" ? "." : near.startsWith("..") || isAbsolute(near) ? path : near;
};

/** How TypeScript itself matches files, in folders as they are shown to it; it exports this without a declaration. */
type MatchFiles = (
  folder: string,
  extensions: readonly string[],
  excludes: readonly string[],
  includes: readonly string[],
  caseCounts: boolean,
  currentFolder: string,
  depth: number | undefined,
  entries: (folder: string) => { readonly files: readonly string[]; readonly directories: readonly string[] },
  realPath: (path: string) => string,
) => readonly string[];
// By its name: taken out of `ts` as an object, it would bring all of TypeScript into the bundle.
const matchFiles = (ts as unknown as { readonly matchFiles: MatchFiles }).matchFiles;

/** The programs of a project, as paths from here, in order. Throws TroubleError when there are none. */
export function sourcesOf(project: Project): readonly string[] {
  const include = project.settings.sources ?? ["programs"];
  const found = matchFiles(
    project.folder,
    [".ts", ".mts", ".cts"],
    ["**/node_modules"],
    include,
    true,
    process.cwd(),
    undefined,
    (folder) => {
      const { files, folders } = sources(folder || ".");
      return { files, directories: folders };
    },
    (path) => realPath(path) ?? path,
  )
    .filter((path) => !/\.(?:test|spec)\.[mc]?ts$/.test(path) && !path.endsWith(`/${PROJECT_FILE}`))
    .map(shown);
  if (found.length === 0)
    throw trouble(
      "no-sources",
      `${project.path} names no programs: nothing is found for ${include.map((one) => `"${one}"`).join(", ")}`,
      'say where they are: sources: ["programs/*.ts"]',
    );
  return [...new Set(found)].sort();
}
