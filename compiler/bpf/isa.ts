/** What each instruction-set level has (LLVM's -mcpu=v1 … v4), and what kernels allow besides. */
import type { Kernel } from "./kernels.ts";
import type { Condition } from "./opcodes.ts";
import { isAtLeast } from "./verifier-rules.ts";

export interface Isa {
  /** 32-bit arithmetic and comparisons that clear the upper half. */
  readonly alu32: boolean;
  /** jlt, jle, jslt, jsle; the others serve with exchanged operands. */
  readonly lessThan: boolean;
  /** Signed division and modulo, sign-extending moves. */
  readonly signed: boolean;
  /** Immediates may be stored into the context: since Linux 6.4. Memory and stack always take them. */
  readonly contextImmediates: boolean;
}

export const LEVELS = {
  v1: { alu32: false, lessThan: false, signed: false },
  v2: { alu32: false, lessThan: true, signed: false },
  v3: { alu32: true, lessThan: true, signed: false },
  v4: { alu32: true, lessThan: true, signed: true },
} as const satisfies Record<Kernel["isa"], Omit<Isa, "contextImmediates">>;

export const isaOf = ({ isa, oldest }: Pick<Kernel, "isa" | "oldest">): Isa => ({
  ...LEVELS[isa],
  contextImmediates: isAtLeast(oldest, "6.4"),
});

/** The condition with its operands exchanged. */
export const EXCHANGED = {
  jeq: "jeq",
  jne: "jne",
  jset: "jset",
  jgt: "jlt",
  jge: "jle",
  jlt: "jgt",
  jle: "jge",
  jsgt: "jslt",
  jsge: "jsle",
  jslt: "jsgt",
  jsle: "jsge",
} as const satisfies Record<Condition, Condition>;

/** The condition that holds exactly when the other does not; `jset` has none. */
export const NEGATED: Partial<Record<Condition, Condition>> = {
  jeq: "jne",
  jne: "jeq",
  jgt: "jle",
  jge: "jlt",
  jlt: "jge",
  jle: "jgt",
  jsgt: "jsle",
  jsge: "jslt",
  jslt: "jsge",
  jsle: "jsgt",
};
