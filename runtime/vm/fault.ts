/** What can go wrong while a program runs: one shape, raised by both engines and by helpers, drawn for people elsewhere. */

export const FAULTS = {
  memory: "access outside of every live object",
  "read-only": "write to read-only memory",
  context: "access to the context that the kernel does not allow",
  misaligned: "atomic operation on an unaligned address",
  "step-limit": "step limit reached",
  "call-depth": "too many nested calls",
  instruction: "instruction that cannot be executed",
  helper: "helper call that the kernel would not allow",
  "out-of-memory": "the virtual machine's memory is used up",
} as const;
export type FaultKind = keyof typeof FAULTS;
export const FAULT_KINDS = Object.keys(FAULTS) as readonly FaultKind[];

/** Thrown inside of the machine only; `run` gives it back as a value. `slot` is filled in by whoever knows it. */
export class VmFault extends Error {
  readonly kind: FaultKind;
  readonly slot: number | undefined;
  /** Instructions executed before the fault, where the engine knows them. */
  readonly steps: number | undefined;
  constructor(kind: FaultKind, message: string, slot?: number, steps?: number) {
    super(message);
    this.name = "VmFault";
    this.kind = kind;
    this.slot = slot;
    this.steps = steps;
  }
}

/** The same fault with its place, unless it has one already. */
export function placed(error: unknown, slot: number, steps: number): unknown {
  if (!(error instanceof VmFault)) return error;
  return new VmFault(error.kind, error.message, error.slot ?? slot, error.steps ?? steps);
}
