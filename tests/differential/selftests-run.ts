/**
 * The kernel's own selftests of struct_ops, kfuncs and iterators, compiled by clang from Debian's sources of the kernel, labelled by the running one, and
 * judged by us. Nothing of them is kept in the repository. Needs root, clang-19, gcc, bpftool, libelf-dev and linux-source-6.12.
 *
 *   npm run test:differential -- selftests [--keep DIR]
 */
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { EXTRACTED } from "../../compiler/bpf/kernel-types.ts";
import { complete } from "../../compiler/object/complete.ts";
import { extractTypes } from "../../compiler/object/extract-types.ts";
import { readObject } from "../../compiler/object/read.ts";
import { wholeKernel } from "../../compiler/object/whole-kernel.ts";
import { verifyProgram } from "../../compiler/verifier/module.ts";
import { runningSetting } from "../../runtime/kernel/running-config.ts";
import { runningTypes } from "../../runtime/kernel/running-types.ts";
import { kernelUnavailable, runningRelease } from "./kernel.ts";

const SOURCES = "/usr/src/linux-source-6.12.tar.xz";
/** By name of the file in tools/testing/selftests/bpf/progs: those that need no module of the kernel's own tests. */
const FILES = [
  "bpf_cubic",
  "bpf_dctcp",
  "bpf_cc_cubic",
  "bpf_dctcp_release",
  "tcp_ca_incompl_cong_ops",
  "tcp_ca_unsupp_cong_op",
  "tcp_ca_update",
  "tcp_ca_write_sk_pacing",
  "iters",
  "iters_num",
  "iters_looping",
  "iters_state_safety",
  "iters_css_task",
  "iters_task_vma",
  "verifier_bits_iter",
  "verifier_iterating_callbacks",
  "verifier_kfunc_prog_types",
  "task_kfunc_success",
  "task_kfunc_failure",
  "cgrp_kfunc_success",
  "cgrp_kfunc_failure",
  "cpumask_success",
  "cpumask_failure",
  "nested_trust_success",
  "nested_trust_failure",
] as const;

type Verdict = "accept" | "reject";
const run = (command: string, args: readonly string[], cwd?: string): string =>
  execFileSync(command, args, { encoding: "utf8", maxBuffer: 1 << 28, ...(cwd === undefined ? {} : { cwd }) });

/** What libbpf wants of the tree's <asm/barrier.h>, for any processor. */
const BARRIERS = `#define smp_mb() __sync_synchronize()
#define smp_load_acquire(at) __atomic_load_n(at, __ATOMIC_ACQUIRE)
#define smp_store_release(at, value) __atomic_store_n(at, value, __ATOMIC_RELEASE)
`;

/** Compiles the selftests and a loader of libbpf's, and gives the kernel's labels by object and program. */
function labelled(folder: string): {
  readonly objects: readonly string[];
  readonly labels: ReadonlyMap<string, Verdict>;
} {
  const tree = join(folder, "linux-source-6.12");
  if (!existsSync(tree))
    run("tar", [
      "-xJf",
      SOURCES,
      "-C",
      folder,
      ...[
        "tools/testing/selftests/bpf",
        "tools/lib/bpf",
        "tools/include",
        "include/uapi/linux/bpf.h",
        "scripts/bpf_doc.py",
      ].map((part) => `linux-source-6.12/${part}`),
    ]);
  const headers = join(folder, "include");
  mkdirSync(join(headers, "bpf"), { recursive: true });
  const library = join(tree, "tools/lib/bpf");
  for (const file of readdirSync(library).filter((name) => name.endsWith(".h")))
    cpSync(join(library, file), join(headers, "bpf", file));
  writeFileSync(
    join(headers, "bpf/bpf_helper_defs.h"),
    run("python3", [join(tree, "scripts/bpf_doc.py"), "--header", "--file", join(tree, "include/uapi/linux/bpf.h")]),
  );
  writeFileSync(
    join(headers, "vmlinux.h"),
    run("bpftool", ["btf", "dump", "file", "/sys/kernel/btf/vmlinux", "format", "c"]),
  );
  const label = join(folder, "label");
  // The machine's own <asm/…> serves: that of the tree is not in the package.
  rmSync(join(tree, "tools/include/uapi/asm"), { recursive: true, force: true });
  writeFileSync(join(tree, "tools/include/asm/barrier.h"), BARRIERS);
  const uapi = [join(tree, "tools/include"), join(tree, "tools/include/uapi")].map((one) => `-I${one}`);
  const sources = readdirSync(library)
    .filter((name) => name.endsWith(".c"))
    .map((name) => join(library, name));
  run("gcc", [
    "-O1",
    "-w",
    "-D_LARGEFILE64_SOURCE",
    "-D_FILE_OFFSET_BITS=64",
    `-I${headers}`,
    `-I${library}`,
    ...uapi,
    join(process.cwd(), "tests/differential/label.c"),
    ...sources,
    "-lelf",
    "-lz",
    "-o",
    label,
  ]);
  const progs = join(tree, "tools/testing/selftests/bpf/progs");
  const objects = FILES.flatMap((name) => {
    const object = join(folder, `${name}.o`);
    const made = spawnSync(
      "clang-19",
      [
        "-g",
        "-O2",
        "--target=bpf",
        "-mcpu=v3",
        "-D__TARGET_ARCH_x86",
        "-D__x86_64__",
        `-I${headers}`,
        `-I${join(tree, "tools/testing/selftests/bpf")}`,
        `-I${progs}`,
        "-I/usr/include/x86_64-linux-gnu",
        ...uapi,
        "-fno-strict-aliasing",
        "-Wno-everything",
        "-c",
        join(progs, `${name}.c`),
        "-o",
        object,
      ],
      { encoding: "utf8" },
    );
    if (made.status !== 0) console.error(`${name}: ${made.stderr.split("\n")[0]}`);
    return made.status === 0 ? [object] : [];
  });
  const labels = new Map<string, Verdict>();
  for (const line of run(label, objects).trim().split("\n")) {
    const [object = "", program = "", verdict = ""] = line.split("\t");
    if (verdict === "accept" || verdict === "reject") labels.set(`${basename(object)} ${program}`, verdict);
  }
  return { objects, labels };
}

/** Exit code 0 where nothing is accepted that the kernel refuses; 3 where the kernel cannot be asked. */
export function selftestsMain(args: readonly string[]): number {
  const lacking = kernelUnavailable() ?? (existsSync(SOURCES) ? undefined : `no ${SOURCES}`);
  if (lacking !== undefined) {
    console.log(`skipped: ${lacking}`);
    return 3;
  }
  const kept = args.includes("--keep") ? args[args.indexOf("--keep") + 1] : undefined;
  const folder = kept ?? mkdtempSync(join(tmpdir(), "tsbpf-selftests-"));
  mkdirSync(folder, { recursive: true });
  try {
    const { objects, labels } = labelled(folder);
    const { btf } = runningTypes();
    const types = extractTypes(btf, EXTRACTED, "the running kernel");
    const kernel = wholeKernel(btf);
    const counts = new Map<string, number>();
    const features = new Map<string, number>();
    const count = (of: Map<string, number>, what: string): void => void of.set(what, (of.get(what) ?? 0) + 1);
    for (const object of objects) {
      const read = readObject(new Uint8Array(readFileSync(object)));
      const { module } = complete({ ...read, module: read.module! }, { btf, setting: runningSetting });
      for (const program of module.programs) {
        const name = `${basename(object)} ${program.name}`;
        const label = labels.get(name);
        if (!label) continue;
        const { result } = verifyProgram(module, program, "mainline", runningRelease(), { types, kernel });
        count(counts, `${label}: ${result.verdict}`);
        if (result.verdict === "unsupported") count(features, result.feature);
        else if (result.verdict !== label)
          console.log(
            `${name}: the kernel says ${label}, we ${result.verdict}${result.verdict === "reject" ? `: ${result.message}` : ""}`,
          );
      }
    }
    console.log(`${labels.size} programs of ${objects.length} files (the kernel: we)`);
    for (const [what, number] of [...counts].sort(([a], [b]) => (a < b ? -1 : 1)))
      console.log(`${String(number).padStart(5)}  ${what}`);
    for (const [what, number] of [...features].sort((a, b) => b[1] - a[1]))
      console.log(`${String(number).padStart(5)}  cannot tell: ${what}`);
    return counts.has("reject: accept") ? 1 : 0;
  } finally {
    if (kept === undefined) rmSync(folder, { recursive: true });
  }
}
