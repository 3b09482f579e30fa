/** `tsbpf completions` and `tsbpf man`: what shells and man(1) know of the command, made of its own tree. */
import type { Command } from "commander";
import { version } from "../../compiler/version.generated.ts";
import { out } from "./output.ts";
import { readPages } from "./pages.ts";
import { bashCompletions } from "./shell/bash.ts";
import { fishCompletions } from "./shell/fish.ts";
import { manualPage } from "./shell/man.ts";
import { commandsOf, type CommandFacts } from "./shell/tree.ts";
import { zshCompletions } from "./shell/zsh.ts";

const SHELLS = { bash: bashCompletions, zsh: zshCompletions, fish: fishCompletions } satisfies Record<
  string,
  (commands: readonly CommandFacts[]) => string
>;
export type Shell = keyof typeof SHELLS;
export const shells = Object.keys(SHELLS) as readonly Shell[];

export function completions(program: Command, shell: Shell): number {
  const keys = readPages().flatMap(({ pages }) => pages.map((one) => one.key));
  out(SHELLS[shell](commandsOf(program, { "explain key": keys })));
  return 0;
}

export function man(program: Command): number {
  out(manualPage(commandsOf(program, {}), version));
  return 0;
}
