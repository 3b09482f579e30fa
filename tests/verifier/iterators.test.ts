/** Iterators of the kernel's on the stack, and what its functions for schedulers take: hand-made programs, good and bad. */
import { describe, expect, test } from "vitest";
import type { KfuncName } from "../../compiler/bpf/kfuncs.ts";
import { kernels } from "../../compiler/bpf/kernels.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import { entryOf } from "../../compiler/verifier/kernel-structs.ts";
import { explain } from "../../compiler/verifier/explain.ts";
import { verify, type Program, type Result } from "../../compiler/verifier/verify.ts";
import { copy, exit, jump, load, mov, op, raw, store, storeImm } from "./assemble.ts";

/** A call of one of the kernel's functions. */
interface Called {
  readonly kfunc: KfuncName;
}
const calls = (kfunc: KfuncName): Called => ({ kfunc });
type Line = RawInsn | Called;

function programOf(lines: readonly Line[], struct = "mptcp_sched_ops", member = "get_send"): Program {
  const kfuncs = new Map(lines.flatMap((line, at) => ("kfunc" in line ? [[at, line.kfunc] as const] : [])));
  return {
    insns: lines.map((line) => ("kfunc" in line ? raw(0x85, 0, 2) : line)),
    type: "struct_ops",
    attach: 0,
    flags: 0,
    maps: new Map(),
    typed: true,
    gpl: true,
    release: "6.12",
    features: kernels.patched.features,
    entry: entryOf({ struct, member })!,
    kfuncs,
  };
}
const check = (...given: Parameters<typeof programOf>): Result => verify(programOf(...given));

const iterator = (dst: number): RawInsn[] => [copy(dst, 10), op("add", dst, -16)];
/** r6 = the session; begins the iterator at fp-16. */
const begin: readonly Line[] = [load(8, 6, 1, 0), ...iterator(1), copy(2, 6), calls("bpf_iter_mptcp_subflow_new")];
/** r0 = the next subflow or 0. */
const next: readonly Line[] = [...iterator(1), calls("bpf_iter_mptcp_subflow_next")];
const destroy: readonly Line[] = [...iterator(1), calls("bpf_iter_mptcp_subflow_destroy")];
const end: readonly Line[] = [mov(0, 0), exit];
const schedule: readonly Line[] = [copy(1, 0), mov(2, 1), calls("mptcp_subflow_set_scheduled")];
/** Runs lines where r0 is not 0. */
const ifFound = (...lines: readonly Line[]): Line[] => [jump("eq", 0, 0, lines.length), ...lines];

const good: Readonly<Record<string, readonly Line[]>> = {
  "begins and destroys": [...begin, ...destroy, ...end],
  "asks twice, and schedules": [
    ...begin,
    ...next,
    ...ifFound(...schedule),
    ...next,
    ...ifFound(...schedule),
    ...destroy,
    ...end,
  ],
  "keeps what it was given beyond the iterator": [
    ...begin,
    ...next,
    copy(7, 0),
    ...destroy,
    copy(0, 7),
    ...ifFound(...schedule),
    ...end,
  ],
  "begins another in the same place": [
    ...begin,
    ...destroy,
    ...iterator(1),
    copy(2, 6),
    calls("bpf_iter_mptcp_subflow_new"),
    ...destroy,
    ...end,
  ],
  "writes the average rate": [...begin, ...next, ...ifFound(mov(1, 5), store(8, 0, 16, 1)), ...destroy, ...end],
  "looks through the subflow's socket": [
    ...begin,
    ...next,
    ...ifFound(load(8, 1, 0, 216), load(4, 1, 1, 520)),
    ...destroy,
    ...end,
  ],
};
const bad: Readonly<Record<string, readonly [category: string, message: RegExp, lines: readonly Line[]]>> = {
  "is not destroyed": ["ref-leak", /reference leak|Unreleased/, [...begin, ...end]],
  "is not destroyed on one of two ways": [
    "ref-leak",
    /reference leak|Unreleased/,
    [...begin, ...next, jump("eq", 0, 0, 2), ...end, ...destroy, ...end],
  ],
  "is destroyed twice": [
    "iterator",
    /expected an initialized iter_mptcp_subflow as arg #0/,
    [...begin, ...destroy, ...destroy, ...end],
  ],
  "is begun twice": [
    "iterator",
    /expected uninitialized iter_mptcp_subflow as arg #0/,
    [...begin, ...iterator(1), copy(2, 6), calls("bpf_iter_mptcp_subflow_new"), ...destroy, ...end],
  ],
  "is asked before it is begun": ["iterator", /expected an initialized/, [...next, ...end]],
  "is asked after its end": ["iterator", /expected an initialized/, [...begin, ...destroy, ...next, ...end]],
  "is read": ["stack-oob", /invalid read from stack/, [...begin, load(8, 3, 10, -16), ...destroy, ...end]],
  "is overwritten in part": [
    "iterator",
    /expected an initialized/,
    [...begin, storeImm(8, 10, -8, 0), ...destroy, ...end],
  ],
  "lies across slots": [
    "iterator",
    /at an offset=-20/,
    [load(8, 6, 1, 0), copy(1, 10), op("add", 1, -20), copy(2, 6), calls("bpf_iter_mptcp_subflow_new"), ...end],
  ],
  "is not on the stack": [
    "iterator",
    /on-stack/,
    [load(8, 6, 1, 0), copy(1, 6), copy(2, 6), calls("bpf_iter_mptcp_subflow_new"), ...end],
  ],
  "gives a subflow that is used untested": [
    "scalar-deref",
    /invalid mem access 'scalar'/,
    [...begin, ...next, load(4, 3, 0, 0), ...destroy, ...end],
  ],
  "writes what is the kernel's": [
    "other",
    /no write support to mptcp_subflow_context/,
    [...begin, ...next, ...ifFound(mov(1, 5), store(4, 0, 160, 1)), ...destroy, ...end],
  ],
  "gives a socket that was only followed to the kernel's functions": [
    "helper-arg",
    /must be referenced or trusted/,
    [...begin, ...next, ...ifFound(load(8, 1, 0, 216), calls("mptcp_set_timeout")), ...destroy, ...end],
  ],
};

describe("a scheduler", () => {
  test.each(Object.entries(good))("%s", (_, lines) => {
    expect(check(lines)).toMatchObject({ verdict: "accept" });
  });
  test.each(Object.entries(bad))("that %s is refused", (_, [category, message, lines]) => {
    expect(check(lines)).toMatchObject({
      verdict: "reject",
      category,
      message: expect.stringMatching(message) as string,
    });
  });
});

test("what was begun and not ended is named, with what ends it", () => {
  const program = programOf([...begin, ...end]);
  expect(explain(program, verify(program) as Extract<Result, { verdict: "reject" }>)).toEqual({
    problem: "the iterator that bpf_iter_mptcp_subflow_new has begun (instruction 4) is not destroyed on this path",
    remedy: "call bpf_iter_mptcp_subflow_destroy on every way out, whether there was an element or not",
  });
});

test("the functions for schedulers are not for congestion controls", () => {
  expect(check([load(8, 1, 1, 0), calls("mptcp_set_timeout"), ...end], "tcp_congestion_ops", "init")).toMatchObject({
    verdict: "reject",
    message: "calling kernel function mptcp_set_timeout is not allowed",
  });
});

test("helpers of congestion controls are not for schedulers", () => {
  const setsockopt = [
    load(8, 1, 1, 0),
    mov(2, 6),
    mov(3, 13),
    copy(4, 10),
    op("add", 4, -8),
    storeImm(8, 10, -8, 0),
    mov(5, 8),
    raw(0x85, 0, 0, 0, 49),
  ];
  expect(check([...setsockopt, ...end])).toMatchObject({ verdict: "reject", category: "helper-arg" });
  expect(check([...setsockopt, ...end], "tcp_congestion_ops", "init")).toMatchObject({ verdict: "accept" });
});
