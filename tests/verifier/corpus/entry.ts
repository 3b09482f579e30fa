/** Programs of ours in the format of the corpus: instructions in hex, maps by descriptor. */
import { encodeSlots } from "../../../compiler/bpf/raw.ts";
import type { CorpusMap, CorpusProgram } from "../../../compiler/verifier/corpus.ts";
import { mapTypeNumber } from "../../../compiler/verifier/state.ts";
import type { Program } from "../../../compiler/verifier/verify.ts";

/** Each function once, in the order of the calls. */
export const callNames = (kfuncs: ReadonlyMap<number, string>): readonly string[] => [...new Set(kfuncs.values())];

/** Calls by position in the list of their names, as in a corpus: what a mutant moves stays what it was. */
export function withNumberedCalls(program: Program): Program {
  if (!program.kfuncs) return program;
  const names = callNames(program.kfuncs);
  const insns = program.insns.map((insn, slot) => {
    const name = program.kfuncs!.get(slot);
    return name === undefined ? insn : { ...insn, imm: names.indexOf(name) };
  });
  return { ...program, insns };
}

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
  const { type, attach, flags, entry: as, kfuncs } = program;
  const calls = kfuncs ? callNames(kfuncs) : undefined;
  return {
    name,
    type,
    attach,
    flags,
    insns,
    maps,
    ...(as ? { ops: { struct: as.ops, member: as.member.member } } : {}),
    ...(calls ? { calls } : {}),
  };
}
