/** Object files for the loader: ours and clang's, whole or refused with one reason. */
import type { BpfModule } from "../../compiler/module.ts";
import { complete } from "../../compiler/object/complete.ts";
import type { KernelInfo } from "../../compiler/object/kernel-info.ts";
import { readObject, type ReadObject } from "../../compiler/object/read.ts";
import { RuntimeError } from "./errors.ts";
import { runningSetting } from "./running-config.ts";
import { runningTypes } from "./running-types.ts";
import { ticksPerSecond } from "./ticks.ts";

export interface ObjectToLoad {
  readonly module: BpfModule;
  /** BTF and records of the object itself: CO-RE relocations refer to them. */
  readonly kernelInfo?: KernelInfo;
}

/** Reads an object file. Throws RuntimeError when it is no BPF object, is damaged, or has parts that cannot be loaded. */
export function parseObject(bytes: Uint8Array, name = "the object"): ObjectToLoad {
  const read = readObject(bytes);
  const { module, problems, kernelInfo } = read;
  if (module && asksForSettings(read)) return { module: withSettings({ ...read, module }, name) };
  const first = problems[0];
  if (!module || first)
    throw new RuntimeError(
      "bad-object",
      `${name} cannot be loaded: ${first?.text ?? "it is no BPF object"}${first?.offset === undefined ? "" : ` (at byte ${first.offset})`}`,
      {
        help: module ? undefined : "give an object made by tsbpf build or by clang -target bpf",
      },
    );
  return { module, ...(kernelInfo ? { kernelInfo } : {}) };
}

/** Whether all that is wrong with an object is that it asks how the kernel was built (`extern … __kconfig`). */
const asksForSettings = ({ problems }: ReadObject): boolean =>
  problems.length > 0 &&
  problems.every(({ undefinedSymbol = "" }) => /^(CONFIG_\w+|LINUX_KERNEL_VERSION|\.kconfig)$/.test(undefinedSymbol));

/** What the kernel tells of how it was built, and what can be seen of it. */
const setting = (name: string): string | undefined =>
  runningSetting(name) ?? (name === "CONFIG_HZ" ? ticksPerSecond()?.toString() : undefined);

/** The object with the running kernel's settings, and members where it has them. */
function withSettings(read: ReadObject & { readonly module: BpfModule }, name: string): BpfModule {
  const { module, problems } = complete(read, { btf: runningTypes().btf, setting });
  for (const [program, problem] of problems)
    throw new RuntimeError("kernel-lacks", `${name} cannot be loaded: ${program}: ${problem}`);
  const open = module.programs.flatMap(({ externs = [] }) => externs).find(({ kind }) => kind === "variable");
  if (!open) return module;
  throw new RuntimeError(
    "kernel-lacks",
    `${name} cannot be loaded: it asks for ${open.name}, which this kernel does not tell`,
    {
      help: "a kernel tells how it was built in /proc/config.gz (CONFIG_IKCONFIG_PROC), a distribution in /boot",
    },
  );
}
