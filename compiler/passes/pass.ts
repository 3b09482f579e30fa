/** What a pass is. */
import type { Kernel } from "../bpf/kernels.ts";
import type { Diagnostic } from "../diagnostics.ts";
import type { Func, IrModule } from "../ir/ir.ts";
import type { Invariant } from "./invariants.ts";

export interface PassContext {
  readonly module: IrModule;
  readonly kernel: Kernel;
  /** Functions that stay functions, by name. */
  readonly kept: ReadonlySet<string>;
  /** Most instruction slots of one program. */
  readonly maxInsns: number;
  readonly report: (diagnostic: Diagnostic) => void;
}

/** One transformation: a name for `--print-after`, a reason, and the work on one program's function. */
export interface Pass {
  readonly name: string;
  /** Why it is there, in a sentence. */
  readonly why: string;
  /** Without it the output is wrong or not possible, so it cannot be switched off. */
  readonly required?: true;
  /** What must hold before. */
  readonly needs?: readonly Invariant[];
  /** What holds from here on. */
  readonly makes?: readonly Invariant[];
  /** What may not hold any more. */
  readonly breaks?: readonly Invariant[];
  readonly run: (func: Func, context: PassContext) => Func;
}
