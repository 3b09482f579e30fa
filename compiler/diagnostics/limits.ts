/** Rows about limits: instructions, loops, stack, option and header size. */
import { row } from "./row.ts";

export const limits = {
  "unbounded-loop": row(
    "error",
    () => "cannot prove that this loop ends",
    () => "give it a constant bound: for (const i of range(count, 16))",
  ),
} as const;
