/** The command line: commander in, exit code out. Exit 0 good, 1 the program is wrong, 2 the command line is wrong. */
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { isRange, kernels } from "../../compiler/bpf/kernels.ts";
import { RELEASES } from "../../compiler/bpf/verifier-rules.ts";
import { version } from "../../compiler/version.generated.ts";
import { TroubleError } from "../files/files.ts";
import { PROJECT_FILE } from "../files/imports.ts";
import { FORMAT_NAMES, FORMATS, type FormatName } from "../package/formats.ts";
import { DEFAULT_PINS, registerRuntimeCommands } from "./register.ts";
import type { PlaygroundOptions } from "./playground.ts";
import { completions, man, shells, type Shell } from "./completions.ts";
import { compiling, type CompilingOptions } from "./compiling.ts";
import { build } from "./build.ts";
import { check } from "./check.ts";
import type { DevOptions } from "./dev.ts";
import { disasm } from "./disasm.ts";
import { explain } from "./explain.ts";
import type { PackageOptions } from "./package.ts";
import { init, type InitOptions } from "./init.ts";
import { kernelOption } from "./kernel-option.ts";
import { colour, err, out, troubleText } from "./output.ts";
import { types, type TypesOptions } from "./types.ts";
import { verifyCommand, type VerifyOptions } from "./verify.ts";
import { vmCommand, type VmOptions } from "./vm.ts";

const count = (text: string): number => {
  if (!/^[0-9]+$/.test(text) || Number(text) < 1 || Number(text) > 1_000_000) {
    throw new InvalidArgumentError("a whole number from 1 to 1000000 is needed.");
  }
  return Number(text);
};
const port = (text: string): number => {
  if (!/^[0-9]+$/.test(text) || Number(text) > 65_535)
    throw new InvalidArgumentError("a number from 0 to 65535 is needed.");
  return Number(text);
};
const names = (text: string): string[] => text.split(",").map((name) => name.trim());

const targetOption = () =>
  new Option("-t, --target <target>", "kernel to compile for (default: follows from the imports)").choices(
    Object.keys(kernels),
  );
const rootOption = () =>
  new Option(
    "--root <dir>",
    "folder below which imports may lie (default: that of the nearest package.json, tsconfig.json or project file)",
  );
const strictOption = () => new Option("--strict", "treat warnings as errors");
const SOURCES = `TypeScript sources (default: those of the project file, ${PROJECT_FILE} or the key "tsbpf" of package.json)`;
const AGAIN = "go on, and compile again whenever a file changes";
const OLDEST_KERNEL = "oldest kernel that must take the object (default: the target's, 5.10 for mainline)";
const BTF = "the kernel's types, such as /sys/kernel/btf/vmlinux (default: an extract of Linux 6.18)";
const maxInsnsOption = () =>
  new Option("--max-insns <n>", "lift the limit of 4096 instructions per program").argParser(count);

/** The version, and which kernels it knows. */
const versionText = [
  version,
  ...Object.values(kernels).map(
    (one) => `${one.name}: ${isRange(one) ? `Linux ${one.oldest} and later` : `Linux ${one.newest} with kernel/`}`,
  ),
  `verifiers: Linux ${RELEASES.join(", ")}`,
].join("\n");

/** The whole command line, ready to parse; `finish` takes exit codes, `code` gives the worst of them. */
export function command(): { program: Command; finish: (code: number) => void; code: () => number } {
  let code = 0;
  const finish = (value: number): void => void (code = Math.max(code, value));
  const program = new Command("tsbpf")
    .description("TypeScript to verified BPF bytecode: TCP options and Multipath TCP path managers")
    .version(versionText)
    .exitOverride()
    .configureOutput({ writeOut: out, writeErr: err })
    .showHelpAfterError("(add --help for the usage)")
    .addHelpText(
      "after",
      `
Examples:
  tsbpf build programs/hello-option.ts             write out/hello-option.o
  tsbpf check programs/hello-option.ts             report errors only
  tsbpf build --emit asm programs/two-subflows.ts  show the instructions with their source lines
  tsbpf disasm out/hello-option.o                  the same from an object, ours or clang's
  tsbpf doctor                                     what this machine's kernel can run`,
    );

  program
    .command("build")
    .description("compile programs to BPF objects")
    .argument("[file...]", SOURCES)
    .option("-o, --output <dir>", "folder for the objects (default: the project file's, else the current one)")
    .addOption(targetOption())
    .addOption(kernelOption(OLDEST_KERNEL))
    .option("--btf <file>", BTF)
    .addOption(
      new Option("--emit <what>", "write an object, or print text instead")
        .choices(["obj", "asm", "ir"])
        .default("obj"),
    )
    .option("--print-after <pass>", 'print the IR after a pass, a group of passes or GROUP/PASS ("lower" is the first)')
    .addOption(maxInsnsOption())
    .addOption(rootOption())
    .addOption(strictOption())
    .option("--without-passes <names>", "switch optimizations off, by name, separated by commas", names)
    .option("--types", "write a .d.ts with the types of maps and params beside each object")
    .option("-w, --watch", AGAIN)
    .option("--json", "print one JSON document instead of text")
    .addHelpText(
      "after",
      "\nExamples:\n  tsbpf build programs/hello-option.ts\n  tsbpf build -o /tmp --target patched programs/hello-option.ts",
    )
    .action(async (files: string[], options: CompilingOptions & { withoutPasses?: string[] }) =>
      finish(
        await compiling(build, files, {
          ...options,
          ...(options.withoutPasses ? { passes: options.withoutPasses } : {}),
        }),
      ),
    );

  program
    .command("check")
    .description("report errors, write nothing")
    .argument("[file...]", `${SOURCES}; -: the text on standard input`)
    .option("--stdin-path <file>", "path that the text on standard input is taken for (default: stdin.ts)")
    .addOption(targetOption())
    .addOption(kernelOption(OLDEST_KERNEL))
    .option("--btf <file>", BTF)
    .addOption(maxInsnsOption())
    .addOption(rootOption())
    .addOption(strictOption())
    .option("-w, --watch", AGAIN)
    .option("--json", "print one JSON document instead of text")
    .addHelpText("after", "\nExample:\n  tsbpf check programs/hello-option.ts")
    .action(async (files: string[], options: CompilingOptions) =>
      finish(await compiling(check, files, { ...options, readsInput: true })),
    );

  program
    .command("explain")
    .description("say what an error or a warning means, with examples")
    .argument("[key]", "its name, as it stands in brackets (default: the list of all)")
    .option("--json", "print JSON instead of text")
    .addHelpText("after", "\nExample:\n  tsbpf explain loose-equality")
    .action((key: string | undefined, options: { json?: boolean }) => finish(explain(key, options)));

  program
    .command("disasm")
    .description("show the instructions of an object, with source lines where it has them")
    .argument("<object...>", "BPF objects, ours or clang's")
    .option("--json", "print one JSON document instead of text")
    .addHelpText("after", "\nExample:\n  tsbpf build programs/hello-option.ts && tsbpf disasm out/hello-option.o")
    .action((files: string[], options: { json?: boolean }) => finish(disasm(files, options)));

  program
    .command("types")
    .description(
      "print the types of maps, params and variables, for programs in user space; or of structs of the kernel",
    )
    .argument("<file>", "TypeScript source, or a BPF object; vmlinux: the kernel")
    .argument("[struct...]", "of vmlinux: names of the kernel's structs")
    .option("--btf <file>", "of vmlinux: the kernel's types (default: the running kernel's)")
    .option("--json", "print layouts as JSON instead of declarations")
    .addHelpText(
      "after",
      "\nExamples:\n  tsbpf types programs/hello-option.ts > hello-option.d.ts\n  tsbpf types vmlinux tcp_sock",
    )
    .action((file: string, structs: string[], options: TypesOptions) => finish(types(file, structs, options)));

  program
    .command("verify")
    .description("say what the kernel's verifier would say")
    .argument("[object...]", "BPF objects, ours or clang's")
    .option("--corpus <file>", "answer one JSON line for each program of a corpus file")
    .option("--verbose", "show the register state at each instruction")
    .addOption(targetOption())
    .addOption(
      kernelOption("whose verifier is asked (default: the newest known, and the oldest that an object of ours is for)"),
    )
    .option("--btf <file>", "the kernel's types, for objects of other compilers (default: the running kernel's)")
    .option("--json", "print JSON instead of text")
    .addHelpText("after", "\nExample:\n  tsbpf build programs/hello-option.ts && tsbpf verify out/hello-option.o")
    .action((files: string[], options: VerifyOptions) => finish(verifyCommand(files, options)));

  program
    .command("vm")
    .description("run raw programs without a kernel (bpf_conformance plugin protocol)")
    .option("--plugin [memory]", "program as hex on standard input, r0 as hex on standard output")
    .option("--batch", "one program as hex per line in, one r0 or `error: …` per line out")
    .argument("[memory]", "memory as hex, for --plugin")
    .addHelpText("after", "\nExample:\n  echo b7000000070000009500000000000000 | tsbpf vm --batch")
    .action((memory: string | undefined, options: VmOptions) => vmCommand(memory, options).then(finish));

  program
    .command("init")
    .description("make a new project: two programs, their tests, settings, a lab")
    .argument("<dir>", "folder for it, which is made")
    .option("--tsbpf <spec>", "what its package.json asks of tsbpf: a range of versions, or file:… (default: this one)")
    .addHelpText("after", "\nExample:\n  tsbpf init hello && cd hello && npm install && npm test")
    .action((folder: string, options: InitOptions) => finish(init(folder, options)));

  program
    .command("lsp")
    .description("language server for editors, on standard input and output")
    .addOption(new Option("--stdio", "what it does anyway: some editors say so"))
    .addOption(new Option("--worker").hideHelp())
    .addHelpText("after", "\nSettings for editors: node_modules/tsbpf/editors/README.md")
    .action(async (options: { worker?: boolean }) => finish(await (await import("../lsp/serve.ts")).lsp(options)));

  program
    .command("playground")
    .description("show programs, their bytecode and their proofs in a browser, on this machine alone")
    .addOption(new Option("-p, --port <port>", "port on 127.0.0.1; 0: any").argParser(port).default(8025))
    .addHelpText("after", "\nExample:\n  tsbpf playground --port 0")
    .action(async (options: PlaygroundOptions) => finish(await (await import("./playground.ts")).playground(options)));

  program
    .command("dev")
    .description("after each change: check the programs, run the tests that are affected, replace what runs")
    .argument("[file...]", SOURCES)
    .option(
      "-c, --cgroup <dir>",
      "load the programs as `tsbpf load --cgroup` does, and replace them atomically, until Ctrl-C",
    )
    .option("--replace", "with --cgroup: also take the place of objects that were loaded before")
    .option("--no-tests", "run no tests")
    .addOption(new Option("--pins <dir>", "directory on a bpffs for pins").default(DEFAULT_PINS))
    .addOption(targetOption())
    .addOption(rootOption())
    .addHelpText(
      "after",
      "\nExamples:\n  tsbpf dev\n  sudo node_modules/.bin/tsbpf dev programs/hello-option.ts --cgroup lab",
    )
    .action(async (files: string[], options: DevOptions) =>
      finish(await (await import("./dev.ts")).dev(files, options)),
    );

  program
    .command("package")
    .description(
      "make a package of a program, or of a service, for Kubernetes, Inspektor Gadget, bpfman, systemd or Debian",
    )
    .addArgument(new Argument("<format>", "what for").choices(FORMAT_NAMES))
    .argument(
      "<file>",
      "a TypeScript source or a BPF object; for container, kubernetes, helm and debian a service's file",
    )
    .option(
      "-o, --output <path>",
      "where it goes; a folder whose name ends in .tar is an archive (default: by its name and format)",
    )
    .option("-n, --name <name>", "name of the package (default: the program's; of a service tsbpf)")
    .option("--package-version <version>", "its version (default: tsbpf's, with the digest of what is in it)")
    .option("--image <reference>", "for kubernetes and helm: where the image of the service is")
    .option("--maintainer <person>", "for debian: who answers for it", "root <root@localhost>")
    .addOption(
      new Option("--pins <dir>", "for systemd: the directory of pins that the programs are found in").default(
        DEFAULT_PINS,
      ),
    )
    .addOption(targetOption())
    .addOption(rootOption())
    .option("--json", "print JSON instead of text")
    .addHelpText(
      "after",
      `
Formats:
${FORMAT_NAMES.map((name) => `  ${name.padEnd(11)} ${FORMATS[name].what} (of ${FORMATS[name].of === "object" ? "a program" : "a service's file"})`).join("\n")}

The same source makes the same package, to the byte: all times in it are SOURCE_DATE_EPOCH, or 1970.

Examples:
  tsbpf package debian service.json -o tsbpf.deb
  tsbpf package kubernetes service.json --image registry.example/tsbpf:1 -o tsbpf.yaml
  tsbpf package systemd out/hello-option.o --name web`,
    )
    .action(async (format: FormatName, file: string, options: PackageOptions) => {
      const { guarded } = await import("./report.ts");
      const run = async () => (await import("./package.ts")).packageFor(format, file, options);
      finish(await guarded(options.json ?? false, run));
    });

  registerRuntimeCommands(program, finish);

  program
    .command("completions")
    .description("print what a shell needs to complete this command's arguments")
    .addArgument(new Argument("<shell>", "the shell").choices(shells))
    .addHelpText(
      "after",
      `
Examples:
  echo 'source <(tsbpf completions bash)' >> ~/.bashrc
  tsbpf completions zsh > ~/.zfunc/_tsbpf
  tsbpf completions fish > ~/.config/fish/completions/tsbpf.fish`,
    )
    .action((shell: Shell) => finish(completions(program, shell)));
  program
    .command("man")
    .description("print the manual page")
    .addHelpText("after", "\nExample:\n  tsbpf man | man -l -")
    .action(() => finish(man(program)));
  // Sub-commands do not inherit exitOverride when made through .command() before it is set; make sure all have it.
  for (const sub of program.commands) sub.exitOverride().showHelpAfterError("(add --help for the usage)");
  return { program, finish, code: () => code };
}

/** Runs the command line and returns the exit code; prints, never exits. */
export async function main(argv: readonly string[]): Promise<number> {
  const { program, code } = command();
  if (argv.length === 0) {
    program.outputHelp({ error: true });
    return 2;
  }
  try {
    await program.parseAsync([...argv], { from: "user" });
    return code();
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (error instanceof TroubleError) {
      err(troubleText(error.trouble, colour(process.stderr)));
      return 1;
    }
    err(
      `error[bug]: tsbpf itself failed; please report this with the program that caused it\n${(error as Error).stack ?? String(error)}`,
    );
    return 1;
  }
}
