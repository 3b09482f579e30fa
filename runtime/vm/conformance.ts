/** What `tsbpf vm` does: the plugin protocol of the public bpf_conformance suite, and a batch form of it. */
import { parseHex, parseProgram, runBare, type BareOptions } from "./bare.ts";
import { VmFault } from "./fault.ts";

/** Words for any failure of a bare program: `instruction 3: …`. */
export function explain(error: unknown): string {
  if (error instanceof VmFault)
    return error.slot === undefined ? error.message : `instruction ${error.slot}: ${error.message}`;
  if (error instanceof RangeError) return error.message;
  throw error;
}

export interface PluginResult {
  readonly exitCode: 0 | 1;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * One turn of the plugin protocol: `memoryHex` is the command's argument ("" for none), `programHex` what stands on standard
 * input. r0 goes to standard output in hexadecimal; a failure goes to standard error with a non-zero exit.
 */
export function pluginMain(
  memoryHex: string,
  programHex: string,
  options: Omit<BareOptions, "memory"> = {},
): PluginResult {
  try {
    const { r0 } = runBare(parseProgram(programHex), { ...options, memory: parseHex(memoryHex) });
    return { exitCode: 0, stdout: `${r0.toString(16)}\n`, stderr: "" };
  } catch (error) {
    return { exitCode: 1, stdout: "", stderr: `${explain(error)}\n` };
  }
}

/**
 * One program per line, hexadecimal; one answer per line: r0 in hexadecimal or `error: …`. After the program a line may give
 * the memory, in hexadecimal too, separated by white space, a comma or a semicolon. Empty lines give empty lines.
 */
export function* batch(lines: Iterable<string>, options: Omit<BareOptions, "memory"> = {}): Generator<string> {
  for (const line of lines) yield batchLine(line, options);
}

export function batchLine(line: string, options: Omit<BareOptions, "memory"> = {}): string {
  const text = line.trim();
  if (text === "") return "";
  try {
    const [program = "", memory = ""] = text.split(/[\s,;]+/, 2);
    const { r0 } = runBare(parseProgram(program), { ...options, memory: parseHex(memory) });
    return r0.toString(16);
  } catch (error) {
    return `error: ${explain(error)}`;
  }
}
