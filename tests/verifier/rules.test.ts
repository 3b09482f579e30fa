import { describe, expect, test } from "vitest";
import { kernels } from "../../compiler/bpf/kernels.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import { explain } from "../../compiler/verifier/explain.ts";
import { verify, type Category, type Program } from "../../compiler/verifier/verify.ts";
import {
  call,
  callLocal,
  check,
  CONSTANTS,
  copy,
  exit,
  go,
  HASH,
  jump,
  jumpReg,
  load,
  mapFd,
  mapValue,
  mov,
  op,
  opReg,
  programOf,
  raw,
  RINGBUF,
  store,
  storeImm,
} from "./assemble.ts";

const LOOKUP = 1;
const RANDOM = 7;
const SETSOCKOPT = 49;
const STORAGE_GET = 107;
const RESERVE = 131;
const SUBMIT = 132;

/** r0 = map_lookup_elem(sessions, &0), key at fp-4. */
const lookup = [storeImm(4, 10, -4, 0), copy(2, 10), op("add", 2, -4), ...mapFd(1, HASH), call(LOOKUP)];
/** r2 = packet, r3 = its end. */
const packet = [load(8, 2, 1, 192), load(8, 3, 1, 200)];
const done = [mov(0, 1), exit];

/** Each pair differs in the one thing that the rule is about. */
const RULES: readonly {
  readonly rule: string;
  readonly accept: readonly RawInsn[];
  readonly reject: readonly RawInsn[];
  readonly at: number | undefined;
  readonly category: Category;
  readonly program?: Partial<Program>;
}[] = [
  {
    rule: "r0 is written before exit",
    accept: done,
    reject: [exit],
    at: 0,
    category: "uninit-reg",
  },
  {
    rule: "sock_ops programs return 0 or 1",
    accept: [mov(0, 0), exit],
    reject: [mov(0, 2), exit],
    at: 1,
    category: "other",
  },
  {
    rule: "a lookup's result is checked before use",
    accept: [...lookup, jump("eq", 0, 0, 1), load(8, 1, 0, 0), ...done],
    reject: [...lookup, load(8, 1, 0, 0), ...done],
    at: 6,
    category: "null-check",
  },
  {
    rule: "map values have an end",
    accept: [...lookup, jump("eq", 0, 0, 1), load(8, 1, 0, 8), ...done],
    reject: [...lookup, jump("eq", 0, 0, 1), load(8, 1, 0, 9), ...done],
    at: 7,
    category: "map-bounds",
  },
  {
    rule: "an index into a map value has a bound",
    accept: [
      ...lookup,
      jump("eq", 0, 0, 4),
      load(4, 1, 0, 0),
      jump("gt", 1, 8, 2),
      opReg("add", 0, 1),
      load(8, 1, 0, 0),
      ...done,
    ],
    reject: [
      ...lookup,
      jump("eq", 0, 0, 4),
      load(4, 1, 0, 0),
      jump("gt", 1, 9, 2),
      opReg("add", 0, 1),
      load(8, 1, 0, 0),
      ...done,
    ],
    at: 10,
    category: "map-bounds",
  },
  {
    rule: "a signed comparison alone leaves negative indexes",
    accept: [
      ...lookup,
      jump("eq", 0, 0, 5),
      load(8, 1, 0, 0),
      jump("slt", 1, 0, 3),
      jump("sgt", 1, 8, 2),
      opReg("add", 0, 1),
      load(8, 1, 0, 0),
      ...done,
    ],
    reject: [
      ...lookup,
      jump("eq", 0, 0, 4),
      load(8, 1, 0, 0),
      jump("sgt", 1, 8, 2),
      opReg("add", 0, 1),
      load(8, 1, 0, 0),
      ...done,
    ],
    at: 9,
    category: "map-bounds",
  },
  {
    rule: "packet bytes are compared with the end first",
    accept: [...packet, copy(4, 2), op("add", 4, 8), jumpReg("gt", 4, 3, 1), load(8, 5, 2, 0), ...done],
    reject: [...packet, copy(4, 2), op("add", 4, 7), jumpReg("gt", 4, 3, 1), load(8, 5, 2, 0), ...done],
    at: 5,
    category: "packet-bounds",
  },
  {
    rule: "context fields are read in their own size",
    accept: [load(8, 2, 1, 168), ...done],
    reject: [load(4, 2, 1, 168), ...done],
    at: 0,
    category: "ctx-access",
  },
  {
    rule: "only reply and sk_txhash of the context are writable",
    accept: [mov(2, 1), store(4, 1, 4, 2), ...done],
    reject: [mov(2, 1), store(4, 1, 0, 2), ...done],
    at: 1,
    category: "ctx-access",
  },
  {
    rule: "the context pointer is not moved before use",
    accept: [load(4, 2, 1, 76), ...done],
    reject: [op("add", 1, 4), load(4, 2, 1, 72), ...done],
    at: 1,
    category: "ctx-access",
  },
  {
    rule: "the stack has 512 bytes",
    accept: [storeImm(8, 10, -512, 0), ...done],
    reject: [storeImm(8, 10, -520, 0), ...done],
    at: 0,
    category: "stack-oob",
  },
  {
    rule: "stack accesses are aligned",
    accept: [storeImm(8, 10, -16, 0), ...done],
    reject: [storeImm(8, 10, -12, 0), ...done],
    at: 0,
    category: "align",
  },
  {
    rule: "a spilled pointer comes back whole",
    accept: [store(8, 10, -8, 1), load(8, 2, 10, -8), load(4, 3, 2, 0), ...done],
    reject: [store(8, 10, -8, 1), load(4, 2, 10, -8), load(4, 3, 2, 0), ...done],
    at: 1,
    category: "other",
  },
  {
    rule: "numbers are no addresses",
    accept: [load(4, 2, 1, 0), ...done],
    reject: [mov(1, 64), load(4, 2, 1, 0), ...done],
    at: 1,
    category: "scalar-deref",
  },
  {
    rule: "sockets are checked for null",
    accept: [load(8, 2, 1, 184), jump("eq", 2, 0, 1), load(4, 3, 2, 4), ...done],
    reject: [load(8, 2, 1, 184), load(4, 3, 2, 4), ...done],
    at: 1,
    category: "null-check",
  },
  {
    rule: "a helper's buffer is as long as the length says",
    accept: [
      mov(2, 6),
      mov(3, 18),
      storeImm(4, 10, -4, 9),
      copy(4, 10),
      op("add", 4, -4),
      mov(5, 4),
      call(SETSOCKOPT),
      ...done,
    ],
    reject: [
      mov(2, 6),
      mov(3, 18),
      storeImm(4, 10, -4, 9),
      copy(4, 10),
      op("add", 4, -4),
      mov(5, 8),
      call(SETSOCKOPT),
      ...done,
    ],
    at: 6,
    category: "stack-oob",
  },
  {
    rule: "r1 to r5 are gone after a call",
    accept: [copy(6, 1), call(RANDOM), load(4, 2, 6, 0), ...done],
    reject: [call(RANDOM), load(4, 2, 1, 0), ...done],
    at: 1,
    category: "uninit-reg",
  },
  {
    rule: "a reserved record is submitted on every path",
    accept: [
      ...mapFd(1, RINGBUF),
      mov(2, 8),
      mov(3, 0),
      call(RESERVE),
      jump("eq", 0, 0, 4),
      storeImm(8, 0, 0, 1),
      copy(1, 0),
      mov(2, 0),
      call(SUBMIT),
      ...done,
    ],
    reject: [
      ...mapFd(1, RINGBUF),
      mov(2, 8),
      mov(3, 0),
      call(RESERVE),
      jump("eq", 0, 0, 1),
      storeImm(8, 0, 0, 1),
      ...done,
    ],
    at: 8,
    category: "ref-leak",
  },
  {
    rule: "a released record is gone",
    accept: [
      ...mapFd(1, RINGBUF),
      mov(2, 8),
      mov(3, 0),
      call(RESERVE),
      jump("eq", 0, 0, 5),
      copy(6, 0),
      storeImm(8, 6, 0, 1),
      copy(1, 0),
      mov(2, 0),
      call(SUBMIT),
      ...done,
    ],
    reject: [
      ...mapFd(1, RINGBUF),
      mov(2, 8),
      mov(3, 0),
      call(RESERVE),
      jump("eq", 0, 0, 5),
      copy(6, 0),
      copy(1, 0),
      mov(2, 0),
      call(SUBMIT),
      storeImm(8, 6, 0, 1),
      ...done,
    ],
    at: 10,
    category: "scalar-deref",
  },
  {
    rule: "loops end",
    accept: [mov(6, 0), op("add", 6, 1), jump("lt", 6, 100, -2), ...done],
    reject: [mov(6, 0), mov(7, 1), jump("lt", 6, 100, -2), ...done],
    at: 2,
    category: "infinite-loop",
  },
  {
    rule: "every instruction can be reached",
    accept: [go(0), ...done],
    reject: [go(1), mov(0, 0), ...done],
    at: 1,
    category: "unreachable/cfg",
  },
  {
    rule: "functions do not return their stack",
    accept: [callLocal(1), exit, mov(0, 1), exit],
    reject: [callLocal(1), exit, copy(0, 10), exit],
    at: 3,
    category: "stack-oob",
  },
  {
    rule: "frames of a chain of calls fit the stack together",
    accept: [storeImm(8, 10, -256, 0), callLocal(1), exit, storeImm(8, 10, -256, 0), mov(0, 1), exit],
    reject: [storeImm(8, 10, -256, 0), callLocal(1), exit, storeImm(8, 10, -264, 0), mov(0, 1), exit],
    at: undefined,
    category: "other",
  },
  {
    rule: "dead code is not held against the program",
    accept: [mov(2, 1), jump("eq", 2, 1, 1), load(4, 3, 4, 0), ...done],
    reject: [load(4, 2, 1, 0), jump("eq", 2, 1, 1), load(4, 3, 4, 0), ...done],
    at: 2,
    category: "uninit-reg",
  },
  {
    rule: "a constant of .rodata is known",
    accept: [...mapValue(1, CONSTANTS, 0), load(4, 2, 1, 0), jump("eq", 2, 5, 1), load(4, 3, 4, 0), ...done],
    reject: [...mapValue(1, CONSTANTS, 0), load(4, 2, 1, 0), jump("eq", 2, 6, 1), load(4, 3, 4, 0), ...done],
    at: 4,
    category: "uninit-reg",
  },
  {
    rule: "a parameter of .rodata may have any value",
    accept: [...mapValue(1, CONSTANTS, 4), load(4, 2, 1, 0), jump("eq", 2, 9, 1), load(4, 3, 1, 0), ...done],
    reject: [...mapValue(1, CONSTANTS, 4), load(4, 2, 1, 0), jump("eq", 2, 9, 1), load(4, 3, 4, 0), ...done],
    at: 4,
    category: "uninit-reg",
  },
  {
    rule: "what is learned of one copy holds for the other",
    accept: [
      ...lookup,
      jump("eq", 0, 0, 6),
      load(4, 1, 0, 0),
      copy(2, 1),
      jump("gt", 2, 8, 3),
      opReg("add", 0, 1),
      load(8, 1, 0, 0),
      go(0),
      ...done,
    ],
    reject: [
      ...lookup,
      jump("eq", 0, 0, 6),
      load(4, 1, 0, 0),
      load(4, 2, 0, 0),
      jump("gt", 2, 8, 3),
      opReg("add", 0, 1),
      load(8, 1, 0, 0),
      go(0),
      ...done,
    ],
    at: 11,
    category: "map-bounds",
  },
  {
    rule: "states that differ in what matters are both walked",
    // On one path r6 is 0, on the other 16, and it is added to a pointer further on.
    accept: [
      copy(9, 1),
      ...lookup,
      jump("eq", 0, 0, 7),
      load(4, 7, 9, 0),
      mov(6, 0),
      jump("eq", 7, 1, 1),
      mov(6, 8),
      opReg("add", 0, 6),
      load(8, 1, 0, 0),
      go(0),
      ...done,
    ],
    reject: [
      copy(9, 1),
      ...lookup,
      jump("eq", 0, 0, 7),
      load(4, 7, 9, 0),
      mov(6, 0),
      jump("eq", 7, 1, 1),
      mov(6, 16),
      opReg("add", 0, 6),
      load(8, 1, 0, 0),
      go(0),
      ...done,
    ],
    at: 13,
    category: "map-bounds",
  },
  {
    rule: "opcodes exist",
    accept: done,
    reject: [raw(0xff), ...done],
    at: undefined,
    category: "encoding",
  },
  {
    rule: "xdp programs have no socket storage",
    accept: [mov(0, 2), exit],
    reject: [...mapFd(1, HASH), mov(2, 0), mov(3, 0), mov(4, 0), call(STORAGE_GET), mov(0, 2), exit],
    at: 5,
    category: "helper-arg",
    program: { type: "xdp", attach: 37 },
  },
];

describe("rules of the kernel's verifier", () => {
  test.each(RULES)("$rule", ({ accept, reject, at, category, program }) => {
    expect(check(accept, program)).toMatchObject({ verdict: "accept" });
    const rejected = check(reject, program);
    expect(rejected).toMatchObject({ verdict: "reject", category });
    expect(rejected.verdict === "reject" ? rejected.failingInsn : undefined).toBe(at);
  });

  test("the patched kernel has a longer reply, more fields and three helpers more", () => {
    const reply = [mov(2, 1), store(4, 1, 16, 2), ...done];
    expect(check(reply).verdict).toBe("reject");
    expect(check(reply, { features: kernels.patched.features }).verdict).toBe("accept");
    const close = [mov(2, 0), mov(3, 0), mov(4, 0), mov(5, 0), call(213), ...done];
    expect(check(close)).toMatchObject({ verdict: "reject", failingInsn: 4 });
    expect(check(close, { features: kernels.patched.features }).verdict).toBe("accept");
  });

  test("what is not given back is named, with what gives it back; what is not held, too", () => {
    const program = programOf([...mapFd(1, RINGBUF), mov(2, 8), mov(3, 0), call(RESERVE), ...done]);
    const rejected = verify(program);
    if (rejected.verdict !== "reject") return expect(rejected.verdict).toBe("reject");
    expect(explain(program, rejected)).toEqual({
      problem: "what bpf_ringbuf_reserve has given (instruction 4) is not released on this path",
      remedy: "call bpf_ringbuf_submit or bpf_ringbuf_discard on every path on which it is not null",
    });
    const message = "func bpf_ringbuf_submit reference has not been acquired before";
    expect(explain(program, { ...rejected, message }).problem).toMatch(/^what is given back here is not held/);
  });

  test("what is not known is called so, not accepted", () => {
    expect(check(done, { type: "struct_ops" }).verdict).toBe("unsupported");
    expect(check([raw(0x85, 0, 2, 0, 1), exit]).verdict).toBe("unsupported");
  });

  test("any bytes give a result, never a throw", () => {
    let state = 12345;
    const next = (): number => (state = (Math.imul(state, 1103515245) + 12345) >>> 0);
    for (let program = 0; program < 3000; program++) {
      const insns = Array.from({ length: 1 + (next() % 12) }, () =>
        raw(next() >>> 24, (next() >>> 16) % 16, (next() >>> 16) % 16, ((next() >>> 8) % 9) - 4, (next() >>> 3) | 0),
      );
      expect(["accept", "reject", "unsupported"]).toContain(check(insns, { maps: new Map() }).verdict);
    }
  });
});

test("releases before 6.12 count frames in steps of 32 bytes, and empty ones too", () => {
  // 496 bytes in the program's frame, none in the function's.
  const program = [storeImm(8, 10, -496, 0), callLocal(2), mov(0, 1), exit, mov(0, 0), exit];
  expect(check(program, { release: "6.12" }).verdict).toBe("accept");
  for (const release of ["5.10", "6.1"] as const)
    expect(check(program, { release })).toMatchObject({
      verdict: "reject",
      message: "combined stack size of 2 calls is 544. Too large",
    });
});
