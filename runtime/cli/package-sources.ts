/** What packages are made of: an object as it was built, or as it is compiled now; a service with all of its objects; the command itself. */
import { readdirSync, readFileSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import type { TargetName } from "../../compiler/bpf/kernels.ts";
import { renderDiagnostics } from "../../compiler/diagnostics/render.ts";
import type { BpfModule } from "../../compiler/module.ts";
import { readObject } from "../../compiler/object/read.ts";
import { readObjectFile } from "../files/files.ts";
import { attachesAnything } from "../kernel/attached.ts";
import { RuntimeError } from "../kernel/errors.ts";
import { encodeParams } from "../kernel/load.ts";
import { nameOfFile } from "../kernel/names.ts";
import { runsOutside } from "../mptcp/daemon.ts";
import type { ObjectSource, ServiceSource } from "../package/details.ts";
import type { PackedFile } from "../package/files.ts";
import { readService, shownPath, type ServedSettings } from "../project/service-file.ts";
import { aboutProgram } from "./about-program.ts";
import { metricsFacts, metricsPort, metricsText } from "./metrics-facts.ts";
import { isSingleFile } from "./assets.ts";
import { compileFile } from "./compile-file.ts";
import { problemText } from "./disasm.ts";
import { readParams } from "./input.ts";

interface Options {
  readonly target?: TargetName;
  readonly root?: string;
}

/** A source compiled for the oldest kernel of its target, whatever runs here; or an object as it is. Throws RuntimeError, TroubleError. */
export function objectSource(path: string, { target, root }: Options): ObjectSource {
  const name = nameOfFile(path);
  if (/\.[mc]?ts$/.test(path)) {
    const { object, module, diagnostics, sources } = compileFile(path, {
      ...(target === undefined ? {} : { target }),
      ...(root === undefined ? {} : { root }),
    });
    if (object && module) return { name, bytes: object, module };
    const said = renderDiagnostics(diagnostics, sources, { colour: false }).trim();
    throw new RuntimeError("bad-object", `the program is wrong:\n${said}`, {
      help: `tsbpf check ${path} says the same`,
    });
  }
  const bytes = readObjectFile(path);
  // The reader fills in what clang has left open, in the bytes that it is given.
  const { module, problems } = readObject(new Uint8Array(bytes));
  // What only a running kernel can tell is for who loads it.
  const wrong = problems.filter(({ undefinedSymbol }) => undefinedSymbol === undefined);
  if (module && wrong.length === 0 && module.programs.length > 0) return { name, bytes, module };
  throw new RuntimeError("bad-object", `${path}: ${wrong.map(problemText).join("; ") || "it has no programs"}`, {
    help: "give a source, or an object made by tsbpf build or by clang -target bpf",
  });
}

/** The file of a service with its objects, as they are on any machine. Throws RuntimeError, TroubleError. */
export function serviceSource(file: string): ServiceSource {
  const { programs, ...settings } = readService(file);
  needHere(file, "control socket", settings.socket);
  needHere(file, "socket of metrics", metricsFacts(settings).metricsSocket);
  const packed = programs.map((program) => aboutProgram(program, () => packedProgram(program)));
  return {
    config: (folder) =>
      `${JSON.stringify(
        {
          ...settings,
          ...metricsText(settings),
          programs: Object.fromEntries(
            packed.map(({ program: { name, file: _, target: __, ...rest } }) => [
              name,
              { file: `${folder}/${name}.o`, ...rest },
            ]),
          ),
        },
        undefined,
        2,
      )}\n`,
    objects: packed.map(({ program, bytes }) => ({ path: `${program.name}.o`, bytes })),
    keep: settings.keep ?? false,
    socket: settings.socket ?? "/run/tsbpf/serve.sock",
    pins: settings.pins ?? "/sys/fs/bpf/tsbpf",
    inKernel: packed.some(({ inKernel }) => inKernel),
    overNetlink: packed.some(({ overNetlink }) => overNetlink),
    entersNamespaces: programs.some(({ netns }) => netns !== undefined),
    metricsPort: metricsPort(settings),
    ...metricsFacts(settings),
    command: commandItself(),
    architecture: DEBIAN[process.arch] ?? process.arch,
  };
}
function needHere(file: string, what: string, path: string | undefined): void {
  if (path === undefined || path.startsWith("/run/tsbpf/")) return;
  throw new RuntimeError("bad-argument", `${file}: the ${what} is ${path}, which other machines may lack`, {
    help: "leave it out, or name one in /run/tsbpf",
  });
}

/** Debian's names of processors, by Node's. */
const DEBIAN: Readonly<Record<string, string>> = { x64: "amd64", ia32: "i386", arm: "armhf", ppc64: "ppc64el" };

function packedProgram(program: ServedSettings): {
  readonly program: ServedSettings;
  readonly bytes: Uint8Array;
  readonly inKernel: boolean;
  readonly overNetlink: boolean;
} {
  const { target, params = {} } = program;
  const { bytes, module } = objectSource(shownPath(program.file), target === undefined ? {} : { target });
  encodeParams(
    module,
    readParams(
      module,
      Object.entries(params).map(([name, text]) => `${name}=${text}`),
    ),
  );
  const mayBeOutside = runsOutside(module);
  if (program.backend === "netlink" && !mayBeOutside)
    throw new RuntimeError("bad-argument", "only path managers run on the netlink backend", {
      help: "leave backend out",
    });
  if (!mayBeOutside) needPlace(program, module);
  return {
    program,
    bytes,
    inKernel: program.backend !== "netlink",
    // Where the kernel is not the patched one; which it will be is not known here.
    overNetlink: mayBeOutside && program.backend !== "kernel",
  };
}

function needPlace({ cgroup, netns }: ServedSettings, module: BpfModule): void {
  if (cgroup === undefined && netns === undefined && attachesAnything(module))
    throw new RuntimeError("bad-argument", "a cgroup to attach to is needed", {
      help: 'name it from the root of the hierarchy: cgroup: "system.slice/nginx.service"',
    });
}

/** What a machine needs of tsbpf to run it: the bundle, its launcher, and the door to the kernel. */
function commandItself(): readonly PackedFile[] {
  if (isSingleFile)
    throw new RuntimeError(
      "bad-argument",
      "a package has the files of the installed tsbpf in it, and this is the single file",
      {
        help: "make it where tsbpf is installed with npm",
      },
    );
  // The bundle is CommonJS, and lies in dist/.
  const root = realpathSync(join(__dirname, ".."));
  const koffi = packageFolder(root, "koffi");
  const native = readdirSync(join(dirname(koffi), "@koromix")).filter((name) => name.startsWith("koffi-linux-"));
  return [
    ...filesBelow(join(root, "bin"), "bin", /^tsbpf$|\.cjs$/),
    ...filesBelow(join(root, "dist"), "dist", /^(cli|replay)\.cjs$|^build\.id$|^pages\.bin$/),
    ...["package.json", "LICENSE"].map((path) => ({ path, bytes: readFileSync(join(root, path)) })),
    ...filesBelow(koffi, "node_modules/koffi", /^package\.json$|^LICENSE\.txt$|\.c?js$/, new Set(["doc", "vendor"])),
    ...native.flatMap((name) =>
      filesBelow(join(dirname(koffi), "@koromix", name), `node_modules/@koromix/${name}`, /\.(node|js|json)$/),
    ),
  ];
}

/** The folder of a package that a package asks for. */
function packageFolder(root: string, name: string): string {
  let found = createRequire(join(root, "package.json")).resolve(name);
  while (basename(found) !== name) found = dirname(found);
  return found;
}

/** Files of a folder by their names, with their paths below another. */
function filesBelow(
  folder: string,
  as: string,
  wanted: RegExp,
  without: ReadonlySet<string> = new Set(),
): readonly PackedFile[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const [from, path] = [join(folder, entry.name), `${as}/${entry.name}`];
    if (entry.isDirectory()) return without.has(entry.name) ? [] : filesBelow(from, path, wanted);
    if (!entry.isFile() || !wanted.test(entry.name)) return [];
    return [{ path, bytes: readFileSync(from), ...(path === "bin/tsbpf" ? { runs: true as const } : {}) }];
  });
}
