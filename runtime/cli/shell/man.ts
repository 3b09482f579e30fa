/** The manual page tsbpf(1). */
import type { CommandFacts } from "./tree.ts";

/** Text as roff takes it: backslashes, hyphens that are typed, and no line that looks like a request. */
const roff = (text: string): string =>
  text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^(?=[.'])/gm, "\\&")
    .replaceAll("…", "...")
    .replaceAll("✓", "yes");

/** Lines as they are. */
const literal = (text: string): string => `.nf\n${roff(text)}\n.fi`;

/** Of the words in this file; the commands are those of the version. */
const REVISED = "2026-11-28";

export function manualPage(commands: readonly CommandFacts[], version: string): string {
  const [whole, ...rest] = commands;
  const shown = rest.filter(({ path }) => path[0] !== "help");
  return `.\\" Made by "tsbpf man" of what the command says of itself.
.TH TSBPF 1 "${REVISED}" "tsbpf ${version}" "User Commands"
.SH NAME
tsbpf \\- ${roff(whole!.text)}
.SH SYNOPSIS
${shown
  .filter((one) => one.commands.length === 0)
  .map((one) => `.B tsbpf ${one.path.join(" ")}\n[options] ${roff(argumentsText(one))}`.trimEnd())
  .join("\n.br\n")}
.SH DESCRIPTION
tsbpf compiles a subset of TypeScript to verified BPF bytecode, and loads it: handlers of TCP options, Multipath TCP path managers,
congestion controls, and hooks of the system calls that connect sockets and set their options.
The kernel's verifier is asked before the kernel is.
.SH COMMANDS
${shown.map(commandText).join("\n")}
.SH EXIT STATUS
.TP
.B 0
good
.TP
.B 1
the program is wrong, or the kernel refused it
.TP
.B 2
the command line is wrong
.SH ENVIRONMENT
.TP
.B NO_COLOR, FORCE_COLOR
no colours, or colours where standard error is no terminal
.TP
.B XDG_CACHE_HOME
the folder below which tsbpf/ keeps what makes a start quick, and what was built (default: ~/.cache)
.TP
.B TSBPF_NO_BUILD_CACHE
if set, what was built before is built again, and not kept
.TP
.B TSBPF_NO_CODE_CACHE
if set, nothing of either is kept or used
.SH FILES
.TP
.I tsbpf.config.ts
the project file: which programs there are and how they are built
.TP
.I /sys/fs/bpf/tsbpf
pins of what was loaded
.TP
.I /run/tsbpf/serve.sock
control socket of the service
.TP
.I /run/tsbpf
what was changed on this machine and is to be undone
.SH EXAMPLES
${literal(whole!.after.replace(/^Examples:\n/, "").replace(/^ {2}/gm, ""))}
.SH SEE ALSO
.BR bpftool (8),
.BR bpf (2)
`;
}

const argumentsText = (one: CommandFacts): string => one.arguments.map((arg) => arg.usage).join(" ");

function commandText(one: CommandFacts): string {
  const title = ["tsbpf", ...one.path, ...one.arguments.map((arg) => arg.usage)].join(" ");
  return [
    `.SS ${roff(title)}`,
    ...(one.text === "" ? [] : [`${roff(one.text)}.`]),
    ...one.arguments.flatMap((arg) => (arg.text === "" ? [] : [`.TP\n.I ${roff(arg.usage)}\n${roff(arg.text)}`])),
    ...one.options
      .filter((option) => option.long !== "--help")
      .map((option) => `.TP\n.B ${roff(option.flags)}\n${roff(option.full)}`),
    ...(one.after === "" ? [] : [`.PP\n${literal(one.after)}`]),
  ].join("\n");
}
