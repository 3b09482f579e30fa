/** What runs in the virtual machine of another kernel: it is asked what tests/differential/questions.ts wrote into a file, one a line. */
import { readFileSync } from "node:fs";
import { release } from "node:os";
import { corpusProgram } from "../../compiler/verifier/corpus.ts";
import { contextsMain } from "./contexts-run.ts";
import { helpersMain } from "./helpers-run.ts";
import { kernelUnavailable } from "./kernel.ts";
import type { Question } from "./questions.ts";
import { askKernel } from "./verifier.ts";

const SHOWN = 40;

function main(file: string): number {
  const reason = kernelUnavailable();
  if (reason !== undefined) {
    console.log(`the kernel cannot be asked: ${reason}`);
    return 3;
  }
  const counts = { object: 0, mutant: 0, accepted: 0, rejected: 0, unsupported: 0 };
  const refused: string[] = [];
  const falseAccepts: string[] = [];
  const falseRejects: string[] = [];
  for (const line of readFileSync(file, "utf8").split("\n")) {
    if (line === "") continue;
    const { program, kind, ours, because } = JSON.parse(line) as Question;
    const kernel = askKernel(corpusProgram(program));
    counts[kind]++;
    const said = `${program.name}: kernel ${kernel.accepted ? "accepts" : `${kernel.insn}: ${kernel.message}`}; ours ${because ?? ours}`;
    if (kind === "object" && !kernel.accepted) refused.push(said);
    if (kind === "mutant") counts[kernel.accepted ? "accepted" : "rejected"]++;
    if (ours === "unsupported") counts.unsupported++;
    else if (ours === "accept" && !kernel.accepted) falseAccepts.push(said);
    else if (ours === "reject" && kernel.accepted) falseRejects.push(said);
  }
  console.log(
    `Linux ${release()}: ${counts.object} objects, ${refused.length} refused; ${counts.mutant} mutants (${counts.accepted} accepted, ${counts.rejected} rejected), ` +
      `${falseAccepts.length} false accepts, ${falseRejects.length} false rejects, ${counts.unsupported} unsupported`,
  );
  for (const [what, list] of Object.entries({ refused, "false accept": falseAccepts, "false reject": falseRejects }))
    for (const line of list.slice(0, SHOWN)) console.log(`${what}: ${line}`);
  // These take longest.
  const tables = [helpersMain(), contextsMain()];
  return refused.length === 0 && falseAccepts.length === 0 && tables.every((code) => code === 0) ? 0 : 1;
}

process.exitCode = main(process.argv[2]!);
