/** Which of a project's TypeScript files are BPF programs: those that import the language, and are not its tests. */

const SPECIFIER = /^\s*(?:import|export)\b[^;'"]*?["']([^"']+)["']/gm;
const LANGUAGE = /^tsbpf(\/\w+)?$/;
/** What only files that run in Node import. */
const NODE_SIDE = /^(tsbpf\/(testing|compiler|runtime|config)|vitest)$/;

/** Whether a text is a BPF program, or a part of one that imports the language. */
export function isProgram(text: string): boolean {
  const names = [...text.matchAll(SPECIFIER)].map((match) => match[1]!);
  return names.some((name) => LANGUAGE.test(name)) && !names.some((name) => NODE_SIDE.test(name));
}
