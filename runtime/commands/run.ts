/** `tsbpf run`: compile, load, attach, stay, show what happens, and leave nothing behind. */
import { err, out } from "../../compiler/cli/output.ts";
import type { TargetName } from "../../compiler/bpf/kernels.ts";
import type { BpfModule } from "../../compiler/module.ts";
import { RuntimeError } from "../kernel/errors.ts";
import { loadModule } from "../kernel/load.ts";
import { checkObjectName, nameOfFile } from "../kernel/names.ts";
import type { LoadedObject } from "../kernel/object.ts";
import type { ObjectToLoad } from "../kernel/object-file.ts";
import { openObject, pinnedObjects, pinObject, removeObject } from "../kernel/pins.ts";
import { replaceObject } from "../kernel/replace.ts";
import { undoList } from "../kernel/undo.ts";
import { netnsPath, openCgroup } from "../kernel/places.ts";
import { closeFd } from "../kernel/fd.ts";
import { chooseBackend, followLocalAddresses, type BackendName } from "../mptcp/daemon.ts";
import { startNetlinkBackend, type NetlinkReport } from "../mptcp/netlink-backend.ts";
import { errnoName } from "../kernel/syscalls.ts";
import { confirmAttached } from "./attached.ts";
import { readInput, readParams } from "./input.ts";
import { line } from "./report.ts";
import { endAll, untilStopped } from "./stop.ts";
import { prints, watchLog, watchRings } from "./watch.ts";

export interface RunOptions {
  readonly cgroup?: string;
  readonly param?: readonly string[];
  readonly netns?: string;
  readonly backend?: BackendName;
  readonly pin?: string | true;
  readonly pins: string;
  readonly for?: number;
  readonly target?: TargetName;
  readonly root?: string;
  readonly json?: boolean;
}

export async function run(file: string, options: RunOptions): Promise<number> {
  if (options.netns !== undefined) netnsPath(options.netns);
  const input = readInput(file, options);
  if (!input) return 1;
  const { module } = input;
  const params = readParams(module, options.param);
  const { backend, reason } = chooseBackend(module, options.backend);
  if (options.json) line({ event: "backend", backend, reason });
  else if (reason !== "not a path manager") out(`backend: ${backend} (${reason})`);
  return untilStopped(options.for, (stopped) =>
    backend === "netlink"
      ? runNetlink(module, params, options, stopped)
      : runKernel(input, nameOfFile(file), params, options, stopped),
  );
}

const warn = (options: RunOptions, text: string): void =>
  options.json ? line({ warning: text }) : err(`warning: ${text}`);

async function runKernel(
  input: ObjectToLoad,
  fileName: string,
  params: Readonly<Record<string, unknown>>,
  options: RunOptions,
  stopped: Promise<void>,
): Promise<number> {
  if (options.cgroup === undefined)
    throw new RuntimeError("bad-argument", "a cgroup-v2 directory to attach to is needed", {
      help: "--cgroup DIR, for example one made by: mkdir /sys/fs/cgroup/lab",
    });
  closeFd(openCgroup(options.cgroup));
  const { module } = input;
  const name = typeof options.pin === "string" ? checkObjectName(options.pin) : fileName;
  const steps: (() => void)[] = [];
  try {
    const object = start(input, name, params, options, steps);
    const log = prints(module)
      ? watchLog((text) => (options.json ? line({ log: text }) : out(`log  ${text}`)))
      : undefined;
    if (typeof log === "string") warn(options, log);
    else if (log) steps.push(log.close);
    const rings = watchRings(object, options.json ?? false);
    const programs = Object.keys(object.programs);
    if (options.json) line({ event: "attached", name, programs, cgroup: options.cgroup, params });
    else out(`${programs.join(", ")} attached to ${options.cgroup}; Ctrl-C detaches`);
    await stopped;
    rings.close();
    await rings.done;
    for (const ring of Object.values(object.rings)) {
      const dropped = ring.dropped();
      if (dropped !== undefined && dropped > 0n)
        warn(options, `${ring.name}: ${dropped} records did not fit and were dropped`);
    }
  } finally {
    endAll(steps);
  }
  if (options.json) line({ event: "detached", name });
  else out("detached");
  return 0;
}

/** Loads and attaches; with --pin, takes over what a run before has left. */
function start(
  input: ObjectToLoad,
  name: string,
  params: Readonly<Record<string, unknown>>,
  options: RunOptions,
  steps: (() => void)[],
): LoadedObject {
  const { module, kernelInfo } = input;
  const cgroup = options.cgroup!;
  // What is pinned goes again unless all that follows succeeds.
  const undo = undoList();
  const loading = { name, params, pinRoot: options.pins, undo };
  const follow = (object: LoadedObject): void => {
    const followed = followLocalAddresses(object, options.netns, (text) => warn(options, text));
    if (followed) steps.push(followed.close);
  };
  try {
    if (options.pin !== undefined && pinnedObjects(options.pins).includes(name)) {
      const pinned = openObject(name, options.pins);
      steps.push(pinned.close);
      const object = loadModule(module, { ...loading, reuse: pinned.object }, kernelInfo);
      steps.push(object.close);
      follow(object);
      const links = replaceObject(pinned, object, options.pins, cgroup);
      steps.push(() => void removeObject(name, options.pins));
      confirmAttached(object, links, cgroup);
      undo.keep();
      if (options.json) line({ event: "taken-over", name });
      else out(`took over ${name}, which was pinned; its maps are kept`);
      return object;
    }
    const object = loadModule(module, loading, kernelInfo);
    steps.push(object.close);
    follow(object);
    const links = new Map(Object.values(object.programs).map((program) => [program.name, program.attach(cgroup)]));
    if (options.pin !== undefined) {
      pinObject(object, [...links], options.pins);
      steps.push(() => void removeObject(name, options.pins));
    }
    confirmAttached(object, links, cgroup);
    undo.keep();
    return object;
  } catch (error) {
    undo.run();
    throw error;
  }
}

async function runNetlink(
  module: BpfModule,
  params: Readonly<Record<string, unknown>>,
  options: RunOptions,
  stopped: Promise<void>,
): Promise<number> {
  if (options.cgroup !== undefined)
    warn(options, "--cgroup has no meaning on the netlink backend: it serves every session of the namespace");
  if (module.needs.includes("event:mptcp-accept-subflow"))
    warn(
      options,
      "an unpatched kernel asks nobody before it takes a subflow: what acceptSubflow refuses is up for a moment, then taken down",
    );
  const running = startNetlinkBackend(module, {
    ...(options.netns === undefined ? {} : { netns: options.netns }),
    params,
    report: (report) => (options.json ? line(report) : out(reportText(report))),
  });
  try {
    if (options.json) line({ event: "listening", netns: options.netns ?? null });
    else
      out(
        `path manager for ${options.netns === undefined ? "this network namespace" : `network namespace ${options.netns}`}; Ctrl-C ends it`,
      );
    await stopped;
  } finally {
    running.close();
  }
  if (options.json) line({ event: "ended", ...running.counts, overruns: running.overruns });
  else out(`ended: ${running.counts.created} subflows created, ${running.counts.refused} refused`);
  return 0;
}

const tokenText = (token: number): string => token.toString(16).padStart(8, "0");
function reportText(report: NetlinkReport): string {
  switch (report.kind) {
    case "event":
      return `${tokenText(report.token)}  ${report.event} (${report.steps} instructions)`;
    case "subflow":
      return `${tokenText(report.token)}  subflow ${report.from} → ${report.to}${report.errno === 0 ? "" : `: ${errnoName(report.errno)}`}`;
    case "refused":
      return `${tokenText(report.token)}  refused subflow ${report.from} → ${report.to}${report.errno === 0 ? "" : `: ${errnoName(report.errno)}`}`;
    case "log":
      return `log  ${report.text}`;
    case "notice":
      return report.text;
    case "warning":
      return `warning: ${report.text}`;
  }
}
