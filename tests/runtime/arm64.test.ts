/**
 * What differs on arm64: numbers of system calls, sizes of pages, the order of loads. `TSBPF_NODE_ARM64=/path/to/node` compiles the bundled
 * programs with a Node for arm64 besides (under qemu-user, where the processor is another).
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ringBytes } from "../../runtime/kernel/ringbuf.ts";
import { BPF_SYSCALL, PIDFD_GETFD, PIDFD_OPEN } from "../../runtime/kernel/syscalls.ts";
import { programNames, root } from "../programs.ts";

/** The kernel's headers for user space, of this machine and of Debian's cross compilers. */
const HEADERS: Readonly<Record<string, readonly string[]>> = {
  x64: ["/usr/include/x86_64-linux-gnu/asm/unistd_64.h"],
  arm64: ["/usr/aarch64-linux-gnu/include/asm-generic/unistd.h", "/usr/include/asm-generic/unistd.h"],
  riscv64: ["/usr/riscv64-linux-gnu/include/asm-generic/unistd.h", "/usr/include/asm-generic/unistd.h"],
  loong64: ["/usr/include/asm-generic/unistd.h"],
  ppc64: ["/usr/powerpc64le-linux-gnu/include/asm/unistd_64.h"],
  s390x: ["/usr/s390x-linux-gnu/include/asm/unistd_64.h"],
};

/** Those of other processors come with Debian's linux-libc-dev-PROCESSOR-cross. */
const headerOf = (processor: string): string | undefined => HEADERS[processor]?.find((path) => existsSync(path));

describe("numbers of system calls are the kernel's", () => {
  for (const [processor, number] of Object.entries(BPF_SYSCALL)) {
    const header = headerOf(processor);
    test.skipIf(header === undefined)(
      `${processor}${header === undefined ? " (skipped: no headers of it)" : ""}`,
      () => {
        const text = readFileSync(header!, "utf8");
        const numberOf = (name: string): number =>
          Number(new RegExp(`^#define __NR_${name}\\s+(\\d+)`, "m").exec(text)?.[1]);
        expect([numberOf("bpf"), numberOf("pidfd_open"), numberOf("pidfd_getfd")]).toEqual([
          number,
          PIDFD_OPEN,
          PIDFD_GETFD,
        ]);
      },
    );
  }
});

test("a ring has whole pages, whatever they measure", () => {
  expect([ringBytes(4096, 4096), ringBytes(4096, 65_536), ringBytes(262_144, 65_536)]).toEqual([4096, 65_536, 262_144]);
});

const node = process.env["TSBPF_NODE_ARM64"];
const skip = node === undefined ? "TSBPF_NODE_ARM64 names no Node" : undefined;
test.skipIf(skip)(
  `arm64 makes the same objects, to the byte${skip ? ` (skipped: ${skip})` : ""}`,
  () => {
    const folder = mkdtempSync(join(tmpdir(), "tsbpf-arm64-"));
    try {
      const build = (output: string, ...command: readonly string[]): void => {
        const [program, ...args] = [...command, join(root, "bin/tsbpf.cjs"), "build", "-o", join(folder, output)];
        const files = programNames.map((name) => `programs/${name}.ts`);
        const { status, stderr } = spawnSync(program, [...args, ...files], {
          cwd: root,
          encoding: "utf8",
          env: { ...process.env, TSBPF_NO_CODE_CACHE: "1", TSBPF_NO_BUILD_CACHE: "1" },
        });
        expect([status, stderr]).toEqual([0, ""]);
      };
      build("here", process.execPath);
      build("arm64", ...(process.arch === "arm64" ? [] : ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"]), node!);
      const bytesOf = (output: string, name: string): Buffer => readFileSync(join(folder, output, `${name}.o`));
      expect(programNames.filter((name) => !bytesOf("here", name).equals(bytesOf("arm64", name)))).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  1_800_000,
);
