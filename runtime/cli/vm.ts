/** `tsbpf vm`: raw programs without a kernel, in the bpf_conformance plugin protocol or one per line. */
import { createInterface } from "node:readline";
import { batchLine, pluginMain } from "../vm/conformance.ts";
import { trouble } from "../files/files.ts";
import { readStandardInput } from "../files/standard-input.ts";
import { drained, err, out, outputFailed } from "./output.ts";

export interface VmOptions {
  /** `--plugin MEMORY`: the memory as hex, or true without it. */
  readonly plugin?: string | true;
  readonly batch?: boolean;
}

/** Hex of a program is twice its bytes, and no kernel takes more than a million instructions. */
const MAX_INPUT = 64 * 1024 * 1024;

export async function vmCommand(memory: string | undefined, options: VmOptions): Promise<number> {
  if (options.batch) {
    for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
      if (outputFailed()) break;
      if (!out(batchLine(line))) await drained();
    }
    return 0;
  }
  if (options.plugin === undefined) {
    throw trouble(
      "nothing-to-run",
      "say how the program comes in",
      'tsbpf vm --plugin "<memory hex>", or tsbpf vm --batch',
    );
  }
  const given = options.plugin === true ? (memory ?? "") : options.plugin;
  const result = pluginMain(given, (await readStandardInput(MAX_INPUT)).toString("latin1"));
  if (result.stdout) out(result.stdout);
  if (result.stderr) err(result.stderr);
  return result.exitCode;
}
