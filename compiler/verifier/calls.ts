/** Calls: of helpers, of functions of the program, and the return from them. */
import { helperFor, mayCall } from "../bpf/kinds/index.ts";
import { isForbidden } from "../bpf/kinds/struct-ops.ts";
import { hasCome, helperSince } from "../bpf/since.ts";
import type { Rules } from "../bpf/verifier-rules.ts";
import { helperName, type Helper, type HelperName } from "../bpf/helpers.ts";
import { goTogether } from "../bpf/map-helpers.ts";
import { MAX_FRAMES } from "../bpf/limits.ts";
import { checkArguments, fillStack, type CallFacts } from "./arguments.ts";
import { forgetPackets, hasFlag, insnAt, INVALIDATED, newId, regsOf, type Env } from "./env.ts";
import { ANYTHING, draft, settle } from "./scalar.ts";
import { currentFrame, isNull, newFrame, pointer, replaceRegs, scalar, UNINITIALISED, type Reg } from "./state.ts";
import { reject, unsupported } from "./verdict.ts";

/** More CPUs than any kernel is built for. */
const MOST_CPUS = 8192;
const MAX_ERRNO = 4095;

/** Helpers whose result is the argument's socket in another type, with the same reference. */
const CASTS: ReadonlySet<HelperName> = new Set<HelperName>([
  "tcp_sock",
  "sk_fullsock",
  "skc_to_tcp6_sock",
  "skc_to_tcp_sock",
  "skc_to_tcp_timewait_sock",
  "skc_to_tcp_request_sock",
  "skc_to_udp6_sock",
  "skc_to_unix_sock",
  "skc_to_mptcp_sock",
]);
/** Structs that casts are known to lead to, of those that are known here. */
const CAST_TO: Readonly<Partial<Record<HelperName, string>>> = {
  skc_to_tcp_sock: "tcp_sock",
  skc_to_mptcp_sock: "mptcp_sock",
};
const CALLBACKS: ReadonlySet<HelperName> = new Set<HelperName>([
  "for_each_map_elem",
  "timer_set_callback",
  "find_vma",
  "loop",
  "user_ringbuf_drain",
]);

/** Every register that a call may change, and that a program must not read afterwards. */
export function clobberArguments(regs: Reg[]): void {
  regs.fill(UNINITIALISED, 0, 6);
}

export function callHelper(env: Env): void {
  const { imm } = insnAt(env);
  const name = helperName(imm);
  if (name === undefined) return reject("other", `invalid func unknown#${imm}`);
  const helper = helperFor(env.program.type, name);
  checkAvailable(env, name, helper);
  const facts = checkArguments(env, name, helper);
  fillStack(env, facts);
  release(env, name, facts);
  if (name === "tail_call") {
    checkReferences(env, "tail_call would lead to reference leak");
    env.flow.demandRegister(env, 3);
  }
  if (name === "get_local_storage") {
    if (!isNull(regsOf(env)[2]!)) reject("other", "get_local_storage() doesn't support non-zero flags", 2);
    env.flow.demandRegister(env, 2);
  }
  if (CALLBACKS.has(name)) unsupported("callbacks");
  if (name === "snprintf") unsupported("bpf_snprintf formats");
  const regs = regsOf(env);
  clobberArguments(regs);
  regs[0] = result(env, name, helper, facts);
  if (facts.map !== undefined && !goTogether(facts.map.type, name, env.program.type))
    reject("other", `cannot pass map_type ${facts.map.type} into func bpf_${name}#${helper.id}`);
  if (helper.invalidatesPackets) forgetPackets(env);
}

function checkAvailable(env: Env, name: HelperName, helper: Helper): void {
  if (!env.allowedCalls.has(env.insn)) checkAllowed(env, name, helper);
  env.allowedCalls.add(env.insn);
  if (!helper.sleeps) return;
  if (!hasFlag(env, "sleepable")) reject("helper-arg", "helper call might sleep in a non-sleepable prog");
  if (env.state.inRcu) reject("helper-arg", `sleepable helper bpf_${name}#${helper.id} in rcu_read_lock region`);
  if (env.state.preempt > 0)
    reject("helper-arg", `sleepable helper bpf_${name}#${helper.id} in non-preemptible region`);
}

/** What does not depend on the path. */
function checkAllowed(env: Env, name: HelperName, helper: Helper): void {
  const allowed = mayCall(env.program.type, env.program.attach, name, env.program.release);
  if (allowed === undefined) unsupported(`helpers of ${env.program.type} programs`);
  const there = helper.needs === undefined || env.program.features.has(helper.needs);
  if (!there || !hasCome(helperSince(name), env.program.release)) reject("other", `invalid func unknown#${helper.id}`);
  const { entry } = env.program;
  if (!allowed || (entry && isForbidden(entry.ops, entry.member, name)))
    reject("helper-arg", `program of this type cannot use helper bpf_${name}#${helper.id}`);
  if (helper.gplOnly && !env.program.gpl)
    reject("other", "cannot call GPL-restricted function from non-GPL compatible program");
}

function release(env: Env, name: HelperName, facts: CallFacts): void {
  if (facts.released === undefined || facts.reference === 0) return;
  const held = env.state.references.some((reference) => reference.id === facts.reference);
  if (!held) reject("ref-leak", `func bpf_${name} reference has not been acquired before`);
  env.state.references = env.state.references.filter((reference) => reference.id !== facts.reference);
  replaceRegs(env.state, (reg) => (reg.ref === facts.reference ? INVALIDATED : reg));
}

function result(env: Env, name: HelperName, helper: Helper, facts: CallFacts): Reg {
  const made = resultType(env, name, helper, facts);
  if (CASTS.has(name)) return { ...made, ref: facts.reference };
  const acquires =
    helper.acquires === true ||
    (name === "map_lookup_elem" && (facts.map?.type === "sockmap" || facts.map?.type === "sockhash"));
  if (!acquires) return made;
  const id = newId(env);
  env.state.references = [...env.state.references, { id, insn: env.insn }];
  return { ...made, id, ref: id };
}

function resultType(env: Env, name: HelperName, helper: Helper, facts: CallFacts): Reg {
  const nullable = (): Partial<Reg> => ({ nullable: true, id: newId(env) });
  switch (helper.returns) {
    case "integer":
      return integerResult(name, facts, env.rules);
    case "void":
      return UNINITIALISED;
    case "value":
      return pointer("map_value", { map: facts.map });
    case "value-or-null": {
      const map = facts.map!;
      const found =
        env.rules.constantKeys &&
        name === "map_lookup_elem" &&
        (map.type === "array" || map.type === "percpu_array") &&
        facts.constantKey !== undefined &&
        facts.constantKey < BigInt(map.max);
      if (map.type === "array_of_maps" || map.type === "hash_of_maps") unsupported("maps in maps");
      return pointer("map_value", { map, ...(found ? {} : nullable()) });
    }
    case "socket-or-null":
      return pointer("sock", nullable());
    case "sock-common-or-null":
      return pointer("sock_common", nullable());
    case "tcp-sock-or-null":
      return pointer("tcp_sock", nullable());
    case "ringbuf-or-null":
      return pointer("ringbuf_mem", { size: facts.allocated, ...nullable() });
    case "btf-or-null": {
      if (facts.exchanged) {
        const id = newId(env);
        env.state.references = [...env.state.references, { id, insn: env.insn }];
        return pointer("ptr_", { struct: facts.exchanged.struct, nullable: true, id, ref: id });
      }
      const struct = CAST_TO[name];
      return pointer("ptr_", { ...nullable(), ...(struct === undefined ? {} : { struct }) });
    }
    case "btf":
      return pointer("trusted_ptr_", name === "get_current_task_btf" ? { struct: "task_struct" } : {});
    case "dynptr-mem-or-null":
      return unsupported("dynptrs");
  }
}

/** Some helpers return nothing outside a known range. */
function integerResult(name: HelperName, facts: CallFacts, rules: Rules): Reg {
  const d = draft(ANYTHING);
  switch (name) {
    case "get_stack":
    case "get_task_stack":
    case "probe_read_str":
    case "probe_read_kernel_str":
    case "probe_read_user_str":
      d.smin = BigInt(-MAX_ERRNO);
      d.s32min = -MAX_ERRNO;
      d.smax = BigInt.asIntN(64, facts.sizeMax);
      d.s32max = Number(BigInt.asIntN(32, facts.sizeMax));
      return scalar(settle(d, rules));
    case "get_smp_processor_id":
      if (!rules.processorRange) return scalar(ANYTHING);
      d.umin = d.smin = 0n;
      d.umax = d.smax = BigInt(MOST_CPUS - 1);
      d.u32min = d.s32min = 0;
      d.u32max = d.s32max = MOST_CPUS - 1;
      return scalar(settle(d, rules));
    default:
      return scalar(ANYTHING);
  }
}

/** At the main program's end, before a tail call, and where a packet load may end the program, nothing may be held. */
export function checkReferences(env: Env, complaint: string): void {
  if (env.state.frames.length > 1) return;
  if (env.state.references.length > 0) reject("ref-leak", complaint);
  if (env.state.inRcu) reject("ref-leak", `${complaint} (bpf_rcu_read_lock-ed region)`);
  if (env.state.preempt > 0) reject("ref-leak", `${complaint} (bpf_preempt_disable-ed region)`);
}

/** Enters a function of the program; the caller's r1 to r5 are its arguments. */
export function callLocal(env: Env): void {
  // Functions that others may call, too, are not told apart here, and those may not be called everywhere.
  if ((env.state.inRcu && hasFlag(env, "sleepable")) || env.state.preempt > 0)
    unsupported("calls of functions in an RCU or non-preemptible section");
  const target = env.insn + 1 + insnAt(env).imm;
  const subprogram = env.structure.subprograms.findIndex((candidate) => candidate.start === target);
  const { frames } = env.state;
  if (frames.length >= MAX_FRAMES) reject("other", `the call stack of ${frames.length + 1} frames is too deep`);
  const caller = currentFrame(env.state);
  const callee = newFrame(env.insn, subprogram, frames.length);
  for (let index = 1; index <= 5; index++) callee.regs[index] = caller.regs[index]!;
  clobberArguments(caller.regs);
  frames.push(callee);
  env.insn = target;
}

/** Goes back to the caller with r0. */
export function returnLocal(env: Env): void {
  const { frames } = env.state;
  const result = regsOf(env)[0]!;
  if (result.type === "fp") reject("stack-oob", "cannot return stack pointer to the caller", 0);
  const callee = frames.pop()!;
  regsOf(env)[0] = result;
  env.insn = callee.callsite + 1;
}
