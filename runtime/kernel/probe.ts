/**
 * What the running kernel offers: asked by loading tiny programs and making tiny maps, not by comparing versions.
 * Everything made here is closed again before the answer is given.
 */
import { readFileSync } from "node:fs";
import { FEATURES, type Feature } from "../../compiler/bpf/kernels.ts";
import { MAP_FLAGS, MAP_TYPES, type MapTypeName } from "../../compiler/bpf/map-types.ts";
import { CALL, CLASS, JMP, LDDW, MODE, PSEUDO, SIZE, ALU } from "../../compiler/bpf/opcodes.ts";
import { helper, HELPERS, type HelperName } from "../../compiler/bpf/helpers.ts";
import {
  COMPILED,
  HOOKS,
  KIND_NAMES,
  onCgroups,
  returnRange,
  type CgroupKindName,
} from "../../compiler/bpf/kinds/index.ts";
import { SOCK_OPS_FIELDS, type SockOpsField } from "../../compiler/bpf/kinds/sock-ops.ts";
import { OPS_STRUCTS, type OpsStructName } from "../../compiler/bpf/kinds/struct-ops.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import { SOCKET_OPTIONS } from "../../compiler/bpf/socket-options.ts";
import { btfBuilder } from "../../compiler/object/btf.ts";
import { intType } from "../../compiler/object/layout-types.ts";
import { ATTACH_TYPES, type AttachTypeName } from "../../compiler/bpf/kinds/attach-types.ts";
import { BPF } from "./abi.ts";
import { bpf, type AttrFields } from "./bpf.ts";
import { closeFd } from "./fd.ts";
import { openNetns } from "./netns-names.ts";
import { loadProgram } from "./program.ts";
import { errnoName } from "./errno-name.ts";
import { syscalls } from "./syscalls.ts";

export interface Probe {
  readonly ok: boolean;
  /** Why not, or what is in the way of asking. */
  readonly reason?: string;
}
const yes: Probe = { ok: true };
const no = (reason: string): Probe => ({ ok: false, reason });

const slot = (code: number, dst = 0, src = 0, off = 0, imm = 0): RawInsn => ({ code, dst, src, off, imm });
const movImm = (dst: number, imm: number): RawInsn => slot(CLASS.alu64 | ALU.mov.code, dst, 0, 0, imm);
const loadWord = (dst: number, src: number, off: number): RawInsn => slot(CLASS.ldx | MODE.mem | SIZE.w, dst, src, off);
const call = (name: HelperName): RawInsn => slot(CLASS.jmp | JMP.call.code, 0, CALL.helper, 0, helper(name).id);
const exit = slot(CLASS.jmp | JMP.exit.code);
const leave: readonly RawInsn[] = [movImm(0, 1), exit];

function loads(
  insns: readonly RawInsn[],
  type: CgroupKindName = "sock_ops",
  attachType: number = ATTACH_TYPES.cgroup_sock_ops,
): Probe {
  const result = loadProgram({
    name: "tsbpf_probe",
    type: COMPILED[type].number,
    attachType,
    insns,
    license: "GPL",
  });
  if ("fd" in result) {
    closeFd(result.fd);
    return yes;
  }
  if (result.errno === -1) return no("not permitted to load programs");
  const words = result.log.split("\n").find((line) => /unknown|invalid|unsupported/.test(line));
  return no(words?.trim() ?? errnoName(result.errno));
}

function mapWorks(type: MapTypeName, fields: AttrFields<"mapCreate">): Probe {
  const fd = bpf(BPF.mapCreate, "mapCreate", { map_type: MAP_TYPES[type].number, max_entries: 1, ...fields });
  if (fd < 0) return no(errnoName(fd));
  closeFd(fd);
  return yes;
}

function withSocketStorage(use: (fd: number) => Probe): Probe {
  const btf = btfBuilder();
  const int = intType(btf);
  const blob = btf.finish();
  const btfFd = bpf(BPF.btfLoad, "btfLoad", { btf: blob, btf_size: blob.length });
  if (btfFd < 0) return no(`BTF: ${errnoName(btfFd)}`);
  const fd = bpf(BPF.mapCreate, "mapCreate", {
    map_type: MAP_TYPES.sk_storage.number,
    key_size: 4,
    value_size: 4,
    map_flags: MAP_FLAGS.noPrealloc,
    btf_fd: btfFd,
    btf_key_type_id: int,
    btf_value_type_id: int,
  });
  closeFd(btfFd);
  if (fd < 0) return no(errnoName(fd));
  try {
    return use(fd);
  } finally {
    closeFd(fd);
  }
}

/** Names in the kernel's own BTF: functions and enumerators it was built with. */
let kernelStrings: Buffer | undefined;
function kernelKnows(name: string): Probe {
  try {
    kernelStrings ??= readFileSync("/sys/kernel/btf/vmlinux");
  } catch {
    return no("cannot tell: this kernel has no BTF (CONFIG_DEBUG_INFO_BTF)");
  }
  return kernelStrings.includes(`\0${name}\0`, 0, "latin1") ? yes : no(`the kernel has no ${name}`);
}

function socketOptionWorks(option: { readonly level: number; readonly number: number }): Probe {
  const calls = syscalls();
  const AF_INET = 2;
  const SOCK_STREAM_CLOEXEC = 0x80001;
  const fd = calls.socket(AF_INET, SOCK_STREAM_CLOEXEC, 0);
  if (fd < 0) return no(errnoName(fd));
  try {
    const result = calls.getsockopt(fd, option.level, option.number, new Uint8Array(4));
    return result < 0 ? no(errnoName(result)) : yes;
  } finally {
    closeFd(fd);
  }
}

/** Reads a field of sock_ops, which the verifier refuses where the kernel has it not. */
const readsField = (name: SockOpsField): Probe => loads([loadWord(2, 1, SOCK_OPS_FIELDS[name].offset), ...leave]);
/** Calls a helper of sock_ops with the context and zeros. */
const calls = (name: HelperName): Probe =>
  loads([
    ...[2, 3, 4, 5].slice(0, helper(name).args.length - 1).map((register) => movImm(register, 0)),
    call(name),
    ...leave,
  ]);

/** A program of the kind that does nothing, at each of its hooks. */
function hooksWork(kind: CgroupKindName): Probe {
  const own = HOOKS.filter((hook) => hook.kind === kind);
  const answers = own.map(({ attach }) => loads([movImm(0, returnRange(kind, attach)?.[0] ?? 0), exit], kind, attach));
  return answers.find(({ ok }) => !ok) ?? yes;
}
/** What a kernel must have to run programs of a kind that cgroups have, or to take a struct of functions. */
type KindFeature = (typeof COMPILED)[CgroupKindName]["needs"] | (typeof OPS_STRUCTS)[OpsStructName]["needs"];
const OF_KINDS = Object.fromEntries([
  ...KIND_NAMES.filter(onCgroups).map((kind) => [COMPILED[kind].needs, () => hooksWork(kind)] as const),
  ...(Object.keys(OPS_STRUCTS) as OpsStructName[]).map(
    (struct) => [OPS_STRUCTS[struct].needs, () => kernelKnows(`bpf_struct_ops_${struct}`)] as const,
  ),
]) as Readonly<Record<KindFeature, () => Probe>>;
/** Helpers with a feature of their own. */
type HelperFeature = Extract<Feature, `helper:${string}`>;
const OF_HELPERS = Object.fromEntries(
  (Object.keys(HELPERS) as HelperName[]).flatMap((name) => {
    const { needs } = helper(name);
    return needs?.startsWith("helper:") ? [[needs, () => calls(name)] as const] : [];
  }),
) as Readonly<Record<HelperFeature, () => Probe>>;

/** Whether programs of an attach type may be on network namespaces: by asking which ones the caller's own has. */
function netnsAnswers(attach: AttachTypeName): Probe {
  const fd = openNetns(undefined);
  try {
    const result = bpf(BPF.progQuery, "query", { target_fd: fd, attach_type: ATTACH_TYPES[attach] });
    if (result === -1) return no("not permitted to ask");
    return result < 0 ? no(errnoName(result)) : yes;
  } finally {
    closeFd(fd);
  }
}

/** How each feature of the targets table is asked for. */
const PROBES: Readonly<Record<Feature, () => Probe>> = {
  ...OF_KINDS,
  ...OF_HELPERS,
  "netns-sock-ops": () => netnsAnswers("netns_sock_ops"),
  "header-options": () => loads([movImm(2, 4), movImm(3, 0), call("reserve_hdr_opt"), ...leave]),
  "tcp-option-events": () => readsField("opt_data"),
  "event:mptcp-new-session": () => readsField("mptcp_loc_token"),
  "event:mptcp-fully-established": () => readsField("mptcp_loc_token"),
  "event:mptcp-close-session": () => readsField("mptcp_loc_token"),
  "event:mptcp-add-remote-address": () => readsField("mptcp_loc_token"),
  "event:mptcp-remove-remote-address": () => readsField("mptcp_loc_token"),
  "event:mptcp-subflow-established": () => readsField("mptcp_loc_token"),
  "event:mptcp-subflow-closed": () => readsField("mptcp_loc_token"),
  "event:mptcp-add-local-address": () => readsField("mptcp_loc_token"),
  "event:mptcp-remove-local-address": () => readsField("mptcp_loc_token"),
  "event:mptcp-accept-subflow": () => readsField("mptcp_loc_token"),
  "event:mptcp-subflow-priority": () => readsField("mptcp_loc_token"),
  // The event came with the helper that asks for it.
  "event:mptcp-timer": () => calls("mptcp_set_timer"),
  "delayed-ack-options": () => socketOptionWorks(SOCKET_OPTIONS.TCP_DELACK_MIN_US),
  "bpf-delack-max": () => kernelKnows("TCP_BPF_DELACK_MAX"),
  // Since Linux 6.1 bpf_setsockopt and bpf_getsockopt go through the general functions.
  "unified-socket-options": () => kernelKnows("sol_tcp_sockopt"),
  "struct-ops-links": () => kernelKnows("bpf_struct_ops_link_create"),
  "ring-buffer": () => mapWorks("ringbuf", { max_entries: 65536 }),
  "socket-storage": () =>
    withSocketStorage((fd) =>
      loads([
        slot(CLASS.ldx | MODE.mem | SIZE.dw, 2, 1, SOCK_OPS_FIELDS.sk.offset),
        slot(CLASS.jmp | JMP.jeq.code, 2, 0, 5, 0),
        slot(LDDW, 1, PSEUDO.mapFd, 0, fd),
        slot(0),
        movImm(3, 0),
        movImm(4, 1),
        call("sk_storage_get"),
        ...leave,
      ]),
    ),
  "lpm-trie": () => mapWorks("lpm_trie", { key_size: 8, value_size: 4, map_flags: MAP_FLAGS.noPrealloc }),
};

const answers = new Map<Feature, Probe>();
/** Whether the running kernel has a feature, for this caller; asked once per process. */
export function probe(feature: Feature): Probe {
  let answer = answers.get(feature);
  if (!answer) answers.set(feature, (answer = PROBES[feature]()));
  return answer;
}

/** The features among `needs` that the running kernel lacks. Keys that no table knows count as lacking. */
export function missing(
  needs: readonly string[],
): { readonly feature: string; readonly about: string; readonly reason: string }[] {
  return needs.flatMap((need) => {
    const known = need in FEATURES ? (need as Feature) : undefined;
    if (!known) return [{ feature: need, about: need, reason: "this version of tsbpf does not know it" }];
    const answer = probe(known);
    return answer.ok ? [] : [{ feature: need, about: FEATURES[known].about, reason: answer.reason ?? "" }];
  });
}
