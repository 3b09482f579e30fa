/** Completions for zsh. */
import { quoted } from "./quote.ts";
import type { CommandFacts, OptionFacts, Place } from "./tree.ts";

/** In what _arguments and _describe are told, brackets and colons have a meaning. */
const plain = (text: string): string => text.replace(/[[\]:\\]/g, "\\$&");

/** What completes a place. */
function action(place: Place): string {
  switch (place.kind) {
    case "words":
      return `(${place.words.join(" ")})`;
    case "folder":
      return "_files -/";
    case "file":
      return place.endings.length === 0
        ? "_files"
        : `_files -g "*(${place.endings.map((one) => one.replace(".", "\\.")).join("|")})"`;
    case "text":
      return " ";
  }
}

const functionName = (path: readonly string[]): string => ["_tsbpf", ...path].join("_");

export const zshCompletions = (commands: readonly CommandFacts[]): string => `#compdef tsbpf
# Completions of tsbpf for zsh: a file called _tsbpf in a folder of fpath, or source <(tsbpf completions zsh)
${commands.map((one) => (one.commands.length > 0 ? groupFunction(one) : commandFunction(one))).join("\n")}
if [[ $funcstack[1] == _tsbpf ]]; then _tsbpf "$@"; else compdef _tsbpf tsbpf; fi
`;

function optionSpecs({ long, short, text, value }: OptionFacts): string[] {
  const rest = `[${plain(text)}]${value ? `:value:${action(value)}` : ""}`;
  return [...(short ? [quoted(`${short}${rest}`)] : []), quoted(`${long}${value ? "=" : ""}${rest}`)];
}

function commandFunction({ path, options, arguments: args }: CommandFacts): string {
  const specs = [
    ...options.flatMap(optionSpecs),
    ...args.map(({ place, text, variadic }, index) =>
      quoted(`${variadic ? "*" : String(index + 1)}:${plain(text) || " "}:${action(place)}`),
    ),
  ];
  return `${functionName(path)}() {\n  _arguments \\\n    ${specs.join(" \\\n    ")}\n}`;
}

function groupFunction({ path, options, commands }: CommandFacts): string {
  const cases = commands.map(({ name }) => `        ${name}) ${functionName([...path, name])} ;;`);
  return `${functionName(path)}() {
  local curcontext=$curcontext state line
  local -a commands
  commands=(
    ${commands.map(({ name, text }) => quoted(`${name}:${plain(text)}`)).join("\n    ")}
  )
  _arguments -C \\
    ${options.flatMap(optionSpecs).join(" \\\n    ")} \\
    '1: :->command' '*:: :->rest'
  case $state in
    command) _describe command commands ;;
    rest)
      case $words[1] in
${cases.join("\n")}
      esac
      ;;
  esac
}`;
}
