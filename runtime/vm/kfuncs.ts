/** The kernel's functions as the machine has them: what net/ipv4/tcp_cong.c does to a connection, and net/mptcp to a session. */
import { beginsWith, kernelTypes } from "../../compiler/bpf/kernel-types.ts";
import { kfunc, KFUNCS, type KfuncName } from "../../compiler/bpf/kfuncs.ts";
import { VmFault } from "./fault.ts";
import type { Iterators } from "./iterators.ts";
import type { KernelObject } from "./kernel-objects.ts";
import { isActive, memoryFree } from "./subflows.ts";

type Numbers = readonly bigint[];
/** What calls of kernel functions reach. */
export interface KfuncHost {
  readonly objectAt: (address: bigint) => KernelObject | undefined;
  /** What an iterator over the subflows of a session gives. */
  readonly subflowsOf: (session: KernelObject) => readonly KernelObject[];
  readonly iterators: Iterators;
}
/** `object`: what the first pointer to a struct of the kernel's leads to. */
type Implementation = (object: KernelObject, numbers: Numbers, host: KfuncHost) => bigint | undefined;

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const most = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const u32 = (value: bigint): bigint => BigInt.asUintN(32, value);
const inSlowStart = (sk: KernelObject): boolean => sk.get("snd_cwnd") < sk.get("snd_ssthresh");

/** Up to the threshold one segment for each that is acknowledged; what is left over is for congestion avoidance. */
function slowStart(sk: KernelObject, acked: bigint): bigint {
  const before = sk.get("snd_cwnd");
  const after = least(u32(before + acked), sk.get("snd_ssthresh"));
  sk.set("snd_cwnd", least(after, sk.get("snd_cwnd_clamp")));
  return u32(acked - (after - before));
}

/** One segment for each `window` acknowledged; what was counted towards a larger window counts at once. */
function additiveIncrease(sk: KernelObject, window: bigint, acked: bigint): void {
  let cwnd = sk.get("snd_cwnd");
  let count = sk.get("snd_cwnd_cnt");
  if (count >= window) {
    count = 0n;
    cwnd += 1n;
  }
  count = u32(count + acked);
  if (count >= window) {
    const steps = window === 0n ? 0n : count / window;
    count -= steps * window;
    cwnd += steps;
  }
  sk.set("snd_cwnd_cnt", count);
  sk.set("snd_cwnd", least(u32(cwnd), sk.get("snd_cwnd_clamp")));
}

function isWindowLimited(sk: KernelObject): boolean {
  if (sk.get("is_cwnd_limited") !== 0n) return true;
  return inSlowStart(sk) && sk.get("snd_cwnd") < 2n * sk.get("max_packets_out");
}

/** Functions that the machine does not have, with what it lacks for them: a program that calls one faults. */
interface Lacking {
  readonly lacks: string;
}
const NO_RCU: Lacking = { lacks: "it has no RCU" };
const NO_KERNEL_CONTEXT: Lacking = { lacks: "it has no struct bpf_sock_ops_kern" };
/** Its row says what it does. */
const ITERATES = "iterates";
const IMPLEMENTATIONS: Readonly<Record<KfuncName, Implementation | Lacking | typeof ITERATES>> = {
  tcp_slow_start: (sk, [acked = 0n]) => slowStart(sk, u32(acked)),
  tcp_cong_avoid_ai(sk, [window = 0n, acked = 0n]) {
    additiveIncrease(sk, u32(window), u32(acked));
    return undefined;
  },
  tcp_reno_ssthresh: (sk) => most(sk.get("snd_cwnd") >> 1n, 2n),
  tcp_reno_undo_cwnd: (sk) => most(sk.get("snd_cwnd"), sk.get("prior_cwnd")),
  tcp_reno_cong_avoid(sk, [, acked = 0n]) {
    if (!isWindowLimited(sk)) return undefined;
    let left = u32(acked);
    if (inSlowStart(sk)) {
      left = slowStart(sk, left);
      if (left === 0n) return undefined;
    }
    additiveIncrease(sk, sk.get("snd_cwnd"), left);
    return undefined;
  },
  mptcp_subflow_set_scheduled(subflow, [scheduled = 0n]) {
    subflow.set("scheduled", scheduled & 1n);
    return undefined;
  },
  mptcp_subflow_active: (subflow, _, { objectAt }) => (isActive(subflow, objectAt) ? 1n : 0n),
  bpf_sk_stream_memory_free: (subflow, _, { objectAt }) => (memoryFree(subflow, objectAt) ? 1n : 0n),
  // The model has no timers; the longest of the subflows' is what the kernel takes.
  mptcp_set_timeout(session, _, { objectAt, subflowsOf }) {
    const timeouts = subflowsOf(session).map((one) => objectAt(one.get("tcp_sock"))?.get("icsk_rto") ?? 0n);
    session.set("timer_ival", timeouts.reduce(most, 0n));
    return undefined;
  },
  mptcp_wnd_end: (session) => session.get("wnd_end"),
  bpf_mptcp_subflow_tcp_sock: (subflow) => subflow.get("tcp_sock"),
  bpf_iter_mptcp_subflow_new: ITERATES,
  bpf_iter_mptcp_subflow_next: ITERATES,
  bpf_iter_mptcp_subflow_destroy: ITERATES,
  bpf_rcu_read_lock: NO_RCU,
  bpf_rcu_read_unlock: NO_RCU,
  bpf_cast_to_kern_ctx: NO_KERNEL_CONTEXT,
  bpf_sock_ops_enable_tx_tstamp: NO_KERNEL_CONTEXT,
};

/** Helpers have lower numbers: a call of a kernel function is one of these in the machine. */
const FIRST = 1_000_000;
const NAMES = Object.keys(KFUNCS) as KfuncName[];
/** The number that a call of a kernel function has in the machine; undefined for a name that is not known. */
export function kfuncNumber(name: string): number | undefined {
  const index = NAMES.indexOf(name as KfuncName);
  return index < 0 ? undefined : FIRST + index;
}
export const isKfuncNumber = (id: number): boolean => id >= FIRST;

/** Calls a kernel function by its number; throws VmFault where the kernel would never have let the program call it so. */
export function callKfunc(id: number, args: readonly bigint[], host: KfuncHost): bigint {
  const name = NAMES[id - FIRST];
  const run = name ? IMPLEMENTATIONS[name] : { lacks: "it does not know it" };
  if (run === ITERATES) return iterate(name!, args, host);
  if ("lacks" in run)
    throw new VmFault(
      "helper",
      `${name ?? "this kernel function"} is not available in the virtual machine: ${run.lacks}`,
    );
  const object = objectOf(name!, args[0]!, 0, host);
  return BigInt.asUintN(64, run(object, args.slice(1), host) ?? 0n);
}

/** What an argument leads to, which is what the function's row wants; else a fault. */
function objectOf(name: KfuncName, address: bigint, position: number, { objectAt }: KfuncHost): KernelObject {
  const wanted = kfunc(name).args[position];
  const object = objectAt(address);
  const struct = typeof wanted === "object" && "struct" in wanted ? wanted.struct : undefined;
  if (object && struct !== undefined && beginsWith(kernelTypes(), object.struct, struct)) return object;
  throw new VmFault("helper", `argument ${position + 1} of ${name} is not a struct ${struct ?? "of the kernel's"}`);
}

function iterate(name: KfuncName, args: readonly bigint[], host: KfuncHost): bigint {
  const [iterator = 0n, session = 0n] = args;
  switch (kfunc(name).iterates!) {
    case "new":
      host.iterators.begin(
        iterator,
        host.subflowsOf(objectOf(name, session, 1, host)).map(({ address }) => address),
      );
      return 0n;
    case "next":
      return host.iterators.next(iterator);
    case "destroy":
      host.iterators.destroy(iterator);
      return 0n;
  }
}
