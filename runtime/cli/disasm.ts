/** `tsbpf disasm`: the instructions of any BPF object, under their source lines where it has them. */
import { disassemble } from "../../compiler/bpf/disassemble.ts";
import type { BpfProgram } from "../../compiler/module.ts";
import type { FormatProblem } from "../../compiler/object/bytes.ts";
import { listing } from "../../compiler/object/listing.ts";
import { readObject } from "../../compiler/object/read.ts";
import { printable } from "../../compiler/printable.ts";
import { readObjectFile, trouble, TroubleError } from "../files/files.ts";
import { colour, err, json, out, troubleText } from "./output.ts";

/** One line of LLVM's assembly per instruction. */
function instructions(program: BpfProgram): { slot: number; text: string }[] {
  const lines: { slot: number; text: string }[] = [];
  for (let slot = 0; slot < program.insns.length;) {
    const { text, slots } = disassemble(program.insns, slot);
    lines.push({ slot, text });
    slot += slots;
  }
  return lines;
}

/** What is wrong with a file, and where. */
export const problemText = (problem: FormatProblem): string =>
  problem.offset === undefined ? problem.text : `${problem.text} (at byte ${problem.offset})`;

export function disasm(files: readonly string[], options: { readonly json?: boolean }): number {
  const reports: object[] = [];
  let failures = 0;
  for (const file of files) {
    try {
      const { module, problems: found } = readObject(readObjectFile(file));
      const problems = found.map(problemText);
      if (!module) throw trouble("bad-object", `${file}: ${problems.join("; ")}`, "give a BPF object file (ELF)");
      for (const problem of problems) if (!options.json) err(printable(`${file}: ${problem}`));
      const programs = module.programs.map((p) => ({
        name: p.name,
        section: p.section,
        instructions: instructions(p),
      }));
      reports.push({ object: file, ok: true, problems, programs });
      if (!options.json) out(files.length > 1 ? `${printable(file)}:\n\n${listing(module)}` : listing(module));
    } catch (error) {
      if (!(error instanceof TroubleError)) throw error;
      failures++;
      reports.push({ object: file, ok: false, trouble: error.trouble });
      if (!options.json) err(troubleText(error.trouble, colour(process.stderr)));
    }
  }
  if (options.json) out(json({ files: reports }));
  return failures === 0 ? 0 : 1;
}
