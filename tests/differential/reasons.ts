/** Kernel logs as reasons: the last message, without the numbers and names that differ from program to program. */

/** The line of the log that says why, and the instruction it is about. */
export function complaint(log: string): { readonly message: string; readonly insn: number | undefined } {
  const lines = log
    .split("\n")
    .filter((line) => line !== "" && !/^(processed|verification time|stack depth|mark_precise|\s)/.test(line));
  let message = lines[lines.length - 1] ?? "(no message)";
  let insn: number | undefined;
  for (let index = lines.length - 1; index >= 0; index--) {
    const found = /^(\d+): \(/.exec(lines[index]!);
    if (found) {
      insn = Number(found[1]);
      break;
    }
  }
  if (log.includes("infinite loop detected at insn")) message = "infinite loop detected";
  // The walk goes on after "safe" at another place; a message right after that names no instruction of its own.
  const unreachable = /^(?:unreachable insn|jump out of range from insn) (\d+)/.exec(message);
  if (unreachable) insn = Number(unreachable[1]);
  return { message, insn };
}

/** The message without what varies. */
export const reasonOf = (message: string): string =>
  message
    .replace(/\(0x[0-9a-f]+; 0x[0-9a-f]+\)/g, "T")
    .replace(/\bR\d+\b/g, "R#")
    .replace(/bpf_\w+#\d+|unknown#\d+/g, "helper")
    .replace(/opcode [0-9a-f]+$/, "opcode #")
    .replace(/-?0x[0-9a-f]+|-?\d+/g, "#")
    .slice(0, 90);
