/**
 * Runs the command over sample programs, so that V8 has compiled what a compilation needs and the declarations of the
 * language are parsed. What is in memory afterwards becomes the startup snapshot; nothing of this machine or user may
 * stay in it.
 */
import { readdirSync, writeFileSync } from "node:fs";
import { Writable } from "node:stream";
import { prepare } from "../../compiler/compile.ts";
import { main } from "./command.ts";
import { wrongSample } from "./wrong-sample.generated.ts";

/** Compiles the programs that the caller has put into the current folder, which is the caller's to remove. Prints nothing. */
export async function warmUp(): Promise<void> {
  const restore = [muffle("stdout"), muffle("stderr")];
  try {
    const names = readdirSync(".")
      .filter((name) => name.endsWith(".ts"))
      .sort();
    writeFileSync("wrong.ts", wrongSample);
    const objects = names.map((name) => name.replace(/\.ts$/, ".o"));
    for (const args of [
      ["build", ...names],
      ["build", "--emit", "asm", ...names.slice(0, 1)],
      ["check", ...names],
      ["check", "--json", "wrong.ts"],
      ["check", "wrong.ts"],
      ["disasm", ...objects],
      ["verify", ...objects],
      ["--help"],
    ]) {
      await main(args);
    }
    await withRecord(["build", ...names.slice(0, 1)]);
    prepare();
  } finally {
    for (const stream of restore) stream();
    // Node remembers the current folder until it changes.
    process.chdir(".");
  }
}

/** Runs a command whose record is kept, in the current folder. */
async function withRecord(args: readonly string[]): Promise<void> {
  const { XDG_CACHE_HOME: before } = process.env;
  Object.assign(process.env, { XDG_CACHE_HOME: process.cwd(), TSBPF_RECORD: "0-0" });
  await main(args);
  if (before === undefined) delete process.env["XDG_CACHE_HOME"];
  else process.env["XDG_CACHE_HOME"] = before;
}

/** Takes a stream's place without making the stream: that is done anew by each process. Returns what undoes it. */
function muffle(name: "stdout" | "stderr"): () => void {
  const before = Object.getOwnPropertyDescriptor(process, name)!;
  const value = new Writable({ write: (_chunk, _encoding, done) => done() });
  Object.defineProperty(process, name, { configurable: true, value });
  return () => void Object.defineProperty(process, name, before);
}
