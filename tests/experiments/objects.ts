/** Objects of programs, for experiments to load. Imported where an experiment is prepared, never in the virtual machine. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TargetName } from "../../compiler/bpf/kernels.ts";
import { writeObject } from "../../compiler/object/write.ts";
import { programFile } from "../bench/clang.ts";
import { compiled } from "../runtime/compiled.ts";

/** The object of a program's text. `name` is for messages. */
export const compileText = (name: string, target: TargetName, text: string): Uint8Array =>
  writeObject(compiled(name, target, text));
/** Compiles a program of `programs/`, or of `file`, into FOLDER/NAME.o. */
export function compileInto(folder: string, name: string, target: TargetName, file = programFile(name)): void {
  writeFileSync(join(folder, `${name}.o`), compileText(name, target, readFileSync(file, "utf8")));
}
