/**
 * Program types: the kernel's numbers (enum bpf_prog_type), the context that a program gets, and the ELF sections by which
 * libbpf knows type and attach type (tools/lib/bpf documentation, "Program Types and ELF Sections").
 */

export interface ProgramType {
  readonly number: number;
  /** struct that r1 points to, by its name in the uapi headers; absent: varies or is not a struct. */
  readonly context?: string;
}
export const PROGRAM_TYPES = {
  unspec: { number: 0 },
  socket_filter: { number: 1, context: "__sk_buff" },
  kprobe: { number: 2, context: "pt_regs" },
  sched_cls: { number: 3, context: "__sk_buff" },
  sched_act: { number: 4, context: "__sk_buff" },
  tracepoint: { number: 5 },
  xdp: { number: 6, context: "xdp_md" },
  perf_event: { number: 7, context: "bpf_perf_event_data" },
  cgroup_skb: { number: 8, context: "__sk_buff" },
  cgroup_sock: { number: 9, context: "bpf_sock" },
  lwt_in: { number: 10, context: "__sk_buff" },
  lwt_out: { number: 11, context: "__sk_buff" },
  lwt_xmit: { number: 12, context: "__sk_buff" },
  sock_ops: { number: 13, context: "bpf_sock_ops" },
  sk_skb: { number: 14, context: "__sk_buff" },
  cgroup_device: { number: 15, context: "bpf_cgroup_dev_ctx" },
  sk_msg: { number: 16, context: "sk_msg_md" },
  raw_tracepoint: { number: 17, context: "bpf_raw_tracepoint_args" },
  cgroup_sock_addr: { number: 18, context: "bpf_sock_addr" },
  lwt_seg6local: { number: 19, context: "__sk_buff" },
  lirc_mode2: { number: 20 },
  sk_reuseport: { number: 21, context: "sk_reuseport_md" },
  flow_dissector: { number: 22, context: "__sk_buff" },
  cgroup_sysctl: { number: 23, context: "bpf_sysctl" },
  raw_tracepoint_writable: { number: 24, context: "bpf_raw_tracepoint_args" },
  cgroup_sockopt: { number: 25, context: "bpf_sockopt" },
  tracing: { number: 26 },
  struct_ops: { number: 27 },
  ext: { number: 28 },
  lsm: { number: 29 },
  sk_lookup: { number: 30, context: "bpf_sk_lookup" },
  syscall: { number: 31 },
  netfilter: { number: 32, context: "bpf_nf_ctx" },
} as const satisfies Record<string, ProgramType>;
export type ProgramTypeName = keyof typeof PROGRAM_TYPES;

export interface SectionRule {
  readonly type: ProgramTypeName;
  /** A number of enum bpf_attach_type. */
  readonly attach: number;
  /** The section's name goes on after a slash ("kprobe/tcp_connect"); what follows says where to attach. */
  readonly prefix?: true;
}
/** By section name; of several that fit the longest holds. */
export const PROGRAM_SECTIONS = {
  socket: { type: "socket_filter", attach: 0 },
  "sk_reuseport/migrate": { type: "sk_reuseport", attach: 40 },
  sk_reuseport: { type: "sk_reuseport", attach: 39 },
  kprobe: { type: "kprobe", attach: 0, prefix: true },
  kretprobe: { type: "kprobe", attach: 0, prefix: true },
  uprobe: { type: "kprobe", attach: 0, prefix: true },
  uretprobe: { type: "kprobe", attach: 0, prefix: true },
  "uprobe.s": { type: "kprobe", attach: 0, prefix: true },
  "uretprobe.s": { type: "kprobe", attach: 0, prefix: true },
  ksyscall: { type: "kprobe", attach: 0, prefix: true },
  kretsyscall: { type: "kprobe", attach: 0, prefix: true },
  usdt: { type: "kprobe", attach: 0, prefix: true },
  "kprobe.multi": { type: "kprobe", attach: 42, prefix: true },
  "kretprobe.multi": { type: "kprobe", attach: 42, prefix: true },
  tc: { type: "sched_cls", attach: 0 },
  "tcx/ingress": { type: "sched_cls", attach: 46 },
  "tcx/egress": { type: "sched_cls", attach: 47 },
  classifier: { type: "sched_cls", attach: 0 },
  action: { type: "sched_act", attach: 0 },
  tracepoint: { type: "tracepoint", attach: 0, prefix: true },
  tp: { type: "tracepoint", attach: 0, prefix: true },
  raw_tracepoint: { type: "raw_tracepoint", attach: 0, prefix: true },
  raw_tp: { type: "raw_tracepoint", attach: 0, prefix: true },
  "raw_tracepoint.w": { type: "raw_tracepoint_writable", attach: 0, prefix: true },
  "raw_tp.w": { type: "raw_tracepoint_writable", attach: 0, prefix: true },
  tp_btf: { type: "tracing", attach: 23, prefix: true },
  fentry: { type: "tracing", attach: 24, prefix: true },
  "fentry.s": { type: "tracing", attach: 24, prefix: true },
  fexit: { type: "tracing", attach: 25, prefix: true },
  "fexit.s": { type: "tracing", attach: 25, prefix: true },
  fmod_ret: { type: "tracing", attach: 26, prefix: true },
  "fmod_ret.s": { type: "tracing", attach: 26, prefix: true },
  iter: { type: "tracing", attach: 28, prefix: true },
  "iter.s": { type: "tracing", attach: 28, prefix: true },
  freplace: { type: "ext", attach: 0, prefix: true },
  lsm: { type: "lsm", attach: 27, prefix: true },
  "lsm.s": { type: "lsm", attach: 27, prefix: true },
  lsm_cgroup: { type: "lsm", attach: 43, prefix: true },
  syscall: { type: "syscall", attach: 0 },
  xdp: { type: "xdp", attach: 37 },
  "xdp.frags": { type: "xdp", attach: 37 },
  "xdp/devmap": { type: "xdp", attach: 33 },
  "xdp.frags/devmap": { type: "xdp", attach: 33 },
  "xdp/cpumap": { type: "xdp", attach: 35 },
  "xdp.frags/cpumap": { type: "xdp", attach: 35 },
  perf_event: { type: "perf_event", attach: 0 },
  lwt_in: { type: "lwt_in", attach: 0 },
  lwt_out: { type: "lwt_out", attach: 0 },
  lwt_xmit: { type: "lwt_xmit", attach: 0 },
  lwt_seg6local: { type: "lwt_seg6local", attach: 0 },
  sockops: { type: "sock_ops", attach: 3 },
  "sk_skb/stream_parser": { type: "sk_skb", attach: 4 },
  "sk_skb/stream_verdict": { type: "sk_skb", attach: 5 },
  "sk_skb/verdict": { type: "sk_skb", attach: 38 },
  sk_skb: { type: "sk_skb", attach: 0 },
  sk_msg: { type: "sk_msg", attach: 7 },
  lirc_mode2: { type: "lirc_mode2", attach: 16 },
  flow_dissector: { type: "flow_dissector", attach: 17 },
  "cgroup_skb/ingress": { type: "cgroup_skb", attach: 0 },
  "cgroup_skb/egress": { type: "cgroup_skb", attach: 1 },
  "cgroup/skb": { type: "cgroup_skb", attach: 0 },
  "cgroup/sock_create": { type: "cgroup_sock", attach: 2 },
  "cgroup/sock": { type: "cgroup_sock", attach: 2 },
  "cgroup/sock_release": { type: "cgroup_sock", attach: 34 },
  "cgroup/post_bind4": { type: "cgroup_sock", attach: 12 },
  "cgroup/post_bind6": { type: "cgroup_sock", attach: 13 },
  "cgroup/dev": { type: "cgroup_device", attach: 6 },
  "cgroup/bind4": { type: "cgroup_sock_addr", attach: 8 },
  "cgroup/bind6": { type: "cgroup_sock_addr", attach: 9 },
  "cgroup/connect4": { type: "cgroup_sock_addr", attach: 10 },
  "cgroup/connect6": { type: "cgroup_sock_addr", attach: 11 },
  "cgroup/sendmsg4": { type: "cgroup_sock_addr", attach: 14 },
  "cgroup/sendmsg6": { type: "cgroup_sock_addr", attach: 15 },
  "cgroup/recvmsg4": { type: "cgroup_sock_addr", attach: 19 },
  "cgroup/recvmsg6": { type: "cgroup_sock_addr", attach: 20 },
  "cgroup/getpeername4": { type: "cgroup_sock_addr", attach: 29 },
  "cgroup/getpeername6": { type: "cgroup_sock_addr", attach: 30 },
  "cgroup/getsockname4": { type: "cgroup_sock_addr", attach: 31 },
  "cgroup/getsockname6": { type: "cgroup_sock_addr", attach: 32 },
  "cgroup/sysctl": { type: "cgroup_sysctl", attach: 18 },
  "cgroup/getsockopt": { type: "cgroup_sockopt", attach: 21 },
  "cgroup/setsockopt": { type: "cgroup_sockopt", attach: 22 },
  struct_ops: { type: "struct_ops", attach: 0, prefix: true },
  "struct_ops.s": { type: "struct_ops", attach: 0, prefix: true },
  sk_lookup: { type: "sk_lookup", attach: 36 },
  netfilter: { type: "netfilter", attach: 45 },
} as const satisfies Record<string, SectionRule>;

/** What libbpf makes of a section's name; undefined when it knows none that fits. */
export function programSection(name: string): SectionRule | undefined {
  // A leading "?" asks libbpf not to load the program by itself.
  const plain = name.replace(/^\?/, "");
  const exact = (PROGRAM_SECTIONS as Record<string, SectionRule>)[plain];
  if (exact && Object.hasOwn(PROGRAM_SECTIONS, plain)) return exact;
  const slash = plain.indexOf("/");
  if (slash < 0) return undefined;
  const head = plain.slice(0, slash);
  const rule = Object.hasOwn(PROGRAM_SECTIONS, head)
    ? (PROGRAM_SECTIONS as Record<string, SectionRule>)[head]
    : undefined;
  return rule?.prefix ? rule : undefined;
}
