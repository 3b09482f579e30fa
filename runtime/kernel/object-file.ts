/** Object files for the loader: ours and clang's, whole or refused with one reason. */
import type { BpfModule } from "../../compiler/module.ts";
import type { KernelInfo } from "../../compiler/object/kernel-info.ts";
import { readObject } from "../../compiler/object/read.ts";
import { RuntimeError } from "./errors.ts";

export interface ObjectToLoad {
  readonly module: BpfModule;
  /** BTF and records of the object itself: CO-RE relocations refer to them. */
  readonly kernelInfo?: KernelInfo;
}

/** Reads an object file. Throws RuntimeError when it is no BPF object, is damaged, or has parts that cannot be loaded. */
export function parseObject(bytes: Uint8Array, name = "the object"): ObjectToLoad {
  const { module, problems, kernelInfo } = readObject(bytes);
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
