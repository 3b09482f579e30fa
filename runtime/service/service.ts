/** `tsbpf serve`: the programs of a file, kept running by one process. */
import { RuntimeError } from "../kernel/errors.ts";
import { recoverNamespaces } from "../mptcp/userspace.ts";
import { change, endOne } from "./changes.ts";
import { serveControl } from "./control-server.ts";
import { listed, type Instance } from "./instance.ts";
import type { Entry } from "./log.ts";
import { identityOf } from "./netlink-instance.ts";
import type { Notifier } from "./notify.ts";
import { claimService, forgetDetached, removeLeft } from "./ownership.ts";
import type { ListReply, ReloadReply, ReplyError, Request, Shown } from "./protocol.ts";
import type { Host, Target } from "./target.ts";

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
  /** Reads the file, and what it names, anew. Throws what `errorOf` knows. */
  readonly read: () => Wanted;
  readonly errorOf: (error: unknown) => ReplyError;
  readonly log: (entry: Entry) => void;
  readonly notify: Notifier;
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
  const { file, socket, pins, log, notify } = options;
  const claim = claimService(socket, file);
  const since = new Date();
  let running: ReadonlyMap<string, Instance> = new Map();
  let keep = true;
  let detach = false;
  let finish: (error: RuntimeError | undefined) => void = () => undefined;
  const over = new Promise<RuntimeError | undefined>((resolve) => (finish = resolve));
  let allEnded: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => (allEnded = resolve));
  const host: Host = { pins, socket, replace: options.replace, log, keeps: () => keep };

  const update = (wanted: Wanted): ReloadReply => {
    const { running: next, done } = change(running, wanted.targets, host);
    keep = wanted.keep;
    running = next;
    for (const [name, instance] of next)
      if (!done.same.includes(name))
        void instance.lost.then((error) => {
          if (running.get(name) === instance) lost(instance, error);
        });
    for (const name of done.added) log({ level: "info", program: name, text: stateOf(next.get(name)!) });
    for (const name of done.replaced)
      log({ level: "info", program: name, text: `${stateOf(next.get(name)!)}, in place of what ran before` });
    for (const name of done.removed) log({ level: "info", program: name, text: "ended" });
    tell();
    return done;
  };
  const tell = (): void =>
    notify.send({ STATUS: `${running.size} ${running.size === 1 ? "program runs" : "programs run"}` });
  /** What cannot be done without ends the service: its manager starts it again, or says that it has ended. */
  const lost = (instance: Instance, error: RuntimeError): void => {
    const { name } = instance.target;
    log({ level: "error", program: name, text: error.message });
    running = new Map([...running].filter(([key]) => key !== name));
    endOne(instance, false, host);
    finish(new RuntimeError(error.key, `${name}: ${error.message}`));
  };
  const reload = (): ReloadReply => {
    notify.send({ RELOADING: 1, MONOTONIC_USEC: String(process.hrtime.bigint() / 1000n) });
    try {
      return update(options.read());
    } finally {
      notify.send({ READY: 1 });
    }
  };
  const list = (): ListReply => ({
    pid: process.pid,
    file,
    keep,
    since: since.toISOString(),
    programs: [...running.values()].map((one) => listed(one.target, runState(one), one.since)),
  });
  const show = (name: string): Shown => {
    const found = running.get(name);
    if (found) return { ...listed(found.target, runState(found), found.since), ...found.facts() };
    throw new RuntimeError("not-found", `the service has no program ${name}`, {
      help: `it has ${[...running.keys()].join(", ")}`,
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

  try {
    const wanted = options.read();
    keep = wanted.keep;
    update(wanted);
    // Last, so that a start that fails has ended nothing.
    for (const text of recover(wanted, options)) log({ level: "notice", text });
  } catch (error) {
    claim.end();
    throw error;
  }
  const endAll = (): void => {
    for (const instance of [...running.values()].toReversed()) endOne(instance, keep && !detach, host);
    running = new Map();
  };
  let control;
  try {
    control = await serveControl(socket, handle, options.errorOf);
  } catch (error) {
    endAll();
    claim.end();
    throw error;
  }
  const alive = notify.watchdogMs;
  const beat = alive === undefined ? undefined : setInterval(() => notify.send({ WATCHDOG: 1 }), alive / 2);
  beat?.unref();
  notify.send({ READY: 1 });
  log({
    level: "info",
    text: `serving ${running.size} ${running.size === 1 ? "program" : "programs"}, asked at ${socket}`,
  });
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
function recover({ targets }: Wanted, { socket, pins }: ServiceOptions): readonly string[] {
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
