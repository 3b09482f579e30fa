/** The file of a service: what `tsbpf serve` keeps running. Like the project file it is read and never run. */
import { isIP } from "node:net";
import { dirname, relative, resolve } from "node:path";
import type { ServedMetrics, ServedProgram, Service } from "tsbpf/config";
import { kernels, type TargetName } from "../../compiler/bpf/kernels.ts";
import { MAX_SOURCE_BYTES, readBounded, trouble, type TroubleError } from "../files/files.ts";
import { readLiteral } from "./literal.ts";

/** A program of a service, as its file says it. */
export interface ServedSettings {
  readonly name: string;
  /** Absolute. */
  readonly file: string;
  readonly cgroup?: string;
  readonly netns?: string;
  readonly backend?: "kernel" | "netlink";
  /** As on the command line: a param's type says how the text is read. */
  readonly params?: Readonly<Record<string, string>>;
  readonly target?: TargetName;
  readonly whenGone?: "exit" | "wait";
}
export interface ServiceSettings {
  readonly programs: readonly ServedSettings[];
  readonly keep?: boolean;
  readonly socket?: string;
  readonly pins?: string;
  readonly log?: NonNullable<Service["log"]>;
  readonly metrics?: MetricsSettings;
}
export interface MetricsSettings {
  readonly listen?: ListenAt;
  readonly stats?: boolean;
}
/** An address and a port, or a Unix socket by its whole path. */
export type ListenAt = { readonly host: string; readonly port: number } | { readonly path: string };

/** What one value may be: it gives the setting, or says what is needed, of the value or of one inside of it. */
type Reader<T> = (value: unknown, folder: string) => T | Needed;
interface Needed {
  readonly needed: string;
  /** The way from the value to what is wrong, where it is not the value itself. */
  readonly at?: string;
  readonly text?: string;
}
const isNeeded = (read: unknown): read is Needed => typeof read === "object" && read !== null && "needed" in read;

const text =
  (what: string): Reader<string> =>
  (value) =>
    typeof value === "string" && value !== "" ? value : { needed: what };
const path: Reader<string> = (value, folder) =>
  typeof value === "string" && value !== "" ? resolve(folder, value) : { needed: "a path" };
const oneOf =
  <T extends string>(words: readonly T[]): Reader<T> =>
  (value) =>
    words.find((word) => word === value) ?? { needed: words.map((word) => `"${word}"`).join(" or ") };

type Given = Omit<ServedSettings, "name">;
const PROGRAM: { readonly [K in keyof ServedProgram]-?: Reader<NonNullable<Given[K]>> } = {
  file: path,
  cgroup: text('the name of a cgroup, such as "system.slice/nginx.service"'),
  netns: text("the name of a network namespace, a path or a process id"),
  backend: oneOf(["kernel", "netlink"]),
  params: (value) => {
    if (!isObject(value)) return { needed: "an object of values by the names of params" };
    const bad = Object.entries(value).find(([, given]) => !isParam(given));
    if (bad) return { needed: "a number, a text, true, false, or lists and objects of them", at: bad[0] };
    return Object.fromEntries(
      Object.entries(value).map(([name, given]) => [name, typeof given === "string" ? given : JSON.stringify(given)]),
    );
  },
  target: oneOf(Object.keys(kernels) as TargetName[]),
  whenGone: oneOf(["exit", "wait"]),
};
/** A file name that needs no escape, on a bpffs and in what is printed. */
const NAME = /^[A-Za-z0-9_][\w.-]{0,62}$/;

const LISTEN = /^(?:\[([0-9a-f:.]+)\]:|(\d+\.\d+\.\d+\.\d+|localhost):|:)?(\d{1,5})$/i;
const METRICS: { readonly [K in keyof ServedMetrics]-?: Reader<NonNullable<MetricsSettings[K]>> } = {
  listen: (value, folder) => {
    const needed =
      'an address and a port such as "127.0.0.1:9961", a port, or the path of a Unix socket with a slash in it';
    if (typeof value !== "string") return { needed };
    if (value.includes("/")) return { path: resolve(folder, value) };
    const [, six, four, port] = LISTEN.exec(value) ?? [];
    const host = six ?? (four === "localhost" ? "127.0.0.1" : (four ?? "127.0.0.1"));
    return port !== undefined && isIP(host) !== 0 && Number(port) <= 0xffff ? { host, port: Number(port) } : { needed };
  },
  stats: (value) => (typeof value === "boolean" ? value : { needed: "true or false" }),
};

const SERVICE: { readonly [K in keyof Service]-?: Reader<NonNullable<ServiceSettings[K]>> } = {
  programs: (value, folder) => {
    if (!isObject(value)) return { needed: "an object of programs by their names" };
    const programs: ServedSettings[] = [];
    for (const [name, given] of Object.entries(value)) {
      if (!NAME.test(name))
        return {
          at: name,
          text: `"${name}" cannot be the name of a program`,
          needed: "letters, digits, dots, dashes and underlines, at most 63",
        };
      const read = readAll(PROGRAM, given, folder);
      if (isNeeded(read)) return { ...read, at: read.at === undefined ? name : `${name}.${read.at}` };
      if (!("file" in read)) return { at: name, text: `${name} has no "file"`, needed: "its source or object" };
      programs.push({ name, ...(read as Given) });
    }
    return programs;
  },
  keep: (value) => (typeof value === "boolean" ? value : { needed: "true or false" }),
  socket: path,
  pins: path,
  metrics: (value, folder) => readAll(METRICS, value, folder),
  log: oneOf(["error", "warning", "notice", "info", "debug"]),
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isParam = (value: unknown): boolean =>
  Array.isArray(value)
    ? value.every(isParam)
    : isObject(value)
      ? Object.values(value).every(isParam)
      : ["string", "number", "boolean"].includes(typeof value);

/** Every setting of an object, by a table of readers. */
function readAll(
  readers: Readonly<Record<string, Reader<unknown>>>,
  value: unknown,
  folder: string,
): Readonly<Record<string, unknown>> | Needed {
  const names = Object.keys(readers).join(", ");
  if (!isObject(value)) return { text: "an object of settings is needed", needed: `the settings ${names}` };
  const read: [string, unknown][] = [];
  for (const [key, given] of Object.entries(value)) {
    if (!Object.hasOwn(readers, key))
      return { at: key, text: `there is no setting "${key}"`, needed: `one of ${names}` };
    const setting = readers[key]!(given, folder);
    if (isNeeded(setting))
      return {
        needed: setting.needed,
        at: setting.at === undefined ? key : `${key}.${setting.at}`,
        text:
          setting.text ??
          `"${[key, ...(setting.at?.split(".") ?? [])].at(-1)}" cannot be ${shownValue(given, setting.at)}`,
      };
    read.push([key, setting]);
  }
  return Object.fromEntries(read);
}
/** The value at the end of a way, as JSON of bounded length. */
function shownValue(value: unknown, way: string | undefined): string {
  let found = value;
  for (const name of way?.split(".") ?? []) found = isObject(found) ? found[name] : undefined;
  const json = JSON.stringify(found) ?? "nothing";
  return json.length > 80 ? `${json.slice(0, 80)}…` : json;
}

/** Reads the file of a service. Throws TroubleError, with the place of what is wrong. */
export function readService(file: string): ServiceSettings {
  const read = readLiteral(file, readBounded(file, MAX_SOURCE_BYTES, "the file of a service").toString("utf8"));
  if ("problem" in read) {
    const { line, column, text: problem } = read.problem;
    throw wrong(`${file}:${line}:${column}`, problem, VALUES_ONLY);
  }
  const settings = readAll(SERVICE, read.value, dirname(resolve(file)));
  if (isNeeded(settings)) {
    const at = placeOf(read.places, settings.at);
    throw wrong(at ? `${file}:${at.line}:${at.column}` : file, settings.text!, `give ${settings.needed}`);
  }
  const whole = settings as Partial<ServiceSettings>;
  if (!whole.programs?.length)
    throw wrong(file, "it has no programs", 'name them: programs: { web: { file: "web.ts", cgroup: "web.slice" } }');
  return { ...whole, programs: whole.programs };
}
const VALUES_ONLY =
  "the file is read, not run: export default defineService({ … }) with strings, numbers, true, false, lists and objects of them";
const wrong = (at: string, message: string, help: string): TroubleError =>
  trouble("service-file", `${at}: ${message}`, help);

/** The place of a value, or of the nearest one around it that has one. */
function placeOf(
  places: ReadonlyMap<string, { readonly line: number; readonly column: number }>,
  way: string | undefined,
): { readonly line: number; readonly column: number } | undefined {
  const parts = way?.split(".") ?? [];
  for (let length = parts.length; length > 0; length--) {
    const found = places.get(parts.slice(0, length).join("."));
    if (found) return found;
  }
  return undefined;
}

/** A path as a user would name it from here. */
export const shownPath = (file: string): string => {
  const near = relative("", file);
  return near === "" || near.startsWith("..") ? file : near;
};
