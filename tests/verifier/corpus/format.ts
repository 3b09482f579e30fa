/** The labelled corpus of this repository: programs of our own, and what kernels say of them. Compressed, as it is repetitive. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, brotliDecompressSync, constants } from "node:zlib";
import type { CorpusProgram } from "../../../compiler/verifier/corpus.ts";

/** What one kernel says of each program, in the programs' order. */
export interface Labels {
  /** As `uname -r` gives it. */
  readonly kernel: string;
  /** Day on which it was asked. */
  readonly date: string;
  /** 1 accepted, 0 refused. */
  readonly accepts: readonly (0 | 1)[];
  /** For refused programs the instruction that the kernel names, where it names one. */
  readonly insns: Readonly<Record<number, number>>;
}
export interface Corpus {
  readonly programs: readonly CorpusProgram[];
  readonly labels: readonly Labels[];
}

/** `struct-ops`: functions of the kernel's structs, by the one kernel whose structs the repository's extract has. */
export type CorpusName = "corpus" | "struct-ops";
/** Commands run bundled, from the repository's root, as tests do. */
const fileOf = (name: CorpusName): string => join(process.cwd(), `tests/verifier/corpus/${name}.json.br`);
export const readCorpus = (name: CorpusName = "corpus"): Corpus =>
  JSON.parse(brotliDecompressSync(readFileSync(fileOf(name))).toString()) as Corpus;
export function writeCorpus(corpus: Corpus, name: CorpusName = "corpus"): number {
  const bytes = brotliCompressSync(JSON.stringify(corpus), { params: { [constants.BROTLI_PARAM_LGWIN]: 24 } });
  writeFileSync(fileOf(name), bytes);
  return bytes.length;
}
