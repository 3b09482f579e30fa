/** What was taken and not given back, in words: which call took it, and which one gives it back. */
import type { HelperName } from "../bpf/helpers.ts";
import type { Explanation } from "./explain.ts";
import type { Program, Rejection } from "./verify.ts";

/** Of helpers that give something which is held; those that are not here give a socket. */
const RELEASES: Readonly<Partial<Record<HelperName, string>>> = {
  ringbuf_reserve: "bpf_ringbuf_submit or bpf_ringbuf_discard",
  kptr_xchg: "the function that releases it, or put it into a map by bpf_kptr_xchg",
};

/** By what the kernel says. The first that fits; the last is for what is still held at the end. */
const RULES: readonly { readonly pattern: RegExp; readonly problem: string; readonly remedy: string }[] = [
  {
    pattern: /bpf_rcu_read_lock/,
    problem: "an RCU section has begun and does not end on this path",
    remedy: "call bpf_rcu_read_unlock on every way out",
  },
  {
    pattern: /bpf_preempt_disable/,
    problem: "preemption was switched off and stays off on this path",
    remedy: "call bpf_preempt_enable on every way out",
  },
  {
    pattern: /must be referenced|has not been acquired|expects refcounted/,
    problem: "what is given back here is not held: no call has given it to the program, or it was given back before",
    remedy: "give back what a call has given, once, on the path where it is not null",
  },
  {
    pattern: /more than one arg/,
    problem: "two arguments of this call are held, and it gives back one",
    remedy: "pass one of them",
  },
];

/** `helperAt`: the helper that is called at an instruction. */
export function explainLeak(
  { kfuncs }: Program,
  rejection: Rejection,
  helperAt: (insn: number) => HelperName | undefined,
): Explanation {
  const rule = RULES.find(({ pattern }) => pattern.test(rejection.message));
  if (rule) return { problem: rule.problem, remedy: rule.remedy };
  const held = rejection.state?.references[0];
  const kfunc = held && kfuncs?.get(held.insn);
  const iterator = kfunc !== undefined && /^(bpf_iter_\w+)_new$/.exec(kfunc)?.[1];
  if (iterator)
    return {
      problem: `the iterator that ${kfunc} has begun (instruction ${held!.insn}) is not destroyed on this path`,
      remedy: `call ${iterator}_destroy on every way out, whether there was an element or not`,
    };
  const helper = held && helperAt(held.insn);
  const by = kfunc ?? (helper && `bpf_${helper}`);
  const release = helper ? (RELEASES[helper] ?? "bpf_sk_release") : "the function that releases it";
  return {
    problem: `what ${by ?? "a call"} has given${held ? ` (instruction ${held.insn})` : ""} is not released on this path`,
    remedy: `call ${release} on every path on which it is not null`,
  };
}
