/** `tsbpf run`: compile, load, attach, stay, show what happens, and leave nothing behind. */
import type { TargetName } from "../../compiler/bpf/kernels.ts";
import type { Version } from "../../compiler/bpf/verifier-rules.ts";
import { RuntimeError } from "../kernel/errors.ts";
import { closeFd } from "../kernel/fd.ts";
import { cgroupDirectory, makeCgroup, makeNetns, recoverMade } from "../kernel/made.ts";
import { nameOfFile } from "../kernel/names.ts";
import { openNetns } from "../kernel/netns-names.ts";
import { chooseBackend, type BackendName } from "../mptcp/daemon.ts";
import { recoverNamespaces } from "../mptcp/userspace.ts";
import { say } from "./output.ts";
import { readInput, readParams } from "./input.ts";
import { line, notice, warn } from "./report.ts";
import { runKernel } from "./run-kernel.ts";
import { runNetlink } from "./run-netlink.ts";
import { endAll, untilStopped } from "./stop.ts";

export interface RunOptions {
  readonly cgroup?: string;
  readonly param?: readonly string[];
  readonly netns?: string;
  readonly make?: boolean;
  readonly backend?: BackendName;
  readonly replace?: boolean;
  readonly pin?: string | true;
  readonly pins: string;
  readonly for?: number;
  readonly target?: TargetName;
  readonly kernel?: Version;
  readonly root?: string;
  readonly json?: boolean;
}

export async function run(file: string, given: RunOptions): Promise<number> {
  const options = given.cgroup === undefined ? given : { ...given, cgroup: cgroupDirectory(given.cgroup) };
  if (options.make && options.netns === undefined && options.cgroup === undefined)
    throw new RuntimeError("bad-argument", "--make makes what is named, and nothing is", {
      help: "--cgroup NAME, --netns NAME or both",
    });
  if (options.netns !== undefined && !options.make) closeFd(openNetns(options.netns));
  const input = readInput(file, options);
  if (!input) return 1;
  const { module } = input;
  const params = readParams(module, options.param);
  const { backend, reason } = chooseBackend(module, options.backend);
  if (options.replace && backend !== "netlink")
    throw new RuntimeError("bad-argument", "--replace is for path managers over netlink: a namespace has one of them", {
      help: "in the kernel several programs run beside each other; --pin NAME takes over a pinned one",
    });
  if (options.json) line({ event: "backend", backend, reason });
  else if (reason !== "not a path manager") say(`backend: ${backend} (${reason})`);
  const name = nameOfFile(file);
  return untilStopped(options.for, async (stopped) => {
    const steps: (() => void)[] = [];
    try {
      recover(options);
      make(name, backend, options, steps);
      return await (backend === "netlink"
        ? runNetlink(module, name, params, options, stopped)
        : runKernel(input, name, params, options, stopped));
    } finally {
      endAll(steps);
    }
  });
}

/** Undoes what runs have left that were killed. */
function recover({ netns, cgroup, ...options }: RunOptions): void {
  for (const text of [...recoverNamespaces(), ...recoverMade({ netns, cgroup })]) notice(options, text);
}

/** With --make, makes the namespace and the cgroup that are named, as far as the backend has a use for them. */
function make(program: string, backend: BackendName, options: RunOptions, steps: (() => void)[]): void {
  if (!options.make) return;
  const making = { program, say: notice.bind(undefined, options), warn: warn.bind(undefined, options) };
  if (options.netns !== undefined) steps.push(makeNetns(options.netns, making));
  if (options.cgroup !== undefined && backend === "kernel") steps.push(makeCgroup(options.cgroup, making));
}
