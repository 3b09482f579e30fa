/** What the commands are given: sources or objects by path, params as text. */
import { createHash } from "node:crypto";
import { release as osRelease } from "node:os";
import { readObjectFile } from "../files/files.ts";
import { diagnosticsToJson, renderDiagnostics } from "../../compiler/diagnostics/render.ts";
import { fromOn, type OldestKernel, type TargetName } from "../../compiler/bpf/kernels.ts";
import { releaseOf, versionIn, type Version } from "../../compiler/bpf/verifier-rules.ts";
import type { CompileResult } from "../../compiler/compile.ts";
import type { BpfModule } from "../../compiler/module.ts";
import { RuntimeError } from "../kernel/errors.ts";
import { parseValue } from "../kernel/format.ts";
import { parseObject, type ObjectToLoad } from "../kernel/object-file.ts";
import { compileFile } from "./compile-file.ts";
import { colour, err } from "./output.ts";
import { line } from "./report.ts";

export interface InputOptions {
  readonly target?: TargetName;
  readonly root?: string;
  /** Whose verifier judges the source; absent: the running kernel's. */
  readonly kernel?: Version;
  readonly json?: boolean;
}

/** The version of the running kernel, where its verifier's rules are known. A target that is one release is judged by that one's. */
function running(): Exclude<OldestKernel, Version> {
  const version = versionIn(osRelease());
  if (version === undefined || releaseOf(version) === undefined) return {};
  return fromOn(version);
}

const isSource = (path: string): boolean => /\.[mc]?ts$/.test(path);
const compiled = (path: string, options: InputOptions): CompileResult =>
  compileFile(path, {
    ...(options.target ? { target: options.target } : {}),
    ...(options.root ? { root: options.root } : {}),
    kernel: options.kernel ?? running(),
  });

/** The same with a digest of the object, and with what is wrong as an error. Throws RuntimeError and TroubleError. */
export function readForService(
  path: string,
  options: Pick<InputOptions, "target">,
): { readonly input: ObjectToLoad; readonly digest: string } {
  const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
  if (!isSource(path)) {
    const bytes = readObjectFile(path);
    return { input: parseObject(bytes, path), digest: digestOf(bytes) };
  }
  const { object, module, diagnostics, sources } = compiled(path, options);
  if (object && module) return { input: { module }, digest: digestOf(object) };
  const said = renderDiagnostics(diagnostics, sources, { colour: false }).trim();
  throw new RuntimeError("bad-object", `the program is wrong:\n${said}`, { help: `tsbpf check ${path} says the same` });
}

/** Compiles a TypeScript file, or reads an object. Undefined when the program is wrong, which has been said then. */
export function readInput(path: string, options: InputOptions): ObjectToLoad | undefined {
  if (!isSource(path)) {
    if (options.kernel !== undefined)
      throw new RuntimeError("bad-argument", `--kernel is for sources, and ${path} is compiled already`, {
        help: "tsbpf verify --kernel says what that kernel's verifier would say of an object",
      });
    return parseObject(readObjectFile(path), path);
  }
  const result = compiled(path, options);
  if (result.diagnostics.length > 0) {
    if (options.json) line({ diagnostics: diagnosticsToJson(result.diagnostics, result.sources) });
    else err(renderDiagnostics(result.diagnostics, result.sources, { colour: colour(process.stderr) }));
  }
  return result.object && result.module ? { module: result.module } : undefined;
}

/** `name=value` texts as values, read as the params' types say. */
export function readParams(module: BpfModule, texts: readonly string[] = []): Readonly<Record<string, unknown>> {
  const known = module.globals.filter((variable) => variable.param);
  const said = new Set<string>();
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf("=");
      if (at < 1) throw new RuntimeError("bad-argument", `--param ${text}: name=value is needed`);
      const name = text.slice(0, at);
      const variable = known.find((candidate) => candidate.name === name);
      if (!variable)
        throw new RuntimeError("bad-param", `no param ${name} in this program`, {
          help: known.length > 0 ? `it has ${known.map((candidate) => candidate.name).join(", ")}` : "it has none",
        });
      if (said.has(name)) throw new RuntimeError("bad-param", `param ${name} is given twice`);
      said.add(name);
      return [name, parseValue(variable.layout, text.slice(at + 1), `param ${name}`)];
    }),
  );
}
