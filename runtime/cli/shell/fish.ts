/** Completions for fish. */
import type { CommandFacts, Place } from "./tree.ts";

const quoted = (text: string): string => `'${text.replace(/['\\]/g, "\\$&")}'`;

/** What completes the value of an option, or an argument. */
function values(place: Place, option: boolean): string {
  switch (place.kind) {
    case "words":
      return `${option ? "-x " : ""}-a ${quoted(place.words.join(" "))}`;
    case "folder":
      return `${option ? "-x " : ""}-a '(__fish_complete_directories)'`;
    case "file":
      return place.endings.length === 0
        ? "-r -F"
        : `-k -a ${quoted(place.endings.map((one) => `(__fish_complete_suffix ${one})`).join(" "))}`;
    case "text":
      return option ? "-x" : "";
  }
}

export function fishCompletions(commands: readonly CommandFacts[]): string {
  const lines = commands.flatMap(({ path, commands: below, options, arguments: args }) => {
    const here =
      path.length === 0
        ? "__fish_use_subcommand"
        : [
            ...path.map((name) => `__fish_seen_subcommand_from ${name}`),
            ...(below.length > 0 ? [`not __fish_seen_subcommand_from ${below.map((one) => one.name).join(" ")}`] : []),
          ].join("; and ");
    const start = `complete -c tsbpf -n ${quoted(here)}`;
    return [
      ...below.map(({ name, text }) => `${start} -a ${name} -d ${quoted(text)}`),
      ...options.map(
        ({ long, short, text, value }) =>
          `${start}${short ? ` -s ${short.slice(1)}` : ""} -l ${long.slice(2)}${value ? ` ${values(value, true)}` : ""} -d ${quoted(text)}`,
      ),
      ...args.slice(0, 1).flatMap(({ place }) => (place.kind === "text" ? [] : [`${start} ${values(place, false)}`])),
    ];
  });
  return `# Completions of tsbpf for fish. To have them: tsbpf completions fish | source\ncomplete -c tsbpf -f\n${lines.join("\n")}\n`;
}
