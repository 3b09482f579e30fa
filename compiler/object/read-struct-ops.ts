/** Structs of functions, as the sections `.struct_ops` and `.struct_ops.link` define them (libbpf's convention). */
import type { StructOps } from "../module.ts";
import { resolved, sizeOfType, type Btf } from "./btf.ts";
import { clipped, type FormatProblem } from "./bytes.ts";
import { SECTION_TYPE, SYMBOL_TYPE, type ElfFile } from "./elf.ts";
import { STRUCT_OPS_SECTIONS } from "./write-struct-ops.ts";

/** Structs that the kernel registers have some twenty members. */
const MOST_MEMBERS = 256;
const MOST_STRUCTS = 64;

/** The structs in the order of their definitions; what cannot be expressed is told in `problems`. Programs are named by their symbols. */
export function readStructOps(elf: ElfFile, btf: Btf | undefined, problems: FormatProblem[]): StructOps[] {
  return elf.sections.flatMap((section, number) => {
    const link = section.name === STRUCT_OPS_SECTIONS.linked;
    if ((!link && section.name !== STRUCT_OPS_SECTIONS.plain) || section.type !== SECTION_TYPE.progbits) return [];
    const types = btf?.types.find((type) => type?.kind === "datasec" && type.name === section.name);
    if (!btf || types?.kind !== "datasec") {
      problems.push({ text: `${section.name}: no .BTF says what is in it; compile with -g` });
      return [];
    }
    const addresses = new Map((elf.relocations.get(number) ?? []).map(({ offset, symbol }) => [offset, symbol]));
    return types.vars.slice(0, MOST_STRUCTS).flatMap(({ type, offset }) => {
      const variable = btf.types[type];
      const struct = variable?.kind === "var" ? resolved(btf, variable.type) : undefined;
      const symbol = elf.symbols.find(
        (one) => one.section === number && variable?.kind === "var" && one.name === variable.name,
      );
      const start = symbol?.value ?? offset;
      if (variable?.kind !== "var" || struct?.kind !== "struct" || struct.members.length > MOST_MEMBERS) {
        problems.push({ text: `${section.name}: type ${type} of the data section is no struct of functions` });
        return [];
      }
      const programs: [string, string][] = [];
      const values: [string, Uint8Array][] = [];
      for (const member of struct.members) {
        const at = start + member.offset / 8;
        const target = elf.symbols[addresses.get(at) ?? -1];
        if (target) {
          const program = programAt(elf, target.section, target.value, target.name);
          if (program === undefined)
            problems.push({ text: `${section.name}: ${clipped(member.name)} is given no program of the object` });
          else programs.push([member.name, program]);
          continue;
        }
        const bytes = sizeOfType(btf, member.type);
        const data = section.data.subarray(at, at + bytes);
        const plain = member.bits === 0 && resolved(btf, member.type)?.kind !== "ptr";
        if (plain && bytes > 0 && data.length === bytes) values.push([member.name, data.slice()]);
      }
      return [
        {
          name: variable.name,
          // What libbpf ignores: another struct of the kernel's name.
          struct: struct.name.replace(/___.*$/, ""),
          link,
          programs: Object.fromEntries(programs),
          values: Object.fromEntries(values),
        },
      ];
    });
  });
}

/** A relocation names the program, or its section and the place in it. */
function programAt(elf: ElfFile, section: number, value: number, name: string): string | undefined {
  const found = elf.symbols.find(
    (one) => one.type === SYMBOL_TYPE.func && one.section === section && one.value === value && one.name !== "",
  );
  return found?.name ?? (name === "" ? undefined : name);
}
