/** CO-RE without the kernel's help: facts of its structs put into instructions by us, where nobody else does (before Linux 5.17, or for a module that is no file). */
import {
  findMember,
  kernelTypes,
  sizeOfKernelType,
  type FoundMember,
  type KernelTypes,
} from "../../compiler/bpf/kernel-types.ts";
import { CLASS } from "../../compiler/bpf/opcodes.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import type { BpfProgram, CoreFact } from "../../compiler/module.ts";
import { extractTypes } from "../../compiler/object/extract-types.ts";
import { RuntimeError } from "./errors.ts";
import { runningTypes } from "./running-types.ts";

/** The word that holds a member: its place in bytes, and its size. */
function wordOf(types: KernelTypes, found: FoundMember): { readonly offset: number; readonly bytes: number } {
  const bytes = sizeOfKernelType(types, found.type);
  const offset = found.bits === undefined ? found.offset / 8 : Math.floor(found.offset / 8 / bytes) * bytes;
  return { offset, bytes };
}

/** What a fact is in a kernel's types; throws where the kernel has no such member, or one of another size. */
function valueOf(fact: CoreFact, types: KernelTypes, compiledWith: KernelTypes, program: string): number {
  const found = findMember(types, fact.struct, fact.member);
  const before = findMember(compiledWith, fact.struct, fact.member);
  const lacks = (text: string): RuntimeError =>
    new RuntimeError("kernel-lacks", `program ${program}: the ${fact.struct} of this kernel has ${text}`, {
      help: "build it with this kernel's types: tsbpf build --btf /sys/kernel/btf/vmlinux",
    });
  /** Where it lies; each kind of fact asks for itself what it needs of the member. */
  const placed = (): { readonly member: FoundMember; readonly word: ReturnType<typeof wordOf> } => {
    if (!found) throw lacks(`no ${fact.member}`);
    const word = wordOf(types, found);
    if (before && wordOf(compiledWith, before).bytes !== word.bytes) throw lacks(`a ${fact.member} of another size`);
    return { member: found, word };
  };
  switch (fact.kind) {
    case "byte-offset":
      return placed().word.offset;
    case "shift-left": {
      const { member, word } = placed();
      return 64 - (member.offset + (member.bits ?? word.bytes * 8) - word.offset * 8);
    }
    case "shift-right": {
      const { member, word } = placed();
      return 64 - (member.bits ?? word.bytes * 8);
    }
  }
}

/** The instructions with the facts of the given types in them; those of the running kernel unless given. */
export function withCoreFacts(
  { name, core = [] }: Pick<BpfProgram, "name" | "core">,
  insns: readonly RawInsn[],
  given?: KernelTypes,
  compiledWith: KernelTypes = kernelTypes(),
): readonly RawInsn[] {
  if (core.length === 0) return insns;
  const types =
    given ?? typesOfRunning([...new Set([...core.map(({ fact }) => fact.struct), ...compiledWith.structs.keys()])]);
  const patched = [...insns];
  for (const { slot, fact } of core) {
    const insn = patched[slot];
    if (!insn)
      throw new RuntimeError("bad-object", `program ${name}: a relocation at slot ${slot}, where no instruction is`);
    const value = valueOf(fact, types, compiledWith, name);
    const kind = insn.code & 7;
    const memory = kind === CLASS.ldx || kind === CLASS.st || kind === CLASS.stx;
    patched[slot] = memory ? { ...insn, off: value } : { ...insn, imm: value };
  }
  return patched;
}

const typesOfRunning = (structs: readonly string[]): KernelTypes =>
  extractTypes(runningTypes().btf, structs, "this kernel");
