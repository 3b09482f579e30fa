/** Functions of the kernel by its BTF, loops that its iterators end, and pointers that are trusted, borrowed or lost: hand-made programs. */
import { describe, expect, test } from "vitest";
import { kernels } from "../../compiler/bpf/kernels.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import { btfBuilder, decodeBtf } from "../../compiler/object/btf.ts";
import { wholeKernel } from "../../compiler/object/whole-kernel.ts";
import { LOAD_FLAGS } from "../../compiler/verifier/env.ts";
import { verify, type Result, type VerifierMap } from "../../compiler/verifier/verify.ts";
import { copy, exit, go, jump, load, mapValue, mov, op, opReg, raw, store, storeImm } from "./assemble.ts";

/** task_struct { css_set *cgroups; task_struct *other; union { task_struct *a; task_struct *b } ; u32 pid }, and the functions that take them. */
const kernel = (() => {
  const btf = btfBuilder();
  const u32 = btf.add({ kind: "int", name: "u32", size: 4, bits: 32, signed: false });
  const u64 = btf.add({ kind: "int", name: "u64", size: 8, bits: 64, signed: false });
  const intPointer = btf.add({ kind: "ptr", type: u32 });
  const css = btf.add({
    kind: "struct",
    name: "css_set",
    size: 8,
    members: [{ name: "x", type: u64, offset: 0, bits: 0 }],
  });
  const cssPointer = btf.add({ kind: "ptr", type: css });
  // The struct that follows, by the number that it will have.
  const task = 7;
  const taskPointer = btf.add({ kind: "ptr", type: task });
  const member = (name: string, type: number, offset: number) => ({ name, type, offset, bits: 0 });
  expect(
    btf.add({
      kind: "struct",
      name: "task_struct",
      size: 40,
      members: [
        member("cgroups", cssPointer, 0),
        member("other", taskPointer, 64),
        member("", 8, 128),
        member("pid", u32, 192),
      ],
    }),
  ).toBe(task);
  expect(
    btf.add({ kind: "union", name: "", size: 8, members: [member("a", taskPointer, 0), member("b", taskPointer, 0)] }),
  ).toBe(8);
  const func = (name: string, returns: number, params: readonly (readonly [string, number])[]): void => {
    const type = btf.add({ kind: "func_proto", returns, params: params.map(([name, type]) => ({ name, type })) });
    btf.add({ kind: "func", name, type, linkage: 0 });
  };
  func("bpf_task_acquire", taskPointer, [["p", taskPointer]]);
  func("bpf_task_from_pid", taskPointer, [["pid", u32]]);
  func("bpf_task_release", 0, [["p", taskPointer]]);
  for (const name of ["bpf_rcu_read_lock", "bpf_rcu_read_unlock", "bpf_preempt_disable", "bpf_preempt_enable"])
    func(name, 0, []);
  const iterator = btf.add({ kind: "struct", name: "bpf_iter_num", size: 8, members: [member("o", u64, 0)] });
  const iteratorPointer = btf.add({ kind: "ptr", type: iterator });
  func("bpf_iter_num_new", u32, [
    ["it", iteratorPointer],
    ["start", u32],
    ["end", u32],
  ]);
  func("bpf_iter_num_next", intPointer, [["it", iteratorPointer]]);
  func("bpf_iter_num_destroy", 0, [["it", iteratorPointer]]);
  const decoded = decodeBtf(btf.finish());
  if ("problem" in decoded) throw new Error(decoded.problem.text);
  return wholeKernel(decoded.value);
})();

interface Called {
  readonly kfunc: string;
}
const calls = (kfunc: string): Called => ({ kfunc });
type Line = RawInsn | Called;
const bytes: VerifierMap = { name: "bytes", type: "array", key: 4, value: 64, max: 1, flags: 0 };
const keeper: VerifierMap = {
  name: "keeper",
  type: "array",
  key: 4,
  value: 16,
  max: 1,
  flags: 0,
  kept: [{ offset: 8, bytes: 8, pointer: { struct: "task_struct", owned: true } }],
};

function check(lines: readonly Line[], flags = 0): Result {
  const kfuncs = new Map(lines.flatMap((line, at) => ("kfunc" in line ? [[at, line.kfunc] as const] : [])));
  return verify({
    insns: lines.map((line) => ("kfunc" in line ? raw(0x85, 0, 2) : line)),
    type: flags === 0 ? "tracing" : "syscall",
    attach: flags === 0 ? 23 : 0,
    flags,
    maps: new Map([
      [1, bytes],
      [2, keeper],
    ]),
    typed: true,
    gpl: true,
    release: "6.18",
    features: kernels.mainline.features,
    kernel,
    ...(flags === 0
      ? {
          traced: {
            tracepoint: "task_newtask",
            params: [{ name: "p", type: { kind: "struct", name: "task_struct", numbers: false, bytes: 40 } }],
            returns: { kind: "void" },
          },
        }
      : {}),
    kfuncs,
  });
}

const end: readonly Line[] = [mov(0, 0), exit];
/** r6 = the task that the tracepoint hands on. */
const task = load(8, 6, 1, 0);
const iterator = (dst: number): RawInsn[] => [copy(dst, 10), op("add", dst, -8)];
const begin = (from: number, to: number): Line[] => [
  ...iterator(1),
  mov(2, from),
  mov(3, to),
  calls("bpf_iter_num_new"),
];
const next: readonly Line[] = [...iterator(1), calls("bpf_iter_num_next")];
const destroy: readonly Line[] = [...iterator(1), calls("bpf_iter_num_destroy")];
/** Runs the body for each number, r0 pointing to it; jumps go over all of it. */
const each = (...body: readonly Line[]): Line[] => [
  ...next,
  jump("eq", 0, 0, body.length + 1),
  ...body,
  go(-(body.length + 2 + next.length)),
];
const acquired: readonly Line[] = [mov(1, 7), calls("bpf_task_from_pid")];

const good: Readonly<Record<string, readonly Line[]>> = {
  "counts in a loop that only the iterator ends": [
    ...begin(0, 1_000_000),
    mov(7, 0),
    ...each(op("add", 7, 1)),
    ...destroy,
    ...end,
  ],
  "uses what it counts inside a tested range": [
    ...begin(0, 8),
    ...each(load(4, 7, 0, 0), jump("gt", 7, 15, 4), ...mapValue(1, 1, 0), opReg("add", 1, 7), storeImm(1, 1, 0, 1)),
    ...destroy,
    ...end,
  ],
  "goes round as often as may_goto lets it": [mov(7, 0), raw(0xe5, 0, 0, 2), op("add", 7, 1), go(-3), ...end],
  "gives back what it was given": [...acquired, jump("eq", 0, 0, 2), copy(1, 0), calls("bpf_task_release"), ...end],
  "takes another hold of what is trusted": [
    task,
    copy(1, 6),
    calls("bpf_task_acquire"),
    jump("eq", 0, 0, 2),
    copy(1, 0),
    calls("bpf_task_release"),
    ...end,
  ],
  "follows pointers that nobody vouches for": [task, load(8, 1, 6, 8), load(8, 1, 1, 8), load(4, 1, 1, 24), ...end],
  "goes beyond a member behind a union": [task, load(8, 1, 6, 16), load(4, 1, 1, 24), ...end],
  "hands a task over to a map, and what was there back": [
    ...acquired,
    jump("eq", 0, 0, 7),
    ...mapValue(1, 2, 8),
    copy(2, 0),
    raw(0x85, 0, 0, 0, 194),
    jump("eq", 0, 0, 2),
    copy(1, 0),
    calls("bpf_task_release"),
    ...end,
  ],
  "borrows from a map": [...mapValue(1, 2, 8), load(8, 1, 1, 0), jump("eq", 1, 0, 1), load(4, 2, 1, 24), ...end],
};
const bad: Readonly<Record<string, readonly [message: RegExp, lines: readonly Line[]]>> = {
  "uses what it counts without a test": [
    /unbounded memory access|max value is outside/,
    [
      ...begin(0, 8),
      ...each(load(4, 7, 0, 0), ...mapValue(1, 1, 0), opReg("add", 1, 7), storeImm(1, 1, 0, 1)),
      ...destroy,
      ...end,
    ],
  ],
  "is right in the first turn alone": [
    /unbounded memory access|max value is outside|min value is/,
    [
      ...begin(0, 8),
      mov(7, 0),
      ...each(...mapValue(1, 1, 0), opReg("add", 1, 7), storeImm(1, 1, 0, 1), op("add", 7, 60)),
      ...destroy,
      ...end,
    ],
  ],
  "never ends": [/infinite loop/, [mov(7, 0), jump("ne", 7, 1, -1), ...end]],
  "writes to what the iterator gives": [
    /cannot write into rdonly_mem/,
    [...begin(0, 8), ...each(storeImm(4, 0, 0, 1)), ...destroy, ...end],
  ],
  "reads beyond what the iterator gives": [
    /max value is outside|min value is outside/,
    [...begin(0, 8), ...each(load(8, 7, 0, 0)), ...destroy, ...end],
  ],
  "keeps what it must give back": [/reference leak/, [...acquired, ...end]],
  "gives back what may be missing": [/or_null/, [...acquired, copy(1, 0), calls("bpf_task_release"), ...end]],
  "gives back what it does not hold": [/expects refcounted/, [task, copy(1, 6), calls("bpf_task_release"), ...end]],
  "uses what it has given back": [
    /invalid mem access 'scalar'/,
    [...acquired, jump("eq", 0, 0, 4), copy(6, 0), copy(1, 0), calls("bpf_task_release"), load(4, 1, 6, 24), ...end],
  ],
  "takes hold of what it has only followed": [
    /must be a rcu pointer/,
    [task, load(8, 1, 6, 8), calls("bpf_task_acquire"), ...end],
  ],
  "takes hold of what lies in a union": [
    /must be a rcu pointer/,
    [task, load(8, 1, 6, 16), calls("bpf_task_acquire"), ...end],
  ],
  "gives a pointer where a number is wanted": [
    /R1 is not a scalar/,
    [task, copy(1, 6), calls("bpf_task_from_pid"), ...end],
  ],
  "reads across two members": [/cannot access ptr member/, [task, load(4, 1, 6, 8), ...end]],
  "writes to a task": [/only read is supported/, [task, storeImm(4, 6, 24, 1), ...end]],
  "borrows from a map without a test": [
    /invalid mem access/,
    [...mapValue(1, 2, 8), load(8, 1, 1, 0), load(4, 2, 1, 24), ...end],
  ],
  "stores into what a map keeps": [
    /store to referenced kptr/,
    [mov(2, 0), ...mapValue(1, 2, 8), store(8, 1, 0, 2), ...end],
  ],
  "reads half of what a map keeps": [/kptr access size/, [...mapValue(1, 2, 8), load(4, 1, 1, 0), ...end]],
  "exchanges at the wrong place": [
    /doesn't point to kptr/,
    [...acquired, jump("eq", 0, 0, 4), ...mapValue(1, 2, 0), copy(2, 0), raw(0x85, 0, 0, 0, 194), ...end],
  ],
  "leaves others no room": [/bpf_preempt_disable-ed region/, [calls("bpf_preempt_disable"), ...end]],
  "lets others in that it never kept out": [/unmatched attempt/, [calls("bpf_preempt_enable"), ...end]],
};

describe("a program", () => {
  test.each(Object.entries(good))("that %s is taken", (_, lines) => {
    expect(check(lines)).toMatchObject({ verdict: "accept" });
  });
  test.each(Object.entries(bad))("that %s is not", (_, [message, lines]) => {
    const result = check(lines);
    expect(result.verdict).not.toBe("accept");
    if (result.verdict === "reject") expect(result.message).toMatch(message);
  });
});

describe("a program that may sleep", () => {
  const lock = calls("bpf_rcu_read_lock");
  const unlock = calls("bpf_rcu_read_unlock");
  const borrow: readonly Line[] = [...mapValue(1, 2, 8), load(8, 7, 1, 0)];
  const hold: readonly Line[] = [
    copy(1, 7),
    calls("bpf_task_acquire"),
    jump("eq", 0, 0, 2),
    copy(1, 0),
    calls("bpf_task_release"),
  ];
  test("borrows inside of an RCU section", () => {
    const lines = [lock, ...borrow, jump("eq", 7, 0, hold.length), ...hold, unlock, ...end];
    expect(check(lines, LOAD_FLAGS.sleepable)).toMatchObject({ verdict: "accept" });
  });
  test("and not outside, nor behind it", () => {
    for (const lines of [
      [...borrow, jump("eq", 7, 0, hold.length), ...hold, ...end],
      [lock, ...borrow, unlock, jump("eq", 7, 0, hold.length), ...hold, ...end],
    ])
      expect(check(lines, LOAD_FLAGS.sleepable)).toMatchObject({
        verdict: "reject",
        message: "R1 must be a rcu pointer",
      });
  });
  test("leaves the section that it has entered, and no other", () => {
    expect(check([lock, ...end], LOAD_FLAGS.sleepable)).toMatchObject({ verdict: "reject" });
    expect(check([unlock, ...end], LOAD_FLAGS.sleepable)).toMatchObject({ verdict: "reject" });
  });
});
