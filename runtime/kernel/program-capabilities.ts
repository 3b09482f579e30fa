/** Which capabilities the programs of a module take to be loaded and attached, kind by kind and helper by helper (Linux 5.10 and later). */
import type { ProgramTypeName } from "../../compiler/bpf/kinds/index.ts";
import type { BpfModule, BpfProgram } from "../../compiler/module.ts";
import type { Capability } from "./capabilities.ts";

/** Beside CAP_BPF, as kernel/bpf/syscall.c has it: is_net_admin_prog_type and is_perfmon_prog_type, and what attaching takes. */
const OF_KIND: Readonly<Record<ProgramTypeName, readonly Capability[]>> = {
  unspec: [],
  socket_filter: [],
  sk_reuseport: [],
  syscall: [],
  sk_lookup: ["CAP_NET_ADMIN"],
  cgroup_skb: ["CAP_NET_ADMIN"],
  cgroup_sock: ["CAP_NET_ADMIN"],
  cgroup_device: ["CAP_NET_ADMIN"],
  cgroup_sock_addr: ["CAP_NET_ADMIN"],
  cgroup_sysctl: ["CAP_NET_ADMIN"],
  // What holds the option is compared with its end as any pointer.
  cgroup_sockopt: ["CAP_NET_ADMIN", "CAP_PERFMON"],
  sock_ops: ["CAP_NET_ADMIN"],
  sk_skb: ["CAP_NET_ADMIN"],
  sk_msg: ["CAP_NET_ADMIN"],
  sched_cls: ["CAP_NET_ADMIN"],
  sched_act: ["CAP_NET_ADMIN"],
  xdp: ["CAP_NET_ADMIN"],
  lwt_in: ["CAP_NET_ADMIN"],
  lwt_out: ["CAP_NET_ADMIN"],
  lwt_xmit: ["CAP_NET_ADMIN"],
  lwt_seg6local: ["CAP_NET_ADMIN"],
  lirc_mode2: ["CAP_NET_ADMIN"],
  flow_dissector: ["CAP_NET_ADMIN"],
  netfilter: ["CAP_NET_ADMIN"],
  kprobe: ["CAP_PERFMON"],
  tracepoint: ["CAP_PERFMON"],
  perf_event: ["CAP_PERFMON"],
  raw_tracepoint: ["CAP_PERFMON"],
  raw_tracepoint_writable: ["CAP_PERFMON"],
  tracing: ["CAP_PERFMON"],
  lsm: ["CAP_PERFMON"],
  struct_ops: ["CAP_PERFMON"],
  ext: ["CAP_NET_ADMIN", "CAP_PERFMON"],
};

/** Helpers that bpf_base_func_proto gives with CAP_PERFMON alone, by number: they show memory of the kernel, or write to the trace pipe. */
const PERFMON_HELPERS: ReadonlySet<number> = new Set([6, 35, 112, 113, 114, 115, 149, 158, 165, 175, 177]);

const ORDER = ["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON", "CAP_SYS_ADMIN"] as const satisfies readonly Capability[];

const callsOneOf = ({ insns }: BpfProgram, helpers: ReadonlySet<number>): boolean =>
  insns.some(({ code, src, imm }) => code === 0x85 && src === 0 && helpers.has(imm));

/** What loading and attaching all programs of a module takes. CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON too. */
export function capabilitiesOf({ programs }: Pick<BpfModule, "programs">): readonly Capability[] {
  const found = new Set<Capability>(programs.length > 0 ? ["CAP_BPF"] : []);
  for (const program of programs) {
    for (const one of OF_KIND[program.type as ProgramTypeName] ?? []) found.add(one);
    if (callsOneOf(program, PERFMON_HELPERS)) found.add("CAP_PERFMON");
  }
  return ORDER.filter((one) => found.has(one));
}
