/** A path manager beside the kernel, over netlink: it belongs to a network namespace, which has one at a time. */
import { closeSync } from "node:fs";
import { errnoName } from "../kernel/errno-name.ts";
import { RuntimeError } from "../kernel/errors.ts";
import { encodeParams } from "../kernel/load.ts";
import { openNetns } from "../kernel/netns-names.ts";
import { netnsIdentity } from "../kernel/places.ts";
import { countedIn } from "../metrics/declared.ts";
import { startNetlinkBackend, type NetlinkBackend, type NetlinkReport } from "../mptcp/netlink-backend.ts";
import type { Instance, Prepared } from "./instance.ts";
import type { Entry } from "./log.ts";
import { nounOf } from "./places.ts";
import type { Host, Target } from "./target.ts";

interface NetlinkInstance extends Instance {
  start(): void;
  /** Manages again; where that cannot be, it is lost, with the reason. */
  startAgain(): void;
  /** `keep`: the namespace's choice of path manager stays, and is on record. */
  stop(keep: boolean): void;
}
const isNetlink = (instance: Instance | undefined): instance is NetlinkInstance =>
  instance !== undefined && "stop" in instance;

/** What tells a namespace from others. Throws RuntimeError when it is not there. */
export function identityOf(netns: string | undefined): string {
  const fd = openNetns(netns);
  try {
    return netnsIdentity(fd);
  } finally {
    closeSync(fd);
  }
}

/** The same; undefined when it is not there. */
export function identityIfThere(netns: string | undefined): string | undefined {
  try {
    return identityOf(netns);
  } catch {
    return undefined;
  }
}

/**
 * Checks all that can be before the namespace is taken. `old` manages it until then: it ends, its sessions stay, and the
 * new one finds them in the kernel's list. Throws RuntimeError.
 */
export function prepareNetlink(target: Target, host: Host, old?: Instance): Prepared {
  encodeParams(target.input.module, target.params);
  identityOf(target.netns);
  const before = isNetlink(old) ? old : undefined;
  const fresh = instanceOf(target, host);
  let isPlaced = false;
  return {
    place() {
      before?.stop(true);
      try {
        fresh.start();
        isPlaced = true;
      } catch (error) {
        before?.startAgain();
        throw error;
      }
    },
    undo() {
      if (!isPlaced) return;
      try {
        fresh.stop(before !== undefined);
      } catch (error) {
        host.log({ level: "error", program: target.name, text: (error as Error).message });
      }
      before?.startAgain();
    },
    commit: () => fresh,
  };
}

const LOOK_EVERY_MS = 1000;
function instanceOf(target: Target, host: Host): NetlinkInstance {
  let running: NetlinkBackend | undefined;
  // What an end that nobody has ordered leaves, such as an error that nobody catches, is the next start's.
  let keeps = host.keeps;
  let identity: string | undefined;
  let found: (error: RuntimeError) => void = () => undefined;
  const lost = new Promise<RuntimeError>((resolve) => (found = resolve));
  let isLost = false;
  let timer: NodeJS.Timeout | undefined;
  /** The namespace lives on for as long as it is held here: its name is what goes. */
  const isGone = (): boolean => target.netns !== undefined && identityIfThere(target.netns) !== identity;
  const lose = (why: string): void => {
    isLost = true;
    clearInterval(timer);
    found(new RuntimeError("ended", why));
  };
  const look = (): void => {
    if (isGone()) lose(`${nounOf(target)} was removed`);
  };
  return {
    target,
    since: new Date(),
    lost,
    isLost: () => isLost,
    isGone,
    start() {
      identity = identityOf(target.netns);
      running = startNetlinkBackend(target.input.module, {
        ...(target.netns === undefined ? {} : { netns: target.netns }),
        params: target.params,
        name: target.name,
        replace: host.replace,
        service: { socket: host.socket, keeps: () => keeps() },
        report: (report) => {
          const entry = entryOf(report);
          if (entry) host.log({ program: target.name, ...entry });
        },
      });
      timer = setInterval(look, LOOK_EVERY_MS);
    },
    startAgain() {
      try {
        this.start();
      } catch (error) {
        lose(`what was to take its place could not, and it could not be started again: ${(error as Error).message}`);
      }
    },
    stop(keep) {
      clearInterval(timer);
      keeps = () => keep;
      const closing = running;
      running = undefined;
      try {
        closing?.close();
      } finally {
        keeps = host.keeps;
      }
    },
    declared: () => (running ? countedIn(target.input.module.maps, running.machine.maps) : []),
    facts: () => ({
      params: target.paramTexts,
      sessions: running?.sessions.size ?? 0,
      counts: { ...running?.counts, overruns: running?.overruns ?? 0, waiting: running?.waiting ?? 0 },
    }),
    end(keep) {
      this.stop(keep);
    },
  };
}

const tokenText = (token: number): string => token.toString(16).padStart(8, "0");
/** What is worth a line: each event of each session is not. */
function entryOf(report: NetlinkReport): Entry | undefined {
  switch (report.kind) {
    case "event":
      return undefined;
    case "subflow":
    case "refused":
    case "announced": {
      const { errno, token } = report;
      const what =
        report.kind === "announced"
          ? `announced ${report.address}`
          : `${report.kind === "refused" ? "refused subflow" : "subflow"} ${report.from} → ${report.to}`;
      return {
        level: errno !== 0 || report.kind === "refused" ? "info" : "debug",
        connection: tokenText(token),
        text: `${what}${errno === 0 ? "" : `: ${errnoName(errno)}`}`,
      };
    }
    case "log":
      return { level: "info", text: report.text };
    case "notice":
    case "warning":
      return { level: report.kind, text: report.text };
  }
}
