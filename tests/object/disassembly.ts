/** What llvm-objdump -d prints of an object, made with our own reader and disassembler. */
import { disassemble, type Dialect } from "../../compiler/bpf/disassemble.ts";
import { decodeSlots } from "../../compiler/bpf/raw.ts";
import { readElf, SECTION_FLAG, SECTION_TYPE, SYMBOL_TYPE, symbolsBySection } from "../../compiler/object/elf.ts";
import type { ObjdumpLine } from "./llvm.ts";

export function sectionTexts(object: Uint8Array, dialect: Dialect = "generic"): ObjdumpLine[] {
  const elf = readElf(object);
  if ("problem" in elf) throw new Error(elf.problem.text);
  const symbols = symbolsBySection(elf.value);
  return elf.value.sections.flatMap(({ name, type, flags, data }, number) => {
    if (type !== SECTION_TYPE.progbits || (flags & SECTION_FLAG.exec) === 0) return [];
    const functions = (symbols.get(number) ?? []).filter((symbol) => symbol.type === SYMBOL_TYPE.func);
    const slots = decodeSlots(data);
    const lines: ObjdumpLine[] = [];
    for (let slot = 0; slot < slots.length;) {
      const { text, slots: taken, jump } = disassemble(slots, slot, dialect);
      const target = jump && (slot + 1 + jump.by) * 8;
      const symbol = target === undefined ? undefined : functions.findLast(({ value }) => value <= target);
      const distance = symbol && target! - symbol.value;
      lines.push({
        section: name,
        slot,
        text,
        ...(symbol ? { target: `${symbol.name}${distance === 0 ? "" : `+0x${distance!.toString(16)}`}` } : {}),
      });
      slot += taken;
    }
    return lines;
  });
}
