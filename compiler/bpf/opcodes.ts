/** The instruction set of RFC 9669 as tables. Names are the RFC's in lower case; `text` is LLVM's assembly. */

/** Instruction classes: the low three bits of the opcode (RFC 9669, table 2). */
export const CLASS = { ld: 0, ldx: 1, st: 2, stx: 3, alu: 4, jmp: 5, jmp32: 6, alu64: 7 } as const;
/** Source operand of arithmetic and jumps: immediate (K) or register (X). */
export const SRC_K = 0x00;
export const SRC_X = 0x08;

/** Access sizes (RFC 9669, table 10); the value is the opcode bits. */
export const SIZE = { w: 0x00, h: 0x08, b: 0x10, dw: 0x18 } as const;
export const SIZE_BYTES = { 0x00: 4, 0x08: 2, 0x10: 1, 0x18: 8 } as const;
export type AccessBytes = 1 | 2 | 4 | 8;
export const SIZE_OF_BYTES = { 1: SIZE.b, 2: SIZE.h, 4: SIZE.w, 8: SIZE.dw } as const satisfies Record<
  AccessBytes,
  number
>;

/** Modes of load and store instructions (RFC 9669, table 9). */
export const MODE = { imm: 0x00, abs: 0x20, ind: 0x40, mem: 0x60, memsx: 0x80, atomic: 0xc0 } as const;

/** Arithmetic (RFC 9669, table 3). `off` selects the signed forms of div, mod and mov. */
export const ALU = {
  add: { code: 0x00, text: "+=" },
  sub: { code: 0x10, text: "-=" },
  mul: { code: 0x20, text: "*=" },
  div: { code: 0x30, text: "/=" },
  or: { code: 0x40, text: "|=" },
  and: { code: 0x50, text: "&=" },
  lsh: { code: 0x60, text: "<<=" },
  rsh: { code: 0x70, text: ">>=" },
  neg: { code: 0x80, text: "-" },
  mod: { code: 0x90, text: "%=" },
  xor: { code: 0xa0, text: "^=" },
  mov: { code: 0xb0, text: "=" },
  arsh: { code: 0xc0, text: "s>>=" },
  end: { code: 0xd0, text: "" },
} as const;
export type AluName = keyof typeof ALU;

/** Jumps (RFC 9669, table 6). */
export const JMP = {
  ja: { code: 0x00, text: "goto" },
  jeq: { code: 0x10, text: "==" },
  jgt: { code: 0x20, text: ">" },
  jge: { code: 0x30, text: ">=" },
  jset: { code: 0x40, text: "&" },
  jne: { code: 0x50, text: "!=" },
  jsgt: { code: 0x60, text: "s>" },
  jsge: { code: 0x70, text: "s>=" },
  call: { code: 0x80, text: "call" },
  exit: { code: 0x90, text: "exit" },
  jlt: { code: 0xa0, text: "<" },
  jle: { code: 0xb0, text: "<=" },
  jslt: { code: 0xc0, text: "s<" },
  jsle: { code: 0xd0, text: "s<=" },
} as const;
export type JmpName = keyof typeof JMP;
/** The conditional jumps. */
export type Condition = Exclude<JmpName, "ja" | "call" | "exit">;

/** Atomic operations in the immediate (RFC 9669, section 5.3). */
export const ATOMIC = { add: 0x00, or: 0x40, and: 0x50, xor: 0xa0, fetch: 0x01, xchg: 0xe1, cmpxchg: 0xf1 } as const;

/** Source register of `lddw` (RFC 9669, table 12), and of `call` (table 8). */
export const PSEUDO = { mapFd: 1, mapValue: 2, btfId: 3, func: 4, mapIdx: 5, mapIdxValue: 6 } as const;
export const CALL = { helper: 0, local: 1, kfunc: 2 } as const;

/** The opcode of `lddw`: the only instruction of two slots. */
export const LDDW = CLASS.ld | SIZE.dw | MODE.imm;

/** Of the atomic instructions: loads that acquire and stores that release (RFC 9669 has none yet; Linux 6.15). */
export const LOAD_ACQUIRE = 0x100;
export const STORE_RELEASE = 0x110;
