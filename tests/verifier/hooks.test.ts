/**
 * Hand-made programs of the hooks of system calls, good and bad: our verdict is the one that is written here, and the running kernel's
 * where it can be asked (kernel/bpf/cgroup.c and net/core/filter.c have the rules).
 */
import { describe, expect, test } from "vitest";
import { kernels } from "../../compiler/bpf/kernels.ts";
import { ATTACH_TYPES, type AttachTypeName } from "../../compiler/bpf/kinds/attach-types.ts";
import { KINDS, PROGRAM_TYPE_NAMES } from "../../compiler/bpf/kinds/index.ts";
import type { Section } from "../../compiler/bpf/kinds/kind.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import { verify, type Program } from "../../compiler/verifier/verify.ts";
import { kernelUnavailable, runningRelease } from "../differential/kernel.ts";
import { askKernel } from "../differential/verifier.ts";
import { call, copy, exit, jump, jumpReg, load, mov, op, opReg, store, storeImm } from "./assemble.ts";

const BIND = 64;
const SETSOCKOPT = 49;
const UID = 15;
const SET_RETVAL = 187;
const TRACE_PRINTK = 6;
const CSUM_DIFF = 28;
const returns = (value: number): RawInsn[] => [mov(0, value), exit];
/** r2 = value, r3 = its end; runs `inside` where the value has so many bytes. */
const withValue = (bytes: number, ...inside: readonly RawInsn[]): RawInsn[] => [
  load(8, 2, 1, 8),
  load(8, 3, 1, 16),
  copy(4, 2),
  op("add", 4, bytes),
  jumpReg("gt", 4, 3, inside.length),
  ...inside,
  ...returns(1),
];

interface Case {
  readonly what: string;
  readonly at: AttachTypeName;
  readonly good: boolean;
  readonly insns: readonly RawInsn[];
}
const good = (at: AttachTypeName, what: string, ...insns: readonly RawInsn[]): Case => ({
  what,
  at,
  good: true,
  insns,
});
const bad = (at: AttachTypeName, what: string, ...insns: readonly RawInsn[]): Case => ({
  what,
  at,
  good: false,
  insns,
});

const c4 = "cgroup_inet4_connect";
const c6 = "cgroup_inet6_connect";
const set = "cgroup_setsockopt";
const get = "cgroup_getsockopt";
const sockaddrIn = [storeImm(8, 10, -16, 2), storeImm(8, 10, -8, 0), copy(2, 10), op("add", 2, -16)];
const cases: readonly Case[] = [
  // struct bpf_sock_addr
  ...([1, 2, 4] as const).map((bytes) =>
    good(c4, `reads ${bytes} bytes of user_ip4`, load(bytes, 2, 1, 4), ...returns(1)),
  ),
  bad(c4, "reads 8 bytes from user_family on", load(8, 2, 1, 0), ...returns(1)),
  bad(c4, "reads half of the family", load(2, 2, 1, 28), ...returns(1)),
  bad(c4, "reads user_ip6 at connect4", load(4, 2, 1, 8), ...returns(1)),
  bad(c6, "reads user_ip4 at connect6", load(4, 2, 1, 4), ...returns(1)),
  good(c4, "writes user_ip4 and user_port", mov(2, 9), store(4, 1, 4, 2), store(4, 1, 24, 2), ...returns(1)),
  bad(c4, "writes half of user_ip4", mov(2, 9), store(2, 1, 4, 2), ...returns(1)),
  bad(c4, "writes half of user_port", mov(2, 9), store(2, 1, 24, 2), ...returns(1)),
  ...([0, 28, 32, 36] as const).map((off) =>
    bad(c4, `writes the word at ${off}`, mov(2, 9), store(4, 1, off, 2), ...returns(1)),
  ),
  good(c6, "writes halves of user_ip6", mov(2, 9), store(8, 1, 8, 2), store(8, 1, 16, 2), ...returns(1)),
  good(c6, "reads a half of user_ip6", load(8, 2, 1, 16), ...returns(1)),
  bad(c6, "writes eight bytes past user_ip6", mov(2, 9), store(8, 1, 24, 2), ...returns(1)),
  good(c4, "reads the socket's family", load(8, 2, 1, 64), load(4, 3, 2, 4), ...returns(1)),
  bad(c4, "reads past the socket", load(8, 2, 1, 64), load(4, 3, 2, 96), ...returns(1)),
  bad(c4, "writes to the socket", load(8, 2, 1, 64), storeImm(4, 2, 4, 1), ...returns(1)),
  bad(c4, "reads half of the socket's pointer", load(4, 2, 1, 64), load(4, 3, 2, 4), ...returns(1)),
  bad(c4, "writes the socket's pointer", mov(2, 0), store(8, 1, 64, 2), ...returns(1)),
  bad(c4, "adds to the socket's pointer", load(8, 2, 1, 64), op("add", 2, 4), load(4, 3, 2, 0), ...returns(1)),
  good(c4, "refuses", ...returns(0)),
  bad(c4, "returns 2", ...returns(2)),
  bad(c4, "returns the port", load(4, 0, 1, 24), exit),
  good(c4, "returns a bit of the port", load(4, 0, 1, 24), op("and", 0, 1), exit),
  good("cgroup_inet4_bind", "returns 3 at bind4", ...returns(3)),
  bad("cgroup_inet4_bind", "returns 4 at bind4", ...returns(4)),
  bad("cgroup_udp4_recvmsg", "refuses at recvmsg4", ...returns(0)),
  good(c4, "binds", ...sockaddrIn, mov(3, 16), call(BIND), ...returns(1)),
  bad(c4, "binds to nothing", copy(2, 10), op("add", 2, -16), mov(3, 0), call(BIND), ...returns(1)),
  bad(c4, "binds to more than there is", ...sockaddrIn, mov(3, 32), call(BIND), ...returns(1)),
  bad("cgroup_inet4_bind", "binds at bind4", ...sockaddrIn, mov(3, 16), call(BIND), ...returns(1)),
  bad("cgroup_udp4_sendmsg", "binds at sendmsg4", ...sockaddrIn, mov(3, 16), call(BIND), ...returns(1)),
  good(c4, "sets the error", mov(1, -13), call(SET_RETVAL), ...returns(0)),
  bad("cgroup_inet4_getpeername", "sets the error at getpeername4", mov(1, -13), call(SET_RETVAL), ...returns(1)),
  bad(c4, "reads the context after a call", call(UID), load(4, 2, 1, 4), ...returns(1)),
  // struct bpf_sockopt
  good(set, "reads a value that is there", ...withValue(4, load(4, 5, 2, 0))),
  bad(set, "reads a value without looking", load(8, 2, 1, 8), load(4, 5, 2, 0), ...returns(1)),
  bad(set, "reads one byte too many", ...withValue(4, load(1, 5, 2, 4))),
  bad(set, "reads before the value", ...withValue(4, load(1, 5, 2, -1))),
  bad(
    set,
    "reads where there is less",
    load(8, 2, 1, 8),
    load(8, 3, 1, 16),
    copy(4, 2),
    op("add", 4, 4),
    jumpReg("le", 4, 3, 1),
    load(4, 5, 2, 0),
    ...returns(1),
  ),
  bad(set, "reads through the end", load(8, 3, 1, 16), load(1, 5, 3, 0), ...returns(1)),
  bad(
    set,
    "compares with a second look at the value alone",
    load(8, 2, 1, 8),
    load(8, 3, 1, 16),
    jumpReg("ge", 2, 3, 1),
    load(4, 5, 2, 0),
    ...returns(1),
  ),
  good(set, "writes a value that is there", ...withValue(4, storeImm(4, 2, 0, 7))),
  good(get, "writes a value that is there", ...withValue(8, storeImm(8, 2, 0, 7))),
  bad(get, "writes one byte too many", ...withValue(7, storeImm(8, 2, 0, 7))),
  good(
    set,
    "reads at an index that is inside",
    load(4, 6, 1, 28),
    op("and", 6, 3),
    load(8, 2, 1, 8),
    load(8, 3, 1, 16),
    opReg("add", 2, 6),
    copy(4, 2),
    op("add", 4, 1),
    jumpReg("gt", 4, 3, 1),
    load(1, 5, 2, 0),
    ...returns(1),
  ),
  bad(
    set,
    "reads at an index after looking at the beginning alone",
    load(4, 6, 1, 28),
    op("and", 6, 3),
    ...withValue(4, opReg("add", 2, 6), load(1, 5, 2, 0)),
  ),
  bad(set, "reads at any index", load(4, 6, 1, 28), ...withValue(4, opReg("add", 2, 6), load(1, 5, 2, 0))),
  bad(
    set,
    "reads at an index that may be just outside",
    load(4, 6, 1, 28),
    op("and", 6, 7),
    ...withValue(4, opReg("add", 2, 6), load(1, 5, 2, 0)),
  ),
  good(set, "gives a value to a helper", ...withValue(4, copy(1, 2), mov(2, 4), call(TRACE_PRINTK))),
  bad(set, "gives a helper more than there is", ...withValue(4, copy(1, 2), mov(2, 8), call(TRACE_PRINTK))),
  good(set, "a value or nothing, tested", ...withValue(4, jump("eq", 2, 0, 1), load(4, 5, 2, 0))),
  bad(set, "writes the pointer to the value", mov(2, 0), store(8, 1, 8, 2), ...returns(1)),
  bad(set, "reads half of the pointer to the value", load(4, 2, 1, 8), ...returns(1)),
  good(
    set,
    "writes level, option and length",
    mov(2, 1),
    store(4, 1, 24, 2),
    store(4, 1, 28, 2),
    store(4, 1, 32, 2),
    ...returns(1),
  ),
  bad(get, "writes the level at getsockopt", mov(2, 1), store(4, 1, 24, 2), ...returns(1)),
  bad(get, "writes the option at getsockopt", mov(2, 1), store(4, 1, 28, 2), ...returns(1)),
  good(get, "writes length and result", mov(2, 0), store(4, 1, 32, 2), store(4, 1, 36, 2), ...returns(1)),
  bad(set, "reads the result at setsockopt", load(4, 2, 1, 36), ...returns(1)),
  bad(set, "writes the result at setsockopt", mov(2, 0), store(4, 1, 36, 2), ...returns(1)),
  bad(set, "writes half of the length", mov(2, 0), store(2, 1, 32, 2), ...returns(1)),
  bad(set, "reads half of the option", load(2, 2, 1, 28), ...returns(1)),
  bad(set, "returns 2", ...returns(2)),
  good(
    set,
    "sets an option of the socket itself",
    storeImm(4, 10, -4, 1),
    load(8, 1, 1, 0),
    mov(2, 6),
    mov(3, 1),
    copy(4, 10),
    op("add", 4, -4),
    mov(5, 4),
    call(SETSOCKOPT),
    ...returns(1),
  ),
  bad(
    set,
    "sets an option of the context",
    storeImm(4, 10, -4, 1),
    mov(2, 6),
    mov(3, 1),
    copy(4, 10),
    op("add", 4, -4),
    mov(5, 4),
    call(SETSOCKOPT),
    ...returns(1),
  ),
  bad(
    get,
    "sets an option at getsockopt",
    storeImm(4, 10, -4, 1),
    load(8, 1, 1, 0),
    mov(2, 6),
    mov(3, 1),
    copy(4, 10),
    op("add", 4, -4),
    mov(5, 4),
    call(SETSOCKOPT),
    ...returns(1),
  ),
  bad(
    set,
    "a checksum, which these programs have not got",
    mov(1, 0),
    mov(2, 0),
    mov(3, 0),
    mov(4, 0),
    mov(5, 0),
    call(CSUM_DIFF),
    ...returns(1),
  ),
  good(set, "jumps over nothing", jump("eq", 1, 0, 0), ...returns(1)),
];

const unavailable = kernelUnavailable();
const typeOf = (at: AttachTypeName): string =>
  PROGRAM_TYPE_NAMES.find((type) => Object.values<Section>(KINDS[type].sections).some(({ attach }) => attach === at))!;
const programOf = ({ at, insns }: Case): Program => ({
  insns,
  type: typeOf(at),
  attach: ATTACH_TYPES[at],
  flags: 0,
  maps: new Map(),
  typed: false,
  gpl: true,
  release: unavailable === undefined ? runningRelease() : "6.18",
  features: kernels.mainline.features,
});

describe("hooks of system calls: hand-made programs", () => {
  test.each(cases)("$at: $what", (one) => {
    const { verdict } = verify(programOf(one));
    expect(verdict).toBe(one.good ? "accept" : "reject");
  });

  test.skipIf(unavailable !== undefined)(
    `the running kernel says the same${unavailable ? ` (skipped: ${unavailable})` : ""}`,
    () => {
      const different = cases.flatMap((one) => {
        const { accepted, message } = askKernel(programOf(one));
        return accepted === one.good ? [] : [`${one.at}: ${one.what}: ${accepted ? "accepted" : message}`];
      });
      expect(different).toEqual([]);
    },
  );
});
