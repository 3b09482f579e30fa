/** Completions for bash 4.4 and later, without the package bash-completion. */
import { quoted } from "./quote.ts";
import type { CommandFacts, Place } from "./tree.ts";

/** What sets `words` and `files` for a place. */
function assign(place: Place): string {
  switch (place.kind) {
    case "words":
      return `words=${quoted(place.words.join(" "))}`;
    case "folder":
      return "files=/";
    case "file":
      return `files=${quoted(place.endings.length === 0 ? "*" : place.endings.map((one) => `*${one}`).join(" "))}`;
    case "text":
      return "";
  }
}

export function bashCompletions(commands: readonly CommandFacts[]): string {
  const nested = commands.filter(({ path }) => path.length > 0);
  return `# Completions of tsbpf for bash. To have them: source <(tsbpf completions bash)
_tsbpf() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} path= words= flags= files= i one
  # Readline takes --target=x for three words.
  if [[ $cur == "=" ]]; then
    cur=
  elif [[ $prev == "=" ]]; then
    prev=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case $path/\${COMP_WORDS[i]} in
      ${nested.map(({ path }) => quoted(`${path.slice(0, -1).join("/")}/${path[path.length - 1]!}`)).join(" | ")}) path=\${path:+$path/}\${COMP_WORDS[i]} ;;
    esac
  done
  case $path/$prev in
${commands.flatMap(optionCases).join("\n")}
    *)
      case $path in
${commands.map(commandCase).join("\n")}
      esac
      ;;
  esac
  COMPREPLY=()
  if [[ $cur == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$cur")
  elif [[ -n $words ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
  elif [[ -n $files ]]; then
    compopt -o filenames
    mapfile -t COMPREPLY < <(
      compgen -d -- "$cur"
      set -f
      for one in \${files#/}; do compgen -f -X "!$one" -- "$cur"; done
    )
  fi
}
complete -F _tsbpf tsbpf
`;
}

/** One line for each option with a value: what may follow it. */
const optionCases = ({ path, options }: CommandFacts): string[] =>
  options.flatMap(({ long, short, value }) =>
    value === undefined
      ? []
      : [
          `    ${[short, long]
            .flatMap((flag) => (flag === undefined ? [] : [quoted(`${path.join("/")}/${flag}`)]))
            .join(" | ")}) ${assign(value)} ;;`,
        ],
  );

function commandCase({ path, options, arguments: args, commands }: CommandFacts): string {
  const flags = `flags=${quoted(options.map((one) => one.long).join(" "))}`;
  const first: Place | undefined =
    commands.length > 0 ? { kind: "words", words: commands.map((one) => one.name) } : args[0]?.place;
  return `        ${quoted(path.join("/"))}) ${flags}${first ? ` ${assign(first)}` : ""} ;;`.replace("  ;;", " ;;");
}
