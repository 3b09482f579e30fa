/** On what a sample was taken. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";
import { repository } from "../runtime/repository.ts";
import type { Environment } from "./experiment.ts";

/** How each tool tells its version, and where the number stands in what it says. */
const VERSIONS: Readonly<Record<string, readonly string[]>> = {
  clang: ["clang-19", "--version"],
  curl: ["curl", "--version"],
  iproute2: ["ip", "-V"],
  nginx: ["nginx", "-v"],
  qemu: ["qemu-system-x86_64", "--version"],
};

function versionOf([file, ...args]: readonly string[]): string | undefined {
  try {
    // nginx tells it on standard error.
    const text = execFileSync("sh", ["-c", `${[file, ...args].join(" ")} 2>&1`], { encoding: "utf8" });
    return /\d+(\.\d+)+/.exec(text)?.[0];
  } catch {
    return undefined;
  }
}

/** `deep`: with the versions of tools, which takes a second. */
export function environment(deep = true): Environment {
  const { version } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8")) as { version: string };
  const tools = deep ? Object.entries(VERSIONS).map(([name, command]) => [name, versionOf(command)] as const) : [];
  return {
    kernel: release(),
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cpus: cpus().length,
    versions: {
      tsbpf: version,
      node: process.versions.node,
      ...Object.fromEntries(tools.filter(([, found]) => found !== undefined)),
    },
  };
}
