/**
 * Loads objects into the kernel that it runs on and prints what the verifier and the JIT made of them: one JSON line per
 * object. Runs by itself, so that it also runs inside the patched kernel.
 * usage: node measure-kernel.mjs OBJECT…
 */
import { readFileSync } from "node:fs";
import { readObject } from "../../compiler/object/read.ts";
import { loadModule } from "../../runtime/kernel/load.ts";

export interface KernelFigures {
  readonly object: string;
  readonly programs?: readonly { readonly name: string; readonly processed: number; readonly jited: number }[];
  readonly problem?: string;
}

function measure(object: string): KernelFigures {
  try {
    const { module, problems } = readObject(new Uint8Array(readFileSync(object)));
    if (!module) return { object, problem: problems.map((p) => p.text).join("; ") };
    const loaded = loadModule({ ...module, needs: [] });
    try {
      const programs = Object.values(loaded.programs).map((program) => {
        const info = program.info();
        return { name: program.name, processed: info.verifiedInsns, jited: info.jitedBytes };
      });
      return { object, programs };
    } finally {
      loaded.close();
    }
  } catch (error) {
    return {
      object,
      problem: error instanceof Error ? error.message.split("\n").slice(0, 3).join(" ") : String(error),
    };
  }
}

for (const object of process.argv.slice(2)) console.log(JSON.stringify(measure(object)));
