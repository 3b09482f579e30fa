/** `tsbpf package`: programs, and the service that runs them, for the engines that bring them to many machines. */
import { basename, resolve } from "node:path";
import type { TargetName } from "../../compiler/bpf/kernels.ts";
import { version } from "../../compiler/version.generated.ts";
import { trouble } from "../files/files.ts";
import { RuntimeError } from "../kernel/errors.ts";
import { nameOfFile } from "../kernel/names.ts";
import type { Details, Package } from "../package/details.ts";
import { FORMATS, type FormatName, type FormatRow } from "../package/formats.ts";
import { isOfObject, OF_OBJECTS, OF_SERVICES } from "../package/makers.ts";
import { digestOf, digestOfFiles } from "../package/files.ts";
import { refuseExisting, writePackage } from "../package/write.ts";
import { objectSource, serviceSource } from "./package-sources.ts";
import { say } from "./output.ts";
import { document, warn } from "./report.ts";

export interface PackageOptions {
  readonly output?: string;
  readonly name?: string;
  readonly packageVersion?: string;
  readonly image?: string;
  readonly maintainer: string;
  readonly pins: string;
  readonly target?: TargetName;
  readonly root?: string;
  readonly json?: boolean;
}

/** Makes a package and says where it is, what its digest is, and how it gets on from there. */
export function packageFor(formatName: FormatName, file: string, options: PackageOptions): Promise<number> {
  const format: FormatRow = FORMATS[formatName];
  const name = checkName(
    options.name ?? (format.of === "object" ? nameOfFile(file).toLowerCase().replaceAll("_", "-") : "tsbpf"),
  );
  const output = options.output ?? `${name}${format.ending}`;
  refuseExisting(resolve(output));
  const made = make(formatName, file, name, options);
  const { files, digest, next, warnings = [] } = made.package;
  const as = format.output === "file" ? "file" : output.endsWith(".tar") ? "archive" : "folder";
  writePackage(resolve(output), files, as, made.seconds);
  if (options.json) document({ format: formatName, output, digest, version: made.version, warnings });
  else {
    for (const warning of warnings) warn(options, warning);
    say(`${file} → ${output} (${format.what})`);
    say(`  ${digest}`);
    const path = as === "archive" && format.of === "object" ? `oci-archive:${output}` : undefined;
    for (const line of next)
      say(`  ${path === undefined ? line.replaceAll("OUTPUT", output) : line.replace("oci:OUTPUT", path)}`);
  }
  return Promise.resolve(0);
}

function make(
  formatName: FormatName,
  file: string,
  name: string,
  options: PackageOptions,
): { readonly package: Package; readonly seconds: number; readonly version: string } {
  const seconds = epoch();
  const detailsWith = (digest: string): Details => ({
    name,
    seconds,
    version: versionOf(options.packageVersion, digest),
    image: options.image,
    maintainer: options.maintainer,
    pins: options.pins,
  });
  if (isOfObject(formatName)) {
    const source = objectSource(file, options);
    const details = detailsWith(digestOf(source.bytes));
    return { package: OF_OBJECTS[formatName](source, details), seconds, version: details.version };
  }
  if (file.endsWith(".o"))
    throw new RuntimeError("bad-argument", `${formatName} is of a service, and ${file} is an object`, {
      help: `write a service's file that names it: {"programs": {"${nameOfFile(file)}": {"file": "${basename(file)}", "cgroup": "…"}}}`,
    });
  const source = serviceSource(file);
  const details = detailsWith(
    digestOfFiles([...source.objects, { path: "config", bytes: Buffer.from(source.config("")) }]),
  );
  return { package: OF_SERVICES[formatName](source, details), seconds, version: details.version };
}

/** Of the package: tsbpf's with the digest of what is in it, unless it is given. Debian's and Helm's rules hold for both. */
function versionOf(given: string | undefined, digest: string): string {
  if (given === undefined) return `${version}+${digest.slice("sha256:".length, "sha256:".length + 12)}`;
  if (!/^\d[A-Za-z0-9.+~-]{0,60}$/.test(given))
    throw new RuntimeError("bad-argument", `${given} cannot be a version`, {
      help: "it begins with a digit, and has letters, digits, and any of . + ~ -",
    });
  return given;
}

/** A name that registries, Kubernetes and Debian all take. */
function checkName(name: string): string {
  if (/^[a-z0-9]([a-z0-9-]{0,51}[a-z0-9])?$/.test(name)) return name;
  throw new RuntimeError("bad-argument", `${name} cannot be the name of a package`, {
    help: "give one of small letters, digits and dashes, at most 53: --name NAME",
  });
}

/** The time that everything in packages has: SOURCE_DATE_EPOCH, or none. */
function epoch(): number {
  const text = process.env["SOURCE_DATE_EPOCH"];
  if (text === undefined || text === "") return 0;
  // Archives have eleven octal digits for it.
  if (/^\d+$/.test(text) && Number(text) < 8 ** 11) return Number(text);
  throw trouble(
    "bad-epoch",
    `SOURCE_DATE_EPOCH is ${text}`,
    "it is a number of seconds since 1970, such as $(git log -1 --format=%ct)",
  );
}
