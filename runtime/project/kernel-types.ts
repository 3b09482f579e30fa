/** `--btf FILE`: the kernel's structs out of BTF, as a kernel shows it (/sys/kernel/btf/vmlinux) or in an ELF file with a section .BTF. */
import { EXTRACTED, type KernelTypes } from "../../compiler/bpf/kernel-types.ts";
import { decodeBtf, type Btf } from "../../compiler/object/btf.ts";
import { readElf } from "../../compiler/object/elf.ts";
import { extractTypes } from "../../compiler/object/extract-types.ts";
import { readObjectFile, trouble } from "../files/files.ts";

/** Throws TroubleError when the file has no types. */
export function btfOf(path: string): Btf {
  const bytes = readObjectFile(path);
  const elf = bytes[0] === 0x7f ? readElf(bytes) : undefined;
  const section = elf && "value" in elf ? elf.value.sections.find(({ name }) => name === ".BTF")?.data : bytes;
  const btf = section && decodeBtf(section);
  if (!btf || "problem" in btf)
    throw trouble("not-btf", `${path} has no BTF${btf ? ` (${btf.problem.text})` : ""}`, HELP);
  return btf.value;
}
const HELP = "give /sys/kernel/btf/vmlinux, or a file like it";

/** Throws TroubleError when the file has no types, or none of a kernel. */
export const kernelTypesOf = (path: string): KernelTypes => kernelTypesIn(btfOf(path), path);

/** The structs that programs are compiled with, out of BTF; `path`: where that is from. */
export function kernelTypesIn(btf: Btf, path: string): KernelTypes {
  const types = extractTypes(btf, EXTRACTED, path);
  if (!types.structs.has("tcp_sock"))
    throw trouble("not-btf", `${path} has the types of no kernel: there is no struct tcp_sock`, HELP);
  return types;
}
