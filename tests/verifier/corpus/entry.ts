/** Programs of ours in the format of the corpus: instructions in hex, maps by descriptor. */
import { encodeSlots } from "../../../compiler/bpf/raw.ts";
import type { CorpusMap, CorpusProgram } from "../../../compiler/verifier/corpus.ts";
import { mapTypeNumber } from "../../../compiler/verifier/state.ts";
import type { Program } from "../../../compiler/verifier/verify.ts";

/** The program as an entry of the corpus. */
export function entry(name: string, program: Program): CorpusProgram {
  const maps: Record<string, CorpusMap> = {};
  // Small descriptors compress better, and no constant of a program may pass for one.
  for (const [fd, map] of program.maps) {
    const { key, value, max, flags } = map;
    const frozen = map.frozen === undefined ? {} : { frozen: Buffer.from(map.frozen).toString("hex") };
    maps[fd] = { type: mapTypeNumber(map), key, value, max, flags, ...frozen };
  }
  const insns = Buffer.from(encodeSlots(program.insns)).toString("hex");
  return { name, type: program.type, attach: program.attach, flags: program.flags, insns, maps };
}
