/** llvm-objdump and llvm-readelf of LLVM 19, where this machine has them. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Dialect } from "../../compiler/bpf/disassemble.ts";

/** Whether a command starts, and what the titles of skipped tests say when not. */
export function tool(
  command: string,
  argument = "--version",
): { readonly available: boolean; readonly reason: string } {
  const found = spawnSync(command, [argument], { stdio: "ignore" });
  const available = !found.error;
  return { available, reason: available ? "" : ` (skipped: no ${command})` };
}

/** Runs `work` with the path of a temporary file that holds the bytes. */
export function withFile<T>(bytes: Uint8Array, work: (path: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), "tsbpf-object-"));
  try {
    const path = join(folder, "object.o");
    writeFileSync(path, bytes);
    return work(path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export interface ObjdumpLine {
  readonly section: string;
  readonly slot: number;
  /** Without `<symbol+offset>`. */
  readonly text: string;
  /** What stands behind a jump in angle brackets. */
  readonly target?: string;
}

export const objdump = {
  ...tool("llvm-objdump-19"),
  run: (object: Uint8Array, dialect: Dialect = "generic"): ObjdumpLine[] =>
    withFile(object, (path) => {
      const options = ["-d", "-z", ...(dialect === "v4" ? ["--mcpu=v4"] : [])];
      const text = execFileSync("llvm-objdump-19", [...options, path], { encoding: "utf8", maxBuffer: 1 << 30 });
      const lines: ObjdumpLine[] = [];
      let section = "";
      for (const line of text.split("\n")) {
        section = /^Disassembly of section (.*):$/.exec(line)?.[1] ?? section;
        const parts = /^\s*(\d+):\t[0-9a-f ]+\t(.*)$/.exec(line);
        if (!parts) continue;
        const jump = /^(.*(?:goto|gotol) [-+]0x[0-9a-f]+) <(.*)>$/.exec(parts[2]!);
        lines.push({
          section,
          slot: Number(parts[1]),
          text: jump ? jump[1]! : parts[2]!,
          ...(jump ? { target: jump[2]! } : {}),
        });
      }
      return lines;
    }),
};
