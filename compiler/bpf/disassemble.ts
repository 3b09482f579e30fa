/**
 * Instructions as text, character for character what `llvm-objdump-19 -d` prints, whose syntax the kernel's log and
 * bpftool share. Encodings: RFC 9669. Fields that LLVM ignores are ignored here as well.
 */
import { ALU, ATOMIC, JMP, LDDW, MODE, SIZE } from "./opcodes.ts";
import type { RawInsn } from "./raw.ts";

/**
 * `generic` is how llvm-objdump reads an object by itself: loads and stores name 64-bit registers, and every 32-bit atomic
 * is a plain addition or unknown. `v4` is `--mcpu=v4`: they name 32-bit registers, and every atomic is known.
 */
export type Dialect = "generic" | "v4";

export interface Disassembled {
  /** As LLVM writes it, without the `<symbol+offset>` behind jumps. */
  readonly text: string;
  readonly slots: 1 | 2;
  /** Of a jump: the text up to the target, and the target in slots from the next instruction on. */
  readonly jump?: { readonly before: string; readonly by: number };
}

/** What LLVM prints for bytes that are no instruction. */
export const UNKNOWN = "<unknown>";

/** LLVM's register file has r0 to r11; r11 is its stack pointer and never in a program. */
const REGISTERS = 12;
const ACCESS = { [SIZE.b]: "8", [SIZE.h]: "16", [SIZE.w]: "32", [SIZE.dw]: "64" } as const;
type AccessText = (typeof ACCESS)[keyof typeof ACCESS];

const hex = (value: number | bigint): string => (value < 0 ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`);
const distance = (value: number): string => (value < 0 ? hex(value) : `+${hex(value)}`);
const memory = (register: number, offset: number): string =>
  `r${register} ${offset < 0 ? "-" : "+"} ${hex(Math.abs(offset))}`;

const ALU_TEXT = new Map<number, string>(Object.values(ALU).map(({ code, text }) => [code, text]));
const JMP_TEXT = new Map<number, string>(Object.values(JMP).map(({ code, text }) => [code, text]));

/** The instruction at `at`; never fails, unknown bytes are `<unknown>` and take one slot. */
export function disassemble(slots: readonly RawInsn[], at: number, dialect: Dialect = "generic"): Disassembled {
  const insn = slots[at];
  if (!insn) return { text: UNKNOWN, slots: 1 };
  if (insn.code === LDDW) {
    const text = wideImmediate(insn, slots[at + 1]);
    return text === undefined ? { text: UNKNOWN, slots: 1 } : { text, slots: 2 };
  }
  const found = TEXT_OF_CLASS[insn.code & 7]!(insn, dialect);
  if (found === undefined) return { text: UNKNOWN, slots: 1 };
  if (typeof found === "string") return { text: found, slots: 1 };
  return { text: `${found.before} ${distance(found.by)}`, slots: 1, jump: found };
}

type Found = string | { readonly before: string; readonly by: number } | undefined;
type TextOfClass = (insn: RawInsn, dialect: Dialect) => Found;

/** By the lowest three bits of the opcode. */
const TEXT_OF_CLASS: readonly TextOfClass[] = [
  packetLoad,
  load,
  storeImmediate,
  store,
  (insn) => arithmetic(insn, "w"),
  (insn) => jump(insn, "r"),
  (insn) => jump(insn, "w"),
  (insn) => arithmetic(insn, "r"),
];

function wideImmediate(insn: RawInsn, second: RawInsn | undefined): string | undefined {
  if (!second || insn.off !== 0 || insn.dst >= REGISTERS) return undefined;
  if (insn.src !== 0) return `ld_pseudo\tr${insn.dst}, ${hex(insn.src)}, ${hex(insn.imm >>> 0)}`;
  const value = BigInt.asIntN(64, (BigInt(second.imm) << 32n) | BigInt(insn.imm >>> 0));
  return `r${insn.dst} = ${hex(value)} ll`;
}

/** The old socket-filter loads, which read the packet into r0. */
function packetLoad(insn: RawInsn): Found {
  const size = ACCESS[(insn.code & 0x18) as keyof typeof ACCESS];
  const mode = insn.code & 0xe0;
  if (size === "64") return undefined;
  if (mode === MODE.abs) return `r0 = *(u${size} *)skb[${hex(insn.imm)}]`;
  if (mode === MODE.ind && insn.src < REGISTERS) return `r0 = *(u${size} *)skb[r${insn.src}]`;
  return undefined;
}

const narrowRegister = (size: AccessText, dialect: Dialect): string => (dialect === "v4" && size !== "64" ? "w" : "r");

function load(insn: RawInsn, dialect: Dialect): Found {
  const size = ACCESS[(insn.code & 0x18) as keyof typeof ACCESS];
  const mode = insn.code & 0xe0;
  if (insn.dst >= REGISTERS || insn.src >= REGISTERS) return undefined;
  const from = memory(insn.src, insn.off);
  if (mode === MODE.mem) return `${narrowRegister(size, dialect)}${insn.dst} = *(u${size} *)(${from})`;
  if (mode === MODE.memsx && size !== "64") return `r${insn.dst} = *(s${size} *)(${from})`;
  return undefined;
}

function storeImmediate(insn: RawInsn): Found {
  const size = ACCESS[(insn.code & 0x18) as keyof typeof ACCESS];
  if ((insn.code & 0xe0) !== MODE.mem || insn.dst >= REGISTERS) return undefined;
  return `*(u${size} *)(${memory(insn.dst, insn.off)}) = ${hex(insn.imm)}`;
}

function store(insn: RawInsn, dialect: Dialect): Found {
  const size = ACCESS[(insn.code & 0x18) as keyof typeof ACCESS];
  const mode = insn.code & 0xe0;
  if (insn.dst >= REGISTERS || insn.src >= REGISTERS) return undefined;
  if (mode === MODE.mem)
    return `*(u${size} *)(${memory(insn.dst, insn.off)}) = ${narrowRegister(size, dialect)}${insn.src}`;
  if (mode === MODE.atomic && (size === "32" || size === "64")) return atomic(insn, size, dialect);
  return undefined;
}

/** Operator of the form without result, and the function of the form that fetches the old value. */
const ATOMIC_TEXT = new Map<number, readonly [operator: string, fetch: string]>([
  [ATOMIC.add, ["+=", "atomic_fetch_add"]],
  [ATOMIC.or, ["|=", "atomic_fetch_or"]],
  [ATOMIC.and, ["&=", "atomic_fetch_and"]],
  [ATOMIC.xor, ["^=", "atomic_fetch_xor"]],
]);

function atomic(insn: RawInsn, size: "32" | "64", dialect: Dialect): Found {
  const register = narrowRegister(size, dialect);
  const at = memory(insn.dst, insn.off);
  const value = `${register}${insn.src}`;
  const operation = insn.imm & 0xf0;
  // The 32-bit addition of the first instruction set has no form that fetches, so LLVM does not look there.
  const old = size === "32" && dialect === "generic";
  if (old && operation !== ATOMIC.add) return undefined;
  const fetch = (insn.imm & 0x0f) === ATOMIC.fetch && !old;
  const names = ATOMIC_TEXT.get(operation);
  if (names && !fetch) return `lock *(u${size} *)(${at}) ${names[0]} ${value}`;
  if (names) return `${value} = ${names[1]}((u${size} *)(${at}), ${value})`;
  const suffix = size === "32" ? "32_32" : "_64";
  if (fetch && operation === (ATOMIC.xchg & 0xf0)) return `${value} = xchg${suffix}(${at}, ${value})`;
  if (fetch && operation === (ATOMIC.cmpxchg & 0xf0))
    return `${register}0 = cmpxchg${suffix}(${at}, ${register}0, ${value})`;
  return undefined;
}

/** Offsets of `mov` that make it a sign extension, by register width. */
const SIGN_EXTENSION = { w: [8, 16], r: [8, 16, 32] } as const;
const ADDRESS_SPACE_CAST = 1;

function arithmetic(insn: RawInsn, register: "r" | "w"): Found {
  const operation = insn.code & 0xf0;
  const fromRegister = (insn.code & 0x08) !== 0;
  const target = `${register}${insn.dst}`;
  if (insn.dst >= REGISTERS) return undefined;
  if (operation === ALU.end.code) return byteOrder(insn, register, fromRegister);
  if (operation === ALU.neg.code) return fromRegister ? undefined : `${target} = -${target}`;
  const operator = ALU_TEXT.get(operation);
  if (operator === undefined || (fromRegister && insn.src >= REGISTERS)) return undefined;
  const value = fromRegister ? `${register}${insn.src}` : hex(insn.imm);
  if (insn.off === 0) return `${target} ${operator} ${value}`;
  if (operation === ALU.div.code || operation === ALU.mod.code)
    return insn.off === 1 ? `${target} s${operator} ${value}` : undefined;
  if (operation !== ALU.mov.code || !fromRegister) return undefined;
  if ((SIGN_EXTENSION[register] as readonly number[]).includes(insn.off)) return `${target} = (s${insn.off})${value}`;
  if (register === "r" && insn.off === ADDRESS_SPACE_CAST)
    return `${target} = addr_space_cast(${value}, ${hex(insn.imm >>> 16)}, ${hex(insn.imm & 0xffff)})`;
  return undefined;
}

/** `le` and `be` in the 32-bit class, `bswap` in the 64-bit class; all of them print 64-bit registers. */
function byteOrder(insn: RawInsn, register: "r" | "w", toBig: boolean): Found {
  if (insn.imm !== 16 && insn.imm !== 32 && insn.imm !== 64) return undefined;
  if (register === "r" && toBig) return undefined;
  const name = register === "r" ? "bswap" : toBig ? "be" : "le";
  return `r${insn.dst} = ${name}${insn.imm} r${insn.dst}`;
}

/** The condition that only a later instruction set has: `may_goto` (class jmp, operation 0xe0). */
export const MAY_GOTO = 0xe5;

function jump(insn: RawInsn, register: "r" | "w"): Found {
  const operation = insn.code & 0xf0;
  const wide = register === "r";
  const fromRegister = (insn.code & 0x08) !== 0;
  if (insn.code === MAY_GOTO) return { before: "may_goto", by: insn.off };
  switch (operation) {
    case JMP.ja.code:
      if (fromRegister) return undefined;
      return wide ? { before: "goto", by: insn.off } : { before: "gotol", by: insn.imm };
    case JMP.call.code:
      if (!wide) return undefined;
      if (!fromRegister) return `call ${hex(insn.imm)}`;
      return insn.dst < REGISTERS ? `callx r${insn.dst}` : undefined;
    case JMP.exit.code:
      return wide && !fromRegister && insn.imm === 0 ? "exit" : undefined;
  }
  const operator = JMP_TEXT.get(operation);
  if (operator === undefined || insn.dst >= REGISTERS || (fromRegister && insn.src >= REGISTERS)) return undefined;
  const value = fromRegister ? `${register}${insn.src}` : hex(insn.imm);
  return { before: `if ${register}${insn.dst} ${operator} ${value} goto`, by: insn.off };
}
