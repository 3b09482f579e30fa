/**
 * Path managers on an unpatched kernel (Linux 5.19 and later): the same bytecode runs in the virtual machine of this
 * process, fed by the kernel's MPTCP events; the subflows that it asks for are created through generic netlink.
 *
 * What netlink cannot give is absent: the remote token and the keys are zero, and events reach the program after the
 * fact. So an incoming subflow that the program refuses exists for a moment: the kernel tells of it when it is up, and it
 * is taken down then, where the patched kernel answers the SYN with a reset.
 *
 * Events may be missing: the kernel tells of no end of a session that the peer resets, and drops events when we are slow.
 * So the kernel's own list (sock_diag) is asked as well: at the start, now and then, before a change of addresses and
 * after a loss. An end that was among the lost events is found at the next look after the kernel has ended the session: 10
 * seconds later, at most 300 where a look takes long. A session found there is told to the program from its beginning; what
 * the program opens that exists already is not opened twice. Those that began under the kernel's own path manager stay
 * with it: it lets nobody else.
 */
import type { BpfModule } from "../../compiler/module.ts";
import { RuntimeError } from "../kernel/errors.ts";
import { encodeParams } from "../kernel/load.ts";
import { watchAddresses } from "./addresses.ts";
import { openMptcpNetlink } from "./generic-netlink.ts";
import { startDaemon, type Daemon, type DaemonOptions, type NetlinkReport } from "./netlink-daemon.ts";
import { openSockDiag } from "./sock-diag.ts";
import { chooseUserspace, type Keeping } from "./userspace.ts";

export interface NetlinkOptions extends DaemonOptions {
  /** Name of a network namespace, a path to one, or a process id; absent: the caller's. */
  readonly netns?: string;
  /** What it is called when another wants the namespace; absent: the name of the first program. */
  readonly name?: string;
  /** End the path manager that the namespace has, and take over from it. */
  readonly replace?: boolean;
  /** The service that it is a program of. */
  readonly service?: Keeping;
  /** Bytes of events that the kernel keeps for us. */
  readonly receiveBuffer?: number;
}
export type NetlinkBackend = Daemon;
export type { NetlinkReport };

/**
 * Takes a network namespace and manages the paths of its sessions until `close`. Throws RuntimeError: in-use (another
 * manages them), not-permitted, kernel-lacks, no-netns, bad-object, bad-param.
 */
export function startNetlinkBackend(module: BpfModule, options: NetlinkOptions = {}): NetlinkBackend {
  const { netns } = options;
  const report = options.report ?? (() => undefined);
  const [first] = module.programs.filter((program) => program.type === "sock_ops");
  if (!first) throw new RuntimeError("bad-object", "the object has no path manager");
  // What is wrong with the params is said before anything is changed.
  encodeParams(module, options.params ?? {});
  // Newest first.
  const steps: (() => void)[] = [];
  const close = (): void => {
    let failed: { readonly error: unknown } | undefined;
    for (const step of steps.splice(0))
      try {
        step();
      } catch (error) {
        failed ??= { error };
      }
    if (failed) throw failed.error;
  };
  const opened = <T extends { close(): void }>(one: T): T => {
    steps.unshift(() => one.close());
    return one;
  };
  try {
    steps.unshift(
      chooseUserspace({
        netns,
        program: options.name ?? first.name,
        replace: options.replace ?? false,
        ...(options.service ? { service: options.service } : {}),
        say: (text) => report({ kind: "notice", text }),
        warn: (text) => report({ kind: "warning", text }),
      }),
    );
    const pm = opened(openMptcpNetlink(netns, options.receiveBuffer));
    const diag = opened(openSockDiag(netns));
    const doors = { pm, diag, watchAddresses: watchAddresses.bind(undefined, netns) };
    const daemon = startDaemon(module, doors, options);
    steps.unshift(() => daemon.close());
    return Object.defineProperty(Object.create(daemon) as Daemon, "close", { value: close });
  } catch (error) {
    close();
    throw error;
  }
}
