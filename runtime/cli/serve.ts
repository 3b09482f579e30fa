/** `tsbpf serve`: the programs of a file, kept running by one process, and what that process is asked. */
import { existsSync, lstatSync, realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import { enableStats } from "../kernel/bpf.ts";
import { closeFd } from "../kernel/fd.ts";
import { cgroupRoot } from "../kernel/places.ts";
import { attachesAnything, placeFor } from "../kernel/attached.ts";
import type { Place } from "../kernel/attach-points.ts";
import { unsafeOnWay } from "../kernel/claims.ts";
import { RuntimeError } from "../kernel/errors.ts";
import { encodeParams } from "../kernel/load.ts";
import { needBpffs } from "../kernel/pin-folder.ts";
import { chooseBackend } from "../mptcp/daemon.ts";
import { reason, TroubleError } from "../files/files.ts";
import { readService, shownPath, type ServedSettings, type ServiceSettings } from "../project/service-file.ts";
import { ask } from "../service/control-client.ts";
import { isJournal, jsonEntry, journalText, LEVELS, plainText, type Entry } from "../service/log.ts";
import { notifier } from "../service/notify.ts";
import { recordsOfServices } from "../service/ownership.ts";
import type { ListReply, ReloadReply, ReplyError, Shown } from "../service/protocol.ts";
import { startService, type Wanted } from "../service/service.ts";
import type { Target } from "../service/target.ts";
import { unitText } from "../service/unit.ts";
import { aboutProgram } from "./about-program.ts";
import { readForService, readParams } from "./input.ts";
import { METRICS_AT, metricsFacts } from "./metrics-facts.ts";
import { err, forgetLostLines, keepLog, lostLines, out, say } from "./output.ts";
import { document, line, table } from "./report.ts";
import { untilStopped } from "./stop.ts";

export interface ServeOptions {
  readonly keep?: boolean;
  readonly replace?: boolean;
  readonly socket?: string;
  readonly pins?: string;
  readonly json?: boolean;
}

/** Goes on until it is stopped, or cannot go on. */
export async function serve(file: string, options: ServeOptions): Promise<number> {
  const settings = readSettings(file);
  const { socket, pins } = placesOf(settings, options);
  needBpffs(pins);
  const notify = notifier();
  const inJournal = isJournal(process.env["JOURNAL_STREAM"]);
  const least = LEVELS[settings.log ?? "info"];
  keepLog();
  const log = (entry: Entry): void => {
    if (LEVELS[entry.level] > least) return;
    const lost = lostLines();
    write(entry);
    if (lost === 0 || lostLines() > lost) return;
    forgetLostLines();
    write({
      level: "warning",
      text: `${lost} ${lost === 1 ? "line" : "lines"} before the last one found no room on the disk`,
    });
  };
  const write = (entry: Entry): void => {
    if (options.json) line(jsonEntry(entry));
    else if (inJournal) err(journalText(entry));
    else if (LEVELS[entry.level] <= LEVELS.warning) err(plainText(entry));
    else say(plainText(entry));
  };
  const read = (alive: () => void): Wanted => {
    const now = readSettings(file);
    const moved = placesOf(now, options);
    if (JSON.stringify(now.metrics) !== JSON.stringify(settings.metrics))
      throw new RuntimeError("bad-argument", `${file} has other settings for metrics`, {
        help: "that takes a new start: tsbpf serve stop",
      });
    if (moved.socket !== socket || moved.pins !== pins)
      throw new RuntimeError(
        "bad-argument",
        `${file} names another ${moved.pins === pins ? "socket" : "folder of pins"}`,
        {
          help: "that takes a new start: tsbpf serve stop",
        },
      );
    return wantedOf(now, options, alive);
  };
  const stats = settings.metrics?.stats ? enableStats() : -1;
  if (settings.metrics?.stats && stats < 0)
    log({ level: "warning", text: "runs are not counted: that takes CAP_SYS_ADMIN, and Linux 5.8 or later" });
  let reload: (() => void) | undefined;
  let isAskedEarly = false;
  const onHangUp = (): void => (reload ? reload() : void (isAskedEarly = true));
  // With a terminal it says that the terminal is closed, as it does to `run`.
  const hangUp = process.stdout.isTTY || process.stderr.isTTY ? undefined : "SIGHUP";
  if (hangUp) process.on(hangUp, onHangUp);
  try {
    return await untilStopped(
      undefined,
      async (stopped) => {
        const service = await startService({
          file,
          socket,
          pins,
          replace: options.replace ?? false,
          read,
          errorOf,
          log,
          notify,
          counting: stats >= 0,
          ...(settings.metrics ? { metrics: settings.metrics.listen ?? METRICS_AT } : {}),
        });
        reload = () => service.reload();
        if (isAskedEarly) reload();
        let error: RuntimeError | undefined;
        try {
          error = await Promise.race([stopped.then(() => undefined), service.over]);
        } finally {
          await service.stop();
        }
        if (error) throw error;
        return 0;
      },
      hangUp,
    );
  } catch (error) {
    const isKnown = error instanceof RuntimeError || error instanceof TroubleError;
    if (!inJournal || options.json || !isKnown) throw error;
    // The journal gets its level.
    const { message, help, log: whole } = errorOf(error);
    const more = [help, whole?.trim()].filter((text) => text).map((text) => `\n${text}`);
    log({ level: "error", text: message + more.join("") });
    return error instanceof RuntimeError && error.key === "bad-argument" ? 2 : 1;
  } finally {
    if (hangUp) process.off(hangUp, onHangUp);
    if (stats >= 0) closeFd(stats);
  }
}

/** Says what is wrong with a service's file, its programs and their params, and attaches nothing. */
export function checkService(file: string, options: ServeOptions): Promise<number> {
  const { targets } = wantedOf(readSettings(file), options);
  if (options.json) document({ programs: targets.map(({ name, backend, digest }) => ({ name, backend, digest })) });
  else
    out(
      table(
        ["NAME", "BACKEND", "OBJECT"],
        targets.map(({ name, backend, digest }) => [name, backend, digest.slice(0, 12)]),
      ),
    );
  return Promise.resolve(0);
}

/** The file, where nobody but root and the caller can have written it: what it names is loaded with the caller's rights. */
function readSettings(file: string): ServiceSettings {
  let real: string;
  try {
    real = realpathSync(file);
  } catch (error) {
    throw new TroubleError({ key: "cannot-read", message: `cannot read ${file}: ${reason(error)}` });
  }
  const { uid, mode } = lstatSync(real);
  const isOurs = uid === 0 || uid === process.geteuid?.();
  if (!isOurs || (mode & 0o022) !== 0)
    throw new RuntimeError("not-permitted", `${file} may be written by others, and says what is loaded`, {
      help: isOurs ? `chmod go-w ${file}` : `it belongs to user ${uid}: make it yours`,
    });
  const unsafe = unsafeOnWay(real);
  if (unsafe !== undefined)
    throw new RuntimeError("not-permitted", `${file} lies below ${unsafe}, which others may change`, {
      help: "put it where only root may write, such as /etc/tsbpf",
    });
  return readService(file);
}

const DEFAULT_PINS = "/sys/fs/bpf/tsbpf";
const defaultSocket = (): string => join(recordsOfServices(), "serve.sock");
/** The command line goes before the file. */
const placesOf = (settings: ServiceSettings, options: ServeOptions): { socket: string; pins: string } => ({
  socket: options.socket === undefined ? (settings.socket ?? defaultSocket()) : resolve(options.socket),
  pins: options.pins ?? settings.pins ?? DEFAULT_PINS,
});

/** All programs of a file, compiled or read, with what was found of each. Throws with the name of the one that is wrong. */
function wantedOf(settings: ServiceSettings, options: ServeOptions, alive: () => void = () => undefined): Wanted {
  return {
    keep: options.keep ?? settings.keep ?? false,
    targets: settings.programs.map((program) => {
      alive();
      return aboutProgram(program, () => targetOf(program));
    }),
  };
}

function targetOf(program: ServedSettings): Target {
  const { name, params = {}, netns, target } = program;
  const { input, digest } = readForService(program.file, target ? { target } : {});
  const { module } = input;
  const values = readParams(
    module,
    Object.entries(params).map(([param, text]) => `${param}=${text}`),
  );
  encodeParams(module, values);
  const { backend } = chooseBackend(module, program.backend);
  const attaches = attachesAnything(module);
  if (program.cgroup !== undefined && (backend === "netlink" || !attaches))
    throw new RuntimeError(
      "bad-argument",
      backend === "netlink"
        ? "over netlink a path manager serves a network namespace, and no cgroup"
        : "nothing in it attaches to a cgroup",
      { help: "leave cgroup out" },
    );
  const place: Place | undefined =
    backend === "netlink"
      ? undefined
      : placeFor(module, { cgroup: program.cgroup === undefined ? undefined : cgroupBelow(program.cgroup), netns });
  if (backend === "kernel" && attaches && place === undefined)
    throw new RuntimeError("bad-argument", "a cgroup to attach to is needed", {
      help: 'name it from the root of the hierarchy: cgroup: "system.slice/nginx.service"',
    });
  return {
    name,
    program: name,
    file: shownPath(program.file),
    input,
    digest,
    backend,
    params: values,
    paramTexts: params,
    netns,
    place,
    whenGone: program.whenGone ?? "exit",
  };
}

/** A cgroup by its path from the root of the hierarchy, or by a whole path. */
function cgroupBelow(name: string): string {
  if (name.startsWith("/")) return resolve(name);
  const root = cgroupRoot();
  if (root === undefined) throw new RuntimeError("no-cgroup", "no cgroup2 file system is mounted here");
  const path = resolve(root, name);
  if (!path.startsWith(`${root}/`))
    throw new RuntimeError("bad-argument", `${name} leads out of the hierarchy`, {
      help: "name a cgroup below its root",
    });
  return path;
}

/** What a client, or the log, is told of an error. */
function errorOf(error: unknown): ReplyError {
  if (error instanceof RuntimeError) {
    const { key, message, help, log } = error;
    return { key, message, help, log };
  }
  if (error instanceof TroubleError) return error.trouble;
  return { key: "system", message: error instanceof Error ? error.message : String(error) };
}

const socketOf = ({ socket }: ServeOptions): string => (socket === undefined ? defaultSocket() : resolve(socket));

/** What the service runs. */
export async function listServed(options: ServeOptions): Promise<number> {
  const reply = (await ask(socketOf(options), { command: "list" })) as ListReply;
  if (options.json) document(reply);
  else {
    const rows = reply.programs.map((one) => [
      one.name,
      one.backend,
      one.state,
      one.at,
      one.since,
      one.digest.slice(0, 12),
    ]);
    out(table(["NAME", "BACKEND", "STATE", "AT", "SINCE", "OBJECT"], rows) || "the service has no programs");
    say(`process ${reply.pid} serves ${reply.file}${reply.keep ? "; what it has attached stays when it ends" : ""}`);
  }
  return 0;
}

/** One program of the service. */
export async function showServed(name: string, options: ServeOptions): Promise<number> {
  const shown = (await ask(socketOf(options), { command: "show", name })) as Shown;
  if (options.json) document(shown);
  else {
    const { params, programs = [], counts = {}, ...rest } = shown;
    const rows = [
      ...Object.entries(rest).map(([key, value]) => [key, String(value)]),
      ...Object.entries(params).map(([key, value]) => [`param ${key}`, value]),
      ...programs.map((program) => [`program ${program.id}`, program.name]),
      ...Object.entries(counts).map(([key, value]) => [key, String(value)]),
    ];
    out(table(["", ""], rows).trimStart());
  }
  return 0;
}

/** Has the service read its file again. */
export async function reloadService(options: ServeOptions): Promise<number> {
  const reply = (await ask(socketOf(options), { command: "reload" })) as ReloadReply;
  if (options.json) document(reply);
  else
    for (const [word, names] of Object.entries(reply) as [string, readonly string[]][])
      if (names.length > 0) say(`${word}: ${names.join(", ")}`);
  return 0;
}

/** Ends the service; gives back when it has ended. */
export async function stopService(options: ServeOptions & { readonly detach?: boolean }): Promise<number> {
  const reply = (await ask(socketOf(options), { command: "stop", detach: options.detach ?? false })) as {
    readonly ended: readonly string[];
    readonly kept: boolean;
  };
  if (options.json) document(reply);
  else
    say(`the service has ended; ${reply.ended.join(", ") || "nothing"}: ${reply.kept ? "left as it is" : "detached"}`);
  return 0;
}

/** What starts this command: of the package its launcher, which lies beside the file that Node was given. */
function commandFile(): string {
  const file = resolve(process.argv[1] ?? "tsbpf");
  const launcher = file.replace(/\.cjs$/, "");
  return existsSync(launcher) ? launcher : file;
}

/** Prints a unit of systemd's for a service's file. */
export function unit(file: string, options: ServeOptions): Promise<number> {
  const settings = readSettings(file);
  const { socket, pins } = placesOf(settings, options);
  const { targets } = wantedOf(settings, options);
  out(
    unitText({
      command: commandFile(),
      file: realpathSync(file),
      socket,
      pins,
      entersNamespaces: targets.some(({ netns }) => netns !== undefined),
      overNetlink: targets.some(({ backend }) => backend === "netlink"),
      inKernel: targets.some(({ backend }) => backend === "kernel"),
      ...metricsFacts(settings),
    }),
  );
  return Promise.resolve(0);
}
