/** A folder with programs and a service's file, in which packages are made; objects of clang's for what other engines attach. */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "../../programs.ts";
import { tsbpf, type Ran } from "../run.ts";

export interface PackageRig {
  readonly folder: string;
  /** Runs `tsbpf package` in the folder. */
  make(args: readonly string[], env?: Record<string, string>): Ran;
  /** Writes a file. */
  write(name: string, text: string): void;
  /** Compiles a program in C. */
  clang(name: string, text: string): void;
  close(): void;
}

export const CLANG = ["clang-19", "clang-16", "clang"].find((name) => spawnSync(name, ["--version"]).status === 0);
export const noClang = CLANG === undefined ? "no clang" : undefined;
export const missing = (...tools: readonly string[]): string | undefined => {
  const lacks = tools.filter((tool) => spawnSync("which", [tool]).status !== 0);
  return lacks.length === 0 ? undefined : `no ${lacks.join(", ")}`;
};

export const SERVICE = {
  keep: true,
  programs: { timeout: { file: "user-timeout.ts", cgroup: "system.slice/web.service", params: { timeoutSeconds: 7 } } },
};

export function openPackageRig(): PackageRig {
  const folder = mkdtempSync(join(tmpdir(), "tsbpf-package-"));
  for (const name of ["user-timeout", "service-address", "cubic", "fullmesh"])
    copyFileSync(join(root, "programs", `${name}.ts`), join(folder, `${name}.ts`));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }\n');
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text);
  write("service.json", JSON.stringify(SERVICE));
  return {
    folder,
    write,
    make: (args, env = {}) => tsbpf(["package", ...args], { cwd: folder, env: { SOURCE_DATE_EPOCH: "", ...env } }),
    clang(name, text) {
      write(`${name}.c`, HEADER + text);
      const { status, stderr } = spawnSync(
        CLANG!,
        ["-O2", "-g", "-target", "bpf", "-c", `${name}.c`, "-o", `${name}.o`],
        { cwd: folder, encoding: "utf8" },
      );
      if (status !== 0) throw new Error(stderr);
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

const HEADER = `
typedef unsigned int u32;
typedef unsigned long long u64;
#define SEC(name) __attribute__((section(name), used))
#define __uint(name, val) int (*name)[val]
#define __type(name, val) typeof(val) *name
char LICENSE[] SEC("license") = "GPL";
`;
