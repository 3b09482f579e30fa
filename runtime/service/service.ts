/** `tsbpf serve`: the programs of a file, kept running by one process. */
import { RuntimeError } from "../kernel/errors.ts";
import type { Collected } from "../metrics/text.ts";
import { recoverNamespaces } from "../mptcp/userspace.ts";
import { change, endOne } from "./changes.ts";
import { serveControl, type ControlServer } from "./control-server.ts";
import { watchFolders } from "./folders.ts";
import { listed, type Instance } from "./instance.ts";
import type { Entry } from "./log.ts";
import { identityOf } from "./netlink-instance.ts";
import { collectService, nothingYet } from "./metrics.ts";
import { serveMetrics, type MetricsServer } from "./metrics-server.ts";
import type { Notifier } from "./notify.ts";
import { isPattern, MOST_MATCHES, placesNow, type Found } from "./places.ts";
import { claimService, forgetDetached, removeLeft } from "./ownership.ts";
import type { ListReply, ReloadReply, ReplyError, Request, Shown } from "./protocol.ts";
import type { Host, ListenAt, Target } from "./target.ts";

/** What a service's file says, with its programs compiled or read. */
export interface Wanted {
  readonly targets: readonly Target[];
  readonly keep: boolean;
}
export interface ServiceOptions {
  /** As a user would name it. */
  readonly file: string;
  readonly socket: string;
  readonly pins: string;
  /** Take the place of what others have pinned and what manages the namespaces, at the start. */
  readonly replace: boolean;
  /** Reads the file, and what it names, anew; `alive` is called while that takes its time. Throws what `errorOf` knows. */
  readonly read: (alive: () => void) => Wanted;
  readonly errorOf: (error: unknown) => ReplyError;
  readonly log: (entry: Entry) => void;
  readonly notify: Notifier;
  /** Where it tells its numbers, if anywhere. */
  readonly metrics?: ListenAt;
  /** Runs of programs are counted for as long as it runs. */
  readonly counting?: boolean;
}
export interface Service {
  /** Resolves when a client has asked for the end, or with an error when the service cannot go on. */
  readonly over: Promise<RuntimeError | undefined>;
  /** Reads the file again and does what it says. What cannot be is said in the log, and nothing is changed. */
  reload(): void;
  /** Ends all, in order. */
  stop(): Promise<void>;
}

/** Starts all programs, or none. Throws RuntimeError, and what `read` throws. */
export async function startService(options: ServiceOptions): Promise<Service> {
  const { file, socket, pins, notify } = options;
  const happened = nothingYet();
  const log = (entry: Entry): void => {
    happened.entries[entry.level]++;
    options.log(entry);
  };
  const claim = claimService(socket, file);
  const since = new Date();
  let running: ReadonlyMap<string, Instance> = new Map();
  let keep = true;
  let detach = false;
  let finish: (error: RuntimeError | undefined) => void = () => undefined;
  const over = new Promise<RuntimeError | undefined>((resolve) => (finish = resolve));
  let allEnded: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (allEnded = resolve));
  // Between two programs: what takes long is no reason to be ended by the watchdog.
  const alive = (): void => (notify.watchdogMs === undefined ? undefined : notify.send({ WATCHDOG: 1 }));
  const host: Host = { pins, socket, replace: options.replace, log, keeps: () => keep, alive };

  let wanted: Wanted = { targets: [], keep: true };
  let found: Found = placesNow([]);
  /** What somebody else has detached, until the file is read again. */
  const off = new Set<string>();
  /** What was said of a program that could not be attached: once is enough. */
  const refused = new Map<string, string>();

  const update = (next: Wanted): ReloadReply => {
    const places = placesNow(next.targets, new Set(running.keys()));
    const waits = new Set(places.waiting.map(({ target }) => target.name));
    const asleep = [...running].filter(([name, instance]) => waits.has(name) && instance.isLost());
    const awake = new Map([...running].filter(([name]) => !asleep.some(([other]) => other === name)));
    const { running: changed, done } = change(awake, places.targets, host);
    [keep, wanted, found] = [next.keep, next, places];
    off.clear();
    refused.clear();
    running = new Map([...changed, ...asleep]);
    for (const [name, instance] of changed) if (!done.same.includes(name)) follow(instance);
    for (const { target, reason } of places.waiting)
      log({ level: "notice", program: target.name, text: `waits: ${reason}` });
    tellBeyond(places);
    folders.follow(places.folders);
    for (const name of done.added) log({ level: "info", program: name, text: stateOf(changed.get(name)!) });
    for (const name of done.replaced)
      log({ level: "info", program: name, text: `${stateOf(changed.get(name)!)}, in place of what ran before` });
    for (const name of done.removed) log({ level: "info", program: name, text: "ended" });
    tell();
    return done;
  };
  /** Programs whose patterns fit more than is followed, of which that was said. */
  const crowded = new Set<string>();
  const tellBeyond = ({ beyond }: Found): void => {
    for (const { target, count } of beyond)
      if (!crowded.has(target.name))
        log({
          level: "warning",
          program: target.name,
          text: `more than ${MOST_MATCHES} cgroups fit its pattern: ${count} have no program; name them more narrowly`,
        });
    crowded.clear();
    for (const { target } of beyond) crowded.add(target.name);
  };
  const isAwake = (instance: Instance | undefined): boolean => instance !== undefined && !instance.isLost();
  const tell = (): void => {
    const count = [...running.values()].filter(isAwake).length;
    const waits = found.waiting.length;
    notify.send({
      STATUS: `${count} ${count === 1 ? "program runs" : "programs run"}${waits > 0 ? `, ${waits} ${waits === 1 ? "waits" : "wait"}` : ""}`,
    });
  };
  const follow = (instance: Instance): void =>
    void instance.lost.then((error) => {
      if (running.get(instance.target.name) === instance) lost(instance, error);
    });
  const forget = (instance: Instance): void => {
    running = new Map([...running].filter(([, one]) => one !== instance));
    endOne(instance, false, host);
  };
  const lost = (instance: Instance, error: RuntimeError): void => {
    const { name, program, backend } = instance.target;
    const say = (level: Entry["level"], text: string): void => log({ level, program: name, text });
    const target = wanted.targets.find((one) => one.program === program);
    const isOneOfMany = typeof target?.place === "string" && isPattern(target.place);
    if (!isOneOfMany && target?.whenGone !== "wait") {
      // What cannot be done without ends the service: its manager starts it again, or says that it has ended.
      say("error", error.message);
      forget(instance);
      return finish(new RuntimeError(error.key, `${name}: ${error.message}`));
    }
    if (!instance.isGone()) {
      off.add(name);
      forget(instance);
      say("warning", `${error.message}; tsbpf serve reload attaches it again`);
    } else if (isOneOfMany) {
      forget(instance);
      say("info", `${error.message}: ended`);
    } else {
      say("notice", `${error.message}: waits for it to come back`);
      // The maps of one in the kernel stay pinned, for then.
      if (backend === "netlink") forget(instance);
    }
    look();
  };
  /** What keeps us from looking was said: once is enough. */
  let blind: string | undefined;
  /** Attaches what has come; what goes tells of itself. */
  const look = (): void => {
    if (isEnding) return;
    try {
      found = placesNow(wanted.targets, new Set(running.keys()));
      blind = undefined;
    } catch (error) {
      // Nobody waits for an answer here: what runs, runs on, and the next look may find more.
      const { message } = options.errorOf(error);
      if (blind !== message) log({ level: "warning", text: `cannot look for what has come: ${message}` });
      blind = message;
      return;
    }
    tellBeyond(found);
    folders.follow(found.folders);
    for (const target of found.targets) {
      const { name } = target;
      const before = running.get(name);
      if (isAwake(before) || off.has(name)) continue;
      try {
        const { running: changed } = change(before ? new Map([[name, before]]) : new Map(), [target], host);
        const made = changed.get(name)!;
        running = new Map([...running, [name, made]]);
        refused.delete(name);
        follow(made);
        log({ level: "info", program: name, text: stateOf(made) });
      } catch (error) {
        const whole = options.errorOf(error).message;
        // The line has the name.
        const message = whole.startsWith(`${name}: `) ? whole.slice(name.length + 2) : whole;
        if (refused.get(name) !== message) log({ level: "warning", program: name, text: `not attached: ${message}` });
        refused.set(name, message);
      }
    }
    for (const name of refused.keys()) if (!found.targets.some((one) => one.name === name)) refused.delete(name);
    tell();
  };
  let isEnding = false;
  const folders = watchFolders(look);
  const reload = (): ReloadReply => {
    // Clients that were there before the end began may still ask: nothing is attached any more.
    if (isEnding)
      throw new RuntimeError("ended", "the service is ending", { help: "tsbpf serve FILE starts it again" });
    notify.send({ RELOADING: 1, MONOTONIC_USEC: String(process.hrtime.bigint() / 1000n) });
    try {
      const done = update(options.read(alive));
      happened.reloads.ok++;
      return done;
    } catch (error) {
      happened.reloads.failed++;
      throw error;
    } finally {
      notify.send({ READY: 1 });
    }
  };
  const list = (): ListReply => ({
    pid: process.pid,
    file,
    keep,
    since: since.toISOString(),
    programs: [
      ...[...running.values()].filter(isAwake).map((one) => listed(one.target, runState(one), one.since)),
      ...found.waiting.map(({ target }) => listed(target, "waiting", since)),
    ],
  });
  const show = (name: string): Shown => {
    const one = running.get(name);
    if (one) return { ...listed(one.target, one.isLost() ? "waiting" : runState(one), one.since), ...one.facts() };
    const waits = found.waiting.find(({ target }) => target.name === name)?.target;
    if (waits) return { ...listed(waits, "waiting", since), params: waits.paramTexts };
    throw new RuntimeError("not-found", `the service has no program ${name}`, {
      help: `it has ${list()
        .programs.map((program) => program.name)
        .join(", ")}`,
    });
  };
  const handle = (request: Request): unknown => {
    switch (request.command) {
      case "list":
        return list();
      case "show":
        return show(request.name);
      case "reload":
        return reload();
      case "stop": {
        detach ||= request.detach;
        const names = [...running.keys()];
        const kept = keep && !detach;
        finish(undefined);
        return ended.then(() => ({ ended: names, kept }));
      }
    }
  };

  const endAll = (): void => {
    isEnding = true;
    folders.close();
    for (const instance of [...running.values()].toReversed()) endOne(instance, keep && !detach, host);
    running = new Map();
  };
  const collect = (): Collected =>
    collectService({
      pins,
      counting: options.counting ?? false,
      since,
      happened,
      list: list().programs,
      running: [...running.values()].filter(isAwake),
    });
  const unanswered = (error: unknown): void =>
    log({ level: "error", text: `metrics: ${error instanceof Error ? error.message : String(error)}` });
  let control: ControlServer | undefined;
  let told: MetricsServer | undefined;
  try {
    // Before anything is attached: what cannot be asked is not started. Nobody is answered before all runs, either.
    control = await serveControl(socket, handle, options.errorOf);
    if (options.metrics) told = await serveMetrics(options.metrics, collect, unanswered);
    const first = options.read(alive);
    keep = first.keep;
    update(first);
    // Last, so that a start that fails has ended nothing.
    const all = [...found.targets, ...found.waiting.map(({ target }) => target)];
    for (const text of recover(all, options)) log({ level: "notice", text });
  } catch (error) {
    endAll();
    await told?.close();
    await control?.close();
    claim.end();
    throw error;
  }
  const beat = notify.watchdogMs === undefined ? undefined : setInterval(alive, notify.watchdogMs / 2);
  beat?.unref();
  notify.send({ READY: 1 });
  log({
    level: "info",
    text: `serving ${running.size} ${running.size === 1 ? "program" : "programs"}, asked at ${socket}`,
  });
  if (told) log({ level: "info", text: `metrics at ${told.at}` });
  return {
    over,
    reload() {
      try {
        const { added, replaced, removed, same } = reload();
        const counts = { added, replaced, removed, same };
        const words = Object.entries(counts).flatMap(([word, names]) =>
          names.length > 0 ? [`${names.length} ${word}`] : [],
        );
        log({ level: "notice", text: `reloaded: ${words.join(", ")}` });
      } catch (error) {
        const { message, help, log: whole } = options.errorOf(error);
        const more = [help, whole?.trim()].filter((text) => text).map((text) => `\n${text}`);
        log({ level: "error", text: `not reloaded, all runs on as before: ${message}${more.join("")}` });
      }
    },
    async stop() {
      clearInterval(beat);
      notify.send({ STOPPING: 1, STATUS: "ending" });
      log({ level: "info", text: endingText([...running.keys()], keep && !detach) });
      endAll();
      allEnded();
      await told?.close();
      await control.close();
      claim.end();
    },
  };
}

const endingText = (names: readonly string[], kept: boolean): string =>
  names.length === 0
    ? "ended"
    : kept
      ? `ended; ${names.join(", ")}: left as it is, for the next start (tsbpf detach --all ends it)`
      : `ended; ${names.join(", ")}: detached`;

const runState = ({ target }: Instance): "attached" | "managing" =>
  target.backend === "netlink" ? "managing" : "attached";
const stateOf = (instance: Instance): string => {
  const { at } = listed(instance.target, runState(instance), instance.since);
  return instance.target.backend === "netlink"
    ? `manages the paths of ${at}, over netlink`
    : instance.target.place === undefined
      ? `registered ${at}`
      : `attached to ${at}`;
};

/** Undoes what killed runs have left, and what this service has left and wants no more. */
function recover(targets: readonly Target[], { socket, pins }: ServiceOptions): readonly string[] {
  const managed = targets.flatMap(({ backend, netns }) => {
    if (backend !== "netlink") return [];
    try {
      return [identityOf(netns)];
    } catch {
      // It is said when it is started.
      return [];
    }
  });
  forgetDetached();
  return [
    ...removeLeft(socket, pins, new Set(targets.flatMap((one) => (one.backend === "kernel" ? [one.name] : [])))),
    ...recoverNamespaces({ socket, but: new Set(managed) }),
  ];
}
