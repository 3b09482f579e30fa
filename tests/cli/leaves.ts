/** The commands that can be given, by their whole names: "build", "map get". */
import type { Command } from "commander";

export const leaves = (program: Command, before = ""): readonly string[] =>
  program.commands.flatMap((one) =>
    one.commands.length > 0 ? leaves(one, `${before}${one.name()} `) : [`${before}${one.name()}`],
  );
