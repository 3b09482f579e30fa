/** Our own instruction-set vectors: corners of RFC 9669, with results worked out by hand from its text. */
import { ATOMIC } from "../../compiler/bpf/opcodes.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import * as asm from "../vm/assemble.ts";

export interface OwnVector {
  readonly name: string;
  readonly insns: readonly RawInsn[];
  readonly memory?: Uint8Array;
  readonly result: bigint;
}
const { alu32, alu64, constant, exit, load, loadSigned, mov, reg, store } = asm;
const MINUS_ONE = 0xffff_ffff_ffff_ffffn;
const LEAST = 0x8000_0000_0000_0000n;

const vector = (name: string, result: bigint, ...insns: (RawInsn | readonly RawInsn[])[]): OwnVector => ({
  name,
  result,
  insns: [...insns.flat(), exit],
});
/** r0 = a OP b, with b in a register. */
const binary = (
  name: string,
  result: bigint,
  a: bigint,
  b: bigint,
  op: (dst: number, src: asm.Operand) => RawInsn,
): OwnVector => vector(name, result, constant(0, a), constant(1, b), op(0, reg(1)));
/** Which way a jump on (a, b) goes: 1 taken, 0 not. */
const jumps = (
  name: string,
  taken: boolean,
  a: bigint,
  b: bigint,
  jump: (dst: number, src: asm.Operand, off: number) => RawInsn,
): OwnVector => vector(name, taken ? 1n : 0n, constant(1, a), constant(2, b), mov(0, 1), jump(1, reg(2), 1), mov(0, 0));

export const OWN_VECTORS: readonly OwnVector[] = [
  binary("add wraps at 64 bits", 1n, MINUS_ONE, 2n, (d, s) => alu64("add", d, s)),
  binary("add32 wraps at 32 bits and clears the rest", 1n, MINUS_ONE, 2n, (d, s) => alu32("add", d, s)),
  binary("sub32 clears the rest", 0xffff_fffen, 1n, 3n, (d, s) => alu32("sub", d, s)),
  binary("mul wraps", 0xffff_fffe_0000_0001n, 0xffff_ffffn, 0xffff_ffffn, (d, s) => alu64("mul", d, s)),
  binary("mul32 wraps", 1n, 0xffff_ffffn, 0xffff_ffffn, (d, s) => alu32("mul", d, s)),
  binary("div by zero gives zero", 0n, 7n, 0n, (d, s) => alu64("div", d, s)),
  binary("div32 by zero gives zero", 0n, MINUS_ONE, 0n, (d, s) => alu32("div", d, s)),
  binary("div32 looks at the lower halves", 3n, 0x1_0000_0007n, 0x5_0000_0002n, (d, s) => alu32("div", d, s)),
  binary("div is unsigned", 0x7fff_ffff_ffff_ffffn, MINUS_ONE, 2n, (d, s) => alu64("div", d, s)),
  binary("mod by zero leaves the value", 7n, 7n, 0n, (d, s) => alu64("mod", d, s)),
  binary("mod32 by zero leaves the lower half", 0xffff_ffffn, MINUS_ONE, 0n, (d, s) => alu32("mod", d, s)),
  binary("mod32 by a lower half of zero", 9n, 0x3_0000_0009n, 0x1_0000_0000n, (d, s) => alu32("mod", d, s)),
  binary("sdiv goes toward zero", u(-3n), u(-7n), 2n, (d, s) => alu64("div", d, s, 1)),
  binary("sdiv32 goes toward zero and clears the rest", 0xffff_fffdn, u(-7n), 2n, (d, s) => alu32("div", d, s, 1)),
  binary("sdiv of the least by -1 is itself", LEAST, LEAST, MINUS_ONE, (d, s) => alu64("div", d, s, 1)),
  binary("sdiv32 of the least by -1 is itself", 0x8000_0000n, 0x8000_0000n, MINUS_ONE, (d, s) => alu32("div", d, s, 1)),
  binary("sdiv by zero gives zero", 0n, u(-7n), 0n, (d, s) => alu64("div", d, s, 1)),
  binary("smod has the sign of the dividend", u(-1n), u(-7n), 2n, (d, s) => alu64("mod", d, s, 1)),
  binary("smod32 has the sign of the dividend", 0xffff_ffffn, u(-7n), 2n, (d, s) => alu32("mod", d, s, 1)),
  binary("smod of the least by -1 is 0", 0n, LEAST, MINUS_ONE, (d, s) => alu64("mod", d, s, 1)),
  binary("smod32 of the least by -1 is 0", 0n, 0x8000_0000n, MINUS_ONE, (d, s) => alu32("mod", d, s, 1)),
  binary("lsh takes the count modulo 64", 2n, 1n, 65n, (d, s) => alu64("lsh", d, s)),
  binary("lsh32 takes the count modulo 32", 2n, 1n, 33n, (d, s) => alu32("lsh", d, s)),
  binary("rsh is logical", 1n, LEAST, 63n, (d, s) => alu64("rsh", d, s)),
  binary("rsh32 looks at the lower half", 1n, 0xffff_ffff_8000_0000n, 31n, (d, s) => alu32("rsh", d, s)),
  binary("arsh keeps the sign", MINUS_ONE, LEAST, 63n, (d, s) => alu64("arsh", d, s)),
  binary("arsh32 keeps the sign of bit 31 and clears the rest", 0xffff_ffffn, 0x8000_0000n, 31n, (d, s) =>
    alu32("arsh", d, s),
  ),
  binary("arsh32 does not look at bit 63", 1n, 0x8000_0000_0000_0002n, 1n, (d, s) => alu32("arsh", d, s)),
  vector("or with a negative constant extends its sign", MINUS_ONE, mov(0, 0), alu64("or", 0, -1)),
  vector("or32 with a negative constant", 0xffff_ffffn, mov(0, 0), alu32("or", 0, -1)),
  vector("and with a negative constant keeps the upper half", LEAST, constant(0, LEAST | 1n), alu64("and", 0, -2)),
  vector("xor32 clears the upper half", 0n, constant(0, 0xffff_ffff_0000_0001n), alu32("xor", 0, 1)),
  vector("mov extends the sign of its constant", MINUS_ONE, mov(0, -1)),
  vector("mov32 does not", 0xffff_ffffn, alu32("mov", 0, -1)),
  vector("neg of the least is itself", LEAST, constant(0, LEAST), alu64("neg", 0, 0)),
  vector("neg32 clears the rest", 0xffff_ffffn, constant(0, 0x1_0000_0001n), alu32("neg", 0, 0)),
  vector("movsx from 8 bits", u(-128n), mov(1, 0x80), alu64("mov", 0, reg(1), 8)),
  vector("movsx from 16 bits", u(-32768n), mov(1, 0x18000), alu64("mov", 0, reg(1), 16)),
  vector("movsx from 32 bits", u(-1n), constant(1, 0xffff_ffffn), alu64("mov", 0, reg(1), 32)),
  vector("movsx32 from 8 bits clears the upper half", 0xffff_ff80n, mov(1, 0x80), alu32("mov", 0, reg(1), 8)),
  vector("be16", 0x3412n, constant(0, 0xffff_ffff_ffff_1234n), asm.swap("be", 16, 0)),
  vector("be32", 0x7856_3412n, constant(0, 0xffff_ffff_1234_5678n), asm.swap("be", 32, 0)),
  vector("be64", 0xefcd_ab90_7856_3412n, constant(0, 0x1234_5678_90ab_cdefn), asm.swap("be", 64, 0)),
  vector("le16 cuts off", 0x1234n, constant(0, 0xffff_ffff_ffff_1234n), asm.swap("le", 16, 0)),
  vector("le64 changes nothing", LEAST, constant(0, LEAST), asm.swap("le", 64, 0)),
  vector("bswap16 cuts off", 0x3412n, constant(0, 0xffff_1234n), asm.swap("swap", 16, 0)),
  vector("bswap32 cuts off", 0x7856_3412n, constant(0, 0x9999_9999_1234_5678n), asm.swap("swap", 32, 0)),
  vector("bswap64", 0x0100_0000_0000_0000n, mov(0, 1), asm.swap("swap", 64, 0)),
  jumps("jgt is unsigned", true, MINUS_ONE, 1n, (d, s, o) => asm.branch64("jgt", d, s, o)),
  jumps("jsgt is signed", false, MINUS_ONE, 1n, (d, s, o) => asm.branch64("jsgt", d, s, o)),
  jumps("jslt is signed", true, LEAST, 0n, (d, s, o) => asm.branch64("jslt", d, s, o)),
  jumps("jlt32 looks at the lower halves", true, 0x1_0000_0000n, 1n, (d, s, o) => asm.branch32("jlt", d, s, o)),
  jumps("jsgt32 has its sign in bit 31", false, 0x8000_0000n, 0n, (d, s, o) => asm.branch32("jsgt", d, s, o)),
  jumps("jsge32 at equality", true, 0x5_8000_0000n, 0x8000_0000n, (d, s, o) => asm.branch32("jsge", d, s, o)),
  jumps("jset32 ignores the upper halves", false, 0xffff_ffff_0000_0000n, MINUS_ONE, (d, s, o) =>
    asm.branch32("jset", d, s, o),
  ),
  jumps("jset", true, LEAST, LEAST, (d, s, o) => asm.branch64("jset", d, s, o)),
  jumps("jne32", false, 0x1_0000_0005n, 5n, (d, s, o) => asm.branch32("jne", d, s, o)),
  vector("a jump's constant extends its sign", 1n, mov(0, 1), mov(1, -1), asm.branch64("jeq", 1, -1, 1), mov(0, 0)),
  vector("goto by 32 bits", 1n, mov(0, 1), asm.branch64("jeq", 0, 5, 1), asm.jumpFar(1), mov(0, 0)),
  vector(
    "a loop",
    55n,
    mov(0, 0),
    mov(1, 10),
    alu64("add", 0, reg(1)),
    alu64("sub", 1, 1),
    asm.branch64("jne", 1, 0, -3),
  ),
  vector("a narrow load clears the rest", 0xffn, store(8, 10, -8, -1), mov(0, -1), load(1, 0, 10, -8)),
  vector(
    "a narrow store leaves its neighbours",
    0xffff_ffff_ff00_ffffn,
    store(8, 10, -8, -1),
    store(1, 10, -6, 0),
    load(8, 0, 10, -8),
  ),
  vector("a store of a constant extends its sign", MINUS_ONE, store(8, 10, -8, -1), load(8, 0, 10, -8)),
  vector("little endian in memory", 0x34n, mov(1, 0x1234), store(2, 10, -8, reg(1)), load(1, 0, 10, -8)),
  vector("loads of signed bytes", u(-128n), store(8, 10, -8, 0x80), loadSigned(1, 0, 10, -8)),
  vector("loads of signed halves", u(-32768n), store(8, 10, -8, 0x8000), loadSigned(2, 0, 10, -8)),
  vector("loads of signed words", MINUS_ONE, store(4, 10, -8, -1), loadSigned(4, 0, 10, -8)),
  vector(
    "fetching add gives the old value",
    5n,
    store(8, 10, -8, 5),
    mov(0, 3),
    asm.atomic(8, ATOMIC.add | ATOMIC.fetch, 10, -8, 0),
  ),
  vector(
    "and stores the sum",
    8n,
    store(8, 10, -8, 5),
    mov(1, 3),
    asm.atomic(8, ATOMIC.add | ATOMIC.fetch, 10, -8, 1),
    load(8, 0, 10, -8),
  ),
  vector(
    "add without fetch leaves the register",
    3n,
    store(8, 10, -8, 5),
    mov(0, 3),
    asm.atomic(8, ATOMIC.add, 10, -8, 0),
  ),
  vector(
    "a 32-bit fetch clears the rest",
    0xffff_ffffn,
    store(8, 10, -8, -1),
    mov(0, -1),
    asm.atomic(4, ATOMIC.xor | ATOMIC.fetch, 10, -8, 0),
  ),
  vector(
    "a 32-bit atomic leaves its neighbour",
    0xffff_ffff_0000_0000n,
    store(8, 10, -8, -1),
    mov(1, 1),
    asm.atomic(4, ATOMIC.add, 10, -8, 1),
    load(8, 0, 10, -8),
  ),
  vector(
    "xchg gives the old and stores the new",
    15n,
    store(8, 10, -8, 5),
    mov(1, 10),
    asm.atomic(8, ATOMIC.xchg, 10, -8, 1),
    load(8, 0, 10, -8),
    alu64("add", 0, reg(1)),
  ),
  vector(
    "cmpxchg that matches stores",
    9n,
    store(8, 10, -8, 5),
    mov(0, 5),
    mov(1, 9),
    asm.atomic(8, ATOMIC.cmpxchg, 10, -8, 1),
    load(8, 0, 10, -8),
  ),
  vector(
    "cmpxchg that does not match leaves it",
    5n,
    store(8, 10, -8, 5),
    mov(0, 4),
    mov(1, 9),
    asm.atomic(8, ATOMIC.cmpxchg, 10, -8, 1),
    load(8, 0, 10, -8),
  ),
  vector(
    "cmpxchg gives the old value",
    5n,
    store(8, 10, -8, 5),
    mov(0, 4),
    mov(1, 9),
    asm.atomic(8, ATOMIC.cmpxchg, 10, -8, 1),
  ),
  vector(
    "cmpxchg32 compares lower halves and clears the rest of r0",
    5n,
    store(8, 10, -8, 5),
    constant(0, 0x7_0000_0005n),
    mov(1, 9),
    asm.atomic(4, ATOMIC.cmpxchg, 10, -8, 1),
  ),
  {
    name: "a callee has its own stack and leaves r6 to r9",
    result: 77n,
    insns: [
      mov(6, 70),
      store(8, 10, -8, 7),
      asm.callLocal(4),
      load(8, 0, 10, -8),
      alu64("add", 0, reg(6)),
      exit,
      exit,
      mov(6, 1),
      store(8, 10, -8, 1),
      mov(0, 0),
      exit,
    ],
  },
  {
    name: "memory and its length",
    memory: Uint8Array.of(1, 2, 3, 4, 5),
    result: 0x0504_0302n + 5n,
    insns: [load(4, 0, 1, 1), alu64("add", 0, reg(2)), exit],
  },
];

function u(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}
