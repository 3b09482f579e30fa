/** The commands as data, read off commander's own tree: completions and the manual page are made of it, and know what the command knows. */
import type { EventEmitter } from "node:events";
import type { Argument, Command, Option } from "commander";

/** What may stand in a place of the command line. */
export type Place =
  | { readonly kind: "words"; readonly words: readonly string[] }
  | { readonly kind: "folder" }
  /** With one of these endings; without any, whatever its name is. */
  | { readonly kind: "file"; readonly endings: readonly string[] }
  | { readonly kind: "text" };

export interface OptionFacts {
  readonly long: string;
  readonly short: string | undefined;
  /** As in the usage: "-o, --output <dir>". */
  readonly flags: string;
  readonly text: string;
  /** The text with choices and default, as `--help` has it. */
  readonly full: string;
  /** Undefined where it takes no value. */
  readonly value: Place | undefined;
}
export interface ArgumentFacts {
  /** As in the usage: "<file>", "[object...]". */
  readonly usage: string;
  readonly text: string;
  readonly place: Place;
  readonly variadic: boolean;
}
export interface CommandFacts {
  /** Its names from the left, without "tsbpf": none for the whole, "map get" for one below another. */
  readonly path: readonly string[];
  readonly text: string;
  readonly arguments: readonly ArgumentFacts[];
  readonly options: readonly OptionFacts[];
  /** Names of the commands below it, with their texts. */
  readonly commands: readonly { readonly name: string; readonly text: string }[];
  /** Examples and needs, as `--help` has them at its end. */
  readonly after: string;
}

/** Words for arguments, by "COMMAND NAME": what commander does not know. */
export type Words = Readonly<Record<string, readonly string[]>>;

/** The whole first, then each command, then those below it. */
export function commandsOf(program: Command, words: Words): CommandFacts[] {
  const walk = (command: Command, path: readonly string[]): CommandFacts[] => {
    const help = command.createHelp();
    const below = help.visibleCommands(command);
    let after = "";
    // It is one, though its declarations do not say so; addHelpText() listens.
    (command as unknown as EventEmitter).emit("afterHelp", {
      error: false,
      command,
      write: (text: string) => (after += text),
    });
    const names = below.map((one) => one.name());
    const facts: CommandFacts = {
      path,
      text: command.description(),
      arguments: command.registeredArguments.map((one) =>
        argumentFacts(one, one.name() === "command" ? names : words[[...path, one.name()].join(" ")]),
      ),
      options: help.visibleOptions(command).map((one) => optionFacts(one, help.optionDescription(one))),
      commands: below.map((one) => ({ name: one.name(), text: one.description() })),
      after: after.trim(),
    };
    return [facts, ...below.flatMap((one) => walk(one, [...path, one.name()]))];
  };
  const all = walk(program, []);
  // `help` is commander's, and does not say which commands it takes.
  const whole = all[0]!.commands.map((one) => one.name).filter((name) => name !== "help");
  return all
    .filter(({ path }) => path.length < 2 || path[path.length - 1] !== "help")
    .map((one) =>
      one.path[0] === "help"
        ? { ...one, arguments: one.arguments.map((arg) => ({ ...arg, place: { kind: "words", words: whole } })) }
        : {
            ...one,
            commands: one.path.length === 0 ? one.commands : one.commands.filter(({ name }) => name !== "help"),
          },
    );
}

function argumentFacts(argument: Argument, words: readonly string[] | undefined): ArgumentFacts {
  const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
  const choices = argument.argChoices ?? words;
  return {
    usage: argument.required ? `<${name}>` : `[${name}]`,
    text: argument.description,
    place: choices ? { kind: "words", words: choices } : (ARGUMENTS[argument.name()] ?? { kind: "text" }),
    variadic: argument.variadic,
  };
}
/** By the name in the usage. */
const ARGUMENTS: Readonly<Record<string, Place>> = {
  file: { kind: "file", endings: [".ts", ".mts", ".cts", ".o"] },
  object: { kind: "file", endings: [".o"] },
  dir: { kind: "folder" },
};

function optionFacts(option: Option, full: string): OptionFacts {
  const name = /[<[]([^>\]]*)[>\]]/.exec(option.flags)?.[1];
  const value: Place | undefined =
    name === undefined
      ? undefined
      : option.argChoices
        ? { kind: "words", words: option.argChoices }
        : name === "file"
          ? { kind: "file", endings: [] }
          : name === "dir"
            ? { kind: "folder" }
            : { kind: "text" };
  return { long: option.long!, short: option.short, flags: option.flags, text: option.description, full, value };
}
