/** Which programs others' engines attach, and how those call them. What is not here they refuse. */
import { ATTACH_TYPES, type AttachTypeName } from "../../compiler/bpf/kinds/attach-types.ts";
import type { BpfModule, BpfProgram } from "../../compiler/module.ts";
import { RuntimeError } from "../kernel/errors.ts";

/** By section names up to the first slash, as libbpf knows them; the value is the engine's word for the kind. */
type Kinds = Readonly<Record<string, string>>;
export interface Engine {
  readonly name: string;
  readonly wordFor: (program: BpfProgram) => string | undefined;
  /** What it takes, for people. */
  readonly takes: string;
}

const bySection = (name: string, kinds: Kinds): Engine => ({
  name,
  wordFor: ({ section }) => {
    const head = section.replace(/^\?/, "").split("/")[0]!;
    return Object.hasOwn(kinds, head) ? kinds[head] : undefined;
  },
  takes: Object.keys(kinds).join(", "),
});

/** `attachProgram` of pkg/operators/ebpf/attach.go (v0.44). */
export const INSPEKTOR_GADGET = bySection("Inspektor Gadget", {
  kprobe: "kprobe",
  kretprobe: "kprobe",
  uprobe: "kprobe",
  uretprobe: "kprobe",
  usdt: "kprobe",
  tracepoint: "tracepoint",
  tp: "tracepoint",
  raw_tracepoint: "raw_tracepoint",
  raw_tp: "raw_tracepoint",
  fentry: "tracing",
  fexit: "tracing",
  tp_btf: "tracing",
  iter: "tracing",
  socket: "socket_filter",
  tc: "sched_cls",
  classifier: "sched_cls",
  lsm: "lsm",
  perf_event: "perf_event",
});

/** `ProgramType` of bpfman/src/types.rs (v0.5), by the words of its `io.ebpf.programs`. */
export const BPFMAN = bySection("bpfman", {
  xdp: "xdp",
  "xdp.frags": "xdp",
  tc: "tc",
  classifier: "tc",
  tcx: "tcx",
  tracepoint: "tracepoint",
  tp: "tracepoint",
  kprobe: "kprobe",
  kretprobe: "kprobe",
  uprobe: "uprobe",
  uretprobe: "uprobe",
  fentry: "fentry",
  fexit: "fexit",
});

/** Types of `BPFProgram=` (systemd.resource-control(5)), by the kernel's attach types. */
const SYSTEMD_TYPES: { readonly [K in AttachTypeName]?: string } = {
  cgroup_inet_ingress: "ingress",
  cgroup_inet_egress: "egress",
  cgroup_inet_sock_create: "sock_create",
  cgroup_sock_ops: "sock_ops",
  cgroup_device: "device",
  cgroup_inet4_bind: "bind4",
  cgroup_inet6_bind: "bind6",
  cgroup_inet4_connect: "connect4",
  cgroup_inet6_connect: "connect6",
  cgroup_inet4_post_bind: "post_bind4",
  cgroup_inet6_post_bind: "post_bind6",
  cgroup_udp4_sendmsg: "sendmsg4",
  cgroup_udp6_sendmsg: "sendmsg6",
  cgroup_sysctl: "sysctl",
  cgroup_udp4_recvmsg: "recvmsg4",
  cgroup_udp6_recvmsg: "recvmsg6",
  cgroup_getsockopt: "getsockopt",
  cgroup_setsockopt: "setsockopt",
};
/** Numbers of attach types begin at 0, which stands for "does not matter" elsewhere: the section tells them apart. */
const systemdType = ({ attachType, section }: BpfProgram): string | undefined => {
  if (!/^(cgroup|sockops)/.test(section.replace(/^\?/, ""))) return undefined;
  const found = Object.entries(ATTACH_TYPES).find(([, number]) => number === attachType);
  return found && SYSTEMD_TYPES[found[0] as AttachTypeName];
};
export const SYSTEMD: Engine = {
  name: "systemd",
  wordFor: systemdType,
  takes: Object.values(SYSTEMD_TYPES).join(", "),
};

/** The engine's word for each program. Throws where it does not take one. */
export function wordsOf(
  engine: Engine,
  { programs }: BpfModule,
  remedy: string,
): readonly (readonly [program: BpfProgram, word: string])[] {
  return programs.map((program) => {
    const word = engine.wordFor(program);
    if (word !== undefined) return [program, word] as const;
    throw new RuntimeError(
      "kind-not-taken",
      `${engine.name} attaches no ${program.type} programs, and ${program.name} (section ${program.section}) is one; it takes ${engine.takes}`,
      { help: remedy },
    );
  });
}
