/** Rows about what could not be proven: value ranges (prove pass), and the verifier's reports. */
import { row } from "./row.ts";

export const proof = {
  "does-not-fit": row<{ what: string; range: string; from: string }>(
    "error",
    (f) => `this value may not fit ${f.what}: it can be ${f.from}, the target holds ${f.range}`,
    (f) => `keep the low bits on purpose: ${f.what}(…), or mask or limit the value first`,
  ),
} as const;
