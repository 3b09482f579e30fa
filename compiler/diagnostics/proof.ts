/** Rows about what could not be proven: value ranges (prove pass), and the verifier's reports. */
import { row } from "./row.ts";

export const proof = {
  "does-not-fit": row<{ what: string; range: string; from: string; instead?: string }>(
    "error",
    (f) => `this value may not fit ${f.what}: it can be ${f.from}, the target holds ${f.range}`,
    (f) =>
      f.instead === undefined
        ? `keep the low bits on purpose: ${f.what}(…), or mask or limit the value first`
        : `keep the low bits on purpose: ${f.instead}`,
  ),
  "index-out-of-range": row<{ what: string; length: number; from: string }>(
    "error",
    (f) =>
      `this index may lie outside ${f.what}: it can be ${f.from}, the array has ${f.length} elements (0 to ${f.length - 1})`,
    (f) => `check it first: if (index < ${f.length}), or mask it, or loop with range(${f.length})`,
  ),
  "verifier-rejects": row<{ program: string; problem: string; kernel: string; remedy?: string }>(
    "error",
    (f) => `the kernel would reject ${f.program}: ${f.problem}`,
    (f) => f.remedy,
  ),
  "verifier-cannot-tell": row<{ program: string; feature: string }>(
    "warning",
    (f) => `cannot tell whether the kernel accepts ${f.program}: the verifier does not know ${f.feature}`,
  ),
} as const;
