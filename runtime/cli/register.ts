/** The commands that talk to the kernel. Their code, and koffi with it, is loaded when one of them runs. */
import { InvalidArgumentError, Option, type Command } from "commander";
import { kernels } from "../../compiler/bpf/kernels.ts";
import { NEEDS, needsText, type CommandWithNeeds } from "../kernel/capabilities.ts";
import { kernelOption } from "./kernel-option.ts";

/** Where pins lie unless said. */
export const DEFAULT_PINS = "/sys/fs/bpf/tsbpf";

const seconds = (text: string): number => {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError("a positive number of seconds is needed.");
  return value;
};
const collect = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];

const json = () => new Option("--json", "print JSON instead of text");
const pins = () => new Option("--pins <dir>", "directory on a bpffs for pins").default(DEFAULT_PINS);
const param = () => new Option("--param <name=value>", "set a param (repeat for more)").argParser(collect);
const root = () =>
  new Option(
    "--root <dir>",
    "folder below which imports may lie (default: that of the nearest package.json, tsconfig.json or project file)",
  );
const target = () =>
  new Option("-t, --target <target>", "kernel to compile for (default: follows from the imports)").choices(
    Object.keys(kernels),
  );

const WHERE = "OBJECT/MAP, id:N, or the path of a pin";
const KEY = "number, address, prefix (of a trie), text, or JSON";

/** Adds the commands; `finish` takes their exit codes. */
export function registerRuntimeCommands(program: Command, finish: (code: number) => void): void {
  const act =
    <A extends unknown[]>(run: (...args: A) => Promise<number>) =>
    async (...args: A): Promise<void> => {
      const { guarded } = await import("./report.ts");
      const options = args.find(
        (arg): arg is A[number] & { json?: boolean } => typeof arg === "object" && arg !== null && !Array.isArray(arg),
      );
      finish(await guarded((options as { json?: boolean } | undefined)?.json ?? false, () => run(...args)));
    };

  program
    .command("run")
    .description("compile, load, attach and watch a program until Ctrl-C")
    .argument("<file>", "TypeScript source, or a BPF object")
    .option("-c, --cgroup <dir>", "cgroup-v2 directory to attach to; a name alone lies right below the mount")
    .addOption(param())
    .option(
      "--netns <name>",
      "network namespace whose addresses and sessions count (name, path or process id); without --cgroup, the one to attach to (patched kernel)",
    )
    .option("--make", "make the cgroup and the namespace that are named, and remove them at the end")
    .addOption(
      new Option("--backend <backend>", "where a path manager runs (default: what the kernel has)").choices([
        "kernel",
        "netlink",
      ]),
    )
    .option("--replace", "over netlink: take over from the path manager that the namespace has")
    .option("--pin [name]", "pin what is loaded, so that it outlives a crash; taken over by the next run of that name")
    .addOption(pins())
    .option("--for <seconds>", "stop by itself", seconds)
    .addOption(target())
    .addOption(kernelOption("kernel whose verifier judges the source (default: the running one)"))
    .addOption(root())
    .addOption(json())
    .addHelpText(
      "after",
      "\nExample:\n  sudo node_modules/.bin/tsbpf run programs/hello-option.ts --cgroup lab --make --param greeting=7",
    )
    .action(act(async (file: string, options) => (await import("./run.ts")).run(file, options)));

  program
    .command("load")
    .description("load, attach and pin a program, and return")
    .argument("<file>", "TypeScript source, or a BPF object")
    .option(
      "-c, --cgroup <dir>",
      "cgroup-v2 directory to attach to; a name alone lies right below the mount (default: load only)",
    )
    .option("-n, --name <name>", "name to pin under (default: the file's)")
    .option("--replace", "put it in place of the pinned object of that name, atomically; maps are kept")
    .addOption(param())
    .option(
      "--netns <name>",
      "network namespace whose addresses are filled in; without --cgroup, the one to attach to (patched kernel)",
    )
    .addOption(pins())
    .addOption(target())
    .addOption(kernelOption("kernel whose verifier judges the source (default: the running one)"))
    .addOption(root())
    .addOption(json())
    .addHelpText(
      "after",
      "\nExamples:\n  sudo node_modules/.bin/tsbpf load out/hello-option.o --cgroup /sys/fs/cgroup/lab\n  sudo node_modules/.bin/tsbpf list",
    )
    .action(act(async (file: string, options) => (await import("./load.ts")).load(file, options)));

  program
    .command("list")
    .description("what is attached and pinned")
    .addOption(pins())
    .addOption(json())
    .action(act(async (options) => (await import("./list.ts")).list(options)));

  program
    .command("show")
    .description("programs with run counts and times, maps, links, open MPTCP sessions")
    .argument("[name]", "one pinned object (default: every program of a kind that tsbpf compiles)")
    .option("--netns <name>", "network namespace whose sessions are shown")
    .option("--for <seconds>", "count runs for that long (default: 1)", seconds)
    .addOption(pins())
    .addOption(json())
    .action(act(async (object: string | undefined, options) => (await import("./show.ts")).show(object, options)));

  program
    .command("metrics")
    .description("runs, times, maps, sessions and the metrics that programs declare, as text that Prometheus reads")
    .option("--netns <name>", "network namespace whose sessions count")
    .option("--openmetrics", "in the form of OpenMetrics 1.0 (default: Prometheus's own)")
    .addOption(pins())
    .addHelpText(
      "after",
      "\nExamples:\n  sudo node_modules/.bin/tsbpf metrics\n  sudo node_modules/.bin/tsbpf metrics | promtool check metrics",
    )
    .action(act(async (options) => (await import("./metrics.ts")).metrics(options)));

  const map = program.command("map").description("read and write maps: OBJECT/MAP, id:N, or the path of a pin");
  map
    .command("get")
    .description("print the value of a key")
    .argument("<map>", WHERE)
    .argument("<key>", KEY)
    .addOption(pins())
    .addOption(json())
    .action(act(async (where: string, key: string, options) => (await import("./map.ts")).get(where, key, options)));
  map
    .command("set")
    .description("store a value under a key")
    .argument("<map>", WHERE)
    .argument("<key>", KEY)
    .argument("<value>", "number, address, text, or JSON")
    .addOption(pins())
    .addOption(json())
    .action(
      act(async (where: string, key: string, value: string, options) =>
        (await import("./map.ts")).set(where, key, value, options),
      ),
    );
  map
    .command("delete")
    .description("remove a key and its value")
    .argument("<map>", WHERE)
    .argument("<key>", KEY)
    .addOption(pins())
    .addOption(json())
    .action(act(async (where: string, key: string, options) => (await import("./map.ts")).remove(where, key, options)));
  map
    .command("dump")
    .description("print all keys and values")
    .argument("<map>", WHERE)
    .addOption(pins())
    .addOption(json())
    .action(act(async (where: string, options) => (await import("./map.ts")).dump(where, options)));

  program
    .command("trace")
    .description("log lines, and records of ring buffers, as they come")
    .argument("[name]", "a pinned object (default: log lines of all programs)")
    .option("--for <seconds>", "stop by itself", seconds)
    .addOption(pins())
    .addOption(json())
    .action(act(async (object: string | undefined, options) => (await import("./trace.ts")).trace(object, options)));

  program
    .command("detach")
    .description("end attachments and remove pins")
    .argument("[name...]", "names of pinned objects")
    .option("--all", "all pinned objects")
    .option("--link <id>", "one link, by its number in `tsbpf list`")
    .addOption(pins())
    .addOption(json())
    .action(act(async (objects: string[], options) => (await import("./detach.ts")).detach(objects, options)));

  registerService(program, act);

  program
    .command("doctor")
    .description("what this machine's kernel offers, and what programs would need of it")
    .argument("[file...]", "TypeScript sources and BPF objects (default: the bundled programs)")
    .addOption(pins())
    .addOption(json())
    .action(act(async (files: string[], options) => (await import("./doctor.ts")).doctor(files, options)));

  for (const [command, name] of [...program.commands, ...map.commands].flatMap((one) => {
    const whole = map.commands.includes(one) ? `map ${one.name()}` : one.name();
    return isNeeds(whole) ? [[one, whole] as const] : [];
  }))
    command.addHelpText("after", needsText(name));
}

type Act = <A extends unknown[]>(run: (...args: A) => Promise<number>) => (...args: A) => Promise<void>;

/** `tsbpf serve FILE`, and what a service is asked. */
function registerService(program: Command, act: Act): void {
  const socket = () =>
    new Option("--socket <path>", "control socket (default: the file's, else /run/tsbpf/serve.sock)");
  const pinsOfService = () =>
    new Option("--pins <dir>", `directory on a bpffs for pins (default: the file's, else ${DEFAULT_PINS})`);
  const service = program
    .command("serve")
    .description("keep the programs of a service's file running, as one process; ask a service what it does")
    .usage("[options] <file> | [command]");
  service
    .command("start", { isDefault: true })
    .description("the programs of a file until SIGTERM; the word may be left out: tsbpf serve FILE")
    .argument("<file>", "the service's file: a module that is read and not run, or JSON")
    .option("--keep", "what is attached stays when the service ends, and the next start takes it over")
    .option("--replace", "also take the place of what others have pinned and of path managers that run")
    .addOption(socket())
    .addOption(pinsOfService())
    .addOption(json())
    .addHelpText(
      "after",
      "\nExamples:\n  sudo node_modules/.bin/tsbpf serve service.ts\n  sudo node_modules/.bin/tsbpf serve service.json --keep",
    )
    .action(act(async (file: string, options) => (await import("./serve.ts")).serve(file, options)));
  service
    .command("check")
    .description("say what is wrong with a service's file and its programs, and attach nothing")
    .argument("<file>", "the service's file")
    .addOption(json())
    .action(act(async (file: string, options) => (await import("./serve.ts")).checkService(file, options)));
  service
    .command("list")
    .description("what the service runs, and where")
    .addOption(socket())
    .addOption(json())
    .action(act(async (options) => (await import("./serve.ts")).listServed(options)));
  service
    .command("show")
    .description("one program of the service")
    .argument("<name>", "its name in `tsbpf serve list`")
    .addOption(socket())
    .addOption(json())
    .action(act(async (name: string, options) => (await import("./serve.ts")).showServed(name, options)));
  service
    .command("reload")
    .description("have the service read its file again; nothing changes where that is wrong")
    .addOption(socket())
    .addOption(json())
    .action(act(async (options) => (await import("./serve.ts")).reloadService(options)));
  service
    .command("stop")
    .description("end the service, and wait for that")
    .option("--detach", "end also what it would leave attached (keep)")
    .addOption(socket())
    .addOption(json())
    .action(act(async (options) => (await import("./serve.ts")).stopService(options)));
  service
    .command("unit")
    .description("print a unit of systemd's for a service's file, with the rights that its programs take")
    .argument("<file>", "the service's file")
    .addOption(socket())
    .addOption(pinsOfService())
    .addHelpText(
      "after",
      "\nExample:\n  sudo node_modules/.bin/tsbpf serve unit service.ts | sudo tee /etc/systemd/system/tsbpf.service",
    )
    .action(act(async (file: string, options) => (await import("./serve.ts")).unit(file, options)));
}

const isNeeds = (name: string): name is CommandWithNeeds => Object.hasOwn(NEEDS, name);
