/** `--btf FILE`: the kernel's structs out of BTF, as a kernel shows it (/sys/kernel/btf/vmlinux) or in an ELF file with a section .BTF. */
import { EXTRACTED, type KernelTypes } from "../../compiler/bpf/kernel-types.ts";
import { decodeBtf } from "../../compiler/object/btf.ts";
import { readElf } from "../../compiler/object/elf.ts";
import { extractTypes } from "../../compiler/object/extract-types.ts";
import { readObjectFile, trouble } from "../files/files.ts";

/** Throws TroubleError when the file has no types, or none of a kernel. */
export function kernelTypesOf(path: string): KernelTypes {
  const bytes = readObjectFile(path);
  const elf = bytes[0] === 0x7f ? readElf(bytes) : undefined;
  const section = elf && "value" in elf ? elf.value.sections.find(({ name }) => name === ".BTF")?.data : bytes;
  const btf = section && decodeBtf(section);
  if (!btf || "problem" in btf)
    throw trouble(
      "not-btf",
      `${path} has no BTF${btf ? ` (${btf.problem.text})` : ""}`,
      "give /sys/kernel/btf/vmlinux, or a file like it",
    );
  const types = extractTypes(btf.value, EXTRACTED, path);
  if (!types.structs.has("tcp_sock"))
    throw trouble(
      "not-btf",
      `${path} has the types of no kernel: there is no struct tcp_sock`,
      "give /sys/kernel/btf/vmlinux, or a file like it",
    );
  return types;
}
