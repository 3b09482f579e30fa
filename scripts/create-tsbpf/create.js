#!/usr/bin/env node
// `npm create tsbpf DIR`: the command's own `init`, which has the files of the project.
import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const args = process.argv.slice(2);
if (args.length === 0) {
  console.error("which folder? npm create tsbpf DIR");
  process.exit(2);
}
const command = join(dirname(createRequire(import.meta.url).resolve("tsbpf/package.json")), "bin", "tsbpf.cjs");
const { status, error } = spawnSync(process.execPath, [command, "init", ...args], { stdio: "inherit" });
if (error) console.error(`error: ${error.message}`);
process.exit(status ?? 1);
